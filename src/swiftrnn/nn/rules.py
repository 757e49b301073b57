"""What may be written while decoding: lengths, n-grams that come once, and automata."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Constraint(Protocol):
    """Which token may follow: an automaton that reads each hypothesis as it is written."""

    def start(self, count: int) -> Tensor:
        """The state (count,) of hypotheses before their first token, any integers."""
        ...

    def allowed(self, states: Tensor) -> Tensor:
        """States (N,) to what may follow each, (N, V) bool; the end token among it, if it may."""
        ...

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """States (N,) and the tokens (N,) that were written to the states after them."""
        ...


class Automaton:
    """A constraint given by a table.

    Args:
        table: (Q, V) integers: the state after each token in each state, -1 where it may not come.
        first: the state at the start.

    Examples:
        >>> once = Automaton(torch.tensor([[0, 1, -1], [1, -1, 1]]))  # 1 comes at most once
        >>> once.allowed(once.next(once.start(1), torch.tensor([1]))).tolist()
        [[True, False, True]]
    """

    def __init__(self, table: Tensor, first: int = 0) -> None:
        states = len(table) if table.dim() == 2 else 0
        if not states or table.is_floating_point() or not -1 <= table.min() <= table.max() < states:
            raise ValueError(
                "Automaton needs a table (Q, V) of states from -1 to below Q; got "
                f"{tuple(table.shape)}, {table.dtype}"
            )
        if not 0 <= first < states:
            raise ValueError(f"Automaton needs first from 0 to below {states}; got {first}")
        self.table, self.first = table, first

    def start(self, count: int) -> Tensor:
        """The first state, as often as wanted."""
        return self.table.new_full((count,), self.first)

    def allowed(self, states: Tensor) -> Tensor:
        """Where the table has a state to go to."""
        return self.table[states] >= 0

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """What the table says."""
        return self.table[states, tokens]


@dataclass(frozen=True)
class Rules:
    """What every way of decoding keeps to.

    Args:
        end: the token that ends a sequence; it counts in no length.
        longest: tokens that a sequence may have; then it is ended.
        shortest: tokens that it has at least.
        no_repeat: length of n-grams that may come only once; 0 for no such rule.
        constraint: which tokens may follow; None for all.

    Raises:
        ValueError: a number is out of range.
    """

    end: int
    longest: int
    shortest: int = 0
    no_repeat: int = 0
    constraint: Constraint | None = None

    def __post_init__(self) -> None:
        if min(self.end, self.shortest, self.no_repeat) < 0 or self.longest < max(1, self.shortest):
            raise ValueError(
                "Rules needs end, shortest and no_repeat of at least 0, and longest of at least 1 "
                f"and shortest; got end {self.end}, longest {self.longest}, shortest "
                f"{self.shortest}, no_repeat {self.no_repeat}"
            )

    def apply(self, scores: Tensor, written: Tensor, states: Tensor | None) -> Tensor:
        """Log-probabilities (N, V) of what may follow what was written (N, t); else -inf."""
        V = scores.shape[1]
        if not self.end < V:
            raise ValueError(f"Rules needs an end below the {V} tokens; got {self.end}")
        if self.constraint is not None and states is not None:
            scores = scores.where(self.constraint.allowed(states), -math.inf)
        if self.no_repeat and written.shape[1] >= self.no_repeat:
            scores = scores.masked_fill(self._repeats(written, V), -math.inf)
        early, late = written.shape[1] < self.shortest, written.shape[1] >= self.longest
        if not (early or late):
            return scores
        end = torch.arange(V, device=scores.device) == self.end
        return scores.masked_fill(end if early else ~end, -math.inf)

    def _repeats(self, written: Tensor, V: int) -> Tensor:
        """Tokens (N, V) that would end an n-gram that is there already."""
        n = self.no_repeat
        grams = written.unfold(1, n, 1)  # (N, t - n + 1, n)
        tail = written[:, written.shape[1] - n + 1 :]
        same = (grams[:, :, :-1] == tail[:, None]).all(2)
        found = torch.zeros(len(written), V, dtype=torch.long, device=written.device)
        return found.scatter_add(1, grams[:, :, -1], same.long()) > 0
