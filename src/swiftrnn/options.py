"""What the commands take: a frozen dataclass each, which is its options and their help."""

import contextlib
import difflib
import math
import re
import typing
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from swiftrnn import limits


@dataclass(frozen=True)
class List:
    """Show the recipes: one line each, with the result we measured."""


@dataclass(frozen=True)
class Info:
    """Show versions, devices, which kernels run here, and why others do not."""


@dataclass(frozen=True)
class Run(limits.Checked):
    """Train a recipe and measure it on unseen data; writes a run folder.

    Every field of the recipe's Config is an option: `swiftrnn run RECIPE --help` lists them.
    """

    preset: str = "default"  # a Config constant of the recipe, by its name in lower case
    seeds: limits.Count = 1  # runs with this many seeds, from --seed upwards, and gives mean and sd
    out: Path | None = None  # the run folder; runs/<recipe>-<time> unless given
    resume: bool = False  # go on with the run in --out, or with the recipe's newest
    record: bool = (
        False  # write the recipe's results.json, of a preset results-PRESET.json; in a source
    )
    # checkout only


@dataclass(frozen=True)
class Sweep(limits.Checked):
    """Train a recipe at every point of a grid, on any number of processes and machines.

    Prints the best points, and writes them all to sweep.json. A point whose process is killed is
    trained again; one that diverges is reported. Every field of the recipe's Config is an option
    that holds at all points: `swiftrnn sweep RECIPE --help` lists them.
    """

    grid: UseAppendAction[tuple[str, ...]] = ()
    """FIELD=VALUE,VALUE,... or FIELD=FIRST..LAST:lin:COUNT or :log:COUNT; once for each axis"""
    metric: str | None = None  # to compare by; the recipe's METRIC unless given
    maximize: bool = False  # more of it is better
    seeds: limits.Count = 1  # at each point, from --seed upwards
    workers: limits.Processes = 1  # processes; more machines, or commands that resume, may help
    storage: str | None = None  # URL of a database, to share between machines; SQLite in --out
    # what machines with one --storage work on; the name of --out
    study: Annotated[str | None, limits.With("storage")] = None
    preset: str = "default"  # a Config constant of the recipe, by its name in lower case
    out: Path | None = None  # the folder; runs/sweep-<recipe>-<time> unless given
    resume: bool = False  # go on with the sweep in --out, or with the recipe's newest


@dataclass(frozen=True)
class Predict(limits.Checked):
    """Use what was trained: find the names in each INPUT, or continue it."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder; of a comparison, its best layer, or RUN/LAYER"""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT")] = ()
    """a text; standard input where none is given"""
    format: Literal["text", "jsonl", "conll"] = "text"
    """of names: one a line, one JSON object for each INPUT, or a word and its tag a line"""
    length: Annotated[int, limits.Range(0, 10_000_000)] = (
        200  # of a continuation: how many bytes (or words) to add
    )
    temperature: limits.Least0 = (
        0.8  # below 1 plays safe, above 1 is wild; 0 always takes the likeliest
    )
    top_k: Annotated[int, limits.Range(0)] = 0  # draw from the k likeliest only; 0 draws from all
    seed: limits.Seed = 0  # the same seed gives the same text


@dataclass(frozen=True)
class Bench(limits.Checked):
    """Time kernels and layers against the rivals installed here; parity first."""

    op: Annotated[Positional[str | None], arg(metavar="OP")] = None
    """one op or layer; all of them unless given"""
    seconds: limits.Positive = 90.0  # for all together
    out: Path | None = None  # a new folder for a report with plots; without it only the tables


@dataclass(frozen=True)
class Data:
    """Show the data sets with licence and size, or fetch one into the cache."""

    action: Annotated[Positional[str], arg(metavar="list|fetch")] = "list"
    """what to do"""
    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """which data set to fetch"""


@dataclass(frozen=True)
class Copy:
    """Copy a recipe's folder, to start your own from; `swiftrnn run ./DIR` then runs it."""

    recipe: Annotated[Positional[str], arg(metavar="RECIPE")]
    """the recipe to copy"""
    dir: Annotated[Positional[Path], arg(metavar="DIR")]
    """the new folder; its name becomes the name of the package, so letters, digits and _"""


@dataclass(frozen=True)
class Serve(limits.Checked):
    """Let others use what was trained: a web page, and a JSON interface for programs."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder of a recipe that finds names"""
    host: str = "127.0.0.1"  # only this machine; 0.0.0.0 lets the whole network in
    port: Annotated[int, limits.Range(0, 65_535)] = 8000  # 0 takes a free one
    allow_host: tuple[str, ...] = ()  # names that clients may use, beside --host and localhost


@dataclass(frozen=True)
class Export:
    """Write what was trained as a file for servers, phones and browsers without PyTorch."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder of a recipe that finds names, with one of our layers"""
    to: Literal["onnx"] = "onnx"  # checked in ONNX Runtime before it is kept
    out: Path | None = None  # the file; RUN/model.onnx unless given


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

    Example:
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
