"""Batches of sentences of about the same length, in an order that is drawn."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, distributed

POOL = 16  # batches whose sentences are sorted by length together


def generator() -> torch.Generator:
    """A generator for a loader without an end, seeded as torch is.

    What such a loader draws from torch's own random state could not be drawn again after a resume,
    since the model draws from it between two batches. `training.fit` saves a loader's generators.
    """
    return torch.Generator().manual_seed(torch.initial_seed())


class Encoder(Protocol):
    """What makes tensors of sentences, such as a `words.WordBatcher`."""

    def encode(self, sentence: Any) -> np.ndarray:
        """(rows, T) integers of a sentence of T words."""
        ...

    def collate(self, rows: Sequence[np.ndarray]) -> dict[str, Tensor]:
        """A batch of encoded sentences."""
        ...


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
        sentences: Sequence[Any],
        batcher: Encoder,
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
            yield self.batch(batch[process :: self.processes])

    def batch(self, numbers: np.ndarray) -> dict[str, Tensor]:
        """The tensors of some sentences."""
        return self.batcher.collate([self.rows[i] for i in numbers])

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
