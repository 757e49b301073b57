"""One step of time through a whole stack of layers in one call, for streams on a CPU."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from swiftrnn.ops import _native

MOST_ROWS = 8  # sequences; beyond, a library's product is faster than ours with weights as they lie
WORTH_A_THREAD = 1 << 17  # numbers of a weight; below, waking a second thread costs more
OPS = ("sru", "gated_scan", "rg_lru")  # by number, as in cpu.c
SKIPS = ("none", "input", "gate")

_step = _native.Kernel("stack_step", "pp" + "iii" + "ppppp" + "i")


@dataclass(frozen=True)
class Cell:
    """A layer as the kernel sees it.

    Args:
        op: what runs over its gates.
        weight: (G, taps * I), of the product.
        first: weight_c of `sru`, else the bias; None for zeros, as `second`.
        second: bias of `sru`, floor (H) of `gated_scan`, rate of `rg_lru`.
        skip: of `sru`, what h falls back to.
        flag: of `sru` whether g is tanh, of `gated_scan` the number of the cell.
        scale: of the skip.
        taps: how many inputs the gates see: this one, the one before it, ...; None: this one, and
            there is no window in the state.
    """

    op: Literal["sru", "gated_scan", "rg_lru"]
    weight: Tensor
    first: Tensor | None
    second: Tensor | None
    skip: Literal["none", "input", "gate"] = "input"
    flag: int = 0
    scale: float = 1.0
    taps: int | None = None


class Stack:
    """Layers on top of each other, ready to step.

    Parameters are read where they lie. What is made from them, in another dtype or by a function,
    is a copy, and `refresh` brings it up to date.

    Args:
        cells: from the first to the last, all with states of H numbers.
        hidden_size: H.
        parameters: of the layers.

    Attributes:
        copies: whether there are such.
    """

    def __init__(self, cells: list[Cell], hidden_size: int, parameters: Iterable[Tensor]) -> None:
        self.layers, self.hidden_size = len(cells), hidden_size
        self.dtype = cells[0].weight.dtype
        self.real = _native.state_dtype(self.dtype)
        self._gates = max(len(cell.weight) for cell in cells)
        made = dict(dtype=self.real, device=_native.CPU)
        ones, zeros = (f(self._gates, **made) for f in (torch.ones, torch.zeros))  # pyright: ignore
        places = {p.untyped_storage().data_ptr() for p in parameters}
        self._held, self._copies, table = [ones, zeros], [], []
        for number, cell in enumerate(cells):
            arrays = []
            for name in ("weight", "first", "second"):
                given = getattr(cell, name)
                own = zeros if given is None else self._dense(name, given)
                arrays.append(own)
                if given is not None and own.untyped_storage().data_ptr() not in places:
                    self._copies.append((number, name, own))
            self._held += arrays
            (scale,) = struct.unpack("q", struct.pack("d", cell.scale))
            (G, I), taps = cell.weight.shape, cell.taps or 1
            table += [OPS.index(cell.op), I // taps, hidden_size, G, taps]
            table += [array.data_ptr() for array in (*arrays, ones, zeros)]
            table += [SKIPS.index(cell.skip), cell.flag, scale]
        self.copies = bool(self._copies)
        self._table = torch.tensor(table, dtype=torch.int64, device=_native.CPU)
        self.windows = [(c.taps - 1, c.weight.shape[1] // c.taps) for c in cells if c.taps]
        self._inputs = max(cell.weight.shape[1] for cell in cells)
        self._work = max(cell.weight.numel() for cell in cells)

    def _dense(self, name: str, given: Tensor) -> Tensor:
        return given.detach().to(self.dtype if name == "weight" else self.real).contiguous()

    def refresh(self, cells: list[Cell]) -> None:
        """Take over what has changed in copies; `cells` as before, with the numbers of now."""
        for number, name, own in self._copies:
            own.copy_(getattr(cells[number], name))

    def __call__(
        self, x: Tensor, states: Tensor, windows: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """One step.

        Args:
            x: (B, I), dense.
            states: (layers, B, H), dense.
            windows: for each layer, if its gates see more than one input, the (taps - 1, B, I)
                before this one, dense, oldest first.

        Returns:
            h (B, H), and states and windows for the next step.
        """
        B, H, after = len(x), self.hidden_size, torch.empty_like(states)
        y = torch.empty(B, H, dtype=self.dtype, device=_native.CPU)
        room = torch.empty(
            B * (2 * H + self._inputs + self._gates), dtype=self.dtype, device=_native.CPU
        )
        later = [torch.empty_like(w) for w in windows]
        places = [w.data_ptr() for pair in zip(windows, later, strict=True) for w in pair]
        threads = _native.threads(self._work * _native.WORTH_A_THREAD // WORTH_A_THREAD)
        table = torch.tensor(places, device=_native.CPU) if places else None
        _step(
            self.dtype, self._table, table, self.layers, B, self._inputs, x, states, after, room, y,
            threads,
        )  # fmt: skip
        return y, after, later
