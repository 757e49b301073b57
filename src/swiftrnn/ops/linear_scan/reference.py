"""The definition of `linear_scan`: any device, any dtype, any order of gradient."""

from torch import Tensor

from swiftrnn.ops._walk import loop


def forward(
    decay: Tensor,
    input: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `linear_scan`, to output (T, B, H) and final (B, H)."""

    def step(state: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        a, x = inputs
        new = a * state + x
        return new, new

    wide = decay.to(initial.dtype), input.to(initial.dtype)
    output, final = loop(step, initial, wide, lengths, reset, reverse)
    return output.to(input.dtype), final
