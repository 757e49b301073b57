"""What a loss looks like along a step: its range, its gradient, its smoothness; covariate shift.

Every number comes in raw units and in units without a scale. Raw smoothness is no fair measure
where weights have no scale of their own: in front of batch norm, weights ten times as large make
the same net, and a loss a hundred times as smooth. The model comes back as it was: weights, buffers
such as running statistics, modes, gradients, and torch's random state. What it draws, as dropout
does, is the same at every place, so that all of them lie on one function.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.analysis import _check
from swiftrnn.analysis.networks._probe import Direction, Loss, Probe, positive, size


def batch_loss(model: nn.Module, loss_function: Any, inputs: Any, targets: Any) -> Loss:
    """The loss on a batch, as the instruments take it: `loss_function(model(inputs), targets)`.

    Args:
        model: takes the inputs.
        loss_function: takes what the model gives, and targets; gives one number.
        inputs: (B, ...), a tensor or an array; floating point becomes the model's own.
        targets: (B, ...), likewise.

    Raises:
        TypeError: these are no numbers.
        ValueError: there are not as many of each, or some are not finite.

    Examples:
        >>> net = nn.Linear(2, 1)
        >>> loss = batch_loss(net, nn.functional.mse_loss, [[1.0, 2.0]], [[0.0]])
        >>> loss().ndim
        0
    """
    who = "batch_loss"
    like = next((p for p in model.parameters()), torch.empty(0))
    found = {}
    for name, values in (("inputs", inputs), ("targets", targets)):
        tensor = _check.tensor(who, name, values).to(like.device)
        _check.finite(who, name, tensor)
        found[name] = tensor.to(like.dtype) if tensor.is_floating_point() else tensor
    _check.same_length(who, **found)
    return lambda: loss_function(model(found["inputs"]), found["targets"])


@dataclass(frozen=True)
class Scan:
    """What was seen along a step; made by `scan`.

    theta are the weights, d the direction, g the gradient at theta, |.| the Euclidean norm.

    Attributes:
        rate: of the step.
        distances: (S) float64, each s in theta - s d; where d is the gradient these are rates.
        losses: (S) float64, at each of them; inf or nan where the loss is.
        changes: (S) float64, how far the gradient there is from g.
        own_changes: (S) float64, the same in the layers' own units, see `own_smoothness`.
        loss: at theta.
        gradient_norm: |g|.
        weight_norms: |theta| of each layer, in the order in which they are called.
        direction_norms: |d| of each layer.
    """

    rate: float
    distances: Tensor
    losses: Tensor
    changes: Tensor
    own_changes: Tensor
    loss: float
    gradient_norm: float
    weight_norms: dict[str, float]
    direction_norms: dict[str, float]

    @property
    def loss_range(self) -> float:
        """Largest less smallest loss along the step, in units of the loss."""
        return _top(self.losses) + _top(-self.losses)

    @property
    def gradient_change(self) -> float:
        """The largest distance of a gradient from g; the smaller, the better g predicts them."""
        return _top(self.changes)

    @property
    def relative_gradient_change(self) -> float:
        """The same over |g|: without a scale. Above 1, g tells nothing about the step's far end."""
        return self.gradient_change / self.gradient_norm if self.gradient_norm else math.nan

    @property
    def smoothness(self) -> float:
        """beta = max over s of (change of the gradient) / (s |d|), in loss per squared weight."""
        return _top(self.changes / (self.distances * _norm(self.direction_norms)))

    @property
    def smoothness_by_rate(self) -> float:
        """beta * rate, without a scale: how many |g| the gradient changes by in one step.

        Along another direction than the gradient, beta * rate * |d| / |g|.
        """
        if not self.gradient_norm:
            return math.nan
        return self.smoothness * self.rate * _norm(self.direction_norms) / self.gradient_norm

    @property
    def smoothness_by_weights(self) -> float:
        """beta * |theta|^2, in units of the loss; without a scale if all weights share one."""
        return self.smoothness * _norm(self.weight_norms) ** 2

    @property
    def own_smoothness(self) -> float:
        """beta where each layer's weights are measured in units of their own norm.

        max over s of sqrt(sum |theta_l|^2 |change_l|^2) / (s sqrt(sum |d_l|^2 / |theta_l|^2)) over
        layers l, in units of the loss. It stays the same where a layer is scaled and the net is
        not changed by that. Layers that are zero are left out.
        """
        steps = self._own_steps()
        return _top(self.own_changes / (self.distances * _norm(steps))) if steps else math.nan

    @property
    def relative_steps(self) -> dict[str, float]:
        """rate * |d| / |theta| of each layer; layers that are zero are left out."""
        return {name: self.rate * step for name, step in self._own_steps().items()}

    @property
    def relative_step(self) -> float:
        """The root of the mean square of `relative_steps`."""
        steps = self.relative_steps
        return _norm(steps) / math.sqrt(len(steps)) if steps else math.nan

    def _own_steps(self) -> dict[str, float]:
        return {n: self.direction_norms[n] / w for n, w in self.weight_norms.items() if w}


