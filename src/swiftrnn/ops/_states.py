"""What the kernels over gates give: states, all of them for backward or only the running one."""

from torch import Tensor


def room(initial: Tensor, T: int, keep: bool, given: Tensor | None) -> Tensor:
    """Where a kernel writes its states: (T, B, H), or (B, H) with the initial one to run from."""
    if not (keep and T):
        return initial.clone()
    return initial.new_empty(T, *initial.shape) if given is None else given


def outputs(
    output: Tensor, states: Tensor, T: int, keep: bool, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, final state and what is kept, once a kernel has written into `room`."""
    if not keep:
        return output, states, states.new_empty(0)
    if not T:
        return output, states, states.new_empty(0, *states.shape)
    return output, states[0 if reverse else -1].clone(), states
