"""Searching for translations with a model that writes token by token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.translation.batches import padded
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.tokenizer import END, PAD, START, UNKNOWN
from swiftrnn.nn.decoding import Decoded, beam_search, greedy
from swiftrnn.nn.rules import Rules
from swiftrnn.runs import limits

AT_ONCE = 64  # sentences that are searched together


class Decodes(Protocol):
    """A model that writes one token after the other."""

    languages: Languages

    def start(self, sources: Tensor, lengths: Tensor) -> Any:
        """Tokens (S, B) and lengths (B) of sources to the state before the first token."""
        ...

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The last token (N,) of hypotheses, equally many of each source, to scores (N, V)."""
        ...


@dataclass(frozen=True)
class Search(limits.Checked):
    """How a translation is searched for."""

    beam: Annotated[int, limits.Range(1, 200)] = 5  # beam size; 1: always the likeliest token
    length_penalty: limits.Least0 = 0.6  # exponent of the length penalty; above 0 favours long ones
    # translations to return, at most the beam size
    n_best: Annotated[int, limits.Range(1, 200)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("n_best", self.n_best, self.beam)


class Written:
    """A constraint: tokens of text, and the end, which comes at the latest after so many.

    Each input has a limit of its own, so that what else is in the batch changes nothing. The state
    of a hypothesis is how many tokens it may still have.

    Args:
        size: of the vocabulary.
        most: tokens of each input's translation, (B,).
    """

    def __init__(self, size: int, most: Tensor) -> None:
        self.most, self.text = most, torch.ones(size, dtype=torch.bool)
        self.text[[PAD, START, UNKNOWN]] = False
        self.end = torch.zeros_like(self.text)
        self.end[END] = True

    def start(self, count: int) -> Tensor:
        """The limits."""
        return self.most[:count]

    def allowed(self, states: Tensor) -> Tensor:
        """Any token of text, or the end alone."""
        return torch.where(states[:, None] > 0, self.text, self.end)

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """One less, but after an end."""
        return states - (tokens != END).long()


def longest(lengths: Tensor) -> Tensor:
    """Tokens that translations of so many may have."""
    return 2 * lengths + 10


@torch.no_grad()
def searched(model: Decodes, sources: Sequence[Sequence[int]], how: Search) -> list[list[Decoded]]:
    """The best translations of each source, best first; what is beside it changes nothing.

    Sentences of like length go through together.
    """
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: list[list[Decoded]] = [[] for _ in sources]
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        rows = [np.array([*sources[i], END], np.int64) for i in some]
        tokens, lengths = padded(rows)
        written = Written(len(model.languages.target), longest(lengths))
        rules = Rules(END, int(longest(lengths).max()), constraint=written)
        state = model.start(tokens, lengths)
        begin = torch.full((len(some),), START)
        if how.beam == 1:
            best = [[each] for each in greedy(model.step, state, begin, rules)]
        else:
            best = beam_search(
                model.step, state, begin, rules, how.beam, how.n_best, how.length_penalty
            )
        for i, each in zip(some, best, strict=True):
            found[i] = each
    return found


def translated(model: Decodes, texts: Sequence[str], how: Search) -> list[str]:
    """The best translation of each text."""
    sources = model.languages.source.encode_all(texts)
    decode: Any = model.languages.target.decode
    return [decode(best[0].tokens) if best else "" for best in searched(model, sources, how)]
