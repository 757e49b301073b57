"""Sentences as numbers: vocabularies of words and their characters, and batches of them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.segmentation.cutting import STYLES, Cut, Style
from swiftrnn.data.segmentation.cutting_learnt import learnt
from swiftrnn.data.segmentation.typography import KINDS, SIGN, is_sign, kind, own, plain

UNKNOWN = "<unk>"
ONCE = 2  # sights of a character; one with fewer is unknown, so that models learn what that is
MOST_CHARS = 40  # of a word; longer ones are addresses
KEPT = 1 << 15  # words that are looked up once


def folded(word: str, lower: bool = False) -> str:
    """A word with its digits as 0, as the vocabulary has it, and in lower case if that is asked."""
    return re.sub(r"\d", "0", word.lower() if lower else word)


@dataclass(frozen=True)
class WordVocabulary:
    """Which number stands for which word and character.

    Word 0 is unknown, word 1 a sign that is. The first characters stand for unknown ones by what
    they are, see `data.typography.KINDS`. Older vocabularies have none of these but word 0, and
    leave unknown characters out.
    """

    words: list[str]
    chars: list[str]
    rare: list[int]  # words seen once in train: they stand for what is unknown, now and then
    style: Style = "words"  # how raw text is cut, so that it looks like train
    lower: bool = False  # whether words are in lower case; characters never are
    cut: Cut | None = None  # the same as `style`, in full; older vocabularies have none

    def __post_init__(self) -> None:
        if isinstance(self.cut, Mapping):
            object.__setattr__(self, "cut", Cut.of(self.cut))

    @classmethod
    def of(
        cls, train: Iterable[Sequence[str]], lower: bool = False, more: Iterable[str] = (),
        cut: Cut | None = None, **others: Any,
    ) -> Self:  # fmt: skip
        """What train holds, and more words that have a vector already.

        Args:
            train: the words of each of its sentences.
            lower: whether words are in lower case.
            more: words.
            cut: how raw text is cut; as train was, unless given.
            others: fields of a class derived from this one.
        """
        train = [*train]
        cut = cut or learnt(train)
        written = [w for words in train for w in words]
        kept = own(written)
        seen = [plain(w, kept) for w in written]
        counts = Counter(folded(w, lower) for w in seen)
        further = {folded(plain(w, kept), lower) for w in more} - counts.keys()
        words = [
            UNKNOWN,
            KINDS[SIGN],
            *sorted(counts, key=lambda w: (-counts[w], w)),
            *sorted(further),
        ]
        spelt = Counter(c for w in seen for c in w)
        chars = [*KINDS, *sorted(c for c, n in spelt.items() if n >= ONCE)]
        rare = [i for i, w in enumerate(words) if counts[w] == 1]
        return cls(words, chars, rare, cut.style, lower, cut, **others)

    @property
    def how(self) -> Cut:
        """How raw text is cut."""
        return self.cut or STYLES[self.style]

    @property
    def char_kinds(self) -> list[int]:
        """For each character the one that stands for unknown ones like it, if there are such."""
        if not self._kinds:
            return []
        return [*range(len(KINDS)), *map(kind, self.chars[len(KINDS) :])]

    @property
    def unknown(self) -> list[int]:
        """For each word the one that stands for unknown ones like it."""
        return [int(self._kinds and is_sign(word)) for word in self.words]

    @cached_property
    def _own(self) -> frozenset[str]:
        """Quotes and dashes that train holds apart; plain ones are no words of their own."""
        return frozenset(w for w in self.words if len(w) == 1 and plain(w) != w)

    @cached_property
    def _kinds(self) -> bool:
        return tuple(self.chars[: len(KINDS)]) == KINDS

    def folded(self, word: str) -> str:
        """A word as `words` has it."""
        return folded(word if self.cut is None else plain(word, self._own), self.lower)

    def number(self, word: str) -> int:
        """Of a word."""
        found = self.numbers[0].get(folded := self.folded(word))
        return int(self._kinds and is_sign(folded)) if found is None else found

    def spelling(self, word: str) -> list[int]:
        """The numbers of a word's characters, at least one."""
        char = self.numbers[1]
        if not self._kinds:
            return [char[c] for c in word[:MOST_CHARS] if c in char] or [0]
        word = plain(word, self._own)[:MOST_CHARS]
        if is_sign(word) and not all(c in char for c in word):
            return [SIGN]
        return [char[c] if c in char else kind(c) for c in word]

    def looked_up(self, word: str) -> tuple[int, np.ndarray]:
        """Its number and its spelling; those of the last words are kept."""
        if (found := self._seen.get(word)) is None:
            found = self.number(word), np.array(self.spelling(word))
            if len(self._seen) >= KEPT:
                self._seen.clear()
            self._seen[word] = found
        return found

    @cached_property
    def _seen(self) -> dict[str, tuple[int, np.ndarray]]:
        return {}

    @cached_property
    def numbers(self) -> tuple[dict[str, int], dict[str, int]]:
        """Of words and of characters."""
        word, char = ({each: i for i, each in enumerate(part)} for part in (self.words, self.chars))
        return word, char


class WordBatcher:
    """Sentences to tensors.

    A batch has `words` (T, B) and `lengths` (B); and of its different words `chars` (C, N) and
    `char_lengths` (N), with `word_of` (T, B), which of them a word is.
    """

    def __init__(self, vocabulary: WordVocabulary) -> None:
        self.vocabulary = vocabulary
        self.met: dict[str, tuple[int, int]] = {}  # words so far, as written: number and form
        self.spelt = np.zeros((MOST_CHARS, 1024), np.int64)  # the characters of each, one below
        self.sizes = np.zeros(1024, np.int64)  # the other, and how many; room for more words

    def numbers(self, words: Sequence[str], rows: int = 2) -> np.ndarray:
        """(rows, T): numbers of words and of forms; further rows are 0."""
        row = np.zeros((rows, len(words)), np.int64)
        if words:
            row[0], row[1] = zip(*map(self._number_and_form, words), strict=True)
        return row

    def _number_and_form(self, word: str) -> tuple[int, int]:
        if word not in self.met:
            new = len(self.met)
            if new == len(self.sizes):
                self.spelt = np.pad(self.spelt, ((0, 0), (0, new)))
                self.sizes = np.pad(self.sizes, (0, new))
            number, known = self.vocabulary.looked_up(word)
            self.spelt[: len(known), new], self.sizes[new] = known, len(known)
            self.met[word] = number, new
        return self.met[word]

    def collate(
        self, rows: Sequence[np.ndarray], device: torch.device | None = None
    ) -> dict[str, Tensor]:
        """A batch of sentences, of which each has at least one word, on a device."""
        lengths = np.array([row.shape[1] for row in rows])
        forms, word_of = np.unique(np.concatenate([row[1] for row in rows]), return_inverse=True)
        sizes = self.sizes[forms]
        words = np.concatenate([row[0] for row in rows])
        batch = {
            "words": padded(words, lengths), "word_of": padded(word_of, lengths),
            "lengths": torch.from_numpy(lengths),
            "chars": torch.from_numpy(self.spelt[: sizes.max(), forms]),
            "char_lengths": torch.from_numpy(sizes),
        }  # fmt: skip
        return {name: each.to(device) for name, each in batch.items()}


def padded(flat: np.ndarray, lengths: np.ndarray) -> Tensor:
    """Sequences that lie one after the other, as columns (T, B), filled up with 0."""
    inside = np.arange(lengths.max())[:, None] < lengths
    found = np.zeros(inside.shape[::-1], dtype=np.int64)
    found[inside.T] = flat
    return torch.from_numpy(found.T)
