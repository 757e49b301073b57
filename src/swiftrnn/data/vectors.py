"""Vectors of words that were learnt elsewhere, as files of GloVe and word2vec have them."""

import gzip
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

WAYS = ("exact", "lower", "digits", "none")  # how a word was found


@dataclass(frozen=True)
class Vectors:
    """The vectors that some words have.

    Attributes:
        of: word -> (dim) float32; words without one are missing.
        dim: how long they are.
        found: how many of the words that were asked for were found which way.
    """

    of: dict[str, np.ndarray]
    dim: int
    found: dict[str, int]

    @property
    def coverage(self) -> float:
        """The part of the words that have a vector, 0 to 1."""
        total = sum(self.found.values())
        return 1 - self.found["none"] / total if total else 0.0

    def __str__(self) -> str:
        total = max(1, sum(self.found.values()))
        parts = ", ".join(f"{way} {100 * self.found[way] / total:.1f} %" for way in WAYS)
        return f"{sum(self.found.values()):,} words: {parts}"


def spellings(word: str) -> tuple[str, str, str]:
    """As a word is looked for: as it is, in lower case, and so with 0 for every digit.

    Example:
        >>> spellings("B12")
        ('B12', 'b12', 'b00')
    """
    return word, word.lower(), re.sub(r"\d", "0", word.lower())


def read(path: Path, words: Iterable[str]) -> Vectors:
    """The vectors of some words; the file is read once, and only what is needed is kept.

    Args:
        path: text (a word and its numbers on a line, with or without a first line of two numbers)
            or word2vec's binary form; `*.gz` is unpacked.
        words: those that are wanted, looked for as `spellings` says.

    Raises:
        ValueError: the file cannot be read, or a line does not fit; the message says which.
    """
    asked = list(dict.fromkeys(words))
    wanted = {form for word in asked for form in spellings(word)}
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            known = dict(_entries(file, wanted, path))
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"vectors need a file that can be read; got {path} ({why})") from None
    if not known:
        raise ValueError(
            f"vectors need words that are asked for; got none of {len(asked):,} in {path}; "
            "is it of this language?"
        )
    of, found = {}, Counter()
    for word in asked:
        way = next((i for i, form in enumerate(spellings(word)) if form in known), 3)
        found[WAYS[way]] += 1
        if way < 3:
            of[word] = known[spellings(word)[way]]
    dim = len(next(iter(known.values())))
    return Vectors(of, dim, {way: found[way] for way in WAYS})


def _entries(file: Any, wanted: set[str], path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Words that are wanted, and their vectors."""
    head = file.readline()
    if re.fullmatch(rb"\d+ \d+\s*", head):
        dim = int(head.split()[1])
        if _is_binary(file, dim):
            yield from _binary(file, int(head.split()[0]), dim, wanted, path)
            return
        first, lines = 2, file
    else:
        dim, first, lines = len(head.split()) - 1, 1, chain([head], file)
    for number, line in enumerate(lines, first):
        word, *numbers = line.rstrip().rsplit(b" ", dim)
        text = word.decode("utf-8", "replace")
        if len(numbers) != dim or dim < 1:
            raise ValueError(
                f"{path}:{number} needs a word and {max(dim, 1)} numbers; got {line[:40]!r}; "
                "was the file cut short?"
            )
        if text in wanted:
            try:
                yield text, np.array(numbers, dtype=np.float32)
            except ValueError:
                raise ValueError(
                    f"{path}:{number} needs numbers behind its word; got {line[:40]!r}"
                ) from None


def _is_binary(file: Any, dim: int) -> bool:
    """Whether what follows the first word is no text of numbers."""
    ahead = file.peek(64 + 4 * dim)
    numbers = ahead.split(b"\n", 1)[0].split(b" ", 1)[-1]
    return re.fullmatch(rb"[-+.eE\d \r]*", numbers) is None


def _binary(
    file: Any, count: int, dim: int, wanted: set[str], path: Path
) -> Iterator[tuple[str, np.ndarray]]:
    for number in range(count):
        word = bytearray()
        while (sign := file.read(1)) not in (b" ", b""):
            word += sign
        numbers = file.read(4 * dim)
        if len(numbers) < 4 * dim:
            raise ValueError(f"{path} needs {count:,} words; got {number:,}; it was cut short")
        text = word.decode("utf-8", "replace").lstrip("\n")
        if text in wanted:
            yield text, np.frombuffer(numbers, dtype="<f4").astype(np.float32)
