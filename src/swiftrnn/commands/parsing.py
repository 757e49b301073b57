"""Words of a command line to dataclasses, through tyro; what does not fit is said in one line.

tyro is asked to take words for numbers and choices as they are, so that `limits` refuses them where
every other setting is refused, with the option's name, range and default.
"""

import contextlib
import dataclasses
import io
import textwrap
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, arg
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from swiftrnn.recipes import Found, nearest
from swiftrnn.runs import limits

HELP = {"-h", "--help"}


class UsageError(ValueError):
    """What was typed makes no sense; the message says what to type instead."""


def document(kind: type) -> str:
    """The docstring of a command's options: each paragraph a line, which the help then wraps."""
    text = textwrap.dedent(" " * 4 + (kind.__doc__ or "")).strip()
    return "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))


def about(kind: type, examples: Iterable[str]) -> str:
    """The first thing `--help` says."""
    shown = "".join(f"\n    {example}" for example in examples)
    return f"{document(kind)}\n\nExamples:{shown}"


def parse(kind: Any, prog: str, description: str, words: Sequence[str]) -> Any:
    """Words to an instance of a dataclass.

    Raises:
        UsageError: they cannot be one.
        SystemExit: the help was asked for, and printed.
    """
    (parsed,) = parse_all([(kind, None)], prog, description, words)
    return parsed


def parse_all(
    parts: Sequence[tuple[Any, Any]],
    prog: str,
    description: str,
    words: Sequence[str],
    *titles: str,
) -> tuple[Any, ...]:
    """Words to instances of several dataclasses, each with what it is unless words say otherwise.

    Args:
        parts: each dataclass and its default; None for that of its fields.
        prog: the command, for messages.
        description: the first thing the help says.
        words: what was typed.
        *titles: whose options those of the second part are, and so on, for the help.

    Raises:
        UsageError: they cannot be such.
        SystemExit: the help was asked for, and printed.
    """
    names = [f"part_{i}" for i in range(len(parts))]
    shown = ("", *titles, *["more"] * len(parts))  # the first part is that of the command
    kinds = [kind for kind, _ in parts]
    made = dataclasses.make_dataclass(
        "Options",
        [
            (name, Annotated[kind, arg(name=title), OmitArgPrefixes], _field(kind, default))
            for name, title, (kind, default) in zip(names, shown, parts, strict=False)
        ],
        frozen=True,
    )
    parsed, unknown = _through_tyro(made, kinds, prog, description, words)
    if unknown:
        flag = next((word for word in unknown if word.startswith("-")), unknown[0])
        what = "option" if flag.startswith("-") else "argument"
        known = flags(kinds) if what == "option" else []
        near = nearest(flag.partition("=")[0].lstrip("-"), known, "--")
        raise UsageError(f"{prog} has no such {what}; got {flag}; {near}see {prog} --help")
    found = tuple(getattr(parsed, name) for name in names)
    for each in found:
        _check(each)
    return found


def of_recipe(prog: str, how: type, recipe: Found, words: Sequence[str]) -> tuple[Any, Any]:
    """The options of a command, and those of a recipe on top of the preset that was asked for.

    Raises:
        UsageError: there is no such preset, or as `parse`.
    """
    presets = recipe.presets
    preset = "default"
    if not HELP & set(words):  # first the command's own options: the preset is one of them
        first, _ = _through_tyro(how, [how], prog, "", words)
        preset = first.preset
    if preset not in presets:
        raise UsageError(
            f"{prog} --preset needs one of {', '.join(presets)}; got {preset!r}; "
            f"{nearest(preset, presets)}choose one of them"
        )
    config = recipe.parts.Config
    found = parse_all([(how, None), (config, presets[preset])], prog, recipe.about, words, "recipe")
    for each in found:
        limits.check_typed(each, words, preset)
    return found[0], found[1]


def _field(kind: Any, default: Any) -> Any:
    if default is not None:
        return dataclasses.field(default=default)
    needed = [e for e in dataclasses.fields(kind) if e.default is dataclasses.MISSING]
    return dataclasses.field() if needed else dataclasses.field(default=kind())


def _through_tyro(
    made: Any, kinds: Sequence[type], prog: str, description: str, words: Sequence[str]
) -> tuple[Any, list[str]]:
    """An instance, and the words that are not of it."""
    how = [tyro.conf.FlagCreatePairsOff]
    if not HELP & set(words):  # comments are only read for who sees them
        how.append(tyro.conf.HelptextFromCommentsOff)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(
                made,
                prog=prog,
                description=description,
                args=list(words),
                return_unknown_args=True,
                config=how,
                registry=LENIENT,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(_refusal(stop, kinds, prog, words)) from None


def _refusal(stop: SystemExit, kinds: Sequence[type], prog: str, words: Sequence[str]) -> str:
    """Why words cannot be an instance: what the dataclass says, else an option without a value."""
    cause = stop.__context__
    while cause and not isinstance(cause, ValueError):
        cause = cause.__context__
    if cause and str(cause):  # it says all there is to say
        return str(cause)
    for word, after in zip(words, [*words[1:], "--"], strict=True):
        if word.lstrip("-") in flags(kinds) and word.startswith("--") and after.startswith("--"):
            return f"{prog} {word} needs a value; got none; see {prog} --help"
    needed = [n for kind in kinds for n in _needed(kind)]
    return (
        f"{prog} needs {' and '.join(needed)}; got {' '.join(words) or 'none'}; see {prog} --help"
    )


def _needed(kind: type) -> list[str]:
    """What has to be given, as the help names it."""
    return [e.name.upper() for e in dataclasses.fields(kind) if e.default is dataclasses.MISSING]


def flags(kinds: Sequence[Any]) -> list[str]:
    """The options of dataclasses, as they are typed."""
    return [limits.option(each.name) for kind in kinds for each in dataclasses.fields(kind)]


def _check(settings: Any) -> None:
    """Refuse values that do not fit; a recipe's Config need not check itself."""
    if isinstance(settings, limits.Checked):
        return
    for name, hint in typing.get_type_hints(type(settings), include_extras=True).items():
        limits.check(name, hint, getattr(settings, name))


LENIENT = ConstructorRegistry()


@LENIENT.primitive_rule
def _numbers_and_choices(asked: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """Takes any word where a number or one of several words is needed: `limits` refuses it."""
    if asked.type in (int, float):
        kind: Callable[[str], Any] = asked.type
        return _one_word(lambda word: _else_itself(kind, word), asked.type.__name__.upper())
    if asked.type_origin is Literal:
        known = {str(each): each for each in typing.get_args(asked.type)}
        return _one_word(lambda word: known.get(word, word), f"{{{','.join(known)}}}")
    options = typing.get_args(asked.type)
    if type(None) in options and len(options) == 2:
        (kind,) = (each for each in options if each is not type(None))
        if kind in (int, float):
            convert = lambda word: None if word == "None" else _else_itself(kind, word)  # noqa: E731
            return _one_word(convert, f"{{None}}|{kind.__name__.upper()}")
    return None


def _one_word(convert: Callable[[str], Any], metavar: str) -> PrimitiveConstructorSpec:
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: convert(words[0]),
        is_instance=lambda _: True,
        str_from_instance=lambda value: [str(value)],
    )


def _else_itself(kind: Callable[[str], Any], word: str) -> Any:
    try:
        return kind(word)
    except ValueError:
        return word
