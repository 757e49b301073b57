"""Settings from JSON: the one reader that makes a dataclass of what a run folder holds."""

import collections.abc
import dataclasses
import types
import typing
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from swiftrnn.runs import limits

Settings = TypeVar("Settings")


def read(kind: type[Settings], saved: Any, path: Path, partly: bool = False) -> Settings:
    """Make a dataclass of an object read from JSON.

    Args:
        kind: the dataclass, with hints that `fits` understands. A field marked `limits.Added` may
            be missing, because older versions had none: it is then at its default.
        saved: all of its fields.
        path: where they were read, for messages.
        partly: whether fields that have a default may be missing.

    Raises:
        ValueError: a field is missing, unknown or of another type, or the values are refused by
            the dataclass itself.
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    known = {each.name: each for each in dataclasses.fields(kind)}  # pyright: ignore
    if not isinstance(saved, dict):
        raise _unreadable(path, f"holds no object but {type(saved).__name__}")
    older = {n for n in known if _added(hints[n])}  # runs of older versions lack them
    needed = {n for n, each in known.items() if each.default is MISSING or not partly} - older
    if odd := sorted(saved.keys() - known.keys() | needed - saved.keys()):
        raise ValueError(
            f"{path.name} needs the settings of this version; got {', '.join(odd)} missing or "
            f"unknown in {path}; it was changed or is of another version, so train again"
        )
    for name, value in saved.items():
        if not fits(value, hints[name]):
            raise ValueError(
                f"{path.name} needs a {name} of the kind that was written; got {value!r} in "
                f"{path}; it was changed, so train again"
            )
    try:
        return kind(**{name: _made(value, hints[name]) for name, value in saved.items()})
    except ValueError as error:
        raise _unreadable(path, str(error)) from None


def _unreadable(path: Path, why: str) -> ValueError:
    return ValueError(
        f"{path.name} needs settings that can be used; got {path}, where {why}; "
        "it was changed, so train again"
    )


def _added(hint: Any) -> bool:
    return limits.Added in getattr(hint, "__metadata__", ())


def resumed(typed: Settings, saved: Any, path: Path, who: str) -> Settings:
    """The settings of an interrupted run, so that it goes on as it began.

    Args:
        typed: a frozen dataclass, as typed now; what was not typed is at its default.
        saved: the same as JSON.
        path: where that was read.
        who: the command, for messages.

    Raises:
        ValueError: a field was typed and differs from what was saved, or as `read`.
    """
    if isinstance(saved, dict) and (missing := sorted(_names(typed) - saved.keys())):
        raise ValueError(
            f"{who} needs the setting {missing[0]}; got none in {path}; "
            "the run was made by another version, so start over"
        )
    began = read(type(typed), saved, path)
    for each in dataclasses.fields(typed):  # pyright: ignore
        now, then = getattr(typed, each.name), getattr(began, each.name)
        if now not in (then, each.default):
            raise ValueError(
                f"{who} goes on with --{limits.option(each.name)} {_words(then)}; "
                f"got {_words(now)}; leave it out, or start over"
            )
    return began


def _names(settings: Any) -> set[str]:
    return {each.name for each in dataclasses.fields(settings)}


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from JSON is of a dataclass field's type.

    Examples:
        >>> fits(3, float), fits(True, int), fits(["a", 1], list[str]), fits(None, Path | None)
        (True, False, False, True)
    """
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return fits(value, inside[0])
    if origin is typing.Literal:
        return any(type(value) is type(each) and value == each for each in inside)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each) for each in inside)
    if origin in (dict, collections.abc.Mapping):
        return isinstance(value, dict) and all(fits(v, inside[1]) for v in value.values())
    if origin in (list, tuple):  # JSON has lists only
        if not isinstance(value, list):
            return False
        if origin is tuple and ... not in inside:
            return len(value) == len(inside) and all(map(fits, value, inside))
        return all(fits(each, inside[0]) for each in value)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return isinstance(value, dict) and all(
            name in hints and fits(each, hints[name]) for name, each in value.items()
        )
    if kind is Path:
        return isinstance(value, str)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _made(value: Any, kind: Any) -> Any:
    """A value from JSON as the field has it: lists become tuples, words become paths."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _made(value, inside[0])
    if origin in (typing.Union, types.UnionType):
        return _made(value, next(each for each in inside if fits(value, each)))
    if origin is tuple:
        return tuple(_made(each, inside[0 if ... in inside else i]) for i, each in enumerate(value))
    return Path(value) if kind is Path else value
