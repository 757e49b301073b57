"""What the layers over `gated_scan` share: a product, the recurrence, and zoneout."""

import torch
from torch import Tensor

from swiftrnn.nn._autocast import for_product
from swiftrnn.nn._ends import Ends
from swiftrnn.ops import _stack
from swiftrnn.ops._blocked import project
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops.gated_scan import OP, Cell
from swiftrnn.ops.gated_scan.reference import GATES


def gated_layer(
    x: Tensor,
    weights: dict[str, Tensor],
    state: Tensor | None,
    ends: Ends,
    hidden_size: int,
    cell: Cell,
    floor: Tensor | None = None,
    reverse: bool = False,
    taps: tuple[int, ...] = (0,),
) -> tuple[Tensor, Tensor]:
    """x and `weight_ih`, maybe `bias_ih`, to output (T, B, H) and the last state.

    x is (T, B, I), or has max(taps) rows more, and the gates at t see x[t + tap] for each tap.
    Product and recurrence run block after block of time where that can be.
    """
    x, weight = for_product(x, weights["weight_ih"])
    real = state_dtype(x.dtype)
    bias = weights.get("bias_ih")
    bias = x.new_zeros(len(weight), dtype=real) if bias is None else bias.to(real)
    if state is None:
        state = x.new_zeros(x.shape[1], hidden_size, dtype=real)
    floor = None if floor is None else floor.to(real).contiguous()
    state = state.to(real).contiguous()
    rest = bias, floor, state, *ends, cell, reverse
    return project(OP, x, weight, None, *rest, taps=taps)


def gated_cell(
    weights: dict[str, Tensor],
    hidden_size: int,
    name: Cell,
    floor: float = 0.0,
    taps: int | None = None,
) -> _stack.Cell:
    """A layer of `gated_layer` as the kernel for streams sees it; one floor for all channels."""
    weight, number = weights["weight_ih"], list(GATES).index(name)
    floors = None
    if floor:
        floors = weight.new_full((hidden_size,), floor, dtype=state_dtype(weight.dtype))
    bias = weights.get("bias_ih")
    return _stack.Cell("gated_scan", weight, bias, floors, flag=number, taps=taps)


def zoned(p: float, training: bool, x: Tensor, T: int, hidden_size: int) -> Tensor | None:
    """The floor of `gated_scan` that is zoneout: what keeps its state, or on average, how much.

    Args:
        p: probability that a number of the state stays as it was, for one time step.
        training: whether it is drawn, (T, B, H) of 0 and 1, or p for all, (H).
        x: (any, B, I), whose device and dtype count.
        T: time steps.
        hidden_size: H.
    """
    if not p:
        return None
    if not training:
        return x.new_full((hidden_size,), p, dtype=state_dtype(x.dtype))
    shape = T, x.shape[1], hidden_size
    return torch.empty(shape, dtype=state_dtype(x.dtype), device=x.device).bernoulli_(p)
