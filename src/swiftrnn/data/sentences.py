"""Tagged sentences as numbers: vocabularies of words, characters and tags, and batches."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, distributed

from swiftrnn.data.columns import Columns, Sentence
from swiftrnn.data.cutting import STYLES, Cut, Style
from swiftrnn.data.cutting_learnt import learnt
from swiftrnn.data.typography import KINDS, SIGN, is_sign, kind, own, plain

UNKNOWN = "<unk>"
ONCE = 2  # sights of a character; one with fewer is unknown, so that models learn what that is
MOST_CHARS = 40  # of a word; longer ones are addresses
POOL = 16  # batches whose sentences are sorted by length together


def folded(word: str, lower: bool = False) -> str:
    """A word with its digits as 0, as the vocabulary has it, and in lower case if that is asked."""
    return re.sub(r"\d", "0", word.lower() if lower else word)


@dataclass(frozen=True)
class TagVocabulary:
    """Which number stands for which word, character and tag.

    Word 0 is unknown, word 1 a sign that is. The first characters stand for unknown ones by what
    they are, see `data.typography.KINDS`. Older vocabularies have none of these but word 0, and
    leave unknown characters out.
    """

    words: list[str]
    chars: list[str]
    tags: list[str]
    rare: list[int]  # words seen once in train: they stand for what is unknown, now and then
    style: Style = "words"  # how raw text is cut, so that it looks like train
    lower: bool = False  # whether words are in lower case; characters never are
    cut: Cut | None = None  # the same as `style`, in full; older vocabularies have none

    def __post_init__(self) -> None:
        if isinstance(self.cut, Mapping):
            object.__setattr__(self, "cut", Cut.of(self.cut))

    @classmethod
    def of(cls, train: Columns, lower: bool = False, more: Iterable[str] = ()) -> "TagVocabulary":
        """What train holds, and more words that have a vector already; tags by IOBES."""
        cut = learnt(s.words for s in train.sentences)
        written = [w for s in train.sentences for w in s.words]
        kept = own(written)
        seen = [plain(w, kept) for w in written]
        counts = Counter(folded(w, lower) for w in seen)
        others = {folded(plain(w, kept), lower) for w in more} - counts.keys()
        words = [
            UNKNOWN,
            KINDS[SIGN],
            *sorted(counts, key=lambda w: (-counts[w], w)),
            *sorted(others),
        ]
        spelt = Counter(c for w in seen for c in w)
        chars = [*KINDS, *sorted(c for c, n in spelt.items() if n >= ONCE)]
        tags = ["O", *(f"{p}-{kind}" for kind in train.types for p in "BIES")]
        rare = [i for i, w in enumerate(words) if counts[w] == 1]
        return cls(words, chars, tags, rare, cut.style, lower, cut)

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

    @cached_property
    def numbers(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """Of words, characters and tags."""
        word, char, tag = (
            {each: i for i, each in enumerate(part)} for part in (self.words, self.chars, self.tags)
        )
        return word, char, tag


class Batcher:
    """Sentences to tensors.

    A batch has `words` (T, B), `lengths` (B), `tags` (T, B); and of its different words `chars`
    (C, N) and `char_lengths` (N), with `word_of` (T, B), which of them a word is.
    """

    def __init__(self, vocabulary: TagVocabulary) -> None:
        self.vocabulary = vocabulary
        self.tag = vocabulary.numbers[2]
        self.forms: dict[str, int] = {}  # words met so far, as they are written
        self.spelt = np.zeros((MOST_CHARS, 1024), np.int64)  # the characters of each, one below
        self.sizes = np.zeros(1024, np.int64)  # the other, and how many; room for more words

    def encode(self, sentence: Sentence) -> np.ndarray:
        """(3, T): numbers of words, tags and forms."""
        words = [self.vocabulary.number(w) for w in sentence.words]
        tags = [self.tag.get(t, 0) for t in sentence.tags()]
        return np.array([words, tags, [self._form(w) for w in sentence.words]])

    def _form(self, word: str) -> int:
        if word not in self.forms:
            new = self.forms[word] = len(self.forms)
            if new == len(self.sizes):
                self.spelt = np.pad(self.spelt, ((0, 0), (0, new)))
                self.sizes = np.pad(self.sizes, (0, new))
            known = self.vocabulary.spelling(word)
            self.spelt[: len(known), new], self.sizes[new] = known, len(known)
        return self.forms[word]

    def collate(
        self, rows: Sequence[np.ndarray], device: torch.device | None = None
    ) -> dict[str, Tensor]:
        """A batch of sentences, of which each has at least one word, on a device."""
        lengths = np.array([row.shape[1] for row in rows])
        forms, word_of = np.unique(np.concatenate([row[2] for row in rows]), return_inverse=True)
        sizes = self.sizes[forms]
        flat = np.concatenate(rows, 1)
        columns = (flat[0], flat[1], word_of)
        words, tags, places = (padded(each, lengths) for each in columns)
        batch = {
            "words": words, "tags": tags, "word_of": places, "lengths": torch.from_numpy(lengths),
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


class Batches:
    """The batches of an epoch, in an order that torch's random state decides, over and over.

    Each has about as many sentences as the others, of about the same length. Where several
    processes train together, all follow the order of the first, and each gets its part of every
    batch.

    Args:
        sentences: at least one for each process.
        batcher: makes the tensors.
        batch_size: most sentences of a batch, for each process.
        processes: that train together.

    Raises:
        ValueError: there are fewer sentences than processes.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        batcher: Batcher,
        batch_size: int,
        processes: int = 1,
    ) -> None:
        self.batcher, self.batch_size, self.processes = batcher, batch_size * processes, processes
        self.rows = [batcher.encode(sentence) for sentence in sentences]
        if len(self.rows) < processes:
            raise ValueError(
                f"training needs a sentence for each process; got {len(self.rows)} sentences and "
                f"{processes} processes; use fewer --devices"
            )

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        process, draw = self._together()
        for batch in self.epoch(draw):
            yield self.batcher.collate([self.rows[j] for j in batch[process :: self.processes]])

    def epoch(self, draw: np.random.Generator) -> list[np.ndarray]:
        """Which sentences each batch of an epoch has, those of all processes together.

        Args:
            draw: decides the order; it goes on drawing.

        Returns:
            For each batch the numbers of its sentences, in the order in which they are learnt from.
        """
        order = np.array_split(draw.permutation(len(self.rows)), len(self))
        batches = []
        for start in range(0, len(order), POOL):
            sizes = [len(batch) for batch in order[start : start + POOL]]
            pool = np.concatenate(order[start : start + POOL]).tolist()
            pool.sort(key=lambda i: self.rows[i].shape[1])
            batches += np.split(np.array(pool), np.cumsum(sizes)[:-1])
        return [batches[i] for i in draw.permutation(len(batches))]

    def _together(self) -> tuple[int, np.random.Generator]:
        """Which process this is, and what all of them draw from in this epoch."""
        seed = [int(torch.randint(1 << 62, ()))]
        if self.processes == 1:
            return 0, np.random.default_rng(seed)
        distributed.broadcast_object_list(seed)
        return distributed.get_rank(), np.random.default_rng(seed)