def _norm(parts: Mapping[str, float]) -> float:
    return math.hypot(*parts.values())  # also of parts whose squares are no floats


def _top(values: Tensor) -> float:
    """The largest; infinite if one of them is not finite: there the step left the landscape."""
    return float(values.max()) if bool(values.isfinite().all()) else math.inf


def scan(
    model: nn.Module,
    loss: Loss,
    rate: float | None = None,
    *,
    relative: float | None = None,
    direction: Direction | None = None,
    span: tuple[float, float] = (0.5, 4.0),
    points: int = 8,
) -> Scan:
    """Loss and gradient along a step, at theta - s d for s from span[0] to span[1] times the rate.

    Args:
        model: any module; counts as it is, in training mode or not.
        loss: gives its loss, see `batch_loss`; always of the same batch.
        rate: of the step, above 0.
        relative: in place of a rate, the relative step at the rate: root mean square over layers
            of |step| / |weights|. With it, steps of models with other scales can be compared.
        direction: d; the gradient by default. For the step that an optimiser took give weights
            before less weights after, and rate 1.
        span: in multiples of the rate, both above 0.
        points: S, how many, at equal ratios.

    Raises:
        TypeError: the model is no module.
        ValueError: the rate is not above 0, the model has nothing to train, a parameter or the loss
            is not finite, the direction does not fit or is zero.

    Examples:
        >>> net = nn.Linear(1, 1, bias=False).double()
        >>> _ = nn.init.constant_(net.weight, 3.0)
        >>> seen = scan(net, lambda: 5 * net.weight.square().sum(), rate=0.1)
        >>> round(seen.smoothness, 9), round(seen.smoothness_by_rate, 9)
        (10.0, 1.0)

    Source: Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?", section 3.1.
    """
    if (rate is None) == (relative is None):
        raise ValueError(
            f"scan needs a rate or a relative step; got {rate} and {relative}; give one of them"
        )
    positive("scan", rate=1.0 if rate is None else rate, span=min(span), points=points,
             relative=1.0 if relative is None else relative)  # fmt: skip
    with Probe("scan", model, loss) as probe:
        here, gradient = probe.at()
        d, layers = probe.direction(direction, gradient), probe.layers()
        weights = {n: size([probe.places[i] for i in rows]) for n, rows in layers.items()}
        lengths = {n: size([d[i] for i in rows]) for n, rows in layers.items()}
        empty = torch.zeros(0, dtype=torch.float64)
        start = Scan(1.0, empty, empty, empty, empty, here, size(gradient), weights, lengths)
        if rate is None:
            rate = (relative or 0.0) / start.relative_step
            positive("scan", **{"a relative step of layers that are not zero": rate})
        low, high = (math.log(rate * s) for s in span)
        distances = torch.linspace(low, high, points, dtype=torch.float64).exp()
        seen = torch.zeros(3, points, dtype=torch.float64)
        for k, s in enumerate(distances.tolist()):
            there, found = probe.at(d, s)
            moved = [a - b for a, b in zip(found, gradient, strict=True)]
            parts = {n: size([moved[i] for i in rows]) for n, rows in layers.items()}
            own = _norm({n: part * weights[n] for n, part in parts.items()})
            seen[:, k] = torch.tensor([there, _norm(parts), own], dtype=torch.float64)
    losses, changes, own = seen
    return Scan(rate, distances, losses, changes, own, here, size(gradient), weights, lengths)


