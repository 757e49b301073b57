"""Whether what a layer is given fits it; sizes are looked at where no trace sees it."""

from typing import Any

from torch import Tensor

from swiftrnn.nn._autocast import under_autocast
from swiftrnn.ops._check import check_dense
from swiftrnn.ops._plain import untraced


@untraced
def check_input(stack: Any, x: object) -> bool:
    """Whether the input has a batch dimension; raises if it does not fit."""
    letters = "(B, T, I)" if stack.batch_first else "(T, B, I)"
    wanted = f"input {letters} or (T, I) with I = {stack.input_size}"
    if not isinstance(x, Tensor):
        raise TypeError(f"{stack._name()} needs {wanted}; got {type(x).__name__}")
    check_dense(stack._name(), "input", x)
    if x.dim() not in (2, 3) or x.shape[-1] != stack.input_size:
        raise ValueError(f"{stack._name()} needs {wanted}; got {tuple(x.shape)}")
    weight = _first(stack, x)
    if x.dtype != weight.dtype and not under_autocast(x):
        raise TypeError(
            f"{stack._name()} needs input in {weight.dtype}, as its parameters; got {x.dtype}; "
            "convert one of the two with .to()"
        )
    if x.device != weight.device:
        raise ValueError(
            f"{stack._name()} needs input on {weight.device}, as its parameters; "
            f"got {x.device}; move one of the two with .to()"
        )
    return x.dim() == 3


@untraced
def check_step(stack: Any, x: Any) -> None:
    """Raises if the input of a step does not fit."""
    batch = x.shape[0] if isinstance(x, Tensor) and x.dim() else 0
    stack.check_shape("step input", x, (batch, stack.input_size), "(B, I)")


def check_state(stack: Any, what: str, x: Tensor) -> None:
    """Raises if x is not of a floating dtype, or not where the parameters are."""
    weight = _first(stack, x)
    if not x.is_floating_point():
        raise TypeError(
            f"{stack._name()} needs {what} of a floating-point dtype; got {x.dtype}; "
            "convert it with .to()"
        )
    if x.device != weight.device:
        raise ValueError(
            f"{stack._name()} needs {what} on {weight.device}, as its parameters; "
            f"got {x.device}; move one of the two with .to()"
        )


def _first(stack: Any, x: Tensor) -> Tensor:
    """A parameter; x if a module in the place of all weights has none."""
    for own in stack._parameters.values():
        return own
    return next(stack.parameters(), x)
