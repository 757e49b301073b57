"""Batches of one long text: lanes that walk through it side by side; pieces to measure on."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

PIECE = 4096  # tokens in a row; a short training shall see all of a text, not its first files


class Lanes:
    """Endless batches: each lane walks through the text from a place of its own, round and round.

    The text is cut into pieces of `PIECE` tokens, which the seed puts in another order; within a
    piece, tokens follow one another as they stand. Batch `s` depends on the seed and `s` only, so
    every model sees the same ones, and a carried state always fits: lane `b` of batch `s + 1` goes
    on where lane `b` of batch `s` ended.

    Args:
        tokens: (N,) numbers of the text, of any integer type.
        batch_size: B, how many lanes.
        time: T, how many tokens of each lane are predicted in one batch.
        seed: orders the pieces and moves the places where lanes begin.

    Raises:
        ValueError: the text is shorter than one batch.
    """

    def __init__(self, tokens: Tensor, batch_size: int, time: int, seed: int) -> None:
        if len(tokens) <= batch_size * time:
            raise ValueError(
                f"training needs more than {batch_size} x {time} tokens for one batch; got "
                f"{len(tokens):,}; give a longer text, or smaller --batch-size and --time"
            )
        draw = np.random.default_rng(seed)
        pieces = tokens.split(PIECE)
        self.tokens = torch.cat([pieces[i] for i in draw.permutation(len(pieces))])
        self.time = time
        offset = int(draw.integers(len(tokens)))
        starts = torch.arange(batch_size) * len(tokens) // batch_size + offset
        self._first = torch.arange(time + 1)[:, None] + starts  # (T + 1, B)

    def batch(self, step: int) -> Tensor:
        """Batch number `step`: (T + 1, B) int64, of which the first T predict the last T."""
        places = (self._first + step * self.time).remainder_(len(self.tokens))
        return self.tokens[places].long()

    def __iter__(self) -> Iterator[Tensor]:
        step = 0
        while True:
            yield self.batch(step)
            step += 1


def excerpts(tokens: Tensor, count: int, pieces: int = 16) -> Tensor:
    """Pieces of equal length from all over a text, one after the other.

    Args:
        tokens: (N,) of any type.
        count: how many tokens in all; the whole text is given where it has no more.
        pieces: how many places they come from.

    Examples:
        >>> excerpts(torch.arange(100), 6, pieces=3).tolist()
        [0, 1, 33, 34, 66, 67]
    """
    if len(tokens) <= count:
        return tokens
    starts = [len(tokens) * i // pieces for i in range(pieces)]
    return torch.cat([tokens[start : start + count // pieces] for start in starts])


def streams(tokens: Tensor, lanes: int) -> Tensor:
    """A text as equal pieces that are read side by side, (N // lanes, lanes), to measure on.

    Raises:
        ValueError: there are fewer than two tokens in a lane.

    Examples:
        >>> streams(torch.arange(7), 3).tolist()
        [[0, 2, 4], [1, 3, 5]]
    """
    length = len(tokens) // lanes
    if length < 2:
        raise ValueError(
            f"measuring needs at least {2 * lanes} tokens; got {len(tokens)}; give a longer text"
        )
    return tokens[: length * lanes].view(lanes, length).t().long()
