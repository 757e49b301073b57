"""What an option of a layer may be: checked alike at construction and when it is set later."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import torch

Check = Callable[[str, str, Any], Any]  # of who, the option's name and its value, to the value


def at_least(least: int) -> Check:
    """Integers from `least`, those of NumPy among them; True and False are none."""

    def check(who: str, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise TypeError(f"{who} needs {name} as an integer; got {value!r}")
        if value < least:
            raise ValueError(f"{who} needs {name} of at least {least}; got {value!r}")
        return int(value)

    return check


def flag(who: str, name: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool):
        raise TypeError(f"{who} needs {name} as True or False; got {value!r}")
    return value


def number(who: str, name: str, value: Any) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who} needs {name} as a number; got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{who} needs {name} as a finite number; got {value!r}")
    return float(value)


def probability(who: str, name: str, value: Any) -> float:
    """A number in 0..1."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who} needs {name} as a number in 0..1; got {value!r}")
    if not 0 <= float(value) <= 1:
        raise ValueError(f"{who} needs {name} in 0..1; got {value}")
    return float(value)


def one_of(*choices: Any) -> Check:
    """One of some strings or numbers; 1.0 and True are not 1."""

    def check(who: str, name: str, value: Any) -> Any:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise ValueError(f"{who} needs {name} of {', '.join(map(str, choices))}; got {value!r}")
        return value

    return check


def or_none(check: Check) -> Check:
    """What another check lets through, or None."""
    return lambda who, name, value: None if value is None else check(who, name, value)


def real(who: str, dtype: Any) -> torch.dtype | None:
    """The dtype, if parameters may have it; None stands for torch's default."""
    if dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        return dtype
    raise TypeError(f"{who} needs dtype as a floating-point torch.dtype; got {dtype!r}")


SHARED: dict[str, Check] = {
    "input_size": at_least(1), "hidden_size": at_least(1), "num_layers": at_least(1),
    "bias": flag, "batch_first": flag, "dropout": probability, "bidirectional": flag,
    "recompute": flag,
}  # fmt: skip


def set_option(layer: Any, name: str, value: Any, store: Callable[[str, Any], None]) -> None:
    """Check and store an option; what is there stays if it does not fit the layer as it was built.

    Args:
        layer: a `Recurrent`.
        name: of the option.
        value: of the option.
        store: what puts it into the layer.
    """
    value, old = layer.checks[name](layer._name(), name, value), getattr(layer, name, None)
    if not layer.built or value == old:
        return store(name, value)
    before = layer.all_shapes()
    store(name, value)
    try:
        layer.check_options()
        if layer.all_shapes() != before:
            raise ValueError(
                f"{layer._name()} needs the {name} that its parameters were made for, {old!r}; "
                f"got {value!r}; build a new layer"
            )
    except ValueError:
        store(name, old)
        raise
    return None


def shapes_of(layer: Any) -> dict[str, tuple[int, ...]]:
    """What the options make of a `Recurrent`: its sizes, and names and shapes of its parameters."""
    shapes = {"": (layer.input_size, layer.hidden_size, layer.num_layers, layer.bidirectional)}
    for suffix, size in zip(layer._suffixes(), layer._input_sizes(), strict=True):
        shapes |= {n + suffix: shape for n, shape in layer.parameter_shapes(size).items()}
    return shapes


def shown(layer: Any) -> str:
    """The shared options of a `Recurrent` that are not at their defaults."""
    flags = ("bias", True), ("batch_first", False), ("dropout", 0.0), ("bidirectional", False)
    changed = [f"{name}={getattr(layer, name)}" for name, usual in flags
               if getattr(layer, name) != usual]  # fmt: skip
    sizes = [f"{layer.input_size}, {layer.hidden_size}"]
    layers = [f"num_layers={layer.num_layers}"] if layer.num_layers > 1 else []
    return ", ".join(sizes + layers + changed)
