"""The definition of `leaky_rnn`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor

from swiftrnn.ops._walk import loop


def forward(
    input: Tensor,
    weight: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    relu: bool,
    leak: float,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `leaky_rnn`, to output (T, B, H) and final (B, H)."""

    def step(state: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        rate = state.relu() if relu else torch.tanh(state)
        new = (1 - leak) * state + leak * (rate @ weight.t() + inputs[0])
        return new, new

    output, final = loop(step, initial, (input.to(initial.dtype),), lengths, reset, reverse)
    return output.to(input.dtype), final
