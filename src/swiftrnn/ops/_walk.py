"""How a reference goes through time."""

from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, Tensor]]  # c', x[t] to c, h


def _guarded(step: Step) -> Step:
    """A step that starts from nothing where a sequence does, and stands still where it has ended.

    Of the inputs the last two say whether either is so, (B, 1) of bool.
    """

    def guarded(state: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        *own, starts, inside = inputs
        new, h = step(torch.where(starts, 0, state), tuple(own))
        return torch.where(inside, new, state), torch.where(inside, h, 0)

    return guarded


def _guards(x: Tensor, lengths: Tensor | None, reset: Tensor | None) -> tuple[Tensor, Tensor]:
    T, B = x.shape[:2]
    inside = torch.ones(T, B, dtype=torch.bool, device=x.device)
    if lengths is not None:
        inside = torch.arange(T, device=x.device)[:, None] < lengths
    starts = torch.zeros_like(inside) if reset is None else reset
    return starts[..., None], inside[..., None]


def loop(
    step: Step,
    initial: Tensor,
    inputs: tuple[Tensor, ...],
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Steps over inputs (T, B, ...), from a state (B, H) to all h (T, B, H) and the last state."""
    if lengths is not None or reset is not None:
        step, inputs = _guarded(step), (*inputs, *_guards(inputs[0], lengths, reset))
    T, state = len(inputs[0]), initial
    outputs = [initial] * T
    for t in reversed(range(T)) if reverse else range(T):
        state, outputs[t] = step(state, tuple(x[t] for x in inputs))
    return (torch.stack(outputs) if T else initial.new_empty(0, *initial.shape)), state
