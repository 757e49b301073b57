"""What scores would be without any relation to places: by shuffling, for each unit and for all.

Rates are moved in time against places. Where there are many walks, the rates of one walk are held
against the places of another; where there is one, they are moved around the clock by at least a
tenth of it. What rates are like in time stays as it was.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 0.1  # of a single walk, by which it is moved


def shuffles(rates: Tensor, count: int, draw: torch.Generator | None = None) -> Iterator[Tensor]:
    """Rates (T, N, U) in other orders, to be held against places that stay.

    Args:
        rates: of N walks of T steps.
        count: how many times.
        draw: of random numbers; torch's own by default.

    Raises:
        ValueError: the rates are not (T, N, U), or there is one walk of fewer than 20 steps.
    """
    if rates.dim() != 3 or (rates.shape[1] == 1 and len(rates) < 20):
        raise ValueError(
            f"shuffles needs rates (T, N, U), of several walks or of 20 steps; got "
            f"{tuple(rates.shape)}"
        )
    T, N, _ = rates.shape
    for _ in range(count):
        if N > 1:
            order, other = torch.randperm(N, generator=draw), torch.empty(N, dtype=torch.long)
            other[order] = order.roll(1)  # one ring of all walks: none stays where it was
            yield rates[:, other]
            continue
        low = max(1, round(LEAST * T))
        yield rates.roll(int(torch.randint(low, T - low + 1, (), generator=draw)), 0)


@dataclass(frozen=True)
class Verdict:
    """Scores beside those of shuffled data.

    Attributes:
        scores: (U) as measured.
        p: (U): the share of shuffles, the data themselves counted as one, whose score of this unit
            is at least as large; 1 where the score is nan.
        family: (U): the same for the largest score of any unit in a shuffle, so that among all
            units a false one is as rare as that (family-wise).
        level: the score that a share of 5 % of all shuffled scores exceeds.
    """

    scores: Tensor
    p: Tensor
    family: Tensor
    level: float


def against_null(
    score: Callable[[Tensor], Mapping[str, Tensor]],
    rates: Tensor,
    count: int = 99,
    draw: torch.Generator | None = None,
) -> dict[str, Verdict]:
    """Hold scores against those of shuffled rates; each kind of score by itself.

    Args:
        score: rates (T, N, U) to scores (U) by name, larger where there is more of what is looked
            for.
        rates: as they are.
        count: of shuffles; a p-value is at least 1 / (count + 1).
        draw: of random numbers; torch's own by default.

    Raises:
        ValueError: as `shuffles`, or there are no shuffles.
    """
    if count < 1:
        raise ValueError(f"against_null needs at least one shuffle; got {count}")
    real, null = score(rates), [score(each) for each in shuffles(rates, count, draw)]
    return {
        name: _verdict(found, torch.stack([each[name] for each in null]), count)
        for name, found in real.items()
    }


def _verdict(real: Tensor, null: Tensor, count: int) -> Verdict:
    """Scores (U) beside those of shuffles (count, U)."""
    low = torch.finfo(real.dtype).min
    found, others = real.nan_to_num(low), null.nan_to_num(low)
    p = (1 + (others >= found).sum(0)) / (count + 1)
    family = (1 + (others.amax(1, keepdim=True) >= found).sum(0)) / (count + 1)
    none = real.isnan()
    every = null[null.isfinite()]
    level = float(every.quantile(0.95)) if 0 < every.numel() <= 1 << 24 else _level(every)
    return Verdict(real, torch.where(none, 1.0, p), torch.where(none, 1.0, family), level)


def _level(every: Tensor) -> float:
    """The 95th percentile of very many numbers, which `quantile` refuses; nan of none."""
    if not every.numel():
        return float("nan")
    return float(every.kthvalue(max(1, round(0.95 * every.numel()))).values)
