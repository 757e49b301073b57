"""What a setting may be: declared beside its field, and checked in one place.

A dataclass that derives from `Checked` refuses a value that does not fit the type of its field, or
lies out of the range that the field is annotated with, wherever it comes from: the command line, a
preset, a grid, a saved run or Python.
"""

import math
import numbers
import os
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Range:
    """Finite numbers from `low` to `high`, or without an end that is left open.

    Examples:
        >>> 1 in Range(0, 1), 1 in Range(0, 1, open_high=True), math.inf in Range(0)
        (True, False, False)
    """

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        try:
            return math.isfinite(value) and above and below
        except OverflowError:  # a whole number that no float can hold
            return False

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open_low else f"from {self.low:,.10g}"
        if self.low == -math.inf:
            return f"of at most {self.high:,.10g}"
        if self.high == math.inf:
            return low if self.open_low else f"{low} up"
        return f"{low} {'to below' if self.open_high else 'to'} {self.high:,.10g}"


class Unfit(ValueError):
    """A setting is what it cannot be; the message names the option, what it needs and got."""


class Different:
    """Of a tuple: at least one value, and each once."""


class Without:
    """Of an option: it changes nothing where another one is given."""

    def __init__(self, *names: str) -> None:
        self.names = names


class With:
    """Of an option: it changes nothing where another one is 0, false or not given."""

    def __init__(self, *names: str) -> None:
        self.names = names


class Added:
    """Of a setting: older run folders lack it, and its default is what they did."""


Count = Annotated[int, Range(1)]
Size = Annotated[int, Range(1, 65_536)]  # of a vector, a layer or a batch
Size0 = Annotated[int, Range(0, 65_536)]
Count0 = Annotated[int, Range(0)]
Steps = Annotated[int | None, Range(1)]
Seconds = Annotated[float | None, Range(0, open_low=True)]
Ngrams = Annotated[int, Range(1, 64)]  # the longest one
Batch = Annotated[int, Range(2, 65_536)]  # whose variance is taken
Several = Annotated[int, Range(2, 1_000_000)]
Depth = Annotated[int, Range(1, 128)]
Images = Annotated[int, Range(1, 1_000_000)]
Processes = Annotated[int, Range(1, 1024)]
Threads = Annotated[int, Range(0, 1024)]
Seed = Annotated[int, Range(0, 2**32 - 1)]  # as Lightning and NumPy take it
Positive = Annotated[float, Range(0, open_low=True)]
Least0 = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
Inside = Annotated[float, Range(0, 1, open_low=True, open_high=True)]
Dropout = Annotated[float, Range(0, 1, open_high=True)]
Sizes = tuple[Size, ...]
Rates = Annotated[tuple[Positive, ...], Different()]
Leasts = Annotated[tuple[Least0, ...], Different()]
Shares = Annotated[tuple[Share, ...], Different()]
Words = Annotated[tuple[str, ...], Different()]
OwnFile = Annotated[Path | None, Without("made_up")]  # in place of data that are fetched
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word",
         Path: "a path", type(None): "none"}  # fmt: skip


@dataclass(frozen=True)
class Checked:
    """Settings whose values are checked when they are made.

    Examples:
        >>> @dataclass(frozen=True)
        ... class Config(Checked):
        ...     epochs: Count = 3
        >>> Config(epochs=0)
        Traceback (most recent call last):
            ...
        swiftrnn.runs.limits.Unfit: --epochs needs a whole number from 1 up; got 0; the default is 3
    """

    def __post_init__(self) -> None:
        """Refuse values that do not fit.

        Raises:
            ValueError: names the option, what it needs and what it got.
        """
        for name, hint in _hints(type(self)).items():
            check(name, hint, getattr(self, name), _defaults(type(self))[name])
        defaults = _defaults(type(self)).items()
        check_used(self, [n for n, default in defaults if not default and getattr(self, n)
                          and not isinstance(default, int | float)])  # fmt: skip


def check(name: str, hint: Any, value: Any, default: Any = MISSING) -> None:
    """Refuse a value that a field of this type cannot have.

    Raises:
        ValueError: names the option, what it needs and what it got.
    """
    if (needed := _needed(hint, value)) is None:
        return
    shown, given = _shown(value), _shown(default)
    hint_at_end = "" if default is MISSING else f"; the default is {given}"
    raise Unfit(f"--{option(name)} needs {needed}; got {shown or 'none'}{hint_at_end}")


