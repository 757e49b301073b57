"""Steps of time through a whole stack of layers in one call, where that can be."""

from typing import Any
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
    if torch.is_grad_enabled() or len(x) > MOST_ROWS or not eager():
        return None
    if layer.training and any(getattr(layer, name, 0) for name in DRAWN):
        return None
    stack = _stack(layer)
    if stack is None or x.dtype != stack.dtype or torch.is_autocast_enabled("cpu") or not len(x):
        return None
    parts = _parts(stack, state, len(x))
    if parts is None:
        return None  # the slow path says what is wrong with it
    x, states, windows = dense(x), *parts
    if not plain((x, states, *windows)):
        return None
    y, after, windows = stack(x, states, windows)
    return y, (after, tuple(windows)) if stack.windows else after


def _parts(stack: Stack, state: Any, B: int) -> tuple[Tensor, list[Tensor]] | None:
    """A state as the kernel takes it: states, and windows where there are any."""
    windows, shapes = None, [(count, B, features) for count, features in stack.windows]
    states = state
    if shapes and isinstance(state, tuple) and len(state) == 2:
        states, windows = state
    if states is None:
        states = torch.zeros(stack.layers, B, stack.hidden_size, dtype=stack.real, device="cpu")
    if windows is None:
        windows = [torch.zeros(shape, dtype=stack.dtype, device="cpu") for shape in shapes]
    if not _fit([states], [(stack.layers, B, stack.hidden_size)]) or not _fit(windows, shapes):
        return None
    return dense(states.to(stack.real)), [dense(window.to(stack.dtype)) for window in windows]


def _fit(given: Any, shapes: list[tuple[int, ...]]) -> bool:
    return (
        isinstance(given, tuple | list)
        and len(given) == len(shapes)
        and all(isinstance(x, Tensor) and x.shape == s and x.is_floating_point()
                for x, s in zip(given, shapes, strict=True))
    )  # fmt: skip


def _stack(layer: Any) -> Stack | None:
    """The stack of a layer with the parameters and options that it has now."""
    key: list[Any] = [getattr(layer, name) for name in layer.cell_options]
    for parameter in layer._parameters.values():
        if parameter.is_inference():
            return None  # has no version
        key += [parameter.data_ptr(), parameter._version, parameter.shape, parameter.stride()]
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
    cells = layer.cells()
    if None in cells or min(len(cell.weight) for cell in cells) < 4:  # the kernel's fours
        return None
    return Stack(cells, layer.hidden_size, parameters)


def _speaks_for_itself(layer: Any) -> bool:
    """Whether `cell` is as new as what it stands for: a class made from a layer may do more."""
    order = type(layer).__mro__

    def newest(name: str) -> int:
        return next(i for i, kind in enumerate(order) if name in vars(kind))

    return all(newest("cell") <= newest(name) for name in CHANGED)
