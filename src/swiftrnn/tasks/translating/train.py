"""What training translators shares: batches, and how well the next token is predicted."""

from typing import Protocol

import torch
from torch import Tensor

from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs

LONGEST = 100  # tokens of a sentence that is learnt from
VALID = 1000  # pairs measured while training


class Predicts(Protocol):
    """A model that predicts each target token after those before it."""

    def losses(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of each target token but the first, in nats: (N,)."""
        ...


def batches_of(
    part: Pairs, languages: Languages, batch_tokens: int, longest: int | None = None
) -> TokenBatches:
    """The batches of a part; pairs that are longer are left out where a length is given.

    Raises:
        ValueError: no pair is left.
    """
    rows = [*zip(*languages.encoded(part), strict=True)]
    kept = [pair for pair in rows if longest is None or max(map(len, pair)) <= longest]
    if not kept:
        raise ValueError(
            f"training needs pairs of at most {longest} tokens; got none among {len(rows):,}; cut "
            "them into sentences"
        )
    sources, targets = zip(*kept, strict=True)
    return TokenBatches(sources, targets, batch_tokens)


@torch.no_grad()
def perplexity(model: Predicts, batches: TokenBatches) -> float:
    """Of a target token, the end among them, each seen after those before it."""
    total, count = 0.0, 0
    for i in range(0, len(batches.sources), 64):
        numbers = range(i, min(i + 64, len(batches.sources)))
        losses = model.losses(batches.batch(numbers))
        total, count = total + losses.double().sum().item(), count + len(losses)
    return float(torch.tensor(total / count).exp())
