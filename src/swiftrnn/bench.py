"""Timing: interleaved medians, the calls that are timed, and the floors they are held against.

`swiftrnn bench` and the grids in `benchmarks/` use it.
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor

from swiftrnn.machine import load, machine, peak_bytes

__all__ = ["Timing", "copy_bandwidth", "interleaved", "load", "machine", "peak_bytes"]

FEWEST_ROUNDS = 3  # a median of fewer says nothing


@dataclass(frozen=True)
class Timing:
    """How long one call takes: seconds, over `repeats` calls."""

    median: float
    minimum: float
    repeats: int


def interleaved(
    cases: dict[str, Callable[[], object]],
    repeats: int = 20,
    warmup: int = 2,
    limit_s: float | None = None,
) -> dict[str, Timing]:
    """Time every case in turn, round after round, so that a slow minute hits all of them.

    Each round starts with another case, so that none always runs behind the same neighbour.

    Args:
        cases: name to a function without arguments; what it returns is dropped.
        repeats: timed rounds, at least 1.
        warmup: rounds before them that are not timed.
        limit_s: stop after the round that passes this many seconds, warm-up included, but never
            before 3 timed rounds (or `repeats`, where that is less).

    Returns:
        Name to `Timing`, in the order of `cases`.

    Raises:
        ValueError: `repeats` is below 1 or `warmup` below 0.

    Example:
        >>> interleaved({"add": lambda: 1 + 1}, repeats=5)["add"].repeats
        5
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(
            "interleaved needs repeats of at least 1 and warmup of at least 0; "
            f"got repeats {repeats} and warmup {warmup}; give larger numbers"
        )
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names, began, collecting = list(cases), time.perf_counter(), gc.isenabled()
    try:
        for done in range(-warmup, repeats):
            gc.collect()
            gc.disable()  # a collection inside a timed call would be charged to that call
            shift = done % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                start = time.perf_counter()
                cases[name]()
                if done >= 0:
                    seconds[name].append(time.perf_counter() - start)
            over = limit_s is not None and time.perf_counter() - began > limit_s
            if over and done + 1 >= min(FEWEST_ROUNDS, repeats):
                break
    finally:
        if collecting:
            gc.enable()
    return {n: Timing(statistics.median(s), min(s), len(s)) for n, s in seconds.items()}


