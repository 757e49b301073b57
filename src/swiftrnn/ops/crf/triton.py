"""Triton kernels of `crf`; see `cpu.c` for the equations.

A program walks through one sequence, with all pairs of tags in registers: each step takes K * K
exponentials, none of which waits for another. K is filled up to a power of 2 with tags of score
-inf. A sum of nothing is -inf, its gradient 0. Gradients of transitions are written for each
sequence and added at the end, so they do not depend on the order of programs.
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
def _log_sum_exp(x, AXIS: tl.constexpr):
    most = tl.max(x, AXIS)
    most = tl.where(most > float("-inf"), most, 0.0)
    total = tl.sum(tl.exp(x - tl.expand_dims(most, AXIS)), AXIS)
    return tl.where(total > 0, tl.log(tl.where(total > 0, total, 1.0)) + most, float("-inf"))


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
    emissions, scores, start, end, lengths, tags, alphas, totals, loss, T, B, K,
    KEEP: tl.constexpr, LENGTHS: tl.constexpr, TAGS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    j, inside, _, _, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    alpha = tl.load(start + j, mask=inside, other=float("-inf"))
    gold = tl.sum(tl.zeros_like(alpha), 0)
    before, row = last * 0, b
    for t in range(T):
        here = t <= last
        e = tl.load(emissions + row * K + j, mask=inside & here, other=0.0).to(alpha.dtype)
        mixed = _log_sum_exp(alpha[:, None] + A, 0)
        alpha = tl.where(here, tl.where(t == 0, alpha, mixed) + e, alpha)
        if KEEP:
            tl.store(alphas + row * K + j, tl.where(here, alpha, 0.0), mask=inside)
        if TAGS:
            tag = tl.load(tags + row, mask=here, other=0)
            known = here & (tag >= 0) & (tag < K)  # elsewhere there is nothing to read
            first = tl.load(start + tag, mask=known & (t == 0), other=0.0)
            step = tl.load(scores + before * K + tag, mask=known & (t > 0), other=0.0)
            said = tl.load(emissions + row * K + tag, mask=known, other=0.0).to(alpha.dtype)
            gold += tl.where(here & (known == 0), float("nan"), said + first + step)
            before = tl.where(known, tag, 0)
            final = tl.load(end + before, mask=t == last, other=0.0)
            gold += final
        row += B
    total = _log_sum_exp(alpha + tl.load(end + j, mask=inside, other=float("-inf")), 0)
    total = tl.where(last >= 0, total, 0.0)
    tl.store(totals + b, total)
    tl.store(loss + b, total - gold)


@triton.jit(do_not_specialize=["T", "B"])
def _backward(
    emissions, scores, end, lengths, tags, alphas, totals, grad, d_emissions, d_scores, d_start,
    d_end, T, B, K,
    LENGTHS: tl.constexpr, TAGS: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)
    j, inside, at, both, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    beta = tl.load(end + j, mask=inside, other=float("-inf"))
    scale, total = tl.load(grad + b), tl.load(totals + b)
    impossible = total == float("-inf")
    scale, total = tl.where(impossible, 0.0, scale), tl.where(impossible, 0.0, total)
    first, final, sums = tl.zeros_like(beta), tl.zeros_like(beta), tl.zeros_like(A)
    row = b + B.to(tl.int64) * (T - 1)
    for step in range(T):
        t = T - 1 - step
        here = t <= last
        there = inside & here
        e = tl.load(emissions + row * K + j, mask=there, other=0.0).to(beta.dtype)
        alpha = tl.load(alphas + row * K + j, mask=there, other=float("-inf"))
        p = scale * tl.where(there, tl.exp(alpha + beta - total), 0.0)
        tag, earlier = 0, 0
        if TAGS:
            tag = tl.load(tags + row, mask=here, other=0)
            p -= tl.where(there & (j == tag), scale, 0.0)
        tl.store(d_emissions + row * K + j, tl.where(here, p, 0.0), mask=inside)
        first = tl.where(here & (t == 0), p, first)
        final = tl.where(t == last, p, final)
        goes_on = here & (t > 0)
        v = e + beta
        before = tl.load(alphas + (row - B) * K + j, mask=inside & goes_on, other=float("-inf"))
        odds = tl.exp(before[:, None] + A + v[None, :] - total)
        pairs = scale * tl.where(both & goes_on, odds, 0.0)
        if TAGS:
            earlier = tl.load(tags + row - B, mask=goes_on, other=0)
            right = goes_on & (j[:, None] == earlier) & (j[None, :] == tag)
            pairs -= tl.where(right, scale, 0.0)
        sums += pairs
        beta = tl.where(here, _log_sum_exp(A + v[None, :], 1), beta)
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
    j, inside, _, _, A = _pairs(scores, K, WIDE)
    last = last_of(lengths, b, T, LENGTHS)
    score = tl.load(start + j, mask=inside, other=float("-inf"))
    row = b
    for t in range(T):
        here = t <= last
        e = tl.load(emissions + row * K + j, mask=inside & here, other=0.0).to(score.dtype)
        most, origin = tl.max(
            score[:, None] + A, 0, return_indices=True, return_indices_tie_break_left=True
        )
        tl.store(back + row * K + j, origin, mask=inside & here)
        score = tl.where(here, tl.where(t == 0, score, most) + e, score)
        row += B
    score += tl.load(end + j, mask=inside, other=float("-inf"))
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
    """See `Op`: losses and totals (B), and scores of paths up to each step (T, B, K)."""
    T, B, K = emissions.shape
    totals, loss = transitions.new_empty(B), transitions.new_empty(B)
    alphas = transitions.new_empty(T if keep else 0, B, K)
    _launch(
        _forward, emissions, transitions, start, end, lengths, tags, alphas, totals, loss,
        KEEP=keep, LENGTHS=lengths is not None, TAGS=tags is not None,
    )  # fmt: skip
    return loss, totals, alphas


def backward(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,  # noqa: ARG001
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
    totals: Tensor,
    alphas: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of emissions, transitions, start and end."""
    B, K = emissions.shape[1:]
    d_emissions, d_scores = torch.empty_like(emissions), transitions.new_empty(B, K, K)
    d_start, d_end = transitions.new_empty(B, K), transitions.new_empty(B, K)
    _launch(
        _backward, emissions, transitions, end, lengths, tags, alphas, totals, grad, d_emissions,
        d_scores, d_start, d_end, LENGTHS=lengths is not None, TAGS=tags is not None,
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
