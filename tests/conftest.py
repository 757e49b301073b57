"""The same conditions for every test, and no parity of the reference with itself."""

import contextlib
import os
import sys
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import torch
import torch.utils.deterministic
from xdist.scheduler import LoadFileScheduling

from swiftrnn.ops import _native

ROOT = Path(__file__).parent.parent
PROCESSES = ("bench", "cli", "compare", "docs", "fit", "sweep")  # whole programs, all threads
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


def is_process(file):
    return Path(file).stem.removeprefix("test_") in PROCESSES


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not is_process(item.path))  # the longest first


class ByFile(LoadFileScheduling):
    """A file's tests share one worker and what it made; all whole programs do, one by one."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return "processes" if is_process(file) else file


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """Of a recipe by name: the folder of its small run, made once for all tests; not to be changed.

    Beside it lies what the command printed, NAME.txt.
    """
    from tests.programs import COMMAND, run_here

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "smoke"
    root.mkdir(exist_ok=True)

    @cache
    def run(name):
        with locked(root / f"{name}.lock"):
            if not (root / f"{name}.txt").exists():
                words = ("run", name, "--preset", "smoke", "--out", str(root / name))
                done = run_here(COMMAND, *words, folder=root)
                assert done.returncode == 0, done.stderr
                (root / f"{name}.txt").write_text(done.stdout)
        return root / name

    return run


@contextlib.contextmanager
def locked(path):
    """Of several workers one at a time."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
