"""A moving average of the weights: what is measured and kept, while the weights go on learning."""

from collections.abc import Sequence
from functools import partial
from typing import Self

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

LONGEST = 0.99  # an average over about 100 updates


def decay(count: int, longest: float = LONGEST) -> float:
    """How much of the average stays after `count` updates: short at first, when all is moving.

    Examples:
        >>> decay(0), round(decay(10), 2), decay(10_000), decay(10_000, longest=0.9)
        (0.1, 0.55, 0.99, 0.9)
    """
    return min(longest, (1 + count) / (10 + count))


@torch.no_grad()
def _lerp(
    longest: float, averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor | int
) -> None:
    torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage] (as torch.optim does)
        list(averages), list(weights), 1 - decay(int(count), longest)
    )


class MovingAverage(WeightAveraging):
    """Lightning's weight averaging with a decay that grows; at the end the model is the average.

    Args:
        longest: the decay that it grows to, from 0 to below 1: an average over about
            1 / (1 - longest) updates.

    Raises:
        ValueError: it is out of its range.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        if not 0 <= longest < 1:
            raise ValueError(
                f"MovingAverage needs a decay from 0 to below 1; got {longest!r}; 0.99 is usual"
            )
        self.longest = longest
        super().__init__(use_buffers=False, multi_avg_fn=partial(_lerp, longest))

    @classmethod
    def of_option(cls, average: bool | float) -> Self | None:
        """None for False, the usual decay for True, else the one that is given."""
        if average is False:
            return None
        return cls() if average is True else cls(average)

    def of(self, module: L.LightningModule) -> L.LightningModule:
        """The averaged copy of `module`, or `module` before there is one."""
        average = self._average_model
        return module if average is None else average.module  # pyright: ignore[reportReturnType]
