"""Loading and calling the C kernels: threads, forks, a machine without them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import swiftrnn
from swiftrnn import ops
from swiftrnn.ops import _native

PACKAGE = Path(swiftrnn.__file__).parent

needs_kernels = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")


def in_a_fresh_process(code, path=None):
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )


FORKS = """
import os, torch, traceback
from swiftrnn.ops import _native, linear_scan
assert _native.library() is not None
assert (torch.tensor(1e-39) * 1.0).item() != 0.0, "loading the library changed denormals"

def run(can_send_home):
    torch.set_num_threads(2)
    if not can_send_home:
        class Old:  # a library without OpenMP 5
            linear_scan_forward_float32 = _native.library().linear_scan_forward_float32
        _native.library = lambda: Old
    a, x = torch.rand(200, 8, 256), torch.randn(200, 8, 256)
    before, square = linear_scan(a, x)[0], x[0] @ x[1].T
    try:
        for generation in range(2):
            child = os.fork()
            if child:
                os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            after = linear_scan(a, x)[0]
            assert (after.numpy() == before.numpy()).all()
            if can_send_home:  # no tanh: MKL's first one of two threads is inexact now and then
                torch.testing.assert_close((a * a) @ x.mT, (a * a) @ x.mT)
    except BaseException:
        traceback.print_exc()
        os._exit(3)  # a fork that leaves through exit() would wait for a pool of torch's for ever
    os._exit(_native.threads(1 << 30))

for can_send_home in (True, False):  # each begins in a process where nothing has run in parallel
    child = os.fork() or run(can_send_home)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@needs_kernels
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_a_parallel_region_works_and_denormals_are_left_alone():
    openmp = hasattr(_native.library(), "omp_pause_resource_all")
    run = in_a_fresh_process(FORKS)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["2" if openmp else "1", "1"], run.stderr


@needs_kernels
def test_threads_follow_torch_and_small_work_stays_on_one():
    torch.set_num_threads(2)
    try:
        assert _native.threads(10 * _native.WORTH_A_THREAD) == 2
        assert _native.threads(_native.WORTH_A_THREAD // 2) == 1
        assert _native.threads(0) == 1
    finally:
        torch.set_num_threads(1)
    assert _native.threads(10 * _native.WORTH_A_THREAD) == 1


def test_without_kernels_the_reference_runs_and_says_so(tmp_path):
    copy = tmp_path / "swiftrnn"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("_kernels*", "__pycache__"))
    code = """
import torch
from swiftrnn import ops
from swiftrnn.nn import SRU, QRNN, MinGRU
assert not ops.kernels()["cpu"]["loaded"]
print(ops.kernels()["cpu"]["why"])
for layer in (SRU(4, 4, 2), SRU(3, 4, bidirectional=True), QRNN(4, 4), MinGRU(4, 4)):
    x = torch.randn(6, 2, layer.input_size, requires_grad=True)
    layer(x)[0].sum().backward()
    assert x.grad.abs().sum() > 0
"""
    run = in_a_fresh_process(code, tmp_path)
    assert run.returncode == 0, run.stderr
    assert "not built at install" in run.stdout


def test_kernels_say_which_ops_run():
    cpu = ops.kernels()["cpu"]
    assert cpu["ops"] == ([op.name for op in ops.ALL] if cpu["loaded"] else [])
    assert (cpu["library"] is not None) == cpu["loaded"]


@needs_kernels
@pytest.mark.skipif(hasattr(os, "fork"), reason="the test of forks looks at denormals, too")
def test_loading_the_library_leaves_denormals_alone():
    code = """
import torch
from swiftrnn.ops import _native
assert _native.library() is not None
assert (torch.tensor(1e-39) * 1.0).item() != 0.0
"""
    assert in_a_fresh_process(code).returncode == 0


def test_a_build_without_a_compiler_says_so_in_one_line(tmp_path):
    build = Path(__file__).parents[2] / "build_kernels.py"
    shutil.copytree(build.parent / "src" / "swiftrnn", tmp_path / "swiftrnn")
    run = subprocess.run(
        [sys.executable, str(build), "--package", str(tmp_path / "swiftrnn")],
        capture_output=True, text=True, timeout=120, env=os.environ | {"CC": "no-such-compiler"},
    )  # fmt: skip
    assert run.returncode == 1
    assert "no-such-compiler failed" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
