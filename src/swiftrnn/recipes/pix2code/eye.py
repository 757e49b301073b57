"""Convolutions that read a screenshot, and what teaches them to see: counting."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import poisson_nll_loss, softplus

from swiftrnn.nn.decoding import Decoded

GROUPS = 8  # of channels, for their normalization
DEVIATION = 0.3  # of a count from what is there, in how far it is believed
RARE = 3.0  # the bias against anything being in a place


class Eye(nn.Sequential):
    """Convolutions: (B, 3, H, W) to features (B, 6 C, H / 16, W / 16).

    Args:
        channels: of the first one.
    """

    def __init__(self, channels: int) -> None:
        C = channels
        sizes = ((3, C, 5, 2), (C, 2 * C, 3, 2), (2 * C, 4 * C, 3, 2), (4 * C, 6 * C, 3, 2),
                 (6 * C, 6 * C, 3, 1))  # fmt: skip
        layers: list[nn.Module] = []
        for before, after, kernel, stride in sizes:
            layers.append(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False))
            layers.append(nn.GroupNorm(min(GROUPS, after), after))
            layers.append(nn.ReLU())
        super().__init__(*layers)
        self.channels = 6 * C


class Counter(nn.Module):
    """How many elements of each kind a screenshot has, as a sum over its places.

    Where an element is, nobody says; that the sums are right teaches the convolutions what each
    looks like, small buttons and their colours among them, long before attention finds them.

        loss = KL(Poisson(n) || Poisson(s)) = s - n + n log(n / s),    s = sum softplus(W f - 3)

    Args:
        channels: of the features.
        names: tokens of the kinds that are counted.

    Source: Lempitsky and Zisserman (2010), "Learning to Count Objects in Images", which has
    densities whose integral is the count; there with places, here without.
    """

    def __init__(self, channels: int, names: Sequence[int]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.density = nn.Conv2d(channels, len(names), 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) to how many there seem to be of each kind, (B, K)."""
        return softplus(self.density(features) - RARE).sum((2, 3))

    def best(self, drafts: Sequence[Decoded], counts: Tensor) -> Decoded:
        """The draft with the largest log p - |n - s|^2 / (2 DEVIATION^2); counts s (K)."""

        def score(draft: Decoded) -> float:
            written = torch.tensor([draft.tokens.count(name) for name in self.names])
            off = (written.to(counts) - counts).square().sum().item()
            return draft.score - off / (2 * DEVIATION**2)

        return max(drafts, key=score)

    def loss(self, features: Tensor, tokens: Tensor) -> Tensor:
        """The mean loss of a count; tokens (T, B) of the programs say what is right."""
        right = torch.stack([(tokens == name).sum(0) for name in self.names], 1).float()
        least = poisson_nll_loss(right + 1e-8, right, log_input=False)
        return poisson_nll_loss(self(features), right, log_input=False) - least
