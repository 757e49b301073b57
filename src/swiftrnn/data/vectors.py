"""Vectors of words that were learnt elsewhere, as files of GloVe and word2vec have them."""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swiftrnn.data import vector_files
from swiftrnn.data.sources.packed import DAMAGED

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

    Examples:
        >>> spellings("B12")
        ('B12', 'b12', 'b00')
    """
    return word, word.lower(), re.sub(r"\d", "0", word.lower())


def read(path: Path, words: Iterable[str]) -> Vectors:
    """The vectors of some words; the file is read once, and only what is needed is kept.

    Of a word that is there more than once the first vector is taken; that, words that are no UTF-8
    and a first line that is none of the vectors' are said on stderr.

    Args:
        path: text (a word and its numbers on a line, parted by blanks or tabs, with or without a
            first line of two numbers) or word2vec's binary form; either may be packed by gzip.
        words: those that are wanted, looked for as `spellings` says.

    Raises:
        ValueError: the file cannot be read or was cut short, a line does not fit, or a vector that
            is wanted has a number that is not finite; the message says which.
    """
    asked = list(dict.fromkeys(words))
    wanted = {form for word in asked for form in spellings(word)}
    known: dict[str, np.ndarray] = {}
    again = 0
    try:
        found = vector_files.Found(path)
        for word, vector in found.vectors(wanted):
            again += word in known
            known.setdefault(word, vector)
    except (OSError, *DAMAGED) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"vectors need a file that can be read; got {path} ({why})") from None
    if again:
        found.notes.append(f"{again:,} of the words are there again; their first vectors are taken")
    for note in found.notes:
        print(f"{path}: {note}", file=sys.stderr)
    if not known:
        raise ValueError(
            f"vectors need words that are asked for; got none of {len(asked):,} in {path}; "
            "is it of this language?"
        )
    of, ways = {}, Counter()
    for word in asked:
        way = next((i for i, form in enumerate(spellings(word)) if form in known), 3)
        ways[WAYS[way]] += 1
        if way < 3:
            of[word] = known[spellings(word)[way]]
    return Vectors(of, found.dim, {way: ways[way] for way in WAYS})