def at_most(name: str, value: int, most: int) -> None:
    """Refuse a value above what another option allows.

    Raises:
        ValueError: names the option, what it needs and what it got.
    """
    check(name, Annotated[int, Range(-math.inf, most)], value)


def others(name: str, values: Sequence[str], than: str, value: str) -> None:
    """Refuse values of one option that repeat each other or that of another option.

    Raises:
        ValueError: names both options, what is needed and what it got.
    """
    if value in values or len({*values}) < len(values):
        raise Unfit(
            f"--{name} needs layers other than --{than}, each once; got {', '.join(values)} beside "
            f"{value}"
        )


def check_used(settings: Any, given: Iterable[str], how: str = "") -> None:
    """Refuse options that were given although others make them meaningless.

    Args:
        settings: a dataclass.
        given: the names of the fields that somebody gave; others at their values do no harm.
        how: what else a message should say of where the others come from.

    Raises:
        ValueError: names both options.
    """
    hints = _hints(type(settings))
    for name in given:
        for rule in getattr(hints.get(name), "__metadata__", ()):
            if not isinstance(rule, Without | With):
                continue
            for other in rule.names:
                value, unwanted = getattr(settings, other), isinstance(rule, Without)
                if bool(value) is unwanted:
                    raise Unfit(
                        f"--{option(name)} needs {'no' if unwanted else 'a'} --{option(other)}, "
                        f"{'with' if unwanted else 'without'} which it changes nothing; got "
                        f"{_word(other, value)}{how}; leave out one of them, or give "
                        f"{_other_way(other, value)}"
                    )


def check_typed(settings: Any, words: Sequence[str], preset: str = "default") -> None:
    """Refuse an option, or an axis of a grid, that something else makes meaningless.

    Args:
        settings: what the words were read as.
        words: of the command line.
        preset: that the words were added to.

    Raises:
        ValueError: names both options.
    """
    if not isinstance(settings, Checked):
        return
    axes = [word.removeprefix("--grid=") for word in words if "=" in word]
    typed = {word.partition("=")[0].strip("- ").replace("-", "_") for word in (*words, *axes)
             if word.startswith("--") or "=" in word}  # fmt: skip
    how = "" if preset == "default" else f" with --preset {preset}"
    check_used(settings, [e.name for e in fields(settings) if e.name in typed], how)


def option(name: str) -> str:
    """A field's name as it is typed."""
    return name.replace("_", "-")


def hint_of(kind: type, name: str) -> Any:
    """The type of a field, with its range."""
    return _hints(kind)[name]


@cache
def _hints(kind: type) -> dict[str, Any]:
    known = typing.get_type_hints(kind, include_extras=True)
    return {each.name: known[each.name] for each in fields(kind)}


@cache
def _defaults(kind: type) -> dict[str, Any]:
    return {each.name: each.default for each in fields(kind)}


def _shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _word(other: str, value: Any) -> str:
    return f"--{option(other)}" if value is True else f"--{option(other)} {value}"


def _other_way(other: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{'no-' if value else ''}{option(other)}"
    return f"another --{option(other)}"


def _needed(hint: Any, value: Any) -> str | None:
    """What a field of this type needs in place of the value; None where it fits."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        ranges = [rule for rule in inside[1:] if isinstance(rule, Range)]
        if needed := _needed(inside[0], value):
            return " ".join([needed, *map(str, ranges)])
        if value is not None and not all(value in rule for rule in ranges):
            return " ".join([_called(inside[0]), *map(str, ranges)])
        different = any(isinstance(rule, Different) for rule in inside)
        if different and (not value or len(set(value)) < len(value)):
            return "at least one value, and each once"
        return None
    if origin is Literal:
        return None if value in inside else f"one of {', '.join(map(str, inside))}"
    if origin in (typing.Union, types.UnionType):
        needs = [_needed(each, value) for each in inside]
        return None if None in needs else " or ".join(n for n in needs if n)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return "several values"
        return next((n for each in value if (n := _needed(inside[0], each))), None)
    return None if _fits(hint, value) else _called(hint)


def _fits(kind: Any, value: Any) -> bool:
    if kind in (int, float):
        wanted = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, wanted) and not isinstance(value, bool)
    if kind is Path:
        return isinstance(value, str | os.PathLike)
    return not isinstance(kind, type) or isinstance(value, kind)


def _called(kind: Any) -> str:
    inside = [each for each in typing.get_args(kind) if each is not type(None)]
    return KINDS.get(inside[0] if inside else kind, str(kind))
