"""Batches that have about as many tokens as one another, of pairs about as long as one another."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.translation.tokenizer import END, PAD, START


class TokenBatches:
    """The batches of an epoch, in an order that torch's random state decides, over and over.

    Pairs are sorted by length, those that are equally long in another order each time; a batch
    takes as many as fit with their padding. So batches differ from epoch to epoch, and their number
    does not.

    Args:
        sources: the tokens of each sentence.
        targets: those of its translation.
        most: tokens of the longer side of a batch, padding, start and end among them; a pair that
            is longer is a batch of its own.

    Raises:
        ValueError: there are no pairs, or the two sides differ in number.

    Examples:
        >>> batches = TokenBatches([[5], [6, 7]], [[8], [9]], most=100)
        >>> {name: tuple(part.shape) for name, part in next(iter(batches)).items()}
        {'sources': (3, 2), 'source_lengths': (2,), 'targets': (3, 2), 'target_lengths': (2,)}
    """

    def __init__(
        self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]], most: int
    ) -> None:
        if len(sources) != len(targets) or not sources:
            raise ValueError(
                "TokenBatches needs as many sources as targets, and some; got "
                f"{len(sources)} and {len(targets)}"
            )
        self.sources = [np.array([*each, END], np.int64) for each in sources]
        self.targets = [np.array([START, *each, END], np.int64) for each in targets]
        self.lengths = np.array(
            [[len(t) for t in self.targets], [len(s) for s in self.sources]], np.int64
        )
        self.ends = self._ends(most)

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        draw = np.random.default_rng(int(torch.randint(1 << 62, ())))
        for numbers in self.epoch(draw):
            yield self.batch(numbers)

    def epoch(self, draw: np.random.Generator) -> list[np.ndarray]:
        """Which pairs each batch of an epoch has, in the order in which they are learnt from."""
        order = np.lexsort((draw.random(len(self.sources)), *self.lengths))
        batches = np.split(order, self.ends[:-1])
        return [batches[i] for i in draw.permutation(len(batches))]

    def batch(self, numbers: Sequence[int] | np.ndarray) -> dict[str, Tensor]:
        """The tensors of some pairs: tokens (T, B) of either side, and their lengths (B)."""
        found = {}
        for name, rows in (("source", self.sources), ("target", self.targets)):
            found[f"{name}s"], found[f"{name}_lengths"] = padded([rows[i] for i in numbers])
        return found

    def _ends(self, most: int) -> list[int]:
        """Where in the sorted order each batch ends; lengths alone decide."""
        longest, ends, first = 0, [], 0
        order = np.lexsort(tuple(self.lengths))
        for place, length in enumerate(self.lengths.max(0)[order].tolist()):
            longest = max(longest, length)
            if place > first and longest * (place + 1 - first) > most:
                ends.append(place)
                first, longest = place, length
        return [*ends, len(order)]


def padded(rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Tokens (T, B) and lengths (B) of sentences."""
    lengths = torch.tensor([len(row) for row in rows])
    found = torch.full((int(lengths.max()), len(rows)), PAD)
    for i, row in enumerate(rows):
        found[: len(row), i] = torch.from_numpy(row)
    return found, lengths
