"""The axes of a grid, as they are typed: values, or a range with a count."""

import contextlib
import difflib
import math
import re
import typing
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal

from swiftrnn.runs import limits

PLAIN = {
    int: "whole numbers",
    float: "numbers",
    bool: "true or false",
    str: "words",
    Path: "paths",
    type(None): "none",
}
RANGE = re.compile(r"(.+?)\.\.([^:]+)(?::(lin|log):(\d+)|.*)")


def axes(specs: Sequence[str], settings: type) -> dict[str, list[Any]]:
    """Read the axes of a grid.

    Args:
        specs: `FIELD=a,b,c`, `FIELD=first..last:lin:count` or `FIELD=first..last:log:count`. Ends
            are exact; what is between has 12 digits, or for whole numbers is rounded.
        settings: the dataclass that has the fields; their types are those of the values.

    Returns:
        The values of each field, in the order given.

    Raises:
        ValueError: names the field, what it needs and what it got.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Config:
        ...     rate: float = 0.1
        ...     layer: str = "sru"
        >>> axes(["rate=1e-4..1e-1:log:4", "layer=lstm,sru"], Config)
        {'rate': [0.0001, 0.001, 0.01, 0.1], 'layer': ['lstm', 'sru']}
    """
    kinds, checked = typing.get_type_hints(settings), issubclass(settings, limits.Checked)
    kinds = {each.name: kinds[each.name] for each in fields(settings)}
    found: dict[str, list[Any]] = {}
    for spec in specs:
        name, equals, text = spec.partition("=")
        name = name.strip().replace("-", "_")
        if name not in kinds or not equals:
            near = difflib.get_close_matches(name, set(kinds) - {name}, n=1)
            raise ValueError(
                f"--grid needs FIELD=VALUES with one of the fields {', '.join(kinds)}; "
                f"got {spec!r}; {f'did you mean {near[0]}?' if near else 'write seed=0,1,2'}"
            )
        if name in found:
            raise ValueError(f"--grid needs each field once; got {name} twice; join their values")
        found[name] = _values(name, text, _choices(name, kinds[name]))
        for value in found[name] if checked else ():  # before the first training, not in it
            limits.check(name, limits.hint_of(settings, name), value)
        if len(set(found[name])) < len(found[name]):
            shown = ", ".join(map(str, found[name]))
            raise ValueError(
                f"--grid {name} needs different values; got {shown}; give each of them once"
            )
    return found


def _choices(name: str, kind: Any) -> tuple[Any, ...]:
    """The types and constants that a value may be."""
    if typing.get_origin(kind) in (UnionType, typing.Union):
        found = [c for each in typing.get_args(kind) for c in _choices(name, each)]
        return tuple(sorted(found, key=lambda c: c is not type(None)))  # none is no word or path
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    if kind not in PLAIN:
        raise ValueError(
            f"--grid needs fields whose value is one word; got {name}, a {kind}; leave it out"
        )
    return (kind,)


def _values(name: str, text: str, choices: tuple[Any, ...]) -> list[Any]:
    kind = next((each for each in (float, int) if each in choices), None)
    if kind is None or not (match := RANGE.fullmatch(text)):
        return [_value(name, word.strip(), choices) for word in text.split(",")]
    first, last, how, count = match.groups()
    low, high = (_value(name, word.strip(), (kind,)) for word in (first, last))
    if how is None or int(count or 0) < 2 or low == high:
        raise ValueError(
            f"--grid {name} needs a range with two ends, lin or log, and a count from 2 up; "
            f"got {text}; write {first}..{last}:lin:5"
        )
    if how == "log" and min(low, high) <= 0:
        raise ValueError(
            f"--grid {name} needs ends above 0 for log; got {text}; use lin, or begin above 0"
        )
    parts = [i / (int(count) - 1) for i in range(1, int(count) - 1)]
    if how == "log":
        between = [math.exp((1 - p) * math.log(low) + p * math.log(high)) for p in parts]
    else:
        between = [(1 - p) * low + p * high for p in parts]
    return [low, *(round(x) if kind is int else float(f"{x:.12g}") for x in between), high]


def _value(name: str, word: str, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if not isinstance(choice, type):  # a constant
            if word == str(choice):
                return choice
        elif choice in (bool, type(None)):
            known = {"true": True, "false": False} if choice is bool else {"none": None}
            if word.lower() in known:
                return known[word.lower()]
        elif word:
            with contextlib.suppress(ValueError):
                value = choice(word)
                if choice is not float or math.isfinite(value):
                    return value
    needed = ", ".join(PLAIN[c] if isinstance(c, type) else str(c) for c in choices)
    raise ValueError(f"--grid {name} needs {needed}; got {word!r}; write {name}=VALUE,VALUE")