def copy_bandwidth(bytes: int, threads: int, repeats: int = 10) -> float:
    """Bytes per second that memory gives to a plain copy, both sides touched before.

    A kernel that reads and writes each array once cannot beat it by much, beyond the cache.

    Args:
        bytes: size of the source; as many again are written.
        threads: how many threads of torch copy.
        repeats: copies; the median counts.

    Returns:
        2 * bytes / seconds of one `copy_`.

    Raises:
        ValueError: `bytes` is below 4 or `threads` below 1.
    """
    if bytes < 4 or threads < 1:
        raise ValueError(
            "copy_bandwidth needs at least 4 bytes and 1 thread; "
            f"got {bytes} and {threads}; give larger numbers"
        )
    source = torch.ones(bytes // 4)
    target = torch.zeros_like(source).fill_(2.0)  # touched: fresh pages would be timed otherwise
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        timing = interleaved({"copy": lambda: target.copy_(source)}, repeats)["copy"]
    finally:
        torch.set_num_threads(before)
    return 2 * 4 * source.numel() / timing.median


OURS = ("SRU", "QRNN", "MinGRU")
RIVALS = ("nn.LSTM", "nn.GRU", "nn.Conv1d k3", "nn.Conv1d k2")
BLOCK_BYTES = 8 << 20  # of one product's output: small enough that malloc hands out old pages again


def layer_calls(
    provider: str, B: int, T: int, H: int, dtype: torch.dtype
) -> dict[str, Callable[[], object]]:
    """One layer of width H, ready to be timed.

    Args:
        provider: one of `OURS` and `RIVALS`, or "sru 2.6.0" (the published package).
        B: batch.
        T: time steps.
        H: width of input and state.
        dtype: of parameters and input.

    Returns:
        forward (no gradient), step (forward and backward with the input's gradient, no optimiser)
        and, where the layer has a state, stream (one time step of the whole batch).
    """
    torch.manual_seed(0)
    module = _layer(provider, H).to(dtype)
    if isinstance(module, torch.nn.Conv1d):  # its own layout, padded before: the same T outputs
        x = torch.randn(B, H, T + module.kernel_size[0] - 1).to(dtype).requires_grad_()
    else:
        x = torch.randn(T, B, H).to(dtype).requires_grad_()
    grad = torch.randn(_output(module, x.detach()).shape).to(dtype)

    @torch.no_grad()
    def forward() -> object:
        return _output(module, x)

    def step() -> None:
        x.grad = None
        module.zero_grad(set_to_none=True)
        _output(module, x).backward(grad)

    if isinstance(module, torch.nn.Conv1d):
        return {"forward": forward, "step": step}
    return {"forward": forward, "step": step, "stream": _streamer(module, x[0].detach())}


def _layer(provider: str, H: int) -> torch.nn.Module:
    if provider.startswith("nn.Conv1d k"):
        return torch.nn.Conv1d(H, H, int(provider.removeprefix("nn.Conv1d k")))
    if provider.startswith("nn."):
        return getattr(torch.nn, provider.removeprefix("nn."))(H, H)
    if provider.startswith("sru "):
        return import_module("sru").SRU(H, H, num_layers=1)
    return getattr(import_module("swiftrnn.nn"), provider)(H, H)


def _output(module: torch.nn.Module, x: Tensor) -> Tensor:
    y = module(x)
    return y[0] if isinstance(y, tuple) else y


def _streamer(module: torch.nn.Module, x_BH: Tensor) -> Callable[[], object]:
    one_step = getattr(module, "step", None) or (lambda x, s: module(x[None], s))  # torch: T = 1
    with torch.no_grad():
        held = list(one_step(x_BH, None))

    @torch.no_grad()
    def stream() -> None:
        held[:] = one_step(x_BH, held[1])

    return stream


def product_calls(
    rows: int, width: int, N: int, dtype: torch.dtype
) -> dict[str, dict[str, Callable[[], object]]]:
    """The three bare matrix products of a layer, each through every library there is.

    Args:
        rows: gate rows of the weight, G * H.
        width: its columns.
        N: positions, T * B.
        dtype: of both factors and the product.

    Returns:
        forward, input gradient and weight gradient, each a dict from library to a call. "aten" is
        `mm` into a given tensor; oneDNN cannot write into one, so "oneDNN blocks" takes the rows in
        blocks whose memory is used again, as a careful layer would.
    """
    x, w = torch.randn(N, width).to(dtype), torch.randn(rows, width).to(dtype)
    dy = torch.randn(N, rows).to(dtype)
    factors = {"forward": (x, w.t()), "input gradient": (dy, w), "weight gradient": (dy.t(), x)}
    return {name: _product(a, b) for name, (a, b) in factors.items()}


def _product(a: Tensor, b: Tensor) -> dict[str, Callable[[], object]]:
    out = (a @ b).detach()
    calls: dict[str, Callable[[], object]] = {"aten": lambda: torch.mm(a, b, out=out)}
    if torch.backends.mkldnn.is_available() and a.shape[0] > 0:
        linear = torch.ops.mkldnn._linear_pointwise.default
        calls["oneDNN"] = lambda: linear(a, b.t(), None, "none", [], "")
        pieces = a.split(max(1, BLOCK_BYTES // (b.shape[1] * b.element_size())))
        if len(pieces) > 1:

            def in_blocks() -> None:
                for piece in pieces:  # what each gives is dropped at once
                    linear(piece, b.t(), None, "none", [], "")

            calls["oneDNN blocks"] = in_blocks
    return calls
