"""Loads the C kernels and calls them.

The library is plain C: arrays as addresses, sizes as 64-bit integers, the number of threads given
with every call (OpenMP's own setting is per thread and may differ from torch's).
"""

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
PATH = Path(__file__).with_name(f"_kernels{SUFFIX}")
DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.bfloat16: "bfloat16"}
KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}
CPU = torch.device("cpu")  # said at every array: another default device may be set
CHUNK = 128  # channels, as in _kernel.h
WORTH_A_THREAD = 16384  # channels times steps; below, waking a second thread costs more

_forked = False  # from a process that kept OpenMP's threads: a parallel region here would hang
_sent_home = False


def _before_fork() -> None:
    """End OpenMP's threads: they are not in the child, but its runtime would wait for them."""
    global _sent_home
    pause = getattr(library(), "omp_pause_resource_all", None)  # of OpenMP 5
    _sent_home = not _forked and pause is not None and pause(1) == 0  # 1: soft, they come again


def _after_fork() -> None:
    global _forked
    _forked = not _sent_home


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    if not PATH.exists():
        return None, "they were not built at install (no C compiler?)"
    try:
        return ctypes.CDLL(str(PATH)), "loaded"
    except OSError as error:
        return None, f"the library does not load: {error}"


def library() -> ctypes.CDLL | None:
    """The C kernels, or None where there are none."""
    return _load()[0]


def why() -> str:
    """Whether the kernels are loaded; if not, the reason."""
    return _load()[1]


def threads(work: int) -> int:
    """How many threads a call with so many channel-steps gets: torch's setting, or fewer."""
    return 1 if _forked else max(1, min(torch.get_num_threads(), work // WORTH_A_THREAD))


def state_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of states and sums: float32 beside 16-bit inputs, else that of the inputs."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


class Kernel:
    """One C function, for all dtypes.

    Args:
        name: as in `cpu.c`, without the dtype.
        kinds: a letter per argument: `p` tensor or None, `i` integer, `d` float.
    """

    def __init__(self, name: str, kinds: str) -> None:
        self.name, self.kinds = name, [KINDS[k] for k in kinds]
        self._functions: dict[torch.dtype, ctypes._CFuncPtr] = {}  # pyright: ignore

    def __call__(self, dtype: torch.dtype, *arguments: Tensor | int | float | None) -> None:
        function = self._functions.get(dtype)
        if function is None:
            function = getattr(library(), f"{self.name}_{DTYPES[dtype]}")
            function.argtypes, function.restype = self.kinds, None
            self._functions[dtype] = function
        function(*[a.data_ptr() or nowhere(a) if isinstance(a, Tensor) else a for a in arguments])


def nowhere(x: Tensor) -> int:
    """The address of an array of no numbers; RuntimeError if it should have some."""
    if x.numel():
        raise RuntimeError(
            f"a kernel needs arrays in memory; got one of {tuple(x.shape)} on {x.device} without "
            "memory; give the layer, its input and its state real data on one device"
        )
    return 0
