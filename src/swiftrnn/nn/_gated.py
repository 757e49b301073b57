"""What minGRU and QRNN share: a product, and `gated_scan` over it."""

import torch
from torch import Tensor

from swiftrnn import ops
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._recurrent import for_product
from swiftrnn.ops._blocked import can_block, project
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops._product import linear
from swiftrnn.ops.gated_scan import OP


def gated_layer(
    x: Tensor,
    weights: dict[str, Tensor],
    state: Tensor | None,
    ends: Ends,
    hidden_size: int,
    tanh: bool = False,
    update: bool = False,
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
    rest = (bias, state.to(real).contiguous(), ends.lengths, ends.reset, tanh, update, reverse)
    if can_block(OP, x):
        return project(OP, x.contiguous(), weight, False, *rest, taps=taps)
    return ops.gated_scan(linear(beside(x, taps), weight, None), *rest)


def beside(x: Tensor, taps: tuple[int, ...]) -> Tensor:
    """What a gate sees through each tap, side by side: (T, B, I * taps)."""
    T = x.shape[0] - max(taps)
    return x if len(taps) == 1 else torch.cat([x[tap : tap + T] for tap in taps], -1)
