"""Steps of time through a whole stack of layers in one call, where that can be."""

from typing import Any, TypeGuard
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._plain import dense, eager, plain
from swiftrnn.ops._stack import MOST_ROWS, Stack

Key = tuple[Any, ...]  # where parameters lie, how often they were changed, and options

CHANGED = ("run_layer", "start_stack", "start_layer", "finish_layer")  # what `cell` stands for
DRAWN = ("dropout", "variational_dropout", "zoneout")  # while training
_stacks: WeakKeyDictionary[Any, tuple[Key, Stack | None]] = WeakKeyDictionary()


def step(layer: Any, x: Tensor, state: Any) -> tuple[Tensor, Any] | None:
    """One step of x (B, I) through a layer, without gradients or dropout; None: not here."""
    if torch.is_grad_enabled() or not eager() or not isinstance(x, Tensor):
        return None
    if x.dim() != 2 or x.shape[1] != layer.input_size or len(x) > MOST_ROWS:
        return None
    if layer.training and _draws(layer):
        return None
    stack = _stack(layer)
    if stack is None or x.dtype != stack.dtype or torch.is_autocast_enabled("cpu") or not len(x):
        return None
    parts = _parts(stack, state, len(x))
    if parts is None:
        return None  # the slow path says what is wrong with it
    if not plain((x, *parts)):
        x, *parts = map(dense, (x, *parts))
        if not plain((x, *parts)):
            return None
    y, after, windows = stack(x, parts[0], parts[1:])
    return y, (after, tuple(windows)) if stack.windows else after


def _draws(layer: Any) -> bool:
    for name in DRAWN:  # noqa: SIM110 (a loop takes half the time of any())
        if getattr(layer, name, 0):
            return True
    return False


def _parts(stack: Stack, state: Any, B: int) -> list[Tensor] | None:
    """A state as the kernel takes it: states, then windows where there are any."""
    windows = None
    if stack.windows and isinstance(state, tuple) and len(state) == 2:
        state, windows = state
    if state is None:
        parts = [_zeros(stack.layers, B, stack.hidden_size, stack.real)]
    elif _fits(state, (stack.layers, B, stack.hidden_size)):
        parts = [state.to(stack.real)]
    else:
        return None
    if not stack.windows:
        return parts
    if windows is None:
        return parts + [_zeros(n, B, features, stack.dtype) for n, features in stack.windows]
    if not isinstance(windows, tuple | list) or len(windows) != len(stack.windows):
        return None
    for window, (count, features) in zip(windows, stack.windows, strict=True):
        if not _fits(window, (count, B, features)):
            return None
        parts.append(window.to(stack.dtype))
    return parts


def _zeros(count: int, B: int, features: int, dtype: torch.dtype) -> Tensor:
    return torch.zeros(count, B, features, dtype=dtype, device=_native.CPU)


def _fits(x: Any, shape: tuple[int, ...]) -> TypeGuard[Tensor]:
    return isinstance(x, Tensor) and x.shape == shape and x.is_floating_point()


def _stack(layer: Any) -> Stack | None:
    """The stack of a layer with the parameters and options that it has now."""
    key: list[Any] = [getattr(layer, name) for name in layer.cell_options]
    try:
        for own in layer._parameters.values():
            key += (own.data_ptr(), own._version, own.shape, own.stride())
    except RuntimeError:  # one of inference mode, which has no version
        return None
    known = _stacks.get(layer)
    if known is None or known[0] != tuple(key):
        known = tuple(key), _build(layer)
        _stacks[layer] = known
    elif known[1] is not None and known[1].copies:
        known[1].refresh(layer.cells())  # `parameter.data` may have changed, which no version tells
    return known[1]


@torch.no_grad()
def _build(layer: Any) -> Stack | None:
    if _native.library() is None or layer._modules:  # parametrisations lie in modules
        return None
    parameters = layer._parameters.values()
    if not _speaks_for_itself(layer) or not plain(dense(p) for p in parameters):
        return None
    if next(iter(parameters)).dtype not in _native.DTYPES:
        return None
    cells = layer.cells(next(iter(parameters)))
    if None in cells or min(len(cell.weight) for cell in cells) < 4:  # the kernel's fours
        return None
    return Stack(cells, layer.hidden_size, parameters)


def _speaks_for_itself(layer: Any) -> bool:
    """Whether `cell` is as new as what it stands for: a class made from a layer may do more."""
    order = type(layer).__mro__

    def newest(name: str) -> int:
        return next(i for i, kind in enumerate(order) if name in vars(kind))

    return all(newest("cell") <= newest(name) for name in CHANGED)
