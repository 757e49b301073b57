"""The parts of a Transformer: blocks whose parts each stand behind a norm, and an encoder."""

from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.nn.attention import Memory, MultiHeadAttention
from swiftrnn.nn.decoding import PerInput


def sinusoids(steps: int, size: int, first: int = 0) -> Tensor:
    """Positions as sines and cosines of wavelengths from 2 pi to 20,000 pi, (steps, size).

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.5.
    """
    place = torch.arange(first, first + steps)[:, None]
    angle = place / 10_000 ** (torch.arange(0, size, 2) / size)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)[:, :size]


class Block(nn.Module):
    """Attention to itself, to positions, to a source, and a feed-forward net.

    x = x + attention(norm(x))                          each part has such a residual
    x = x + net(norm(x))

    Args:
        size: E of what goes through.
        heads: of attention.
        inner: units of the feed-forward net.
        dropout: of each part.
        source: whether it attends to a source.
        positional: whether it attends to positions: their sinusoids are queries and keys.
    """

    def __init__(
        self, size: int, heads: int, inner: int, dropout: float, source: bool, positional: bool
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(size, heads)
        self.norm = nn.LayerNorm(size)
        self.positions = MultiHeadAttention(size, heads) if positional else None
        self.positions_norm = nn.LayerNorm(size) if positional else None
        self.source = MultiHeadAttention(size, heads) if source else None
        self.source_norm = nn.LayerNorm(size) if source else None
        self.net = nn.Sequential(
            nn.LayerNorm(size), nn.Linear(size, inner), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(inner, size),
        )  # fmt: skip
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None,
        source: Memory | None = None,
        causal: bool = False,
        allowed: Tensor | None = None,
    ) -> Tensor:
        """x (T, B, E) of these lengths (B), None for full ones, to the same.

        Args:
            x: what goes through.
            lengths: of each sequence.
            source: what else is attended to.
            causal: whether a step sees itself and those before it only.
            allowed: (T, T), which steps each sees; None for all.
        """
        h = self.norm(x)
        memory = self.attention.memory(h, lengths)
        x = x + self.dropout(self.attention(h, memory, causal, allowed))
        if self.positions is not None and self.positions_norm is not None:
            places = sinusoids(len(x), x.shape[2])[:, None].to(x).expand_as(x)
            values = self.positions.value(self.positions_norm(x))
            there = Memory(self.positions.key(places), values, memory.inside)
            x = x + self.dropout(self.positions(places, there))
        if source is not None:
            x = x + self.dropout(self._source(x, source))
        return x + self.dropout(self.net(x))

    def step(self, x: Tensor, cache: Memory | None, source: Memory) -> tuple[Tensor, Memory]:
        """One step (1, N, E) of hypotheses, equally many of each source, and what they had."""
        h, cache = self.attention.extend(self.norm(x), cache)
        x = x + h
        query = PerInput.fold(x[0], source.keys.shape[1])
        x = x + PerInput.unfold(self._source(query, source))[None]
        return x + self.net(x), cache

    def _source(self, x: Tensor, source: Memory) -> Tensor:
        if self.source is None or self.source_norm is None:
            raise RuntimeError("this block attends to no source")
        return self.source(self.source_norm(x), source)


class Encoder(nn.Module):
    """Source tokens to what a decoder attends to.

    Args:
        vocabulary: of the source.
        size: E.
        heads: of attention.
        inner: units of the feed-forward nets.
        depth: blocks.
        dropout: of embeddings and of each part.
        padding: the token of padding, whose vector is 0.
    """

    def __init__(
        self, vocabulary: int, size: int, heads: int, inner: int, depth: int, dropout: float,
        padding: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embedding = embedding(vocabulary, size, padding)
        self.blocks = nn.ModuleList(
            Block(size, heads, inner, dropout, False, False) for _ in range(depth)
        )
        self.norm, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (S, B) and lengths (B) to (S, B, E)."""
        x = self.embedded(tokens)
        for block in self.blocks:
            x = block(x, lengths)
        return self.norm(x)

    def embedded(self, tokens: Tensor) -> Tensor:
        """The vectors of tokens with those of their positions."""
        return self.dropout(with_positions(self.embedding(tokens)))


def embedding(vocabulary: int, size: int, padding: int = 0) -> nn.Embedding:
    """Vectors of tokens, of length 1 or so; that of padding is 0."""
    made = nn.Embedding(vocabulary, size, padding)
    with torch.no_grad():
        made.weight.normal_(std=size**-0.5)[padding] = 0
    return made


def with_positions(vectors: Tensor, first: int = 0) -> Tensor:
    """Vectors (T, B, E) of tokens, scaled, with those of their positions."""
    size = vectors.shape[2]
    return vectors * size**0.5 + sinusoids(len(vectors), size, first)[:, None].to(vectors)


def memories(blocks: Any, encoded: Tensor, lengths: Tensor) -> list[Memory]:
    """For each block of a decoder keys and values of the source, computed once."""
    return [block.source.memory(encoded, lengths) for block in blocks]
