"""The same conditions for every test, and no parity of the reference with itself."""

import os
import sys
from pathlib import Path

import hypothesis
import pytest
import torch
import torch.utils.deterministic

from swiftrnn.ops import _native

ROOT = Path(__file__).parent.parent
PROCESSES = ("bench", "cli", "compare", "docs", "fit")  # start whole programs, with all threads
sys.path.insert(0, str(ROOT))

import build_kernels  # noqa: E402

hypothesis.settings.register_profile("steady", deadline=None)  # a busy machine is no bug
hypothesis.settings.load_profile("steady")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # programs leave the cores to other tests
torch.set_num_threads(1)  # steady on busy machines: spinning threads cost 12x there
torch.use_deterministic_algorithms(True)
torch.utils.deterministic.fill_uninitialized_memory = True  # torch.empty is NaN: no lucky zeros


def pytest_addoption(parser):
    parser.addoption(
        "--no-kernels", action="store_true", help="accept that the C kernels are not loaded"
    )


def pytest_configure(config):
    if config.getoption("--no-kernels") or build_kernels.find_compiler() is None:
        return
    if _native.library() is None:
        raise pytest.UsageError(
            f"the tests need the C kernels, since there is a compiler; {_native.why()}; "
            "install again, run `python build_kernels.py`, or pass --no-kernels"
        )
    stamp = build_kernels.source_hash(ROOT / "src" / "swiftrnn")
    if f"swiftrnn-source:{stamp}".encode() not in _native.PATH.read_bytes():
        raise pytest.UsageError(
            f"the tests need kernels built from the present sources; {_native.PATH} is older; "
            "install again or run `python build_kernels.py`"
        )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Tests of whole programs run one after the other, and first; all others beside them."""
    whole = [i for i in items if i.path.stem.removeprefix("test_") in PROCESSES]
    for item in whole:
        item.add_marker(pytest.mark.xdist_group("processes"))
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.xdist_group("browser"))
    items.sort(key=lambda item: item not in whole)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
