"""Attention inside sequences: what may look at what, and what is kept for the next call."""

from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from swiftrnn.nn._ends import Ends
from swiftrnn.ops._plain import hooked, transformed


class Memory(NamedTuple):
    """What the next call may look at: rows (M, B, P), the newest last; `seen` (B) of them count."""

    rows: Tensor
    seen: Tensor


def allowed(
    T: int, ends: Ends, memory: Memory | None, causal: bool, reach: int | None
) -> Tensor | None:
    """Which of memory and sequence a step may look at, (B or 1, T, M + T); None for all.

    A step always looks at itself, so that no row is empty; never at padding, at another sequence
    beyond a reset, or, if causal, ahead or further back than `reach`.
    """
    M = 0 if memory is None else len(memory.rows)
    if not causal and ends.lengths is None and ends.reset is None:
        return None
    device = next((x.device for x in (ends.lengths, ends.reset, memory and memory.rows)
                   if x is not None), None)  # fmt: skip
    now, then = torch.arange(T, device=device)[:, None], torch.arange(-M, T, device=device)
    open_ = torch.ones(T, M + T, dtype=torch.bool, device=device)
    if causal:
        open_ = open_ & (then <= now)
        open_ = open_ if reach is None else open_ & (now - then <= reach)
    whole = open_[None]
    if memory is not None:
        whole = whole & (then >= -memory.seen[:, None])[:, None]
    if ends.lengths is not None:
        whole = whole & (then < ends.lengths[:, None])[:, None]
    if ends.reset is not None:
        parts = ends.reset.long().cumsum(0).t()
        parts = torch.cat([parts.new_zeros(parts.shape[0], M), parts], 1)
        whole = whole & (parts[:, M:, None] == parts[:, None])
    return whole | (now == then)


def attend(
    q: Tensor, k: Tensor, v: Tensor, heads: int, open_: Tensor | None, dropout: float
) -> Tensor:
    """Attention of q (T, B, P) over k and v (S, B, P), by heads; (T, B, P)."""
    q, k, v = (x.unflatten(-1, (heads, -1)).permute(1, 2, 0, 3) for x in (q, k, v))
    mask = None if open_ is None else open_[:, None]
    return of_heads(q, k, v, mask, dropout).permute(2, 0, 1, 3).flatten(2)


def of_heads(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> Tensor:
    """As `nn.functional.scaled_dot_product_attention`, of q (B, heads, T, P).

    vmap and second gradients know torch's plain form alone; backward of the fused ones takes saved
    tensors for laid out as they were, which those from a hook on saved tensors need not be.
    """
    plainly = sdpa_kernel(SDPBackend.MATH) if transformed() or hooked() else nullcontext()
    with plainly:
        return nn.functional.scaled_dot_product_attention(q, k, v, mask, dropout)


def remember(rows: Tensor, T: int, memory: Memory, ends: Ends, reach: int | None) -> Memory:
    """What is kept of memory and sequence, (M + T, B, P), for the next call.

    At most `reach` rows; those of shorter sequences are moved to the end.
    """
    total, seen = len(rows), memory.seen
    keep = total if reach is None else min(total, reach)
    lengths = torch.full_like(seen, T) if ends.lengths is None else ends.lengths
    last = lengths.clone()
    if ends.reset is not None:  # what lies before the last reset does not count
        times = torch.arange(T, device=rows.device)[:, None]
        starts = torch.where(ends.reset & (times < lengths), times, -1)
        latest = starts.max(0).values if T else torch.full_like(seen, -1)
        seen = torch.where(latest >= 0, 0, seen)
        last = lengths - latest.clamp(min=0)
    if ends.lengths is None:
        kept = rows[total - keep :]
    else:
        index = torch.arange(keep, device=rows.device)[:, None] + total - T + lengths - keep
        index = index.clamp(min=0)[..., None].expand(-1, -1, rows.shape[2])
        kept = rows.gather(0, index)
    return Memory(kept, (seen + last).clamp(max=keep))
