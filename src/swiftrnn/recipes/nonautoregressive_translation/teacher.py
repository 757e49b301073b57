"""The teacher: a Transformer that writes one token after the other, with a cache of its past."""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn.data.translation.languages import Languages
from swiftrnn.nn.attention import Memory
from swiftrnn.nn.decoding import PerInput
from swiftrnn.nn.transformer import (
    Block,
    Encoder,
    embedding,
    memories,
    with_positions,
)
from swiftrnn.tasks.translating.train import optimizer
from swiftrnn.training.techniques.muon import matrices_of

Batch = dict[str, Tensor]


class Trained(L.LightningModule):
    """What teacher and student share: their optimizer.

    Args:
        learning_rate: of the optimizer, after the warm-up.
        optimizer: "muon" for the matrices of the blocks, or "adamw" for all.
    """

    def __init__(self, learning_rate: float, optimizer: str) -> None:
        super().__init__()
        self.learning_rate, self.optimizer = learning_rate, optimizer

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Muon for the matrices of blocks, or AdamW for all."""
        blocks = [each for each in self.modules() if isinstance(each, Block)]
        matrices = matrices_of(nn.ModuleList(blocks if self.optimizer == "muon" else []))
        return optimizer(self, matrices, self.learning_rate)


class Teacher(Trained):
    """Sentences to their translations, token by token.

    Args:
        languages: the tokens of both.
        size: E of embeddings and blocks.
        heads: of attention.
        inner: units of the feed-forward nets.
        depth: blocks of encoder and of decoder.
        dropout: of embeddings and of each part.
        smoothing: of labels.
        learning_rate: see `Trained`.
        optimizer: see `Trained`.
    """

    def __init__(
        self,
        languages: Languages,
        size: int = 192,
        heads: int = 4,
        inner: int = 512,
        depth: int = 3,
        dropout: float = 0.1,
        smoothing: float = 0.1,
        learning_rate: float = 1e-2,
        optimizer: str = "muon",
    ) -> None:
        super().__init__(learning_rate, optimizer)
        self.languages, self.smoothing = languages, smoothing
        self.encoder = Encoder(len(languages.source), size, heads, inner, depth, dropout)
        self.targets = embedding(len(languages.target), size)
        self.blocks = nn.ModuleList(
            Block(size, heads, inner, dropout, True, False) for _ in range(depth)
        )
        self.norm, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(len(languages.target)))

    def encode(self, sources: Tensor, lengths: Tensor) -> list[Memory]:
        """Tokens (S, B) and lengths (B) to what each block attends to."""
        return memories(self.blocks, self.encoder(sources, lengths), lengths)

    def hidden(self, sources: list[Memory], targets: Tensor) -> Tensor:
        """What the softmax sees after each of the target tokens (T, B): (T, B, E)."""
        x = self.dropout(with_positions(self.targets(targets)))
        for block, source in zip(self.blocks, sources, strict=True):
            x = block(x, None, source, causal=True)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., E) to scores of the target tokens (..., V)."""
        return nn.functional.linear(hidden, self.targets.weight, self.bias)

    def losses(self, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """The loss of each target token but the first, in nats, sentence by sentence: (N,)."""
        sources = self.encode(batch["sources"], batch["source_lengths"])
        hidden, after = self.hidden(sources, batch["targets"][:-1]), batch["targets"][1:]
        inside = torch.arange(len(after), device=after.device)[:, None] < (
            batch["target_lengths"] - 1
        )
        return nn.functional.cross_entropy(
            self.logits(hidden[inside]), after[inside], reduction="none", label_smoothing=smoothing
        )

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The mean loss of a batch's target tokens."""
        return self.losses(batch, self.smoothing).mean()

    def start(self, sources: Tensor, lengths: Tensor) -> Any:
        """The state before the first token, for `step`: caches, sources, how many were written."""
        return [None] * len(self.blocks), PerInput(self.encode(sources, lengths)), 0

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last token (N,) of hypotheses, equally many of each source, to scores (N, V)."""
        caches, shared, written = state
        x, after = with_positions(self.targets(tokens)[None], written), []
        for block, cache, source in zip(self.blocks, caches, shared.value, strict=True):
            x, now = block.step(x, cache, source)  # pyright: ignore[reportCallIssue]
            after.append(now)
        return self.logits(self.norm(x))[0], (after, shared, written + 1)

    @torch.no_grad()
    def scores(self, sources: list[Memory], targets: Tensor, lengths: Tensor) -> Tensor:
        """Mean log-probability of the tokens of translations, in one pass: (B,).

        Args:
            sources: as `encode` gives them.
            targets: (T, B) from start to end.
            lengths: (B,) of them, start and end among them.
        """
        after = targets[1:]
        logits = self.logits(self.hidden(sources, targets[:-1]))
        losses = nn.functional.cross_entropy(
            logits.flatten(0, 1), after.flatten(), reduction="none"
        ).view(after.shape)
        inside = torch.arange(len(after), device=after.device)[:, None] < lengths - 1
        return -torch.where(inside, losses, 0).sum(0) / (lengths - 1)
