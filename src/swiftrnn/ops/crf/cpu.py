"""Calls `cpu.c`."""

import ctypes

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import wrong_tags

_forward = _native.Kernel("crf_forward", "p" * 12 + "i" * 5)
_backward = _native.Kernel("crf_backward", "p" * 14 + "i" * 6)
_viterbi = _native.Kernel("crf_viterbi", "p" * 9 + "i" * 5)
LANES = 16  # rows are as many numbers long, or a multiple of it; as in cpu.c
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
    """See `Op`: losses and totals (B), and what leads to each step (T, B, K): see `cpu.c`.

    Raises:
        ValueError: a tag is not in 0..K-1.
    """
    T, B, K = emissions.shape
    wide, n_threads = _wide(K), _threads(T, B, K)
    arrived = transitions.new_empty((T if keep else 0, B, K), dtype=torch.float64)
    totals, loss = transitions.new_empty(B), transitions.new_empty(B)
    room, found = transitions.new_empty((K + n_threads * 2) * wide), (ctypes.c_int64 * 2)()
    wide_room = torch.empty(n_threads * 2 * wide, dtype=torch.float64, device=_native.CPU)
    _forward(
        emissions.dtype, emissions, transitions, start, end, lengths, tags,
        ctypes.addressof(found), arrived if keep else None, totals, loss, room, wide_room, T, B, K,
        wide, n_threads,
    )  # fmt: skip
    if found[0] < 0 or found[1] >= K:
        raise ValueError(wrong_tags(K, *found))
    return loss, totals, arrived


def backward(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
    totals: Tensor,
    arrived: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of emissions, transitions, start and end."""
    T, B, K = emissions.shape
    wide, n_parts = _wide(K), min(B, PARTS)
    n_threads = max(1, min(_threads(T, B, K), n_parts))
    grads = [torch.empty_like(each) for each in (emissions, transitions, start, end)]
    room = transitions.new_empty((2 * K + n_threads * (K + 4)) * wide)
    size = n_threads * 3 * wide + n_parts * (K * K + 2 * K)
    wide_room = torch.empty(size, dtype=torch.float64, device=_native.CPU)
    _backward(
        emissions.dtype, emissions, transitions, end, lengths, tags, arrived, totals, grad, *grads,
        room, wide_room, T, B, K, wide, n_parts, n_threads,
    )  # fmt: skip
    return grads[0], grads[1], grads[2], grads[3]


def viterbi(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See `crf_viterbi`."""
    T, B, K = emissions.shape
    wide, n_threads = _wide(K), _threads(T, B, K)
    back = torch.empty(n_threads * T * K, dtype=torch.int32, device=_native.CPU)
    score, path = transitions.new_empty(B), torch.empty(T, B, dtype=torch.int64, device=_native.CPU)
    room = torch.empty((K + n_threads * 3) * wide, dtype=torch.float64, device=_native.CPU)
    _viterbi(
        emissions.dtype, emissions, transitions, start, end, lengths, back, score, path, room, T, B,
        K, wide, n_threads,
    )  # fmt: skip
    return score, path


def _threads(T: int, B: int, K: int) -> int:
    return max(1, min(_native.threads(T * B * K * K // 64), B))


def _wide(K: int) -> int:
    """How long rows of tables are."""
    return -(-K // LANES) * LANES
