"""Tagged sentences as numbers: the vocabulary of words, characters and tags, and batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.words import WordBatcher, WordVocabulary, padded


@dataclass(frozen=True)
class TagVocabulary(WordVocabulary):
    """Which number stands for which word, character and tag."""

    tags: list[str] = field(kw_only=True)

    @classmethod
    def of_columns(
        cls, train: Columns, lower: bool = False, more: Iterable[str] = ()
    ) -> "TagVocabulary":
        """What train holds, and more words that have a vector already; tags by IOBES."""
        tags = ["O", *(f"{p}-{kind}" for kind in train.types for p in "BIES")]
        return cls.of((s.words for s in train.sentences), lower, more, tags=tags)

    @cached_property
    def tag_numbers(self) -> dict[str, int]:
        """Of tags."""
        return {each: i for i, each in enumerate(self.tags)}


class Batcher(WordBatcher):
    """Tagged sentences to tensors: those of a `WordBatcher`, and `tags` (T, B)."""

    def __init__(self, vocabulary: TagVocabulary) -> None:
        super().__init__(vocabulary)
        self.tag = vocabulary.tag_numbers

    def encode(self, sentence: Sentence) -> np.ndarray:
        """(3, T): numbers of words, of forms and of tags."""
        row = self.numbers(sentence.words, 3)
        row[2] = self.tag.get("O", 0)
        if sentence.spans:
            row[2] = [self.tag.get(t, 0) for t in sentence.tags()]
        return row

    def collate(
        self, rows: Sequence[np.ndarray], device: torch.device | None = None
    ) -> dict[str, Tensor]:
        """A batch of sentences, of which each has at least one word, on a device."""
        lengths = np.array([row.shape[1] for row in rows])
        tags = padded(np.concatenate([row[2] for row in rows]), lengths)
        return super().collate(rows, device) | {"tags": tags.to(device)}
