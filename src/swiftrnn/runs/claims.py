"""Claims: sentences that can be false, held against what was measured, with a verdict each.

A claim names a number computed from a recipe's metrics, and the condition under which we say that
we see it. The number is computed for each seed; a claim is seen if the condition holds for all.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class Formula:
    """A number computed from metrics of one run.

    Attributes:
        names: the metrics it reads.
        compute: their values to the number.
    """

    names: tuple[str, ...]
    compute: Callable[..., float]

    def __call__(self, metrics: Metrics) -> float:
        """The number; NaN where it is not defined.

        Raises:
            KeyError: a metric is missing.
        """
        try:
            return float(self.compute(*(metrics[name] for name in self.names)))
        except ZeroDivisionError:
            return math.nan


def value(name: str) -> Formula:
    """A metric itself."""
    return Formula((name,), lambda x: x)


def ratio(above: str, below: str) -> Formula:
    """One metric divided by another.

    Examples:
        >>> ratio("a", "b")({"a": 3.0, "b": 2.0})
        1.5
    """
    return Formula((above, below), lambda a, b: a / b)


def difference(first: str, second: str) -> Formula:
    """One metric minus another."""
    return Formula((first, second), lambda a, b: a - b)


def lowest(*names: str) -> Formula:
    """The smallest of several metrics."""
    return Formula(names, lambda *x: min(x))


def highest(*names: str) -> Formula:
    """The largest of several metrics."""
    return Formula(names, lambda *x: max(x))


@dataclass(frozen=True)
class Condition:
    """When a claim counts as seen: its number lies between two ends, ends excluded."""

    low: float = -math.inf
    high: float = math.inf

    def __contains__(self, number: float) -> bool:
        return self.low < number < self.high  # false for NaN

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"below {self.high:g}"
        if self.high == math.inf:
            return f"above {self.low:g}"
        return f"between {self.low:g} and {self.high:g}"


def below(limit: float) -> Condition:
    """Less than a limit."""
    return Condition(high=limit)


def above(limit: float) -> Condition:
    """More than a limit."""
    return Condition(low=limit)


def between(low: float, high: float) -> Condition:
    """More than one limit and less than another."""
    return Condition(low, high)


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper that can be false.

    Attributes:
        says: the claim, one sentence without the final stop.
        where: its place in the paper, such as "table 2".
        ours: our number for it, computed for each seed; None for a claim that is not tested.
        holds: the condition on that number under which the claim counts as seen.
        paper: the paper's own number, where it gives one.
        why: why it is not tested; or, for a tested one, what its number is ("error with mixup /
            error without").
        preset: the preset whose recorded results it is about; None for the default.
        after: whether the condition was set when results were known, which the verdict says.
    """

    says: str
    where: str
    ours: Formula | None
    holds: Condition | None = None
    paper: float | None = None
    why: str = ""
    preset: str | None = None
    after: bool = False

    def __post_init__(self) -> None:
        if (self.ours is None) != (self.holds is None):
            raise ValueError(
                f"a claim needs a number and a condition, or neither; got one of them for "
                f"{self.says!r}; give both"
            )
        if self.ours is None and not self.why:
            raise ValueError(
                f"a claim that is not tested needs the reason; got none for {self.says!r}; "
                "give why="
            )


SEEN, NOT_SEEN, NOT_TESTED = "seen", "not seen", "not tested"
AFTERWARDS = "condition set after the results were known"


@dataclass(frozen=True)
class Verdict:
    """What became of a claim, ready for JSON.

    Attributes:
        says, where, paper, why: as in the claim.
        verdict: "seen", "not seen" or "not tested".
        values: our number for each seed.
        needs: the condition in words; "" for a claim that is not tested.
        held: for how many seeds the condition held.
        after: whether the condition was set when results were already known.
    """

    says: str
    where: str
    paper: float | None
    why: str
    verdict: str
    values: tuple[float | None, ...]
    needs: str
    held: int
    after: bool

    def __str__(self) -> str:
        """The verdict in a few words.

        Examples:
            >>> claim = Claim("Fewer errors", "table 1", value("error"), below(0.1))
            >>> print(judge([claim], [{"error": 0.05}, {"error": 0.2}])[0])
            not seen, 1 of 2 seeds
        """
        return self.brief + f"; {AFTERWARDS}" * self.after

    @property
    def brief(self) -> str:
        """The verdict without when its condition was set."""
        if self.verdict == NOT_TESTED:
            return f"{NOT_TESTED}: {self.why}"
        seeds = f"{len(self.values)} seed" + "s" * (len(self.values) != 1)
        return f"{self.verdict}, {self.held} of {seeds}"

    @property
    def ours(self) -> str:
        """Our number, its mean and spread over seeds; "–" where there is none."""
        numbers = [x for x in self.values if x is not None]
        if not numbers:
            return "–"
        spread = f" ± {statistics.stdev(numbers):.2g}" if len(numbers) > 1 else ""
        return f"{statistics.fmean(numbers):.4g}{spread}"


def judge(
    claims: Sequence[Claim], results: Sequence[Metrics], preset: str | None = None
) -> list[Verdict]:
    """Hold claims against results.

    Args:
        claims: of a recipe.
        results: the metrics of each seed, at least one.
        preset: that they were trained with; claims about other presets are left out.

    Returns:
        A verdict for each claim about this preset, and for each that is not tested at all. A claim
        whose metrics these results lack, because other settings left them out, is not tested.
    """
    return [_verdict(c, results) for c in claims if c.ours is None or c.preset == preset]


def _verdict(claim: Claim, results: Sequence[Metrics]) -> Verdict:
    told = (claim.says, claim.where, claim.paper, claim.why)
    if claim.ours is None or claim.holds is None:
        return Verdict(*told, NOT_TESTED, (), "", 0, False)
    if any(name not in metrics for name in claim.ours.names for metrics in results):
        told = (claim.says, claim.where, claim.paper, "these settings do not measure it")
        return Verdict(*told, NOT_TESTED, (), "", 0, False)
    numbers = [claim.ours(metrics) for metrics in results]
    held = sum(number in claim.holds for number in numbers)
    found = SEEN if held == len(numbers) else NOT_SEEN
    values = tuple(x if math.isfinite(x) else None for x in numbers)
    return Verdict(*told, found, values, str(claim.holds), held, claim.after)


def counted(verdicts: Sequence[Verdict]) -> str:
    """How many were seen, not seen and not tested, in words.

    Examples:
        >>> counted(judge([Claim("It scales", "section 4", None, why="no such machine")], [{}]))
        '0 seen, 0 not seen, 1 not tested'
    """
    kinds = [each.verdict for each in verdicts]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in (SEEN, NOT_SEEN, NOT_TESTED))


def per_seed(metrics: Mapping[str, Any], seeds: int) -> list[dict[str, float]]:
    """Recorded metrics, as `runs.results.spread` makes them of several seeds, seed by seed."""
    if seeds == 1:
        return [dict(metrics)]
    several = {k: v["values"] for k, v in metrics.items() if isinstance(v, Mapping)}
    return [{k: v[i] for k, v in several.items()} for i in range(seeds)]
