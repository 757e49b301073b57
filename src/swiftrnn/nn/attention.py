"""Attention of one sequence over another, with keys that are computed once."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn._attention import of_heads
from swiftrnn.nn._options import at_least, probability

SCORES = ("dot", "general", "additive")


@dataclass(frozen=True)
class Memory:
    """What is attended to, prepared once for all steps; `Attention.memory` makes it.

    Attributes:
        keys: (S, B, K).
        values: (S, B, V).
        inside: (S, B) bool: what is there, and no padding; None if all is.
    """

    keys: Tensor
    values: Tensor
    inside: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> "Memory":
        """A function of tensors, over each of them; the batch is dimension 1."""
        inside = None if self.inside is None else function(self.inside)
        return replace(self, keys=function(self.keys), values=function(self.values), inside=inside)


class Attention(nn.Module):
    """Attention with one head, whose weights can be looked at.

        a[t, s] = softmax_s(score(q[t], k[s])),    c[t] = sum_s a[t, s] v[s]

        dot        score = q . k                      the sizes of q and k are equal
        general    score = q . W k
        additive   score = w . tanh(W_q q + W_k k)

    The products with k are computed by `memory`, once for a sequence. All steps of a query go
    through in one call, so that a decoder that knows its inputs needs no loop over time.

    Args:
        query_size: Q, of a query.
        memory_size: V, of what is attended to.
        score: "dot", "general" or "additive".
        hidden_size: of the additive score; Q by default.
        device: where the parameters lie.
        dtype: of the parameters.

    Shapes:
        `memory` takes values (S, B, V) and lengths (B), or a mask (S, B) that is true where
        something is; `forward` takes queries (T, B, Q) and the memory, and returns c (T, B, V) and
        a (T, B, S). Where a sequence has no steps at all, a and c are 0.

    Raises:
        ValueError: there is no such score, a size is below 1, or the sizes differ for "dot".

    Examples:
        >>> attention = Attention(8, 12, "additive")
        >>> memory = attention.memory(torch.randn(5, 2, 12), lengths=torch.tensor([5, 3]))
        >>> context, weights = attention(torch.randn(4, 2, 8), memory)
        >>> context.shape, weights.shape, weights[:, 1, 3:].abs().max().item()
        (torch.Size([4, 2, 12]), torch.Size([4, 2, 5]), 0.0)

    Source: Bahdanau et al. (2015), "Neural Machine Translation by Jointly Learning to Align and
    Translate", appendix A.1.2; Luong et al. (2015), "Effective Approaches to Attention-based Neural
    Machine Translation", section 3.1.
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int,
        score: str = "general",
        hidden_size: int | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if score not in SCORES:
            raise ValueError(f"Attention needs a score of {', '.join(SCORES)}; got {score!r}")
        for name, size in (("query_size", query_size), ("memory_size", memory_size)):
            at_least(1)("Attention", name, size)
        if score == "dot" and query_size != memory_size:
            raise ValueError(
                "Attention needs query_size equal to memory_size for score dot; got "
                f"{query_size} and {memory_size}; take general"
            )
        hidden = query_size if hidden_size is None or score != "additive" else hidden_size
        at_least(1)("Attention", "hidden_size", hidden)
        self.query_size, self.memory_size, self.score = query_size, memory_size, score
        kind: Any = {"device": device, "dtype": dtype}
        if score != "dot":
            self.key = nn.Linear(memory_size, hidden, bias=score == "additive", **kind)
        if score == "additive":
            self.query = nn.Linear(query_size, hidden, bias=False, **kind)
            self.weight = nn.Linear(hidden, 1, bias=False, **kind)

    def extra_repr(self) -> str:
        """The sizes, and the score."""
        return f"{self.query_size}, {self.memory_size}, score={self.score}"

    def memory(
        self, values: Tensor, lengths: Tensor | None = None, inside: Tensor | None = None
    ) -> Memory:
        """Prepare what is attended to: values (S, B, V), of which some may be padding."""
        inside = _inside("Attention", values, self.memory_size, lengths, inside)
        if inside is not None:  # nan in the padding would come through a weight of 0
            values = torch.where(inside[..., None], values, 0)
        return Memory(values if self.score == "dot" else self.key(values), values, inside)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Queries (T, B, Q) to what they attend to, (T, B, V), and the weights (T, B, S)."""
        _check_query("Attention", query, self.query_size, memory)
        weights = _softmax(self._scores(query, memory.keys), memory.inside)
        context = weights.transpose(0, 1) @ memory.values.transpose(0, 1)
        return context.transpose(0, 1), weights

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.score != "additive":
            return (query.transpose(0, 1) @ keys.permute(1, 2, 0)).transpose(0, 1)
        sums = self.query(query)[:, None] + keys  # (T, S, B, A)
        return self.weight(sums.tanh())[..., 0].transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Attention with several heads, as in a Transformer, through torch's fused kernel.

        c = W_o concat_h softmax(q_h k_h^T / sqrt(E / heads)) v_h,    q, k, v = W_q x, W_k y, W_v y

    Over another sequence, `memory` prepares keys and values once. Over its own past, `forward` with
    a cache takes new steps and returns the cache with them: then a step costs as much as one row.

    Args:
        embed_dim: E, of queries and of what comes out; a multiple of num_heads.
        num_heads: of attention.
        memory_size: of what is attended to; E by default.
        dropout: probability of zeroing a weight, while training.
        bias: whether the four products have one.
        device: where the parameters lie.
        dtype: of the parameters.

    Shapes:
        query (T, B, E) and a memory of S steps to (T, B, E); causal is for self-attention, where
        step t sees the steps up to S - T + t; allowed (T, S) says for each step which it may see.
        Who sees nothing attends to nothing, and gets the bias of the output.

    Raises:
        ValueError: a size is below 1, or the heads do not divide E.

    Examples:
        >>> attention, x = MultiHeadAttention(8, 2), torch.randn(5, 3, 8)
        >>> whole = attention(x, attention.memory(x), causal=True)
        >>> first, cache = attention.extend(x[:4])
        >>> last, cache = attention.extend(x[4:], cache)
        >>> torch.allclose(torch.cat([first, last]), whole, atol=1e-6)
        True

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        memory_size: int | None = None,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        memory_size = embed_dim if memory_size is None else memory_size
        sizes = {"embed_dim": embed_dim, "num_heads": num_heads, "memory_size": memory_size}
        for name, size in sizes.items():
            at_least(1)("MultiHeadAttention", name, size)
        if embed_dim % num_heads:
            raise ValueError(
                "MultiHeadAttention needs num_heads that divide embed_dim; got "
                f"{num_heads} and {embed_dim}"
            )
        self.embed_dim, self.num_heads, self.memory_size = embed_dim, num_heads, memory_size
        self.dropout = probability("MultiHeadAttention", "dropout", dropout)
        kind: Any = {"bias": bias, "device": device, "dtype": dtype}
        self.query = nn.Linear(embed_dim, embed_dim, **kind)
        self.key = nn.Linear(memory_size, embed_dim, **kind)
        self.value = nn.Linear(memory_size, embed_dim, **kind)
        self.output = nn.Linear(embed_dim, embed_dim, **kind)

    def memory(
        self, values: Tensor, lengths: Tensor | None = None, inside: Tensor | None = None
    ) -> Memory:
        """Prepare what is attended to, (S, B, memory_size), of which some may be padding."""
        inside = _inside("MultiHeadAttention", values, self.memory_size, lengths, inside)
        if inside is not None:
            values = torch.where(inside[..., None], values, 0)
        return Memory(self.key(values), self.value(values), inside)

    def forward(
        self, query: Tensor, memory: Memory, causal: bool = False, allowed: Tensor | None = None
    ) -> Tensor:
        """Queries (T, B, E) to what they attend to, (T, B, E)."""
        _check_query("MultiHeadAttention", query, self.embed_dim, memory)
        T, S = len(query), len(memory.keys)
        if allowed is not None and (allowed.shape != (T, S) or allowed.dtype != torch.bool):
            raise ValueError(
                f"MultiHeadAttention needs allowed ({T}, {S}) of bool; got "
                f"{tuple(allowed.shape)}, {allowed.dtype}"
            )
        open_ = None if memory.inside is None else memory.inside.t()[:, None, None]
        if causal and T > 1:
            now = torch.arange(S - T, S, device=query.device)[:, None]
            before = torch.arange(S, device=query.device) <= now
            open_ = before if open_ is None else open_ & before
        if allowed is not None:
            open_ = allowed if open_ is None else open_ & allowed
        q, k, v = (
            x.unflatten(-1, (self.num_heads, -1)).permute(1, 2, 0, 3)
            for x in (self.query(query), memory.keys, memory.values)
        )
        none = None if open_ is None else ~open_.any(-1, keepdim=True)
        if none is not None:  # a softmax over nothing is nan: look at all, and clear it below
            open_ = open_ | none  # pyright: ignore
        found = of_heads(q, k, v, open_, self.dropout if self.training else 0.0)
        if none is not None:
            found = torch.where(none, 0, found)
        return self.output(found.permute(2, 0, 1, 3).flatten(2))

    def weights(self, query: Tensor, memory: Memory) -> Tensor:
        """How much queries (T, B, E) attend to each step of a memory, by head: (heads, T, B, S).

        They add up to 1 over S, or to 0 where there is nothing; `forward` does not compute them.
        """
        _check_query("MultiHeadAttention", query, self.embed_dim, memory)
        q, k = (x.unflatten(-1, (self.num_heads, -1)) for x in (self.query(query), memory.keys))
        scores = torch.einsum("tbhd,sbhd->htbs", q, k) / q.shape[-1] ** 0.5
        return _softmax(scores, memory.inside)

    def extend(self, x: Tensor, cache: Memory | None = None) -> tuple[Tensor, Memory]:
        """Self-attention of new steps (T, B, E) over those of a cache and their own past."""
        now = self.memory(x)
        if cache is not None:
            now = Memory(torch.cat([cache.keys, now.keys]), torch.cat([cache.values, now.values]))
        return self(x, now, causal=True), now


def _inside(
    who: str, values: Tensor, size: int, lengths: Tensor | None, inside: Tensor | None
) -> Tensor | None:
    """The mask (S, B) of what is there."""
    if values.dim() != 3 or values.shape[2] != size:
        raise ValueError(f"{who}.memory needs values (S, B, {size}); got {tuple(values.shape)}")
    if lengths is not None and inside is not None:
        raise ValueError(f"{who}.memory needs lengths or inside; got both; leave out one of them")
    S, B = values.shape[:2]
    if lengths is not None:
        if lengths.shape != (B,) or lengths.is_floating_point():
            raise ValueError(
                f"{who}.memory needs lengths ({B},) of integers; got {tuple(lengths.shape)}, "
                f"{lengths.dtype}"
            )
        return torch.arange(S, device=values.device)[:, None] < lengths.to(values.device)
    if inside is not None and (inside.shape != (S, B) or inside.dtype != torch.bool):
        raise ValueError(
            f"{who}.memory needs inside ({S}, {B}) of bool; got {tuple(inside.shape)}, "
            f"{inside.dtype}"
        )
    return inside


def _check_query(who: str, query: Tensor, size: int, memory: Memory) -> None:
    B = memory.keys.shape[1]
    if query.dim() != 3 or query.shape[1:] != (B, size):
        raise ValueError(f"{who} needs queries (T, {B}, {size}); got {tuple(query.shape)}")


def _softmax(scores: Tensor, inside: Tensor | None) -> Tensor:
    """Over the last dimension of (T, B, S), with 0 where nothing is."""
    if inside is None:
        return scores.softmax(-1) if scores.shape[-1] else scores
    there = inside.t()
    least = torch.finfo(scores.dtype).min
    return torch.where(there, torch.where(there, scores, least).softmax(-1), 0)
