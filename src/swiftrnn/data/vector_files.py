"""Files of word vectors, text or binary: what they are is seen before anything is believed."""

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from swiftrnn.data.sources.packed import MAGIC

SAMPLE = 1 << 20  # bytes that tell text from binary, and how long the vectors are
LONGEST = 1 << 20  # bytes of a line, or of a word in a binary file
MOST_DIM = 1 << 16
MOST_ODD = 0.01  # share of words that may be no UTF-8: the tool of word2vec cuts long ones
EXPANSION = 1032  # as much larger can a file be than what gzip makes of it
BOM, ZIP = b"\xef\xbb\xbf", b"PK\x03\x04"
HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]*\r?\n?")
_ONE = rb"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?i:nan|inf(?:inity)?))"
NUMBER = re.compile(_ONE)
NUMBERS = re.compile(_ONE + rb"(?:[ \t]+" + _ONE + rb")*")


class Found:
    """What a file of vectors is, from its beginning.

    Args:
        path: of the file.

    Attributes:
        dim: how many numbers a vector has.
        notes: what a reader should know; complete when all vectors were read.

    Raises:
        ValueError: it is no such file, or smaller than its first line says.
        OSError, EOFError, zlib.error: it cannot be read or unpacked.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes = path, []
        with opened(path) as file:
            ahead = file.read(SAMPLE)
        if ahead.startswith(ZIP):
            raise ValueError(f"vectors need a file of their own; got the archive {path}; unpack it")
        lines = ahead.removeprefix(BOM).split(b"\n")
        lines = lines[: -1 if len(ahead) == SAMPLE and len(lines) > 1 else None]
        ends = [_numbers_at_end(line) for line in lines[1:] if line.strip()]
        header = HEADER.fullmatch(lines[0])
        dims = Counter(count for count in ends if count)
        self.binary = header is not None and 2 * dims.total() < len(ends)
        alone = 0 if header else _numbers_at_end(lines[0])
        self.dim = dims.most_common(1)[0][0] if dims else alone
        if header and (self.binary or self.dim != 1 or int(header[2]) == 1):
            self.count, told = int(header[1]), int(header[2])
            self._check_header(told)
            self.dim, self.first = told, 2
            return
        self.count, self.first = 0, 1
        if not self.dim:
            raise ValueError(
                f"vectors need lines of a word and its numbers; got {lines[0][:40]!r} in {path}:1; "
                "is it a file of vectors?"
            )
        at_end = _numbers_at_end(lines[0])
        if dims and (not at_end or (at_end < self.dim and len(lines[0].split()) <= self.dim)):
            self.first = 2
            self.notes.append(f"the first line, {lines[0][:40]!r}, is no vector, left out")

    def vectors(self, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The words that are wanted, as often as they are there, and their vectors (dim) float32.

        Raises:
            ValueError: a line does not fit, a vector is not finite, or words are missing.
            OSError, EOFError, zlib.error: it cannot be read or unpacked.
        """
        odd = read = 0
        with opened(self.path) as file:
            for number, word, vector in self._binary(file) if self.binary else self._text(file):
                read += 1
                try:
                    text = word.decode()
                except UnicodeDecodeError:
                    odd += 1
                    continue
                if text in wanted:
                    yield text, self._checked(vector, number, text)
        if read < self.count:
            raise ValueError(
                f"vectors need {self.count:,} words, as the first line of {self.path} says; got "
                f"{read:,}; it was cut short"
            )
        if odd > max(1, MOST_ODD * read):
            raise ValueError(
                f"vectors need words in UTF-8; got {odd:,} of {read:,} in {self.path} that are "
                "not; save it as UTF-8"
            )
        if odd:
            self.notes.append(f"{odd:,} of {read:,} words are no UTF-8, left out")

    def _check_header(self, told: int) -> None:
        """Whether the file can hold what its first line says, before anything is made for it."""
        if not 1 <= told <= MOST_DIM:
            raise ValueError(
                f"vectors need 1 to {MOST_DIM:,} numbers each; got {told:,} in the first line of "
                f"{self.path}; is it a file of vectors?"
            )
        if not self.binary and self.dim and told != self.dim:
            raise ValueError(
                f"vectors need lines of {told} numbers, as the first line of {self.path} says; got "
                f"{self.dim} in most lines; correct the first line"
            )
        least = self.count * (1 + told * (4 if self.binary else 2))
        with self.path.open("rb") as raw:
            size = self.path.stat().st_size * (EXPANSION if raw.read(2) == MAGIC else 1)
        if least > size:
            raise ValueError(
                f"vectors need {least:,} bytes or more for the {self.count:,} words that the first "
                f"line of {self.path} says; got {size:,}; it was cut short"
            )

    def _text(self, file: Any) -> Iterator[tuple[int, bytes, bytes]]:
        blank = number = 0
        while line := file.readline(LONGEST):
            number += 1
            if len(line) == LONGEST and not line.endswith(b"\n"):
                raise ValueError(
                    f"{self.path}:{number} needs a line of at most {LONGEST:,} bytes; got more; "
                    "is it a file of vectors?"
                )
            line = line.removeprefix(BOM) if number == 1 else line
            if number < self.first:
                continue
            if not line.strip():
                blank = blank or number
                continue
            fields = line.rsplit(None, self.dim)
            word = fields[0].strip(b" \t\r\n")
            if blank or len(fields) != self.dim + 1 or not word or _is_longer(word):
                raise ValueError(
                    f"{self.path}:{blank or number} needs a word and {self.dim} numbers; got "
                    f"{b'' if blank else line[:40]!r}; was the file cut short?"
                )
            yield number, word, line[line.index(word) + len(word) :].strip()

    def _binary(self, file: Any) -> Iterator[tuple[int, bytes, bytes]]:
        file.readline(LONGEST)
        for number in range(self.count):
            word = bytearray()
            while (sign := file.read(1)) not in (b" ", b"") and len(word) < LONGEST:
                word += sign
            numbers = file.read(4 * self.dim)
            if len(numbers) < 4 * self.dim:
                return
            yield number + 1, bytes(word).lstrip(b"\n"), numbers
        if file.read(1 << 10).strip():
            raise ValueError(
                f"vectors need {self.count:,} words of {self.dim} numbers, as the first line of "
                f"{self.path} says; got more bytes behind them; correct the first line"
            )

    def _checked(self, numbers: bytes, at: int, word: str) -> np.ndarray:
        """The numbers of a vector that is wanted, if they are finite."""
        place = f"word {at:,} of {self.path}" if self.binary else f"{self.path}:{at}"
        if self.binary:
            vector = np.frombuffer(numbers, dtype="<f4").astype(np.float32)
        elif NUMBERS.fullmatch(numbers):
            with np.errstate(over="ignore"):
                vector = np.array(numbers.split(), dtype=np.float64).astype(np.float32)
        else:
            raise ValueError(f"{place} needs numbers behind its word; got {numbers[:40]!r}")
        if not np.isfinite(vector).all():
            raise ValueError(
                f"{place} needs finite numbers behind its word {word!r}; got "
                f"{vector[~np.isfinite(vector)][0]}; correct or remove the line"
            )
        return vector


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's bytes, unpacked where gzip packed them, whatever the file's name."""
    with path.open("rb") as raw:
        packed = raw.read(2) == MAGIC
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as file:
            yield file


def _numbers_at_end(line: bytes) -> int:
    """How many fields at the end of a line are numbers; the first field is a word."""
    fields = line.split()[1:]
    words = (i for i, field in enumerate(reversed(fields)) if not NUMBER.fullmatch(field))
    return next(words, len(fields))


def _is_longer(word: bytes) -> bool:
    """Whether a word with blanks is one with numbers behind it, of a vector that is too long."""
    return any(b"." in part and NUMBER.fullmatch(part) for part in word.split()[1:])
