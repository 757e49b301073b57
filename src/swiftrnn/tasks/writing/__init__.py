"""Continuing texts, and measuring how well they are predicted, by any model of bytes or words."""

from typing import Any, Protocol

import torch
from torch import Tensor

from swiftrnn.data.vocabulary import Vocabulary


class Writer(Protocol):
    """A model that predicts the next byte or word, and carries a state."""

    vocabulary: Vocabulary
    head: int  # scores that every token costs: of all words, or of the frequent ones

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def eval(self) -> Any:
        """Leave out what only training needs."""
        ...

    def read(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B) and a state to the logits (B, V) after the last, and the state there."""
        ...

    def step(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One token of each text, (B,), and a state to logits (B, V) and the next state."""
        ...

    def losses(self, tokens: Tensor, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Tokens (T, B), what follows them, and a state to losses (T, B) in nats, and the state."""
        ...
