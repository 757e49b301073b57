"""Calls `cpu.c`."""

import math

import torch
from torch import Tensor

from swiftrnn.ops import _native

_forward = _native.Kernel("crf_forward", "p" * 12 + "d" + "i" * 6)
_backward = _native.Kernel("crf_backward", "p" * 13 + "d" + "i" * 6)
_viterbi = _native.Kernel("crf_viterbi", "p" * 9 + "i" * 4)
LANES = 16  # rows are as many numbers long, or a multiple of it
PARTS = 16  # sums over sequences at most, whatever the number of threads


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
    odds, turned, shift, wide = _tables(transitions)
    n_threads = _threads(T, B, K)
    alphas = transitions.new_empty(T if keep else 0, B, K)
    totals, loss = transitions.new_empty(B), transitions.new_empty(B)
    room = transitions.new_empty(n_threads * 3 * wide)
    _forward(
        emissions.dtype, emissions, transitions, odds, turned, start, end, lengths, tags,
        alphas, totals, loss, room, shift, T, B, K, wide, keep, n_threads,
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
    T, B, K = emissions.shape
    odds, turned, shift, wide = _tables(transitions)
    n_parts = min(B, PARTS)
    n_threads = max(1, min(_threads(T, B, K), n_parts))
    d_emissions = torch.empty_like(emissions)
    parts = transitions.new_zeros(n_parts, K * wide + K * K + 2 * K)
    room = transitions.new_zeros(n_threads * 4 * wide)
    _backward(
        emissions.dtype, emissions, transitions, odds, turned, end, lengths, tags, alphas, totals,
        grad, d_emissions, parts, room, shift, T, B, K, wide, n_parts, n_threads,
    )  # fmt: skip
    product, terms, d_start, d_end = parts.sum(0).split([K * wide, K * K, K, K])
    d_transitions = (product.view(K, wide) * odds)[:, :K] + terms.view(K, K)
    return d_emissions, d_transitions, d_start, d_end


def viterbi(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See `crf_viterbi`."""
    T, B, K = emissions.shape
    n_threads = _threads(T, B, K)
    back = torch.empty(n_threads * T * K, dtype=torch.int32)
    score, path = transitions.new_empty(B), torch.empty(T, B, dtype=torch.int64)
    room = transitions.new_empty(n_threads * 2 * K)
    _viterbi(
        emissions.dtype, emissions, transitions, start, end, lengths, back, score, path, room, T, B,
        K, n_threads,
    )  # fmt: skip
    return score, path


def _threads(T: int, B: int, K: int) -> int:
    return max(1, min(_native.threads(T * B * K * K // 64), B))


def _tables(transitions: Tensor) -> tuple[Tensor, Tensor, float, int]:
    """exp(A - shift) and the same turned round, with rows filled up; shift; their length."""
    K = len(transitions)
    wide = -(-K // LANES) * LANES
    most = float(transitions.max())
    shift = most if math.isfinite(most) else 0.0
    odds = transitions.new_zeros(2, K, wide)
    odds[0, :, :K] = (transitions - shift).exp()
    odds[1, :, :K] = odds[0, :, :K].t()
    return odds[0], odds[1], shift, wide
