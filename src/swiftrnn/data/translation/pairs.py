"""Sentences and their translations: files of pairs, and parts that share no sentence."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from swiftrnn.data import two_columns
from swiftrnn.data.tagged.lines import decoded
from swiftrnn.data.two_columns import About

LARGE = 100  # pairs of a component; larger ones are in train
LONGEST = 10_000  # characters of a sentence; more is a file without ends of lines
ABOUT = About(
    "pairs of sentences", "a sentence and its translation", ("source", "target"), ("1", "2"),
    ("--source-column", "--target-column"),
)  # fmt: skip


class Layout(NamedTuple):
    """Where in a file things are.

    Attributes:
        source: the column of the source: its number from 1, from the end with a minus, or its name;
            in a .jsonl or .parquet file its key. None is the first column, or the key "source".
        target: the same for the target; None is the second column, or the key "target".
        encoding: of the file, as Python names it.
    """

    source: str | None = None
    target: str | None = None
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Pairs:
    """Sentences and their translations.

    Attributes:
        sources: N sentences.
        targets: the translation of each.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def __str__(self) -> str:
        different = f"{len({*self.sources}):,} and {len({*self.targets}):,} different sentences"
        return f"{len(self):,} pairs of {different}"

    def about(self) -> dict[str, Any]:
        """What was read, for metrics.json."""
        return {
            "pairs": len(self), "sources": len({*self.sources}), "targets": len({*self.targets}),
        }  # fmt: skip

    def rows(self, numbers: Sequence[int]) -> Self:
        """Those pairs alone."""
        sources, targets = ([part[i] for i in numbers] for part in (self.sources, self.targets))
        return type(self)(tuple(sources), tuple(targets))

    def spread(self, count: int) -> Self:
        """So many at most, from all over: a file may be sorted by length."""
        return self.rows(places(len(self), count))

    def swapped(self) -> Self:
        """From the other language to this one."""
        return type(self)(self.targets, self.sources)


def places(total: int, count: int) -> list[int]:
    """So many at most of the places below a number, from all over.

    Examples:
        >>> places(10, 4), places(2, 4)
        ([0, 2, 5, 7], [0, 1])
    """
    count = min(count, total)
    return [i * total // count for i in range(count)]


def read(path: Path, layout: Layout | None = None) -> Pairs:
    """Pairs of a file: .tsv or .txt with tabs, .csv, .jsonl or .parquet; see `two_columns.read`.

    Raises:
        OSError: it cannot be read.
        ValueError: a row does not fit; the message names its line.
    """
    layout = layout or Layout()
    columns = (layout.source, layout.target)
    rows, _ = two_columns.read(path, ABOUT, columns, layout.encoding)
    found = []
    for line, *sides in rows:
        if not all(isinstance(each, str) for each in sides):
            odd = next(each for each in sides if not isinstance(each, str))
            raise ValueError(f"{path}:{line} needs two sentences; got {odd!r:.60}; mend the row")
        found.append([_sentence(each, path, line) for each in sides])
    return _pairs(found, path)


def read_parallel(sources: Path, targets: Path, encoding: str = "utf-8") -> Pairs:
    """Pairs of two files, the sentence of each line translated by the same line of the other.

    Raises:
        OSError: one cannot be read.
        ValueError: they have different numbers of lines, or a line does not fit.
    """
    sides = []
    for path in (sources, targets):
        text = decoded(path.read_bytes(), str(path), encoding).replace("\r\n", "\n")
        lines = text.split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines  # what ends in an end of line has no more
        sides.append([_sentence(line, path, i) for i, line in enumerate(lines, 1)])
    if len(sides[0]) != len(sides[1]):
        raise ValueError(
            f"parallel files need as many lines as one another; got {len(sides[0]):,} in {sources} "
            f"and {len(sides[1]):,} in {targets}; pair them line by line"
        )
    return _pairs([list(each) for each in zip(*sides, strict=True)], sources)


def _sentence(text: str, path: Path, line: int) -> str:
    found = " ".join(text.split())
    if not found:
        raise ValueError(
            f"{path}:{line} needs a sentence on either side; got an empty one; fill it in, or take "
            "the line out"
        )
    if len(found) > LONGEST:
        raise ValueError(
            f"{path}:{line} needs sentences of at most {LONGEST:,} characters; got {len(found):,}; "
            "cut it into sentences, or take the line out"
        )
    return found


def _pairs(found: list[list[str]], path: Path) -> Pairs:
    if not found:
        raise ValueError(f"{path} needs pairs of sentences; got none; give another file")
    return Pairs(tuple(each for each, _ in found), tuple(each for _, each in found))


class Parts(NamedTuple):
    """What is learnt from, what is chosen by, and what is measured once."""

    train: Pairs
    valid: Pairs
    test: Pairs


def components(pairs: Pairs) -> np.ndarray:
    """(N): for each pair the number of its component: pairs that share a sentence are in one.

    Sentences are the same if they differ in case, spaces and the signs at their end alone.

    Examples:
        >>> components(Pairs(("a", "b", "c", "A!"), ("x", "y", "y", "z"))).tolist()
        [0, 1, 1, 0]
    """
    numbers: dict[tuple[int, str], int] = {}
    ends = [
        [numbers.setdefault((side, _key(each)), len(numbers)) for each in part]
        for side, part in enumerate((pairs.sources, pairs.targets))
    ]
    above = list(range(len(numbers)))  # a forest: of each sentence one that is in its component

    def root(number: int) -> int:
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    for source, target in zip(*ends, strict=True):
        above[root(source)] = root(target)
    first: dict[int, int] = {}
    return np.array([first.setdefault(root(each), len(first)) for each in ends[0]])


def _key(sentence: str) -> str:
    return sentence.casefold().rstrip(" .!?…") or sentence


def split(pairs: Pairs, valid: float, test: float, seed: int) -> Parts:
    """Parts that share no sentence on either side, whole components at a time.

    A sentence often has several translations, so that pairs drawn at random would put it into two
    parts, and a model would be tested on what it learnt from. A component belongs to a part by a
    hash of its first sentence, so that it stays there as pairs come and go. The largest components,
    of short sentences that many others share, are always in train.

    Args:
        pairs: of one corpus.
        valid: the part of the components for valid, in 0..1.
        test: the same for test; both together are below 1.
        seed: other parts for other seeds.

    Raises:
        ValueError: a part is out of range, or would be empty.
    """
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise ValueError(
            "split needs parts for valid and test above 0, together below 1; got "
            f"{valid:g} and {test:g}"
        )
    of = components(pairs)
    sizes = np.bincount(of)
    keys: dict[int, str] = {}
    for number, sentence in zip(of.tolist(), map(_key, pairs.sources), strict=True):
        keys[number] = min(sentence, keys.get(number, sentence))
    rows: list[list[int]] = [[], [], []]
    where = {number: _part(key, valid, test, seed) for number, key in keys.items()}
    for i, number in enumerate(of.tolist()):
        rows[0 if sizes[number] > LARGE else where[number]].append(i)
    if not all(rows):
        raise ValueError(
            "split needs a pair for each part; got "
            f"{', '.join(str(len(each)) for each in rows)} for train, valid, test; give more pairs"
        )
    return Parts(*(pairs.rows(each) for each in rows))


def _part(key: str, valid: float, test: float, seed: int) -> int:
    """0, 1 or 2: train, valid or test."""
    hashed = hashlib.sha256(f"{seed}\0{key}".encode()).digest()
    place = int.from_bytes(hashed[:8], "big") / 2**64
    return 1 if place < valid else 2 if place < valid + test else 0
