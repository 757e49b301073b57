"""Triton kernels of `crf`; see `cpu.c` for the equations.

A program walks through one sequence, with all pairs of tags in registers: each step takes K * K
exponentials, none of which waits for another. K is filled up to a power of 2 with tags of score
-inf. A sum of nothing is -inf, its gradient 0. Gradients of transitions are written for each
sequence and added at the end, so they do not depend on the order of programs.

Scores of tags are float64; what is computed for each pair is in the dtype of the scores, of two
parts of a score: `high`, which the reference of a sum takes away exactly, and the rest, `low`.
"""

from contextlib import nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import last_of

NARROWEST = 16  # tags of a program
PAIRS = 512  # of tags, for each warp


@triton.jit
def _top(x, AXIS: tl.constexpr):
    """The largest; 0 where that is not finite."""
    most = tl.max(x, AXIS)
    return tl.where((most > float("-inf")) & (most < float("inf")), most, 0.0)


@triton.jit
def _log_sum_exp(x, AXIS: tl.constexpr):
    most = _top(x, AXIS)
    total = tl.sum(tl.exp(x - tl.expand_dims(most, AXIS)), AXIS)
    return tl.where(total == 0, float("-inf"), tl.log(tl.where(total == 0, 1.0, total)) + most)


@triton.jit
def _mix(x, A, AXIS: tl.constexpr):
    """Exponentials of x + A of which the sums along an axis are taken; the sums; and their logs.

    x is float64 and goes along the axis; logs are relative to its largest, which is the last.
    """
    top = _top(x, 0)
    x -= top
    finite = (x > float("-inf")) & (x < float("inf"))
    known = tl.where(finite, x, 0.0)
    high = known.to(A.dtype)
    low = (known - high.to(tl.float64)).to(A.dtype)
    high = tl.where(finite, high, x.to(A.dtype))
    high, low = tl.expand_dims(high, 1 - AXIS), tl.expand_dims(low, 1 - AXIS)
    most = _top(high + A, AXIS)
    terms = tl.exp(((high - tl.expand_dims(most, AXIS)) + A) + low)
    total = tl.sum(terms, AXIS)
    logs = tl.log(tl.where(total == 0, 1.0, total)).to(tl.float64) + most.to(tl.float64)
    return terms, total, tl.where(total == 0, float("-inf"), logs), top


@triton.jit
def _pairs(scores, K, WIDE: tl.constexpr):
    """Tags, which of them there are, and the scores of pairs: by the first of them, the second."""
    j = tl.arange(0, WIDE)
    inside = j < K
    both = inside[:, None] & inside[None, :]
    at = j[:, None] * K + j[None, :]
    return j, inside, at, both, tl.load(scores + at, mask=both, other=float("-inf"))


