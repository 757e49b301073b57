"""The lines of files in columns: which hold a word and its tag, and where in a line these are."""

import codecs
import re
from collections.abc import Sequence
from typing import NamedTuple

from swiftrnn.data.tagged import tags as tagging

DOCUMENT = "-DOCSTART-"  # in place of a word: a document begins
COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*(.+)")  # of CoNLL-U Plus
BLANKS = re.compile(r"[ \t]+")
NUMBER = re.compile(r"\d+(?:[-.:]\d+)?")  # 3; 3-4 are two words in one, 3.1 one that is not there


class Layout(NamedTuple):
    """Where in a line things are.

    Attributes:
        word: the column of the word: its number from 1, from the end with a minus, or its name in
            the first line or behind "# global.columns ="; None is the first, unless it counts.
        tag: the same for the tag; None is the last.
        encoding: of the file, as Python names it.
    """

    word: str | None = None
    tag: str | None = None
    encoding: str = "utf-8"


class Row(NamedTuple):
    """A word, its tag, and the number of their line."""

    line: int
    word: str
    tag: str


def decoded(content: bytes, name: str, encoding: str = "utf-8") -> str:
    """The text of a file.

    Raises:
        ValueError: it is in another encoding; the message names the first line that is.
    """
    utf8 = False
    try:
        utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        marked = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        if utf8 and marked:
            raise ValueError(f"{name}:1 needs UTF-8; got UTF-16; add --encoding utf-16")
        text = content.decode("utf-8-sig" if utf8 else encoding)
    except LookupError:
        raise ValueError(
            f"--encoding needs a name that Python knows; got {encoding!r}; "
            "utf-8, latin-1 and utf-16 are usual"
        ) from None
    except UnicodeDecodeError as error:
        at, kind = error.start, "UTF-8" if utf8 else encoding
        raise ValueError(
            f"{name}:{content.count(10, 0, at) + 1} needs {kind}; got byte {content[at]:#04x} at "
            f"byte {at:,} of {name}; convert the file, or name its encoding, as --encoding latin-1"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(
            f"{name}:{line} needs text; got a zero character; is the file UTF-16? "
            "add --encoding utf-16"
        )
    if not utf8 and not content.isascii() and _is_utf8(content):
        raise ValueError(f"{name}:1 needs {encoding}; got UTF-8; leave --encoding out")
    return text.removeprefix("\ufeff")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def sentences(text: str, name: str, layout: Layout) -> tuple[list[list[Row]], int]:
    """The rows of each sentence, and how many documents begin.

    Raises:
        ValueError: a line does not fit; the message names it.
    """
    return _Table(text, name, layout).sentences()


class _Table:
    """The lines of one file."""

    def __init__(self, text: str, name: str, layout: Layout) -> None:
        self.name, self.layout = name, layout
        if "\r" in text and "\n" not in text:
            raise ValueError(
                f"{name}:1 needs lines that end in a line feed; got carriage returns alone; "
                "convert the file"
            )
        lines = [line.removesuffix("\r").rstrip(" \t") for line in text.split("\n")]
        self.lines = [(i, line) for i, line in enumerate(lines, 1)]
        shown = [(i, line) for i, line in self.lines if line.strip(" \t")]
        plain = [(i, s) for i, s in shown if not s.startswith(("#", DOCUMENT))]
        self.names = next((m[1].split() for _, s in shown if (m := COLUMNS.match(s))), [])
        self.header = 0
        named = [c for c in (layout.word, layout.tag) if c and not _is_number(c)]
        if named and not self.names and plain:
            self.header = plain[0][0]
        self.first = next((i for i, _ in plain if i != self.header), shown[0][0] if shown else 1)
        example = lines[self.first - 1] if shown else ""
        self.tabs = "\t" in example.strip(" \t")
        if self.header:
            self.names = self._fields(plain[0][1])
        self.width = len(self._fields(example))
        keys = [self._fields(s)[0] for i, s in plain if i != self.header]
        self.counts = self.width > 2 and len(keys) > 1 and all(map(NUMBER.fullmatch, keys))
        self.parts = self.counts and any(key.isdigit() for key in keys)
        if shown:
            self._place()

    def _place(self) -> None:
        """Where words and tags are."""
        if self.width < 2:
            raise ValueError(
                f"{self.name}:{self.first} needs 2 columns, a word first and its tag "
                f"last, parted by a tab or blanks; got {self.lines[self.first - 1][1][:60]!r}"
            )
        word, tag = self.layout.word, self.layout.tag
        self.word, self.tag = self._column(word or "1", "word"), self._column(tag or "-1", "tag")
        if self.word == self.tag:
            raise ValueError(
                f"{self.name}:{self.first} needs words and tags in two columns; got column "
                f"{self.word + 1} for both; give --word-column and --tag-column"
            )
        if word is None and self.counts:
            raise ValueError(
                f"{self.name}:{self.first} needs words in its first column; got numbers, which "
                f"count them; say where words and tags are, as --word-column 2 --tag-column "
                f"{self.width}"
            )

    def _column(self, which: str, what: str) -> int:
        if _is_number(which):
            number = int(which)
            place = number - 1 if number > 0 else self.width + number
            if number and 0 <= place < self.width:
                return place
            got = f"{self.width} columns"
        elif which in self.names:
            return self.names.index(which)
        else:
            got = f"the columns {', '.join(self.names) or 'without names'}"
        raise ValueError(
            f"{self.name}:{self.first} needs a column {which} for --{what}-column; got {got}; "
            "give a number from 1, or a name in the first line"
        )

    def _fields(self, line: str) -> list[str]:
        """What stands between tabs if there are any: words may hold blanks then."""
        if self.tabs and "\t" in line:
            return [field.strip(" ") for field in line.split("\t")]
        return BLANKS.split(line.strip(" \t"))

    def _is_comment(self, line: str, fields: Sequence[str]) -> bool:
        if not line.startswith("#"):
            return False
        return self.counts or len(fields) != self.width or not tagging.is_tag(fields[self.tag])

    def sentences(self) -> tuple[list[list[Row]], int]:
        found, documents = [[]], 0
        for number, line in self.lines:
            fields = self._fields(line) if line else []
            begins = DOCUMENT in fields[:1] or (
                len(fields) == self.width and fields[self.word] == DOCUMENT
            )
            documents += begins
            if begins or not fields:
                found.append([])
            elif number != self.header and not self._is_comment(line, fields):
                found[-1] += self._row(number, line, fields)
        return [rows for rows in found if rows], documents

    def _row(self, number: int, line: str, fields: list[str]) -> list[Row]:
        if len(fields) != self.width:
            raise ValueError(
                f"{self.name}:{number} needs {self.width} columns, a word first and its tag last; "
                f"got {line[:60]!r}; line {self.first} has them; a blank line ends a sentence"
            )
        if self.parts and self.word and not fields[0].isdigit():
            return []  # a word of several, or one that is not there: those with tags stand beside
        word, tag = fields[self.word], fields[self.tag]
        if not word or not tag:
            raise ValueError(
                f"{self.name}:{number} needs a word and a tag in columns {self.word + 1} and "
                f"{self.tag + 1}; got {line[:60]!r}"
            )
        return [Row(number, word, tag)]


def _is_number(column: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", column, re.ASCII) is not None
