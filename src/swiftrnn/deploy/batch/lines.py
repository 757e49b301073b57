"""Files that are read line by line: a line is an input, or a JSON object that holds one."""

import itertools
import json
import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NoReturn

from swiftrnn.data.tagged.lines import DOCUMENT, NUMBER
from swiftrnn.deploy.batch.rows import MOST, Row, Unreadable, identity, needs
from swiftrnn.runs.files import why
from swiftrnn.tasks.text import SURROGATE

BOM = b"\xef\xbb\xbf"
OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
LONG = Unreadable(f"a line needs at most {MOST:,} bytes; got more; cut it")
FIRST = 1000  # lines of JSON that are looked at before any work
DEEPEST = 100  # levels of JSON
NO_WORD = ("#", DOCUMENT)  # begins what says nothing of a file's columns
BLANKS, TAB = re.compile(r"[ \t]+"), re.compile(r"\t")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
TYPES: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
LARGEST = 1 << 53  # whole numbers up to here are numbers of 64 bits, of either kind


def lines(path: Path) -> Iterator[tuple[bytes | None, int]]:
    """Each line with its end, None in place of one that is too long; and bytes so far.

    Raises:
        ValueError: it is UTF-16.
    """
    with path.open("rb", buffering=1 << 20) as file:
        begin = file.read(len(BOM))
        if begin.startswith(OTHER_BOMS):
            raise ValueError(
                f"swiftrnn predict needs UTF-8; got UTF-16 in {path}; convert it, as iconv does"
            )
        end = len(BOM) if begin == BOM else 0
        file.seek(end)
        while line := file.readline(MOST):
            end += len(line)
            if len(line) < MOST or line.endswith(b"\n"):
                yield line, end
                continue
            while line and not line.endswith(b"\n"):
                line = file.readline(MOST)
                end += len(line)
            yield None, end


def decoded(line: bytes) -> str:
    """UTF-8; other bytes become lone surrogates, so that nothing else is lost."""
    return line.decode("utf-8", "surrogateescape")


def given(text: str) -> str | bytes:
    """The text, or where bytes of it were no UTF-8, all of its bytes: the task says what to do."""
    if text.isascii() or not SURROGATE.search(text):
        return text
    return text.encode("utf-8", "surrogateescape")


class Lines:
    """A text file: each line, without its end, is an input, also where it is empty.

    Args:
        path: the file.
        column: what its one column is called.

    Raises:
        ValueError: it is UTF-16.
    """

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.size, self.columns = path, path.stat().st_size, (column,)
        next(lines(path), None)  # what is no UTF-8 at all is told before any work

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        (column,) = self.columns
        for line, end in lines(self.path):
            if line is None:
                yield Row({column: None}, LONG, end)
                continue
            text = decoded(line.removesuffix(b"\n").removesuffix(b"\r"))
            yield Row({column: text}, given(text), end)

    def fields(self) -> dict[str, str]:
        """See `Source`."""
        return dict.fromkeys(self.columns, "string")

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return identity(self.path)


