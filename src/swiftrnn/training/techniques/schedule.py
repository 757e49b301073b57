"""Learning rates as functions of the step: what multiplies the rate, and nothing to save.

A schedule here is a frozen object that is called with a step, whole or not, and gives a factor. It
remembers nothing, so a run that goes on after a checkpoint is at the same rate. The unit of a step
is what the schedule was made with: updates, or epochs with their fractions. Only ratios of steps
count, so a schedule in epochs is the same schedule in updates with every length multiplied; a
warm-up goes from 0 along step / warmup.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR


class Schedule(Protocol):
    """From a step, 0 or more, to what multiplies the learning rate."""

    def __call__(self, step: float) -> float:
        """The factor at a step."""
        ...


def _needs_step(who: str, step: float) -> None:
    if not 0 <= step < math.inf:
        raise ValueError(f"{who} needs a step of at least 0, finite; got {step!r}")


def _needs_ends(who: str, floor: float, warmup: float) -> None:
    if not 0 <= floor <= 1 or not 0 <= warmup < math.inf:
        raise ValueError(
            f"{who} needs floor in 0..1 and warmup of at least 0; got {floor!r} and {warmup!r}"
        )


@dataclass(frozen=True)
class Restarts:
    """Stochastic gradient descent with warm restarts: cosines, each from a peak to a floor.

    Cycle i takes first * multiplier**i steps and goes down from peak_decay**i:

        factor = floor + (peak - floor) * (1 + cos(pi * x)) / 2,   x in 0..1 the part of the cycle

    Args:
        first: steps of the first cycle, above 0; need not be whole, nor need the others.
        multiplier: of the length from cycle to cycle, above 0; below 1 they get shorter.
        warmup: steps before the first cycle, in which the factor is step / warmup.
        peak_decay: of the peak from cycle to cycle, above 0.
        floor: the least factor, in 0..1.
        cycles: how many; the floor afterwards. None for no end.

    Raises:
        ValueError: a number is out of its range, or cycles that get shorter have no number.

    Examples:
        >>> rate = Restarts(first=10, multiplier=2)
        >>> [round(rate(step), 3) for step in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 1.0, 0.5, 1.0]
        >>> rate.starts(100)
        [0.0, 10.0, 30.0, 70.0]

    Source: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts",
    equation 5.
    """

    first: float
    multiplier: float = 2.0
    warmup: float = 0.0
    peak_decay: float = 1.0
    floor: float = 0.0
    cycles: int | None = None

    def __post_init__(self) -> None:
        for name in ("first", "multiplier", "peak_decay"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"Restarts needs {name} above 0; got {getattr(self, name)!r}")
        _needs_ends("Restarts", self.floor, self.warmup)
        if self.cycles is None and self.multiplier < 1:
            raise ValueError(
                f"Restarts needs cycles where they get shorter; got multiplier {self.multiplier!r} "
                "and no cycles; say how many, since all of them together take but so many steps"
            )
        if self.cycles is not None and self.cycles < 1:
            raise ValueError(f"Restarts needs cycles of at least 1; got {self.cycles!r}")

    def __call__(self, step: float) -> float:
        """The factor at a step of at least 0."""
        _needs_step("Restarts", step)
        if step < self.warmup:
            return step / self.warmup
        cycle = self.cycle(step)
        if self.cycles is not None and cycle >= self.cycles:
            return self.floor
        begins = self.start(cycle)
        part = min(1.0, max(0.0, (step - begins) / (self.first * self.multiplier**cycle)))
        peak = max(self.floor, self.peak_decay**cycle)
        return self.floor + (peak - self.floor) * (1 + math.cos(math.pi * part)) / 2

    def start(self, cycle: int) -> float:
        """The step at which a cycle, counted from 0, begins."""
        m = self.multiplier
        lengths = cycle if m == 1 else (m**cycle - 1) / (m - 1)
        return self.warmup + self.first * lengths

    def cycle(self, step: float) -> int:
        """Which cycle a step lies in; 0 during the warm-up."""
        m, gone = self.multiplier, max(0.0, (step - self.warmup) / self.first)
        if m == 1:
            guess = int(gone)
        elif gone * (m - 1) <= -1:  # beyond all cycles that get shorter
            return self.cycles or 0
        else:
            guess = int(math.log1p(gone * (m - 1)) / math.log(m))
        guess = max(0, guess - 1)  # logarithms round: look at the starts themselves
        while self.start(guess + 1) <= step and (self.cycles is None or guess < self.cycles):
            guess += 1
        return guess

    def starts(self, upto: float) -> list[float]:
        """Where cycles begin, up to a step, which is left out."""
        found, cycle = [], 0
        while self.start(cycle) < upto and (self.cycles is None or cycle < self.cycles):
            found.append(self.start(cycle))
            cycle += 1
        return found


def cosine(steps: float, warmup: float = 0.0, floor: float = 0.0) -> Restarts:
    """One cosine from 1 to the floor in so many steps, the warm-up among them.

    Without a floor it is the cosine schedule with warm-up of Transformers.

    Args:
        steps: of both together, finite.
        warmup: steps in which the factor is step / warmup.
        floor: the least factor after the warm-up, in 0..1.

    Raises:
        ValueError: the warm-up leaves no step, or a number is out of its range.

    Examples:
        >>> rate = cosine(100)
        >>> rate(0), rate(50), rate(100)
        (1.0, 0.5, 0.0)
    """
    if not warmup < steps < math.inf:
        raise ValueError(f"cosine needs steps above warmup; got {steps!r} and {warmup!r}")
    return Restarts(steps - warmup, warmup=warmup, floor=floor, cycles=1)


@dataclass(frozen=True)
class Drops:
    """A factor that falls at some steps, and is constant in between; always 1 without any.

    Args:
        at: the steps, rising.
        factor: what each of them multiplies by, above 0.

    Raises:
        ValueError: they do not rise, or the factor is not above 0.

    Examples:
        >>> rate = Drops((30, 60, 80), 0.5)
        >>> [rate(step) for step in (29, 30, 79, 99)]
        [1.0, 0.5, 0.25, 0.125]
    """

    at: tuple[float, ...] = ()
    factor: float = 0.1

    def __post_init__(self) -> None:
        if list(self.at) != sorted(set(self.at)):
            raise ValueError(f"Drops needs steps that rise; got {self.at!r}; sort them")
        if not 0 < self.factor < math.inf:
            raise ValueError(f"Drops needs a factor above 0; got {self.factor!r}")

    def __call__(self, step: float) -> float:
        """The factor at a step of at least 0."""
        _needs_step("Drops", step)
        return float(self.factor ** sum(step >= each for each in self.at))


@dataclass(frozen=True)
class Line:
    """A factor that falls from 1 along a line to the floor, in so many steps after a warm-up.

    Without a floor it is the linear schedule with warm-up of Transformers.

    Args:
        steps: of warm-up and line together, finite.
        warmup: steps in which the factor is step / warmup.
        floor: the least factor after the warm-up, in 0..1.

    Raises:
        ValueError: the warm-up leaves no step, or a number is out of its range.

    Examples:
        >>> rate = Line(100)
        >>> rate(0), rate(25), rate(100), rate(200)
        (1.0, 0.75, 0.0, 0.0)
    """

    steps: float
    warmup: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        _needs_ends("Line", self.floor, self.warmup)
        if not self.warmup < self.steps < math.inf:
            raise ValueError(
                f"Line needs steps above warmup; got {self.steps!r} and {self.warmup!r}"
            )

    def __call__(self, step: float) -> float:
        """The factor at a step of at least 0."""
        _needs_step("Line", step)
        if step < self.warmup:
            return step / self.warmup
        left = 1 - (step - self.warmup) / (self.steps - self.warmup)
        return self.floor + (1 - self.floor) * max(0.0, left)


@dataclass(frozen=True)
class OverBudget:
    """A factor that rises in a warm-up, and falls along a line to 0 as a budget is spent.

    The budget may be one of time, in which nobody knows the last step: `fit` says how much of it is
    spent.

    Args:
        warmup: steps in which the factor rises along step / warmup.

    Raises:
        ValueError: the warm-up is negative.

    Examples:
        >>> rate = OverBudget(warmup=10)
        >>> rate(5, 0.0), rate(100, 0.25), rate(400, 1.0)
        (0.5, 0.75, 0.0)
    """

    warmup: float = 0.0

    def __post_init__(self) -> None:
        _needs_ends("OverBudget", 0.0, self.warmup)

    def __call__(self, step: float, done: float) -> float:
        """The factor at a step of at least 0, with the part `done` of the budget spent."""
        _needs_step("OverBudget", step)
        rising = min(1.0, step / self.warmup) if self.warmup else 1.0
        return rising * (1 - done)


class Following(LambdaLR):
    """torch's LambdaLR with one factor for all groups, those that are added later among them."""

    def get_lr(self) -> list[float | Tensor]:
        """The rate of every group that there is now."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            rate: Any = group.setdefault("initial_lr", group["lr"])
            group["initial_lr"] = rate.clone() if isinstance(rate, Tensor) else rate
            self.base_lrs.append(group["initial_lr"])
        factor = self.lr_lambdas[0](self.last_epoch)
        return [base * factor for base in self.base_lrs]


@dataclass(frozen=True)
class InverseSquareRoot:
    """A rise, a plateau, and a fall with the inverse square root, from update to update.

        factor = min(1, (step + 1) / warmup) * min(1, sqrt(knee / (step + 1)))

    The end of a training need not be known, as where it has a budget of seconds. Steps are updates:
    the first one has a rate above 0.

    Args:
        knee: updates after which the factor falls, above 0.
        warmup: updates in which it rises; 0 for none.

    Raises:
        ValueError: a number is out of its range.

    Examples:
        >>> rate = InverseSquareRoot(knee=100, warmup=10)
        >>> [round(rate(step), 2) for step in (0, 9, 99, 399)]
        [0.1, 1.0, 1.0, 0.5]

    Source: Vaswani et al. (2017), "Attention Is All You Need", equation 3, with a plateau.
    """

    knee: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.knee < math.inf or not 0 <= self.warmup < math.inf:
            raise ValueError(
                "InverseSquareRoot needs knee above 0 and warmup of at least 0; got "
                f"{self.knee!r} and {self.warmup!r}"
            )

    def __call__(self, step: float) -> float:
        """The factor at a step of at least 0."""
        _needs_step("InverseSquareRoot", step)
        rising = min(1.0, (step + 1) / max(self.warmup, 1))
        return rising * min(1.0, math.sqrt(self.knee / (step + 1)))


def scheduler(
    optimizer: torch.optim.Optimizer, schedule: Schedule, steps_per_unit: float = 1.0
) -> Following:
    """A schedule as torch and Lightning take one; `step()` once after every update.

    In Lightning: `{"scheduler": scheduler(...), "interval": "step"}` from `configure_optimizers`.
    A group that is added to the optimiser later follows as well, from the next `step()` on.

    Args:
        optimizer: the rates of its groups, or `initial_lr` where another scheduler left that in
            them, are those at factor 1.
        schedule: one of this module, or any function of a step.
        steps_per_unit: updates in one step of the schedule: those of an epoch, if it counts epochs.

    Raises:
        ValueError: `steps_per_unit` is not above 0 and finite.

    Examples:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> rates = scheduler(optimizer, Restarts(first=2), steps_per_unit=4)  # epochs of 4 updates
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     rates.step()
        >>> round(optimizer.param_groups[0]["lr"], 6)
        0.05
    """
    if not 0 < steps_per_unit < math.inf:
        raise ValueError(f"scheduler needs steps_per_unit above 0; got {steps_per_unit!r}")
    return Following(optimizer, lambda step: schedule(step / steps_per_unit))
