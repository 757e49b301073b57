"""Words, characters and tags as numbers, and batches of them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from swiftrnn.data.columns import Columns, Sentence

UNKNOWN = "<unk>"
POOL = 16  # batches whose sentences are sorted by length together


def folded(word: str) -> str:
    """A word with its digits as 0, as the vocabulary has it."""
    return re.sub(r"\d", "0", word)


@dataclass(frozen=True)
class Vocabulary:
    """Which number stands for which word, character and tag. Word 0 is unknown."""

    words: list[str]
    chars: list[str]
    tags: list[str]
    rare: list[int]  # words seen once in train: they stand for what is unknown, now and then

    @classmethod
    def of(cls, train: Columns) -> "Vocabulary":
        """What train holds; tags by IOBES."""
        counts = Counter(folded(w) for s in train.sentences for w in s.words)
        words = [UNKNOWN, *sorted(counts, key=lambda w: (-counts[w], w))]
        chars = sorted({c for s in train.sentences for w in s.words for c in w})
        tags = ["O", *(f"{p}-{kind}" for kind in train.types for p in "BIES")]
        return cls(words, chars, tags, [i for i, w in enumerate(words) if counts[w] == 1])


class Batcher:
    """Sentences to tensors.

    A batch has `words` (T, B), `lengths` (B), `tags` (T, B); and of its different words `chars`
    (C, N) and `char_lengths` (N), with `word_of` (T, B), which of them a word is.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.word, self.char, self.tag = (
            {each: i for i, each in enumerate(part)}
            for part in (vocabulary.words, vocabulary.chars, vocabulary.tags)
        )

    def __call__(self, sentences: Sequence[Sentence]) -> dict[str, Tensor]:
        """A batch of sentences, of which each has at least one word."""
        numbers = [[self.word.get(folded(w), 0) for w in s.words] for s in sentences]
        tags = [[self.tag.get(t, 0) for t in s.tags()] for s in sentences]
        known = {w: i for i, w in enumerate({w: None for s in sentences for w in s.words})}
        chars = [[self.char[c] for c in w if c in self.char] or [0] for w in known]
        word_of = [[known[w] for w in s.words] for s in sentences]
        return {
            "words": padded(numbers), "tags": padded(tags), "word_of": padded(word_of),
            "lengths": torch.tensor([len(n) for n in numbers]), "chars": padded(chars),
            "char_lengths": torch.tensor([len(c) for c in chars]),
        }  # fmt: skip


def padded(rows: Iterable[Sequence[int]]) -> Tensor:
    """Numbers (T, B), filled up with 0."""
    return pad_sequence([torch.tensor(row) for row in rows])


class Batches:
    """The batches of an epoch, in an order that torch's random state decides, over and over."""

    def __init__(self, sentences: Sequence[Sentence], batcher: Batcher, batch_size: int) -> None:
        self.sentences, self.batcher, self.batch_size = sentences, batcher, batch_size

    def __len__(self) -> int:
        return -(-len(self.sentences) // self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        order, batches = torch.randperm(len(self.sentences)).tolist(), []
        for start in range(0, len(order), POOL * self.batch_size):
            pool = order[start : start + POOL * self.batch_size]
            pool.sort(key=lambda i: len(self.sentences[i].words))
            batches += [pool[i : i + self.batch_size] for i in range(0, len(pool), self.batch_size)]
        for i in torch.randperm(len(batches)).tolist():
            yield self.batcher([self.sentences[j] for j in batches[i]])
