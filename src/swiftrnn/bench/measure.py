"""What `swiftrnn bench` measures in its seconds: one size in full, sizes around it, ceilings."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from swiftrnn.bench.kernels import COPY_BYTES, kernel_calls, operations, scan_work
from swiftrnn.bench.layers import (
    OURS,
    OWN,
    RIVALS,
    Call,
    Work,
    layer_calls,
    product_calls,
    step_work,
    weight_shapes,
)
from swiftrnn.bench.timing import FEWEST_ROUNDS, Timing, copy_call, interleaved
from swiftrnn.ops import OPS, _native
from swiftrnn.ops._op import Op
from swiftrnn.runs.machine import keep_pages, load, machine
from swiftrnn.runs.progress import Progress

Cell = tuple[int, int, int]  # B, T, H
SWEPT = ("nn.LSTM", "nn.GRU", "nn.Conv1d k2")  # one convolution, the faster one
SHARES = {"layers": 0.35, "sweeps": 0.45, "ceilings": 0.05, "kernels": 0.15}  # of the time
FACTORS = {
    "T": (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16),
    "B": (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8),
    "H": (1 / 8, 1 / 4, 1 / 2, 1, 2, 4),  # a step takes the square of it
}
ALWAYS = 8  # cells, the smallest, that are timed however little time there is: no empty plot
SIDE = 1536  # of the large square matrices
WARMUP, REPEATS = 1, 20


class Clock:
    """The seconds that there are, and the bar that shows them."""

    def __init__(self, seconds: float) -> None:
        self.began, self.seconds, self.bar = time.monotonic(), seconds, Progress("bench")

    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.began

    def show(self, what: str) -> None:
        """Draw how far it is."""
        done = min(0.99, self.spent() / self.seconds)
        if self.bar.due(done):
            self.bar.draw(done, max(0.0, self.seconds - self.spent()), what)

    def timed(self, calls: dict[Any, Call], limit_s: float, what: str) -> dict[Any, Timing]:
        """Interleaved rounds within some seconds."""
        self.show(what)
        return interleaved(
            calls, REPEATS, WARMUP, limit_s=limit_s, after_round=partial(self.show, what)
        )


def measure(op: str | None, cell: Cell, seconds: float, sweeps: bool) -> dict[str, Any]:
    """Time what was asked for.

    Args:
        op: an op or a layer; None for all.
        cell: B, T, H of the tables.
        seconds: for all together.
        sweeps: also the sizes around `cell`, and the ceilings of this machine.

    Returns:
        All numbers, ready for JSON, in seconds, bytes and operations.
    """
    ops = [o for o in OPS if op in (None, o.name)]
    layers = () if op in {o.name for o in OPS} else (OURS if op is None else (op,))
    missing = [o.name for o in ops if not o.has_kernel("cpu")]
    parts = {"layers": layers, "kernels": ops, "sweeps": sweeps, "ceilings": sweeps}
    wanted = {name: share for name, share in SHARES.items() if parts[name]}
    limits = {name: share / sum(wanted.values()) * seconds for name, share in wanted.items()}
    before, clock = load(), Clock(seconds)
    found: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d %H:%M %z"),
        "settings": {"op": op, **dict(zip("BTH", cell, strict=True)), "seconds": seconds},
        "machine": machine(),
        "layers": _layers(layers, cell, clock, limits["layers"]) if layers else {},
        "no_kernel": {"of": missing, "why": _native.why()} if missing else None,
    }
    if not layers:
        keep_pages()  # else after everything that should meet malloc as users do
    if sweeps:
        later = limits["ceilings"] + limits.get("kernels", 0.0)
        subjects = _subjects(layers, ops)
        found |= swept(subjects, around(cell), clock, seconds - later)
        found["ceilings"] = _ceilings(clock, limits["ceilings"])
    keep_pages()
    # the reference would run where a kernel is missing, and its times would pass for a kernel's
    found["kernels"] = {} if missing else _kernels(ops, cell, clock, limits.get("kernels", 0.0))
    if sweeps:
        found["roofline"] = _roofline(found)
    if clock.bar.live:
        clock.bar.draw(1.0, 0.0, "done")
    clock.bar.close()
    found["load"] = {"start": before, "end": load()}
    return found


def _layers(layers: Sequence[str], cell: Cell, clock: Clock, limit_s: float) -> dict[str, Any]:
    B, T, H = cell
    calls: dict[tuple[str, str], Call] = {}
    for provider in (*layers, *RIVALS):
        for mode, call in layer_calls(provider, B, T, H, torch.float32).items():
            calls[provider, mode] = call
    for layer in layers:
        for i, shape in enumerate(weight_shapes(layer, H)):
            for product, libraries in product_calls(*shape, T * B, torch.float32).items():
                for library, call in libraries.items():
                    calls[f"{layer} {product} {i}", library] = call
    times = {k: t.median for k, t in clock.timed(calls, limit_s, "layers").items()}
    rows = {}
    for provider in (*layers, *RIVALS):
        fastest: dict[str, float] = {}
        for (name, library), t in times.items():
            if name.startswith(f"{provider} ") and library != OWN:
                fastest[name] = min(t, fastest.get(name, t))
        step, floor = times[provider, "step"], sum(fastest.values())
        rows[provider] = {
            "forward_s": times[provider, "forward"],
            "step_s": step,
            "stream_s": times.get((provider, "stream")),
            "over_products": step / floor if floor else None,
            "lstm_over_it": times["nn.LSTM", "step"] / step,
        }
    return rows


def _kernels(ops: Sequence[Op], cell: Cell, clock: Clock, limit_s: float) -> dict[str, Any]:
    rows = {}
    for op in ops:
        calls = kernel_calls(op, *cell)
        cases: dict[Any, Call] = {mode: call for mode, (call, _) in calls.items()}
        times = clock.timed(cases, limit_s / len(ops), f"kernels of {op.name}")
        rates = {mode: calls[mode][1] / t.median for mode, t in times.items()}
        for mode, rate in rates.items():
            rows[f"{op.name} {mode}"] = {
                "seconds": times[mode].median,
                "bytes": calls[mode][1],
                "bytes_per_s": rate,
                "of_copy": rate / rates["copy"],
                "operations": operations(op) * cell[0] * cell[1] * cell[2]
                if mode == "forward"
                else None,
            }
    return rows


def around(cell: Cell) -> dict[str, list[Cell]]:
    """The cells of each sweep: through half of every size, so that eight times as much fits in."""
    middle = tuple(max(1, size // 2) for size in cell)
    cells = {}
    for axis, factors in FACTORS.items():
        place = "BTH".index(axis)
        sizes = sorted({max(1, round(middle[place] * factor)) for factor in factors})
        cells[axis] = [(*middle[:place], size, *middle[place + 1 :]) for size in sizes]
    return cells


def _subjects(layers: Sequence[str], ops: Sequence[Op]) -> dict[str, Callable[..., Work]]:
    """What is swept: layers and their rivals, or the kernels of an op alone."""
    if layers:
        return {name: partial(step_work, name) for name in (*layers, *SWEPT)}
    modes = ("forward", "backward")
    return {f"{op.name} {mode}": partial(scan_work, op, mode) for op in ops for mode in modes}


def swept(
    subjects: Mapping[str, Callable[..., Work]],
    sweeps: Mapping[str, Sequence[Cell]],
    clock: Clock,
    until_s: float,
) -> dict[str, Any]:
    """Time every subject in every cell, the small ones first, as far as the time goes.

    Args:
        subjects: name to a function of B, T and H that gives the work.
        sweeps: axis to cells.
        clock: whose seconds count.
        until_s: when the time is up, on that clock.

    Returns:
        sweeps: axis to a list of cells with seconds, bytes and operations by subject; left_out:
        how many cells the time was too short for.
    """
    cells = sorted({cell for axis in sweeps.values() for cell in axis}, key=_volume)
    done: dict[Cell, dict[str, Any]] = {}
    pace = 0.0  # seconds of a round per volume, in the cell before
    for number, cell in enumerate(cells):
        left = until_s - clock.spent()
        needed = (WARMUP + FEWEST_ROUNDS) * pace * _volume(cell)
        if number >= ALWAYS and needed > left:
            break
        limit = max(0.3, left * _volume(cell) / sum(map(_volume, cells[number:])))
        works = {name: make(*cell) for name, make in subjects.items()}
        calls = {name: work.call for name, work in works.items()}
        times = clock.timed(calls, limit, "B {}, T {}, H {}".format(*cell))
        pace = sum(t.median for t in times.values()) / _volume(cell)
        done[cell] = dict(zip("BTH", cell, strict=True)) | {
            "seconds": {name: t.median for name, t in times.items()},
            "bytes": {name: work.bytes for name, work in works.items()},
            "operations": {name: work.operations for name, work in works.items()},
        }
    rows = {axis: [done[cell] for cell in each if cell in done] for axis, each in sweeps.items()}
    return {"sweeps": rows, "left_out": len(cells) - len(done)}


def _volume(cell: Cell) -> int:
    B, T, H = cell
    return B * T * H * H


def _ceilings(clock: Clock, limit_s: float) -> dict[str, float]:
    """Bytes per second of a large copy, operations per second of a large product: at their best."""
    copy, moved = copy_call(COPY_BYTES)
    products = product_calls(SIDE, SIDE, SIDE, torch.float32)["forward"]
    best = clock.timed({"copy": copy, **products}, limit_s, "ceilings")
    product = min(best[name].minimum for name in products)
    return {
        "copy_bytes_per_s": moved / best["copy"].minimum,
        "product_operations_per_s": 2 * SIDE**3 / product,
    }


def _roofline(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operations per byte and per second of everything whose operations are known."""
    cells = {(c["B"], c["T"], c["H"]): c for axis in found["sweeps"].values() for c in axis}
    works = [
        (name, cell["operations"][name], cell["bytes"][name], seconds)
        for cell in cells.values()
        for name, seconds in cell["seconds"].items()
    ]
    works += [
        (f"{name} alone", row["operations"], row["bytes"], row["seconds"])
        for name, row in found["kernels"].items()
        if found["layers"]
    ]
    return [
        {"name": name, "operations_per_byte": work / size, "operations_per_s": work / seconds}
        for name, work, size, seconds in works
        if work is not None
    ]