@triton.jit(do_not_specialize=["T", "B"])
def _forward(
    emissions, scores, start, end, lengths, tags, arrived_at, totals, loss, T, B, K,
    KEEP: tl.constexpr, LENGTHS: tl.constexpr, TAGS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    j, inside, pair, both, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    begin = tl.load(start + j, mask=inside, other=float("-inf")).to(tl.float64)
    alpha = begin
    tops = tl.sum(tl.zeros_like(alpha), 0)
    ahead = tops  # of the score of the path
    before, row = last * 0, b
    for t in range(T):
        here = t <= last
        e = tl.load(emissions + row * K + j, mask=inside & here, other=0.0).to(tl.float64)
        terms, total, mixed, top = _mix(alpha, A, 0)
        later = here & (t > 0)
        arrived = tl.where(t == 0, begin, mixed)
        alpha = tl.where(here, arrived + e, alpha)
        tops += tl.where(later, top, 0.0)
        ahead += tl.where(later, top, 0.0)
        if KEEP:
            tl.store(arrived_at + row * K + j, tl.where(here, arrived, 0.0), mask=inside)
        if TAGS:
            tag = tl.load(tags + row, mask=here, other=0)
            known = here & (tag >= 0) & (tag < K)  # elsewhere there is nothing to read
            first = tl.load(start + tag, mask=known & (t == 0), other=0.0).to(tl.float64)
            step = tl.load(scores + before * K + tag, mask=known & (t > 0), other=0.0)
            said = tl.load(emissions + row * K + tag, mask=known, other=0.0).to(tl.float64)
            said += first + step.to(tl.float64)
            ahead -= tl.where(here & (known == 0), float("nan"), said)
            before = tl.where(known, tag, 0)
            ahead -= tl.load(end + before, mask=t == last, other=0.0).to(tl.float64)
        row += B
    final = tl.load(end + j, mask=inside, other=float("-inf")).to(tl.float64)
    rest = tl.where(last >= 0, _log_sum_exp(alpha + final, 0), 0.0)
    tl.store(totals + b, tops + rest)
    tl.store(loss + b, ahead + rest)


@triton.jit(do_not_specialize=["T", "B"])
def _backward(
    emissions, scores, end, lengths, tags, arrived_at, totals, grad, d_emissions, d_scores, d_start,
    d_end, T, B, K,
    LENGTHS: tl.constexpr, TAGS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    j, inside, at, both, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    beta = tl.load(end + j, mask=inside, other=float("-inf")).to(tl.float64)
    scale, whole = tl.load(grad + b), tl.load(totals + b)
    scale = tl.where(whole < float("inf"), scale, float("nan"))  # of no number, nothing is right
    sums = tl.zeros_like(A)
    first = tl.sum(sums, 0)
    final = first
    row = b + B.to(tl.int64) * (T - 1)
    odds, later = tl.zeros_like(A), last * 0  # of what follows a tag, and the tag of the path there
    for step in range(T):
        t = T - 1 - step
        here = t <= last
        there = inside & here
        e = tl.load(emissions + row * K + j, mask=there, other=0.0).to(tl.float64)
        alpha = tl.load(arrived_at + row * K + j, mask=there, other=float("-inf"))
        v = e + beta
        q = alpha + v
        p = tl.exp((q - _top(q, 0)).to(scale.dtype))
        some = tl.sum(p, 0)
        p = tl.where(there, p / tl.where(some == 0, 1.0, some), 0.0)
        pairs = tl.where(t < last, scale * (p[:, None] * odds), 0.0)
        p = tl.where(there, scale * p, 0.0)
        if TAGS:
            tag = tl.load(tags + row, mask=here, other=0)
            p -= tl.where(there & (j == tag), scale, 0.0)
            right = (t < last) & (j[:, None] == tag) & (j[None, :] == later)
            pairs -= tl.where(right, scale, 0.0)
            later = tag
        tl.store(d_emissions + row * K + j, tl.where(here, p, 0.0), mask=inside)
        first = tl.where(here & (t == 0), p, first)
        final = tl.where(t == last, p, final)
        sums += pairs
        terms, total, mixed, top = _mix(v, A, 1)
        odds = tl.where(here, terms / tl.where(total == 0, 1.0, total)[:, None], odds)
        beta = tl.where(here, mixed, beta)
        row -= B
    tl.store(d_scores + b * K * K + at, sums, mask=both)
    tl.store(d_start + b * K + j, first, mask=inside)
    tl.store(d_end + b * K + j, final, mask=inside)


@triton.jit(do_not_specialize=["T", "B"])
def _viterbi(
    emissions, scores, start, end, lengths, back, best, path, T, B, K,
    LENGTHS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    j, inside, pair, both, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    A = A.to(tl.float64)
    score = tl.load(start + j, mask=inside, other=float("-inf")).to(tl.float64)
    row = b
    for t in range(T):
        here = t <= last
        e = tl.load(emissions + row * K + j, mask=inside & here, other=0.0).to(tl.float64)
        most, origin = tl.max(
            score[:, None] + A, 0, return_indices=True, return_indices_tie_break_left=True
        )
        tl.store(back + row * K + j, origin, mask=inside & here)
        score = tl.where(here, tl.where(t == 0, score, most) + e, score)
        row += B
    score += tl.load(end + j, mask=inside, other=float("-inf")).to(tl.float64)
    most, tag = tl.max(score, 0, return_indices=True, return_indices_tie_break_left=True)
    tl.store(best + b, tl.where(last >= 0, most, 0.0))
    tl.debug_barrier()  # the way back reads what other threads wrote
    for step in range(T):
        row -= B
        here = T - 1 - step <= last
        tl.store(path + row, tl.where(here, tag, 0).to(tl.int64))
        tag = tl.where(here, tl.load(back + row * K + tag, mask=here, other=0), tag)


def forward(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: losses and totals (B), and scores of what leads to each step (T, B, K)."""
    T, B, K = emissions.shape
    totals, loss = transitions.new_empty(B), transitions.new_empty(B)
    arrived_at = transitions.new_empty((T if keep else 0, B, K), dtype=torch.float64)
    _launch(
        _forward, emissions, transitions, start, end, lengths, tags, arrived_at, totals, loss,
        KEEP=keep, LENGTHS=lengths is not None, TAGS=tags is not None,
    )  # fmt: skip
    return loss, totals, arrived_at


def backward(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,  # noqa: ARG001
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
    totals: Tensor,
    arrived_at: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of emissions, transitions, start and end."""
    B, K = emissions.shape[1:]
    d_emissions, d_scores = torch.empty_like(emissions), transitions.new_empty(B, K, K)
    d_start, d_end = transitions.new_empty(B, K), transitions.new_empty(B, K)
    _launch(
        _backward, emissions, transitions, end, lengths, tags, arrived_at, totals, grad,
        d_emissions, d_scores, d_start, d_end, LENGTHS=lengths is not None, TAGS=tags is not None,
    )  # fmt: skip
    return d_emissions, d_scores.sum(0), d_start.sum(0), d_end.sum(0)


def viterbi(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See `crf_viterbi`."""
    T, B, K = emissions.shape
    back = torch.empty(T, B, K, dtype=torch.int32, device=emissions.device)
    score = transitions.new_empty(B)
    path = torch.empty(T, B, dtype=torch.int64, device=emissions.device)
    _launch(
        _viterbi, emissions, transitions, start, end, lengths, back, score, path,
        LENGTHS=lengths is not None,
    )  # fmt: skip
    return score, path


def wide(K: int) -> int:
    """The tags that a program of K tags has: a power of 2."""
    return max(NARROWEST, triton.next_power_of_2(K))


def warps(K: int) -> int:
    """Of a program of K tags."""
    return max(1, min(16, wide(K) ** 2 // PAIRS))


def _launch(kernel: Any, emissions: Tensor, *arguments: Any, **constants: Any) -> None:
    """A program for each sequence."""
    T, B, K = emissions.shape
    if not B:
        return
    constants |= {"WIDE": wide(K), "num_warps": warps(K)}
    with torch.cuda.device(emissions.device) if emissions.is_cuda else nullcontext():
        kernel[(B,)](emissions, *arguments, T, B, K, **constants)
