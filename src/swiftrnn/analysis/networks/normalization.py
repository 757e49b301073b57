"""What normalising does: to the second moment of a layer's input, and to the gradient behind it.

`second_moment` and `second_moments` measure how large the input of a layer is before and after
its mean is taken away; `batch_norm_gradient` is the backward pass of batch norm written out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from swiftrnn.analysis import _check
from swiftrnn.analysis.networks._probe import Kept, is_module

AT_ONCE = 64  # examples whose patches are in memory together


@dataclass(frozen=True)
class Moment:
    """How large E[x x^T] is, and E[(x - E x)(x - E x)^T]: before and after centring.

    Centring lowers `frobenius` and `largest` whatever the input is, since E[x x^T] is the
    covariance plus a matrix without negative eigenvalues; `absolute` nearly always.

    Attributes:
        absolute: sum of the absolute entries.
        frobenius: root of the sum of their squares.
        largest: eigenvalue.
        centred_absolute: and so on: the same of the covariance.
        count: samples, rows of x.
        dimension: entries of x.
    """

    absolute: float
    frobenius: float
    largest: float
    centred_absolute: float
    centred_frobenius: float
    centred_largest: float
    count: int
    dimension: int


@dataclass
class _Sums:
    """Of samples of groups of entries: the mean of x (G, D), and the sum of products about it.

    In float64, of x less the first sample, and merged chunk by chunk: a mean far from 0 takes no
    digits, and what is constant is 0.
    """

    who: str
    count: int = 0
    first: Tensor = field(default_factory=lambda: torch.zeros(0))  # (G, D)
    mean: Tensor = field(default_factory=lambda: torch.zeros(0))  # (G, D), less the first
    products: Tensor = field(default_factory=lambda: torch.zeros(0))  # (G, D, D)

    def add(self, rows: Tensor) -> None:
        """Count samples (n, G, D)."""
        x, new = rows.detach().double().transpose(0, 1), len(rows)
        if not new:
            return
        if not self.count:
            self.first, self.mean = x[:, 0], torch.zeros_like(x[:, 0])
            self.products = x.new_zeros(*x.shape[::2], x.shape[2])
        x = x - self.first[:, None]
        here = x.mean(1)
        own, step = x - here[:, None], here - self.mean
        weight = self.count * new / (self.count + new)
        between = weight * step[:, :, None] * step[:, None, :]
        self.products = self.products + own.transpose(1, 2) @ own + between
        self.mean = self.mean + step * (new / (self.count + new))
        self.count += new

    def moment(self) -> Moment:
        """What they come to."""
        if self.count < 4:
            raise ValueError(
                f"{self.who} needs at least 4 samples of the input; got {self.count}; give more"
            )
        centred, mean = self.products / self.count, self.first + self.mean
        whole = centred + mean[:, :, None] * mean[:, None, :]
        _check.finite(self.who, "input", whole)
        return Moment(*_sizes(whole), *_sizes(centred), self.count, mean.numel())


def _sizes(m: Tensor) -> tuple[float, float, float]:
    """Sum of absolute entries, root of the sum of squares, largest eigenvalue, of (G, D, D)."""
    top = torch.linalg.eigvalsh(m).max()
    return float(m.abs().sum()), float(m.square().sum().sqrt()), float(top)


def second_moment(x: Any) -> Moment:
    """How large the second moment of samples is, before and after centring.

    The change of the gradient of a layer x w + b between two places is bounded by the root of
    |E[x x^T]|_1, the sum of the absolute entries; taking the mean away makes the sum of their
    squares as small as a shift of x can.

    Args:
        x: (n, d) numbers, n at least 4. Work n d^2, memory d^2.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few samples, or not all of them finite.

    Examples:
        >>> found = second_moment([[1.0, 0.0], [3.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
        >>> found.absolute, found.centred_absolute
        (5.0, 1.0)

    Source: Su (2019), on what batch normalisation does (in Chinese), kexue.fm/archives/6992.
    """
    sums = _Sums("second_moment")
    sums.add(_check.samples("second_moment", "x", x)[:, None])
    return sums.moment()


def second_moments(model: nn.Module, *inputs: Any) -> dict[str, Moment]:
    """The second moment of the input of every Linear and Conv2d, before and after centring.

    The input of a convolution is a patch, all that one output sees: its entries are centred one by
    one. Of several groups of channels each counts for itself, and sums go over all.

    Args:
        model: runs once, as it is, without gradients; comes back as it was.
        inputs: what it takes.

    Returns:
        By the name of the layer, in the order in which they are called.

    Raises:
        TypeError: the model is no module.
        ValueError: it has no such layer, a layer sees fewer than 4 samples, or not finite ones.

    Examples:
        >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> [found.dimension for found in second_moments(net, torch.randn(10, 3)).values()]
        [3, 2]

    Source: as `second_moment`.
    """
    who = "second_moments"
    is_module(who, model)
    found: dict[str, _Sums] = {}

    def note(layer: nn.Module, given: tuple[Any, ...], name: str, rows: Callable) -> None:
        sums = found.setdefault(name, _Sums(f"{who} at {name}"))
        for part in given[0].detach().split(AT_ONCE) if given[0].ndim > 1 else [given[0]]:
            sums.add(rows(layer, part))

    kinds = ((nn.Linear, _rows), (nn.Conv2d, _patches))
    layers = [(name or "model", m, rows) for name, m in model.named_modules()
              for kind, rows in kinds if isinstance(m, kind)]  # fmt: skip
    if not layers:
        raise ValueError(
            f"{who} needs a model with a Linear or a Conv2d; got none in {type(model).__name__}; "
            "measure the input of its layers by second_moment"
        )
    with Kept(model), torch.no_grad():
        handles = [m.register_forward_pre_hook(partial(note, name=name, rows=rows))
                   for name, m, rows in layers]  # fmt: skip
        try:
            model(*inputs)
        finally:
            for handle in handles:
                handle.remove()
    return {name: sums.moment() for name, sums in found.items()}


def _rows(_: nn.Module, x: Tensor) -> Tensor:
    return x.reshape(-1, 1, x.shape[-1])


def _patches(layer: Any, x: Tensor) -> Tensor:
    """All patches (n, groups, D) that a convolution sees."""
    x = x if x.ndim == 4 else x[None]
    around = layer.padding
    if isinstance(around, str):
        around = [d * (k - 1) if around == "same" else 0
                  for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]  # fmt: skip
        sides = [side for total in reversed(around) for side in (total // 2, total - total // 2)]
    else:
        sides = [side for one in reversed(around) for side in (one, one)]
    x = pad(x, sides, mode="constant" if layer.padding_mode == "zeros" else layer.padding_mode)
    found = unfold(x, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)
    return found.transpose(1, 2).reshape(-1, layer.groups, found.shape[1] // layer.groups)


@dataclass(frozen=True)
class Removed:
    """The squared norm of the gradient behind batch norm, by channel (C), and what it lacks.

    Attributes:
        whole: (gamma / s)^2 |g|^2: what it would be if mean and deviation were constants.
        along_mean: the part that goes with the mean of g.
        along_output: the part that goes with the mean of g times the normalised input.
    """

    whole: Tensor
    along_mean: Tensor
    along_output: Tensor

    @property
    def left(self) -> Tensor:
        """The squared norm: the whole less both parts."""
        return self.whole - self.along_mean - self.along_output

    @property
    def share(self) -> float:
        """What is removed, of the whole of all channels; 0..1."""
        whole = float(self.whole.sum())
        return 1 - float(self.left.sum()) / whole if whole else 0.0


def batch_norm_gradient(y: Any, gradient: Any, gamma: Any = 1.0, eps: float = 1e-5) -> Tensor:
    """The gradient with respect to y of a loss whose gradient is known behind batch norm.

    With m values in each channel, yhat = (y - mean) / s, s^2 = variance + eps, z = gamma yhat +
    beta and g the gradient with respect to z,

        gamma / s * (g - mean(g) - yhat * mean(g * yhat)),

    exactly, whatever eps is: g loses its mean, and its part along yhat.

    Args:
        y: (B, C, ...), what goes into batch norm in training mode.
        gradient: (B, C, ...), with respect to z.
        gamma: (C), the weight of batch norm, or one number.
        eps: as batch norm's, 0 or more.

    Returns:
        (B, C, ...), computed in float64, in the dtype of y, float32 at least.

    Raises:
        TypeError: these are no numbers.
        ValueError: shapes do not fit, there are fewer than 2 values in a channel, some are not
            finite, or eps is below 0.

    Examples:
        >>> y = torch.tensor([[0.0], [2.0], [4.0]])
        >>> batch_norm_gradient(y, [[1.0], [1.0], [1.0]]).abs().max().item()  # z has mean beta
        0.0

    Source: Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?", section 4;
    there without eps.
    """
    normal, g, slope = _columns("batch_norm_gradient", y, gradient, gamma, eps)
    found = slope * (g - g.mean(1, True) - normal * (g * normal).mean(1, True))
    given = _check.numbers("batch_norm_gradient", "y", y)
    shape = given.shape
    found = _check.held("batch_norm_gradient", found, _check.wide(given).dtype)
    return found.view(shape[1], shape[0], *shape[2:]).transpose(0, 1)


def batch_norm_removed(y: Any, gradient: Any, gamma: Any = 1.0, eps: float = 1e-5) -> Removed:
    """The squared norm of `batch_norm_gradient` by channel, as a sum without the gradient itself.

        gamma^2 / s^2 * (|g|^2 - m mean(g)^2 - (1 + eps / s^2) m mean(g yhat)^2)

    Args:
        y: as there; so are the others.
        gradient: behind batch norm.
        gamma: of batch norm.
        eps: of batch norm.

    Raises:
        TypeError, ValueError: as there.

    Examples:
        >>> found = batch_norm_removed([[0.0], [2.0], [4.0]], [[1.0], [0.0], [0.0]], eps=0)
        >>> [round(part.item(), 4) for part in (found.whole, found.along_mean, found.along_output)]
        [0.375, 0.125, 0.1875]

    Source: Santurkar et al. (2018), theorem 4.1, where it is a bound; for one layer it is exact.
    """
    normal, g, slope = _columns("batch_norm_removed", y, gradient, gamma, eps)
    m, by = g.shape[1], slope.square()[:, 0]
    twice = 2 - normal.square().mean(1)  # 1 without eps: then normal has length m
    return Removed(
        by * g.square().sum(1), by * m * g.mean(1).square(),
        by * m * twice * (g * normal).mean(1).square(),
    )  # fmt: skip


def _columns(who: str, y: Any, gradient: Any, gamma: Any, eps: float) -> tuple[Tensor, ...]:
    """The normalised input (C, m), the gradient (C, m), and gamma / s (C, 1), in float64."""
    given = _check.numbers(who, "y", y)
    g, weight = _check.numbers(who, "gradient", gradient), _check.numbers(who, "gamma", gamma)
    if given.ndim < 2 or given.numel() < 2 * given.shape[1]:
        raise ValueError(
            f"{who} needs y (B, C, ...) with at least 2 values in each channel; got "
            f"{tuple(given.shape)}; give a whole batch"
        )
    if g.shape != given.shape or weight.numel() not in (1, given.shape[1]):
        raise ValueError(
            f"{who} needs a gradient like y and a gamma for each channel; got {tuple(g.shape)} and "
            f"{tuple(weight.shape)} for {tuple(given.shape)}; give those of one layer"
        )
    if not eps >= 0:
        raise ValueError(f"{who} needs eps of 0 or more; got {eps}; give batch norm's")
    for name, each in (("y", given), ("gradient", g), ("gamma", weight)):
        _check.finite(who, name, each)
    y_Cm, g_Cm = (each.double().transpose(0, 1).flatten(1) for each in (given, g.to(given.device)))
    y_Cm = y_Cm - y_Cm[:, :1]  # equal values become 0, and not what rounding leaves of them
    s = (y_Cm.var(1, unbiased=False, keepdim=True) + eps).sqrt()
    if not bool(s.all()):
        raise ValueError(f"{who} needs y that varies in each channel, or eps above 0; got "
                         "a channel of equal values; give an eps")  # fmt: skip
    scale = weight.double().to(s.device).reshape(-1, 1) / s
    found = (y_Cm - y_Cm.mean(1, True)) / s, g_Cm, scale
    for each in found:
        _check.finite(who, "y of a size whose square float64 can hold", each)
    return found
