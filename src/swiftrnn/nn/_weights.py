"""The parameters of one layer in one direction, and whether they fit it and what it reads."""

from typing import Any

from torch import Tensor

from swiftrnn.nn._autocast import under_autocast
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops._plain import untraced


def weights_of(stack: Any, i: int, input_size: int, like: Tensor | None) -> dict[str, Tensor]:
    """Parameters by name, without suffix.

    Args:
        stack: a `Recurrent`.
        i: which layer and direction, counted as in torch's states.
        input_size: features of what it reads.
        like: what it reads; None where nobody has to know whether the two fit.

    Raises:
        TypeError, ValueError: a parameter has another shape, dtype or device than it should.
    """
    layer, end = divmod(i, 2) if stack.bidirectional else (i, 0)
    suffix, shapes = f"_l{layer}{'_reverse' * end}", stack.parameter_shapes(input_size)
    weights = {name: getattr(stack, name + suffix) for name in shapes}
    if like is not None:
        _check(stack, suffix, weights, shapes, like)
    return weights


@untraced
def _check(
    stack: Any,
    suffix: str,
    weights: dict[str, Tensor],
    shapes: dict[str, tuple[int, ...]],
    like: Tensor,
) -> None:
    dtype, device = like.dtype, like.get_device()
    for name, weight in weights.items():
        if (
            weight.shape != shapes[name]
            or weight.dtype != dtype
            or weight.get_device() != device
            or weight.is_meta
        ):
            _check_one(stack, name + suffix, weight, shapes[name], like)


def _check_one(stack: Any, name: str, weight: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    who = stack._name()
    stack.check_shape(name, weight, shape, "with its shape")
    if weight.device != like.device:
        raise ValueError(
            f"{who} needs {name} on {like.device}, as its input; got {weight.device}; "
            "move one of the two with .to(), or load all of its parameters"
        )
    vector = weight.dim() == 1 or not name.startswith("weight")  # computed in the dtype of states
    if vector and weight.dtype in (like.dtype, state_dtype(like.dtype)):
        return
    if weight.dtype != like.dtype and not (weight.is_floating_point() and under_autocast(like)):
        raise TypeError(
            f"{who} needs {name} in {like.dtype}, as its input; got {weight.dtype}; "
            "convert the whole layer with .to()"
        )