@dataclass(frozen=True)
class Shift:
    """How an update of the layers before changes the gradient of a layer; by `covariate_shift`.

    Attributes:
        gradient_norm: |G|, the gradient without the update.
        distance: |G - G'|, with G' the gradient after it.
        cosine: of the angle between G and G', in -1..1; nan where one of them is zero.
    """

    gradient_norm: float
    distance: float
    cosine: float


def covariate_shift(
    model: nn.Module, loss: Loss, rate: float, direction: Direction | None = None
) -> dict[str, Shift]:
    """Internal covariate shift: of each layer, what an update of all layers before it changes.

    Takes a loss and a gradient for each layer. The first layer has nothing before it.

    Args:
        model: any module; layers count in the order in which they are called first.
        loss: as for `scan`.
        rate: of the update, above 0.
        direction: of the update; the gradient by default.

    Returns:
        By the name of the layer, see `Shift`.

    Raises:
        TypeError, ValueError: as `scan` does.

    Examples:
        >>> net = nn.Linear(2, 1)
        >>> covariate_shift(net, lambda: net(torch.ones(1, 2)).sum(), rate=0.1)["model"].distance
        0.0

    Source: Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?",
    definition 2.1.
    """
    positive("covariate_shift", rate=rate)
    found = {}
    with Probe("covariate_shift", model, loss) as probe:
        _, gradient = probe.at()
        d = probe.direction(direction, gradient)
        before = [torch.zeros_like(each) for each in d]
        for number, (name, rows) in enumerate(probe.layers().items()):
            after = probe.at(before, rate)[1] if number else gradient
            g, changed = [gradient[i] for i in rows], [after[i] for i in rows]
            norm, both = size(g), size(g) * size(changed)
            inner = sum(float((a.double() * b.double()).sum())
                        for a, b in zip(g, changed, strict=True))  # fmt: skip
            distance = size([a - b for a, b in zip(g, changed, strict=True)])
            cosine = max(-1.0, min(1.0, inner / both)) if both else math.nan
            found[name] = Shift(norm, distance, cosine)
            for i in rows:
                before[i] = d[i]
    return found


def draw(axes: Any, seen: Scan, label: str = "loss", **how: Any) -> None:
    """Draw the loss along a step, and where it would be if the gradient were the same everywhere.

    Args:
        axes: of matplotlib.
        seen: a scan along the gradient.
        label: of the line.
        how: for the line, as Axes.plot takes it.
    """
    s = seen.distances.numpy()
    (line,) = axes.plot(s, seen.losses.numpy(), label=label, **how)
    straight = seen.loss - s * seen.gradient_norm**2
    axes.plot(s, straight, color=line.get_color(), linestyle=":", label=f"{label}, if straight")
    axes.set_xscale("log")
    axes.set_xlabel("rate of the step")
    axes.set_ylabel("loss")


def draw_bands(axes: Any, steps: Any, values: Any, label: str = "", **how: Any) -> None:
    """Draw a band from smallest to largest for each step of a training, with a line in its middle.

    Args:
        axes: of matplotlib.
        steps: (T) of the training.
        values: (T, S), such as the losses of a scan at each of them; an array of numbers.
        label: of the line.
        how: for the line, as Axes.plot takes it.
    """
    rows = _check.numbers("draw_bands", "values", values).detach().double().cpu()
    (line,) = axes.plot(steps, rows.median(1).values.numpy(), label=label, **how)
    low, high = (rows.amin(1).numpy(), rows.amax(1).numpy())
    axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.25, linewidth=0)
