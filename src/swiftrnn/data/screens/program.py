"""Programs as trees: read with line numbers in every error, and written in one canonical form."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swiftrnn.data.screens.grammar import FULL, PLATFORMS, Kind, Platform

SIGNS = "{},"
MOST = 1_000_000  # characters of a program
CLOSE = "}"


@dataclass(frozen=True)
class Node:
    """A name and what it holds."""

    name: str
    children: tuple["Node", ...] = ()

    def walk(self) -> Iterator["Node"]:
        """This node, then those below it, in the order in which they are written."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Program:
    """A program of a platform.

    Attributes:
        platform: one of `grammar.PLATFORMS`.
        body: the whole; its own name is not written.

    Examples:
        >>> page = parse("row{single{text,btn-red}}")
        >>> print(page)
        row {
        single {
        text, btn-red
        }
        }
        >>> page == parse(str(page))
        True
    """

    platform: str
    body: Node

    def __str__(self) -> str:
        return "\n".join(_lines(self.body.children))

    @property
    def kinds(self) -> dict[str, Kind]:
        """What the names of its platform stand for."""
        return PLATFORMS[self.platform].kinds

    @property
    def names(self) -> list[str]:
        """Names in the order in which they are written, and `CLOSE` after each container."""
        return list(_names(self.body.children))

    @property
    def layout(self) -> str:
        """Its names without what only a colour tells apart."""
        plain = {name: kind.plain for name, kind in self.kinds.items() if kind.plain}
        return " ".join(plain.get(name, name) for name in self.names)


def _lines(nodes: Sequence[Node]) -> Iterator[str]:
    alone: list[str] = []
    for node in nodes:
        if not node.children:
            alone.append(node.name)
            continue
        if alone:
            yield ", ".join(alone)
            alone = []
        yield f"{node.name} {{"
        yield from _lines(node.children)
        yield CLOSE
    if alone:
        yield ", ".join(alone)


def _names(nodes: Sequence[Node]) -> Iterator[str]:
    for node in nodes:
        yield node.name
        if node.children:
            yield from _names(node.children)
            yield CLOSE


def tokens(program: str) -> list[str]:
    """Names, braces and commas, as the paper counts them.

    Examples:
        >>> tokens("header { btn-active, btn-inactive }")
        ['header', '{', 'btn-active', ',', 'btn-inactive', '}']
    """
    return re.findall(r"[{},]|[^\s{},]+", program)


def of_names(names: Sequence[str], platform: str) -> Program:
    """A program from `Program.names`.

    Raises:
        ValueError: they are not such.
    """
    return parse("\n".join(_opened(names, PLATFORMS[platform])), platform)


def _opened(names: Sequence[str], platform: Platform) -> Iterator[str]:
    for name in names:
        held = name in platform.kinds and platform.kinds[name].holds
        yield f"{name} {{" if held else name


def parse(text: str, platform: str | None = None) -> Program:
    """Read a program.

    Args:
        text: names, braces and commas; a line of its own separates as a comma does.
        platform: whose names these are; found out by default.

    Raises:
        ValueError: it is no program; the message says in which line, and why.
    """
    if len(text) > MOST:
        raise ValueError(f"a program needs at most {MOST:,} characters; got {len(text):,}")
    found = _tokens(text)
    if not found:
        raise ValueError("a program needs names such as row { ... }; got none")
    chosen = _platform({word for word, _ in found if word not in SIGNS}, platform)
    body = _Reader(found, chosen).body()
    _check(body, chosen)
    if platform is None:
        _only(body)
    return Program(chosen.name, body.node())


def _tokens(text: str) -> list[tuple[str, int]]:
    lines = enumerate(text.splitlines(), start=1)
    return [(word, number) for number, line in lines for word in tokens(line)]


def _platform(words: set[str], name: str | None) -> Platform:
    """The one that was asked for, or that has most of the names."""
    if name is not None and name not in PLATFORMS:
        raise ValueError(f"a program needs a platform of {', '.join(PLATFORMS)}; got {name!r}")
    if name is not None:
        return PLATFORMS[name]
    return max(PLATFORMS.values(), key=lambda each: len(words & {*each.names}))


