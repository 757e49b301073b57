"""A softmax over many classes that costs little, because most of what comes is frequent."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn.linear import product


class AdaptiveSoftmax(nn.Module):
    """Linear layer and softmax over classes that are sorted by frequency.

    The first classes, up to the first cutoff, share one softmax with a row for each cluster of the
    others; the classes of a cluster are told apart by a softmax of their own, which a loss computes
    only where the target is one of them:

        p(y | x) = softmax(head x)[y]                                  y < cutoffs[0]
        p(y | x) = softmax(head x)[cluster i] softmax(W_i x + b_i)[y]  cutoffs[i] <= y

    Unlike `torch.nn.AdaptiveLogSoftmaxWithLoss` it has one row of `weight` for each class, so that
    `weight` can be that of an embedding (tied weights):
    `softmax.weight = embedding.weight`.

    Args:
        in_features: H.
        num_classes: V.
        cutoffs: where clusters begin, rising, each from 1 to V - 1; () for an ordinary softmax.
        device: where the parameters lie.
        dtype: of the parameters.

    Shapes:
        x (..., H) and targets (...), integers from 0 to V - 1; returns the losses (...), in nats:
        of a target of -100, 0, as torch's cross entropy does.
        `log_prob` takes x (..., H) and returns (..., V).

    Raises:
        ValueError: a size is below 1, or the cutoffs do not rise from 1 to below V.

    Examples:
        >>> softmax = AdaptiveSoftmax(8, 1000, cutoffs=(50, 300))
        >>> x, targets = torch.randn(5, 2, 8), torch.randint(0, 1000, (5, 2))
        >>> loss = softmax(x, targets)
        >>> loss.shape, softmax.log_prob(x).shape
        (torch.Size([5, 2]), torch.Size([5, 2, 1000]))

    Source: Grave et al. (2017), "Efficient softmax approximation for GPUs", arXiv:1609.04309,
    without smaller projections for rare classes.
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        cutoffs: Sequence[int] = (),
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        edges = [0, *cutoffs, num_classes]
        whole = all(isinstance(each, int) and each is not True for each in [in_features, *edges])
        if not whole or in_features < 1 or any(a >= b for a, b in pairwise(edges)):
            raise ValueError(
                "AdaptiveSoftmax needs sizes of at least 1, and cutoffs that rise from 1 to below "
                f"the number of classes; got in_features {in_features}, num_classes {num_classes}, "
                f"cutoffs {tuple(cutoffs)}"
            )
        self.in_features, self.num_classes, self.cutoffs = in_features, num_classes, tuple(cutoffs)
        kind: Any = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(num_classes, in_features, **kind))
        self.bias = nn.Parameter(torch.empty(num_classes, **kind))
        if cutoffs:
            self.cluster_weight = nn.Parameter(torch.empty(len(cutoffs), in_features, **kind))
            self.cluster_bias = nn.Parameter(torch.empty(len(cutoffs), **kind))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reinitialise all parameters, as `torch.nn.Linear` does."""
        bound = self.in_features**-0.5
        for each in self.parameters():
            nn.init.uniform_(each, -bound, bound)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.in_features}, {self.num_classes}, cutoffs={self.cutoffs}"

    def _parts(self) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of the head, then of each cluster."""
        edges = [0, *self.cutoffs, self.num_classes]
        sizes = [b - a for a, b in pairwise(edges)]
        weights, biases = list(self.weight.split(sizes)), list(self.bias.split(sizes))
        if self.cutoffs:
            weights[0] = torch.cat([weights[0], self.cluster_weight])
            biases[0] = torch.cat([biases[0], self.cluster_bias])
        return list(zip(weights, biases, strict=True))

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        """x (..., H) and targets (...) to the loss of each, (...), in nats."""
        if x.shape[:-1] != targets.shape or x.shape[-1] != self.in_features:
            raise ValueError(
                f"AdaptiveSoftmax needs x (..., {self.in_features}) and targets (...); got "
                f"{tuple(x.shape)} and {tuple(targets.shape)}"
            )
        rows, wanted = x.reshape(-1, self.in_features), targets.flatten()
        head, *tails = self._parts()
        if not tails:
            return _cross_entropy(rows, head, wanted).view(targets.shape)
        cluster = torch.zeros_like(wanted)
        for edge in self.cutoffs:
            cluster += wanted >= edge
        loss = _cross_entropy(rows, head, torch.where(cluster > 0, self._row(cluster), wanted))
        for i, (edge, tail) in enumerate(zip(self.cutoffs, tails, strict=True), 1):
            (chosen,) = torch.where(cluster == i)
            if len(chosen):
                more = _cross_entropy(rows[chosen], tail, wanted[chosen] - edge)
                loss = loss.index_add(0, chosen, more)
        return loss.view(targets.shape)

    def log_prob(self, x: Tensor) -> Tensor:
        """x (..., H) to the logarithm of the probability of every class, (..., V)."""
        head, *tails = self._parts()
        first = _scores(x, head).log_softmax(-1)
        found = [first[..., : self._row(1)]]
        for i, tail in enumerate(tails, 1):
            found.append(first[..., self._row(i), None] + _scores(x, tail).log_softmax(-1))
        return torch.cat(found, -1)

    def logits(self, x: Tensor) -> Tensor:
        """x (..., H) to (..., V), whose softmax is the distribution; never dearer than log_prob."""
        return self.log_prob(x) if self.cutoffs else _scores(x, (self.weight, self.bias))

    def _row(self, cluster: Any) -> Any:
        """The row of the head that stands for a cluster, counted from 1."""
        return (self.cutoffs or (self.num_classes,))[0] - 1 + cluster


def _scores(x: Tensor, to: tuple[Tensor, Tensor]) -> Tensor:
    found = product(x, *to)
    return found.float() if found.dtype in (torch.bfloat16, torch.float16) else found


def _cross_entropy(x: Tensor, to: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(_scores(x, to), targets, reduction="none")
