"""Pairs for the students: the corpus, or the teacher's translations, with fertilities."""

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.translation import corpora
from swiftrnn.data.translation.aligner import Aligner, fertilities
from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.pairs import Pairs, Parts

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


def parts_for(config: Any) -> Parts:
    """What a configuration asks for, see `corpora.parts_for`; synthetic pairs are of another kind.

    Raises:
        ValueError: a file does not fit.
        ConnectionError: the sentences could not be downloaded.
    """
    return made_up(config.seed) if config.made_up else corpora.parts_for(config)


def made_up(seed: int, count: int = 2000) -> Parts:
    """Numbers in words to their digits: even ones twice, odd ones once.

    Examples:
        >>> found = made_up(0).train
        >>> found.sources[0], found.targets[0]
        ('five four one five two seven', '5 4 4 1 5 2 2 7')
    """
    draw, rows = random.Random(seed), set()
    while len(rows) < count:
        rows.add(tuple(draw.randrange(len(WORDS)) for _ in range(draw.randint(2, 6))))
    ordered = sorted(rows)
    draw.shuffle(ordered)
    found = Pairs(
        tuple(" ".join(WORDS[d] for d in row) for row in ordered),
        tuple(" ".join(str(d + 1) for d in row for _ in range(1 + d % 2)) for row in ordered),
    )
    cuts = (0, count - 400, count - 200, count)
    return Parts(*(found.rows(range(a, b)) for a, b in pairwise(cuts)))


class FertileBatches(TokenBatches):
    """Batches with the fertility of each source token; the end of a sentence has none.

    Args:
        sources: the tokens of each sentence.
        targets: those of its translation.
        counts: the fertilities, which add up to the length of the target.
        most: see `TokenBatches`.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        counts: Sequence[np.ndarray],
        most: int,
    ) -> None:
        super().__init__(sources, targets, most)
        self.counts = counts

    def batch(self, numbers: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        """Tokens and lengths as of `TokenBatches`, and fertilities (S, B)."""
        found = super().batch(numbers)
        counts = torch.zeros_like(found["sources"])
        for column, i in enumerate(numbers):
            counts[: len(self.counts[i]), column] = torch.from_numpy(self.counts[i])
        return found | {"fertilities": counts}


def fertile(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], vocabulary: int, most: int
) -> FertileBatches:
    """Pairs with fertilities of an aligner that learns from them."""
    aligner = Aligner.fit(sources, targets, vocabulary)
    places = aligner.align(sources, targets)
    counts = [fertilities(at, len(s)) for at, s in zip(places, sources, strict=True)]
    return FertileBatches(sources, targets, counts, most)