def _only(body: "_Open") -> None:
    """Refuse names that several platforms have."""
    words = {node.name for node in body.node().walk()} - {"body"}
    fitting = [each.name for each in PLATFORMS.values() if words <= {*each.names}]
    if len(fitting) > 1:
        raise ValueError(
            f"a program needs names that only one platform has; got some of {' and '.join(fitting)}"
            "; say which with --platform"
        )


@dataclass
class _Open:
    """A node that is being read, and its line."""

    name: str
    line: int
    children: list["_Open"]
    opened: bool = False

    def node(self) -> Node:
        return Node(self.name, tuple(child.node() for child in self.children))


class _Reader:
    """Tokens to a tree; keeps a stack of what is open, so that no depth is too deep."""

    def __init__(self, found: Sequence[tuple[str, int]], platform: Platform) -> None:
        self.found, self.platform = found, platform

    def body(self) -> _Open:
        stack = [_Open("body", 0, [], opened=True)]
        last, before = "{", 0  # the sign or name before, and its line
        for word, line in self.found:
            here = stack[-1]
            if word == "{":
                self._opens(here, last, line)
                stack.append(here.children[-1])
            elif word == CLOSE:
                self._closes(stack, last, line)
                stack.pop()
            elif word == ",":
                if last in ("{", ",", CLOSE):
                    raise ValueError(f"a program needs a name before the comma of line {line}")
            else:
                self._named(word, line, last, before)
                here.children.append(_Open(word, line, []))
            last, before = word, line
        if last == ",":
            raise ValueError(f"a program needs a name after the comma of line {before}; got none")
        if len(stack) > 1:
            lost = stack[-1]
            raise ValueError(
                f"a program needs a }} for the {{ after {lost.name} in line {lost.line}; got its "
                "end; close it"
            )
        return stack[0]

    def _opens(self, here: _Open, last: str, line: int) -> None:
        if last in SIGNS:
            raise ValueError(f"a program needs a name before the {{ of line {line}; got {last}")
        if not self.platform.kinds[last].holds:
            raise ValueError(
                f"a program needs {last} to stand alone; got a {{ after it, line {line}"
            )
        here.children[-1].opened = True

    def _closes(self, stack: Sequence[_Open], last: str, line: int) -> None:
        if len(stack) == 1:
            raise ValueError(
                f"a program needs a {{ for each }}; got one too many in line {line}; leave it out"
            )
        if last == ",":
            raise ValueError(f"a program needs a name after the comma before the }} of line {line}")

    def _named(self, word: str, line: int, last: str, before: int) -> None:
        known = self.platform.names
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known)}"
            raise ValueError(
                f"a program of {self.platform.name} needs names that it has; got {_short(word)} in "
                f"line {line}{hint}"
            )
        if last not in SIGNS and line == before:
            raise ValueError(
                f"a program needs a comma between {last} and {word} in line {line}; got none"
            )


def _short(word: str) -> str:
    return repr(word if len(word) <= 40 else f"{word[:40]}...")


def _check(node: _Open, platform: Platform) -> None:
    """Refuse what stands in the wrong place, too often, or not at all."""
    kind = platform.kinds[node.name]
    slots, place, count = kind.holds, 0, 0
    where = "the program" if node.name == "body" else f"{node.name} in line {node.line}"
    for child in node.children:
        while place < len(slots) and (
            child.name not in slots[place].names or count == slots[place].most
        ):
            place, count = place + 1, 0
        if place == len(slots):
            fits = " then ".join(" or ".join(slot.names) for slot in slots)
            raise ValueError(
                f"{where} needs {fits}; got {child.name} in line {child.line}; move it"
            )
        count += 1
        if not child.opened and platform.kinds[child.name].holds:
            raise ValueError(
                f"{child.name} in line {child.line} needs {{ and }} around what it holds; got none"
            )
        _check(child, platform)
    if not node.children:
        fits = " or ".join(name for slot in slots for name in slot.names)
        if slots:
            raise ValueError(f"{where} needs {fits} in its braces; got nothing")
        return
    width = sum(platform.kinds[child.name].width for child in node.children)
    if kind.line and width > FULL:
        raise ValueError(
            f"{where} needs cells of at most {FULL} twelfths together (single {FULL}, double 6, "
            f"quadruple 3); got {width}; begin another row"
        )