class Sentences(Lines):
    """A file of columns, as of CoNLL: the words of a sentence, blanks between them, are an input.

    A blank line ends a sentence. The first line with a word says whether tabs or blanks part the
    columns, and how many there are. -DOCSTART- is no word; a line that begins with # and has
    another number of columns is a comment.

    Args:
        path: the file.
        column: what its one column is called.
        word: the number of the column with the words, from 1; None is the first.

    Raises:
        ValueError: it is UTF-16, has no such column, or its first column counts the words.
    """

    def __init__(self, path: Path, column: str, word: str | None = None) -> None:
        super().__init__(path, column)
        if word is not None and not (word.isdecimal() and int(word) > 0):
            raise ValueError(
                f"swiftrnn predict --column needs the number of a column of a .conll file, from 1; "
                f"got {word}; give that of the words"
            )
        self.word, self.by = int(word or 1) - 1, BLANKS
        first = next((text for text in self._texts() if text and not text.startswith(NO_WORD)), "")
        self.by = TAB if "\t" in first else BLANKS
        self.wide = len(self.by.split(first)) if first else 0
        known = [fields for fields, _ in itertools.islice(self._fields(), FIRST) if fields]
        if known and self.word >= self.wide:
            raise ValueError(
                f"swiftrnn predict --column needs a column of the .conll file; got {word}; "
                f"{path} has {self.wide}"
            )
        if word is None and self.wide > 1 and self._counts(known):
            raise ValueError(
                f"swiftrnn predict needs the column of the words; got {path}, whose first one "
                "counts them; give --column 2, or where they are"
            )

    def _texts(self) -> Iterator[str]:
        """The first lines."""
        for line, _ in itertools.islice(lines(self.path), FIRST):
            yield "" if line is None else decoded(line).strip(" \t\r\n")

    def _fields(self) -> Iterator[tuple[list[str] | None, int]]:
        """The columns of each line, none for a blank one, None for one that is too long."""
        for line, end in lines(self.path):
            text = "" if line is None else decoded(line).strip(" \t\r\n")
            yield (None if line is None else self.by.split(text) if text else []), end

    def _counts(self, known: list[list[str]]) -> bool:
        firsts = [each[0] for each in known if len(each) == self.wide and each[0] != DOCUMENT]
        return firsts[:1] == ["1"] and all(map(NUMBER.fullmatch, firsts))

    def _is_word(self, fields: list[str]) -> bool:
        comment = fields[0].startswith("#") and len(fields) != self.wide
        return not comment and not fields[0].startswith(DOCUMENT)

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        (column,) = self.columns
        words: list[str] = []
        wrong, end = None, 0
        for fields, end in itertools.chain(self._fields(), [([], None)]):
            if fields is None:
                wrong = LONG
            elif fields and self._is_word(fields):
                if len(fields) > self.word:
                    words.append(fields[self.word])
                else:
                    wrong = Unreadable(f"a line needs {self.word + 1} columns; got {len(fields)}")
            elif not fields and (words or wrong):
                text = " ".join(words)
                yield Row({column: text}, wrong or given(text), self.size if end is None else end)
                words, wrong = [], None


class JsonLines:
    """A file with a JSON object on each line that is not blank.

    Args:
        path: the file.
        column: the key of the input.
        taken: keys that no row may have.

    Raises:
        ValueError: there are rows, and none of the first ones has that key.
    """

    def __init__(self, path: Path, column: str, taken: Collection[str]) -> None:
        self.path, self.size = path, path.stat().st_size
        self.column, self.taken = column, frozenset[str]()  # any key is seen here
        seen = [row.columns for row in itertools.islice(self.rows(), FIRST)]
        self.columns = tuple(dict.fromkeys(key for each in seen for key in each))
        self.taken = frozenset(taken)
        if self.columns:
            needs(column, self.columns, path)

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        for line, end in lines(self.path):
            if line is None:
                yield Row({}, LONG, end)
            elif not line.isspace():
                yield self._row(line, end)

    def _row(self, line: bytes, end: int) -> Row:
        try:
            found = _read(line)
        except ValueError as error:
            wrong = f"a line needs a JSON object; got {why(error)}"
            return Row({}, Unreadable(" ".join(wrong.split())), end)
        if self.taken and (wrong := sorted(self.taken & found.keys())):
            rest = {key: value for key, value in found.items() if key not in self.taken}
            wrong = f"a row needs no {', '.join(wrong)}, as OUTPUT has its own; rename it"
            return Row(rest, Unreadable(wrong), end)
        if self.column not in found:
            keys = ", ".join(found) or "none"
            return Row(found, Unreadable(f"a row needs the key {self.column}; got {keys}"), end)
        return Row(found, found[self.column], end)

    def fields(self) -> dict[str, str]:
        """See `Source`; reads everything."""
        kinds: dict[str, set[str]] = {}
        for row in self.rows():
            for key, value in row.columns.items():
                kinds.setdefault(key, set()).add(_type(value))
        return {key: _common(each - {"null"}) for key, each in kinds.items()}

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return identity(self.path)


def _read(line: bytes) -> dict[str, Any]:
    """A line as an object.

    Raises:
        ValueError: it is none.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"the byte 0x{line[error.start]:02x} at byte {error.start}") from None
    if text.count("[") + text.count("{") > DEEPEST and _depth(text) > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels")
    found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__}")
    return found


def _depth(text: str) -> int:
    """How deep brackets lie in each other, as far as Python's reader would get."""
    depth = most = 0
    for sign in STRING.sub("", text):
        depth += (sign in "[{") - (sign in "]}")
        most = max(most, depth)
    return most


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word}, which is no JSON")


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise ValueError(f"{word}, which is too large")
    return number


def _type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, int) and abs(value) > LARGEST:
        return "json"
    return TYPES.get(type(value), "json")


def _common(kinds: set[str]) -> str:
    """The one type of several."""
    if kinds == {"integer", "number"}:
        return "number"
    return next(iter(kinds)) if len(kinds) == 1 else "json" if kinds else "string"
