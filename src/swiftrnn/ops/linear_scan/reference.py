"""The definition of `linear_scan`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor


def forward(
    decay: Tensor,
    input: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `linear_scan`, to output (T, B, H) and final (B, H)."""
    T, state = input.shape[0], initial
    outputs = [torch.empty(0)] * T
    for t in reversed(range(T)) if reverse else range(T):
        before = state if reset is None else torch.where(reset[t, :, None], 0, state)
        new = decay[t].to(state.dtype) * before + input[t]
        if lengths is None:
            outputs[t] = state = new
        else:
            inside = (t < lengths)[:, None]
            outputs[t], state = torch.where(inside, new, 0), torch.where(inside, new, state)
    output = torch.stack(outputs) if T else torch.empty_like(input)
    return output.to(input.dtype), state
