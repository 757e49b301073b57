"""What training translators shares: batches, the optimizer, how well tokens are predicted."""

from collections.abc import Iterable
from typing import Protocol

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.training.techniques.muon import Muon

LONGEST = 100  # tokens of a sentence that is learnt from
VALID = 1000  # pairs measured while training


def optimizer(
    model: L.LightningModule, matrices: Iterable[nn.Parameter], rate: float
) -> torch.optim.Optimizer:
    """Muon for matrices and AdamW for the rest, at the peak rate; `fit` lets it rise and fall."""
    fused = model.device.type in ("cpu", "cuda")
    return Muon(
        matrices, model.parameters(), rate, steps=3, betas=(0.9, 0.98), weight_decay=0.01,
        fused=fused,
    )  # fmt: skip


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
