"""Full context: a layer in both directions over all candidates chooses among them.

s[k] = states of comparing the query with candidate k, each drawing looked at first
e = layer(s[1 .. K])                             in both directions
p(k) = softmax_k(w . elu(W e[k]))
"""

from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.batches import generator
from swiftrnn.recipes.one_shot.data import Drawings
from swiftrnn.recipes.one_shot.episodes import Index
from swiftrnn.recipes.one_shot.model import Matcher
from swiftrnn.recipes.one_shot.warp import warped


class Context(L.LightningModule):
    """States of all candidates to the log odds of each; the matcher does not learn any more.

    Args:
        matcher: that was trained.
        layer: one of `nn.encoder.KINDS`.
        hidden: H in each direction.
        learning_rate: of AdamW.
        dropout: of states.
        augment: whether drawings vary while training.
    """

    def __init__(
        self,
        matcher: Matcher,
        layer: str = "lstm",
        hidden: int = 128,
        learning_rate: float = 1e-3,
        dropout: float = 0.2,
        augment: bool = True,
    ) -> None:
        super().__init__()
        self.learning_rate, self.augment = learning_rate, augment
        self.matcher = matcher.requires_grad_(False)
        self.dropout = nn.Dropout(dropout)
        self.layer = swift.Encoder(layer, 2 * matcher.size, hidden)
        self.choose = nn.Sequential(
            nn.Linear(self.layer.output_size, hidden), nn.ELU(), nn.Linear(hidden, 1)
        )

    def train(self, mode: bool = True) -> "Context":
        """Training mode of all but the matcher."""
        super().train(mode)
        self.matcher.eval()
        return self

    def forward(self, states: Tensor) -> Tensor:
        """States (2, Q, K, H) to log odds (Q, K)."""
        _, Q, K, _ = states.shape
        x = torch.cat([*states], -1).transpose(0, 1)  # (K, Q, 2 H)
        lengths = torch.full((Q,), K, device=x.device)
        return self.choose(self.layer(self.dropout(x), lengths))[..., 0].t()

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Cross-entropy of choosing the candidate."""
        support, query = (batch[name].float() / 255 for name in ("support", "query"))
        if self.augment:
            together = warped(torch.cat([support, query]), batch["group"])
            support, query = together.split([len(support), len(query)])
        with torch.no_grad():
            states = self.matcher.states(
                self.matcher.features(query), self.matcher.features(support)
            )
        return nn.functional.cross_entropy(self(states), batch["right"])

    @torch.no_grad()
    def similar(self, query: Tensor, support: Tensor) -> Tensor:
        """Drawings (Q, 32, 32) and (K, 32, 32) to log odds (Q, K)."""
        read = self.matcher.read
        return self(self.matcher.states(read(query), read(support)))

    def configure_optimizers(self) -> Any:
        """AdamW for what learns."""
        learns = [each for each in self.parameters() if each.requires_grad]
        return torch.optim.AdamW(learns, self.learning_rate, fused=True)


class Choices:
    """Endless runs: candidates of one alphabet by one person, and queries by another.

    Args:
        drawings: to learn from.
        ways: candidates of a run.
        permuted: whether the right candidates are permuted: the control.
    """

    def __init__(self, drawings: Drawings, ways: int, permuted: bool = False) -> None:
        self.draw = generator()
        self.pixels, self.index = drawings.pixels, Index(drawings, self.draw)
        self.ways, self.permuted = ways, permuted

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        index = self.index
        while True:
            some = index.some(index.characters[index.alphabet()], self.ways)
            support, query = index.two_people(some)
            order, other = (torch.randperm(len(query), generator=self.draw) for _ in range(2))
            yield {
                "support": self.pixels[support], "query": self.pixels[query][order],
                "right": order[other] if self.permuted else order,
                "group": torch.zeros(2 * len(order), dtype=torch.long),
            }  # fmt: skip
