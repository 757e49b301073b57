"""Options of a task as JSON: read, checked, and described for the page and for programs."""

import ast
import inspect
import io
import textwrap
import tokenize
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal

from swiftrnn.recipes import nearest
from swiftrnn.runs import limits
from swiftrnn.runs.limits import Range

TYPES = {int: "integer", float: "number", bool: "boolean", str: "string"}  # in JSON Schema


def read(kind: type, given: Mapping[str, Any]) -> Any:
    """Make a task's options.

    Args:
        kind: a frozen dataclass derived from `limits.Checked`.
        given: some of its fields, from JSON; the others have their defaults.

    Raises:
        ValueError: there is no such field, or its value does not fit.

    Examples:
        >>> from swiftrnn.tasks.tagging.find import NBest
        >>> read(NBest, {"n_best": 3})
        NBest(n_best=3, tokenized=False)
        >>> read(NBest, {"n_best": 0})
        Traceback (most recent call last):
            ...
        ValueError: options.n_best needs a whole number from 1 to 10; got 0; the default is 1
    """
    known = [*_schemas(kind)]
    for name in given:
        if name not in known:
            raise ValueError(
                f"options may have {', '.join(known) or 'no fields'}; got {name!a}; "
                f"{nearest(name, known).strip() or 'leave it out'}"
            )
    try:
        return kind(**{n: tuple(v) if isinstance(v, list) else v for n, v in given.items()})
    except ValueError as error:
        raise ValueError(_in_json(str(error), known)) from None


def _in_json(message: str, known: list[str]) -> str:
    """A message about options of the command line, for who sent JSON."""
    for name in sorted(known, key=len, reverse=True):
        message = message.replace(f"--{limits.option(name)} ", f"options.{name} ")
    return message


def schema(kind: type) -> dict[str, Any]:
    """A JSON Schema of the options, with their ranges, defaults and help."""
    about = _help(kind)
    properties = {
        name: found | {"default": _default(kind, name), "description": about.get(name, "")}
        for name, found in _schemas(kind).items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def described(kind: type) -> list[dict[str, Any]]:
    """What the page needs to make a control of each option."""
    about, shown = _help(kind), []
    for name, found in _schemas(kind).items():
        choices = [each for each in found.get("enum", ()) if each is not None]
        names = found.get("type", "string")
        one = {
            "name": name,
            "kind": "choice" if choices else names if isinstance(names, str) else names[0],
            "default": _default(kind, name),
            "help": about.get(name, ""),
            "choices": choices,
            "low": found.get("minimum", found.get("exclusiveMinimum")),
            "high": found.get("maximum", found.get("exclusiveMaximum")),
        }
        shown.append(one)
    return shown


def _schemas(kind: type) -> dict[str, dict[str, Any]]:
    """A JSON Schema for each field; a field that names a file is for the command line alone."""
    found = {each.name: _schema(limits.hint_of(kind, each.name)) for each in _fields(kind)}
    return {name: each for name, each in found.items() if each is not None}


def _schema(hint: Any) -> dict[str, Any] | None:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        found = _schema(inside[0])
        ranges = [rule for rule in inside[1:] if isinstance(rule, Range)]
        return found and {**found, **{k: v for rule in ranges for k, v in _ends(rule).items()}}
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (typing.Union, types.UnionType):
        return _or_null([each for each in inside if each is not types.NoneType])
    if origin is tuple:
        found = _schema(inside[0])
        return found and {"type": "array", "items": found}
    return {"type": TYPES[hint]} if hint in TYPES else None


def _or_null(kinds: list[Any]) -> dict[str, Any] | None:
    """One kind, or null."""
    found = _schema(kinds[0]) if len(kinds) == 1 else None
    if found and "enum" in found:
        return {**found, "enum": [*found["enum"], None]}
    return found and {**found, "type": [found["type"], "null"]}


def _ends(rule: Range) -> dict[str, float]:
    found = {
        "exclusiveMinimum" if rule.open_low else "minimum": rule.low,
        "exclusiveMaximum" if rule.open_high else "maximum": rule.high,
    }
    return {name: end for name, end in found.items() if abs(end) != float("inf")}


def _fields(kind: Any) -> tuple[Field[Any], ...]:
    return fields(kind)


def _default(kind: type, name: str) -> Any:
    (value,) = (each.default for each in _fields(kind) if each.name == name)
    return None if value is MISSING else value


def _help(kind: type) -> dict[str, str]:
    """What the source says of each field: a string below it, or a comment behind or above it."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        try:
            source = textwrap.dedent(inspect.getsource(each))
        except (OSError, TypeError):  # it has none
            continue
        words = tokenize.generate_tokens(io.StringIO(source).readline)
        comments = {t.start[0]: t for t in words if t.type == tokenize.COMMENT}
        (node,) = ast.parse(source).body
        body = node.body if isinstance(node, ast.ClassDef) else []
        for one, after in zip(body, [*body[1:], None], strict=True):
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
                found[one.target.id] = _below(after) or _beside(one, comments)
    return found


def _below(node: Any) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _beside(node: ast.AnnAssign, comments: dict[int, tokenize.TokenInfo]) -> str:
    behind = comments.get(node.end_lineno or 0)
    lines, at = ([behind.string] if behind else []), node.lineno - 1
    while not behind and at in comments and not comments[at].line[: comments[at].start[1]].strip():
        lines.insert(0, comments[at].string)
        at -= 1
    return " ".join(line.lstrip("# ") for line in lines)
