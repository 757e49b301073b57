"""Comparing two drawings: looking from one to the other, or vector by vector.

place[t] = tanh(W_g h[t-1])                      where to look, and how closely
g[t] = glimpse(a if t is even else b, place[t])  a window of n x n, `nn.Glimpse`
h[t] = layer(g[t])                               2 x glimpses steps; any recurrent layer
p(same) = sigmoid(w . h[last] + b)

a and b are drawings, or feature maps of convolutions, which are computed once for each drawing.
The siamese network beside it: p(same) = sigmoid(w . |v(a) - v(b)| + b).
"""

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.nn.encoder import OURS, TORCHS
from swiftrnn.recipes.one_shot.data import SIDE
from swiftrnn.recipes.one_shot.front import Front
from swiftrnn.recipes.one_shot.warp import warped
from swiftrnn.training import sizes
from swiftrnn.training.techniques.schedule import InverseSquareRoot, scheduler

INK = 0.08  # mean of a drawing's pixels
AT_ONCE = 512  # drawings that are read, and pairs that are compared, together


def layer_of(kind: str, inputs: int, hidden: int) -> nn.Module:
    """A recurrent layer with the contract of nn.LSTM."""
    return {**OURS, **TORCHS}[kind](inputs, hidden)


class Comparator(nn.Module):
    """Glimpses of two feature maps in turn, read by a recurrent layer.

    Args:
        kind: of the layer, one of `nn.encoder.KINDS`.
        channels: of the maps.
        hidden: H of LSTM; other layers are as wide as makes them as large.
        window: pixels of a side of a glimpse.
        glimpses: of each map.
        dropout: of glimpses.
        fixed: whether every glimpse is of the whole map, so that nothing is looked for.
    """

    def __init__(
        self,
        kind: str,
        channels: int,
        hidden: int,
        window: int,
        glimpses: int,
        dropout: float = 0.0,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        inputs = channels * window**2
        self.size = hidden if kind == "lstm" else sizes.nearest_width(
            lambda width: _parameters(kind, inputs, width), _parameters("lstm", inputs, hidden)
        )  # fmt: skip
        self.layer = layer_of(kind, inputs, self.size)
        self.place = nn.Linear(self.size, 3)
        nn.init.normal_(self.place.weight, std=0.01)
        nn.init.zeros_(self.place.bias)
        self.glimpse, self.glimpses = swift.Glimpse(window), glimpses
        self.dropout, self.fixed = nn.Dropout(dropout), fixed

    def forward(self, first: Tensor, second: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Compare each first map with some second ones.

        Args:
            first: (M, C, N, N), looked at first.
            second: (K, C, N, N).
            pairs: (M, R): which of the second; each as often as the others.

        Returns:
            The state of each pair (M, R, H), and places (2 glimpses, M, R, 3).
        """
        M, R = pairs.shape
        by_second = pairs.flatten().argsort(stable=True)  # pairs in the order of the second map
        by_first = by_second.argsort()
        h, state = first.new_zeros(M * R, self.size), None
        places = []
        for t in range(2 * self.glimpses):
            place = torch.zeros_like(h[:, :3]) if self.fixed else self.place(h).tanh()
            places.append(place.view(M, R, 3))
            if t % 2 == 0:
                seen = self.glimpse(first, places[-1]).flatten(2).flatten(0, 1)
            else:
                turned = place[by_second].view(len(second), -1, 3)
                seen = self.glimpse(second, turned).flatten(2).flatten(0, 1)[by_first]
            output, state = self.layer(self.dropout(seen)[None], state)
            h = output[0]
        return h.view(M, R, -1), torch.stack(places)


def _parameters(kind: str, inputs: int, width: int) -> int:
    with torch.device("meta"):
        return sum(each.numel() for each in layer_of(kind, inputs, width).parameters())


class Matcher(L.LightningModule):
    """Two drawings to how likely they show the same character.

    Args:
        convolutions: whether residual convolutions come first.
        siamese: whether a vector of each drawing is compared, without a recurrent layer.
        layer: of the comparator, one of `nn.encoder.KINDS`.
        channels: of the first convolution.
        blocks: of convolutions at half the size.
        hidden: of LSTM, and the size of the siamese network's vector.
        window: pixels of a side of a glimpse.
        glimpses: of each drawing.
        fixed: whether every glimpse is of the whole drawing.
        dropout: of glimpses, in blocks, and before the last product.
        augment: whether drawings vary while training.
        learning_rate: of AdamW, after the warm-up.
        warmup: updates in which it rises from 0.
        knee: updates after which it falls with the inverse square root.
    """

    def __init__(
        self,
        convolutions: bool = True,
        siamese: bool = False,
        layer: str = "lstm",
        channels: int = 16,
        blocks: int = 2,
        hidden: int = 256,
        window: int = 4,
        glimpses: int = 8,
        fixed: bool = False,
        dropout: float = 0.2,
        augment: bool = True,
        learning_rate: float = 1e-3,
        warmup: int = 200,
        knee: int = 2000,
    ) -> None:
        super().__init__()
        self.augment = augment
        self.learning_rate, self.warmup, self.knee = learning_rate, warmup, knee
        self.front = Front(channels, blocks, dropout) if convolutions else None
        maps, side = (self.front.channels, SIDE // 2) if self.front else (1, SIDE)
        self.vector = self.comparator = None
        if siamese:
            self.vector = nn.Sequential(
                nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(dropout),
                nn.Linear(maps * (side // 2) ** 2, hidden), nn.Sigmoid(),
            )  # fmt: skip
            self.size = hidden
        else:
            self.comparator = Comparator(layer, maps, hidden, window, glimpses, dropout, fixed)
            self.size = self.comparator.size
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.size, 1))

    def features(self, drawings: Tensor) -> Tensor:
        """Drawings (M, 32, 32) of float in 0..1 to what is compared, once for each."""
        x = drawings[:, None] - INK
        if self.front is not None:
            x = self.front(x.contiguous(memory_format=torch.channels_last))
        return x if self.vector is None else self.vector(x)

    def compared(self, first: Tensor, second: Tensor, pairs: Tensor) -> tuple[Tensor, Any]:
        """Features to the state (M, R, H) of each pair (M, R), and places; see `Comparator`."""
        if self.comparator is None:
            return (first[:, None] - second[pairs]).abs(), None
        return self.comparator(first, second, pairs)

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """Cross-entropy; pairs of the same character weigh as much as all others.

        Either the first or the second drawings are looked at first.
        """
        drawings = torch.cat([batch["first"], batch["second"]]).float() / 255
        if self.augment:
            drawings = warped(drawings, batch["group"].repeat(2))
        first, second = self.features(drawings).chunk(2)
        pairs, same = batch["pairs"], batch["same"]
        if torch.rand(()) < 0.5:
            first, second = second, first
            order = pairs.flatten().argsort(stable=True)
            pairs = order.div(pairs.shape[1], rounding_mode="floor").view_as(pairs)
            same = same.flatten()[order].view_as(same)
        state, _ = self.compared(first, second, pairs)
        share = same.float().mean()
        weight = torch.where(same, 0.5 / share, 0.5 / (1 - share))
        return nn.functional.binary_cross_entropy_with_logits(
            self.head(state)[..., 0], same.float(), weight
        )

    @torch.no_grad()
    def read(self, drawings: Tensor) -> Tensor:
        """Drawings (M, 32, 32) of uint8 to what is compared."""
        return torch.cat([self.features(each.float() / 255) for each in drawings.split(AT_ONCE)])

    @torch.no_grad()
    def states(self, query: Tensor, support: Tensor) -> Tensor:
        """Features of Q and K drawings to states (2, Q, K, H): either of a pair looked at first."""
        Q, K = len(query), len(support)
        rows = max(1, AT_ONCE // K)
        found = []
        for some in query.split(rows):
            each = torch.arange(K, device=query.device).expand(len(some), K)
            back = torch.arange(len(some), device=query.device).expand(K, len(some))
            there, _ = self.compared(some, support, each)
            again, _ = self.compared(support, some, back)
            found.append(torch.stack([there, again.transpose(0, 1)]))
        return torch.cat(found, 1) if found else query.new_zeros(2, Q, K, self.size)

    @torch.no_grad()
    def similar(self, query: Tensor, support: Tensor) -> Tensor:
        """Drawings (Q, 32, 32) and (K, 32, 32) to log odds (Q, K), the mean of both orders."""
        return self.head(self.states(self.read(query), self.read(support)))[..., 0].mean(0)

    def configure_optimizers(self) -> Any:
        """AdamW, whose rate depends on the number of the update only."""
        optimizer = torch.optim.AdamW(
            self.parameters(), self.learning_rate, weight_decay=1e-2, fused=True
        )
        schedule = scheduler(optimizer, InverseSquareRoot(self.knee, self.warmup))
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]
