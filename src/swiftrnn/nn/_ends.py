"""Where sequences end inside a batch, and where new ones start."""

from typing import NamedTuple

import torch
from torch import Tensor


class Ends(NamedTuple):
    """Where sequences end and where others start, as one direction of a layer meets them."""

    lengths: Tensor | None = None  # (B) int64
    reset: Tensor | None = None  # (T, B) bool: the state before this step is zero

    def backwards(self) -> "Ends":
        """The same for the direction from the end: it starts over where the other one ends."""
        if self.reset is None:
            return self
        reset = torch.cat([self.reset[1:], torch.zeros_like(self.reset[:1])])
        return self._replace(reset=reset & self.inside(reset.shape[0], 1))

    def within(self) -> "Ends":
        """The same without resets at or beyond a sequence's length, which say nothing."""
        if self.reset is None:
            return self
        return self._replace(reset=self.reset & self.inside(self.reset.shape[0]))

    def inside(self, T: int, ahead: int = 0) -> Tensor | bool:
        """Whether the step so many steps ahead of each lies within its sequence; (T, B) or True."""
        if self.lengths is None:
            return True
        times = torch.arange(T, device=self.lengths.device) + ahead
        return times[:, None] < self.lengths

    def last(self, x: Tensor, reverse: bool) -> Tensor:
        """What one direction put out at its last step, (B, features) of x (T, B, features)."""
        if not x.shape[0]:  # (len would fix the size in an exported graph)
            return x.new_zeros(x.shape[1:])
        if self.lengths is None or reverse:  # the output of an empty sequence is 0 anyway
            return x[0 if reverse else -1]
        rows = (self.lengths - 1).clamp(min=0)
        return x[rows, torch.arange(x.shape[1], device=x.device)]

    def clear(self, x: Tensor) -> Tensor:
        """x (T, B, features) with zeros where sequences have ended."""
        inside = self.inside(x.shape[0])
        return torch.where(inside[..., None], x, 0) if isinstance(inside, Tensor) else x
