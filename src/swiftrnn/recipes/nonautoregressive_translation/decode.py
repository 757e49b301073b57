"""Translations of a student: one pass, or several at once of which the teacher takes the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.translation.batches import padded
from swiftrnn.data.translation.tokenizer import END, PAD, START, UNKNOWN
from swiftrnn.nn import paths
from swiftrnn.nn.decoding import reorder
from swiftrnn.recipes.nonautoregressive_translation.model import (
    FERTILITIES,
    Student,
    expanded,
    spread,
)
from swiftrnn.recipes.nonautoregressive_translation.teacher import Teacher
from swiftrnn.runs import limits

AT_ONCE = 64  # sentences that are translated together
Rows = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Reading(limits.Checked):
    """How a student translates."""

    # choice of fertilities; noisy: several at random, of which the teacher takes the best
    fertilities: Literal["argmax", "average", "noisy"] = "argmax"
    samples: Annotated[int, limits.Range(2, 1000)] = 10  # translations of which noisy takes one
    seed: limits.Seed = 0  # random seed of noisy


@torch.no_grad()
def read(
    student: Student,
    sources: Rows,
    how: Reading,
    teacher: Teacher | None = None,
    lengths: Sequence[int] | None = None,
) -> list[list[int]]:
    """The translation of each source, in tokens.

    Args:
        student: that translates.
        sources: tokens of each sentence, without its end.
        how: for "fertility".
        teacher: that chooses, for noisy.
        lengths: of the translations, for "uniform", which has to be told.
    """
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: list[list[int]] = [[] for _ in sources]
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        tokens, sizes = padded([np.array([*sources[i], END], np.int64) for i in some])
        wanted = None if lengths is None else torch.tensor([lengths[i] for i in some])
        some_found = _read(student, tokens, sizes, how, teacher, wanted, [sources[i] for i in some])
        for i, each in zip(some, some_found, strict=True):
            found[i] = each
    return found


def _read(
    student: Student, tokens: Tensor, sizes: Tensor, how: Reading, teacher: Teacher | None,
    wanted: Tensor | None, sources: Rows,
) -> list[list[int]]:  # fmt: skip
    encoded, memory = student.encode(tokens, sizes)
    if student.kind in ("ctc", "graph"):
        places, many = student.laid(sizes)
        hidden = student.hidden(tokens, memory, places, many)
        logits = student.logits(hidden)
        if student.kind == "ctc":
            best = _without(logits, START, UNKNOWN, END).argmax(-1)
            return paths.ctc_read(best, many)
        logits = _without(logits, PAD, START, UNKNOWN)  # the last vertex writes the end
        return paths.graph_read(logits, student.links(hidden, many), many, (START, END))
    if student.kind == "uniform":
        if wanted is None:
            raise ValueError("a student with uniform copies needs the length of each translation")
        places = spread(sizes - 1, wanted)
        return _written(student, tokens, memory, places, wanted)
    odds = student.odds_of_fertilities(encoded, sizes)
    if how.fertilities != "noisy":
        counts = bounded(chosen(odds, how.fertilities), sizes)
        return _written(student, tokens, memory, *expanded(counts))
    if teacher is None:
        raise ValueError("noisy fertilities need a teacher, which chooses; got none")
    return _noisy(student, tokens, memory, odds, sizes, how, teacher, sources)


def chosen(odds: Tensor, how: str) -> Tensor:
    """Fertilities (S, B) of log-probabilities (S, B, classes): the likeliest, or the mean."""
    if how == "argmax":
        return odds.argmax(-1)
    classes = torch.arange(FERTILITIES, dtype=odds.dtype, device=odds.device)
    return (odds.exp() @ classes).round().long()


def bounded(counts: Tensor, sizes: Tensor) -> Tensor:
    """Fertilities of no more than twice the source, 10 more, and at least one word in all."""
    most = 2 * sizes + 10
    total = counts.cumsum(0)
    counts = torch.where(total <= most, counts, (most - (total - counts)).clamp(min=0))
    none = counts.sum(0) == 0
    counts[0] = torch.where(none, 1, counts[0])
    return counts


def _noisy(
    student: Student, tokens: Tensor, memory: list[Any], odds: Tensor, sizes: Tensor, how: Reading,
    teacher: Teacher, sources: Rows,
) -> list[list[int]]:  # fmt: skip
    """Of several translations the one that the teacher finds likeliest, by token."""
    S, B = odds.shape[:2]
    draws = []
    for i, row in enumerate(sources):  # by itself: what is beside it changes nothing
        draw = torch.Generator().manual_seed(hash_of(row, how.seed))
        draws.append(torch.zeros(S, how.samples, dtype=torch.long))
        here = odds[: len(row), i].exp()
        draws[-1][: len(row)] = torch.multinomial(here, how.samples, True, generator=draw)
    counts = torch.stack(draws, 1).permute(2, 0, 1)  # (samples, S, B)
    counts[0], counts[1] = chosen(odds, "argmax"), chosen(odds, "average")
    every = bounded(counts.permute(1, 2, 0).flatten(1), sizes.repeat_interleave(how.samples))
    index = torch.arange(B).repeat_interleave(how.samples)
    places, lengths = expanded(every)
    written = _written(student, tokens[:, index], reorder(memory, index), places, lengths)
    targets, ends = padded([np.array([START, *row, END], np.int64) for row in written])
    scores = teacher.scores(reorder(teacher.encode(tokens, sizes), index), targets, ends)
    best = scores.view(B, how.samples).argmax(1) + torch.arange(B) * how.samples
    return [written[i] for i in best.tolist()]


def hash_of(row: Sequence[int], seed: int) -> int:
    """A seed of a sentence's own.

    Examples:
        >>> hash_of([1, 2], 0) == hash_of([1, 2], 0), hash_of([1, 2], 0) == hash_of([2, 1], 0)
        (True, False)
    """
    found = seed + 1
    for token in row:
        found = (found * 1_000_003 + token + 1) % (1 << 61)
    return found


def _written(
    student: Student, tokens: Tensor, memory: list[Any], places: Tensor, lengths: Tensor
) -> list[list[int]]:
    hidden = student.hidden(tokens, memory, places, lengths)
    best = _without(student.logits(hidden), PAD, START, UNKNOWN, END).argmax(-1)
    return [column[:n].tolist() for column, n in zip(best.t(), lengths.tolist(), strict=True)]


def _without(logits: Tensor, *never: int) -> Tensor:
    """Scores without tokens that cannot be."""
    logits[..., [*never]] = -torch.inf
    return logits
