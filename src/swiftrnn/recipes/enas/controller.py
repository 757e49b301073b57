"""The controller: an LSTM that writes cells, one choice after the other, and learns from rewards.

Node by node it chooses which node to read (attention over its own states at the nodes before), then
a function. It learns by REINFORCE: choices with more reward than others become likelier.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from swiftrnn.recipes.enas.cells import FUNCTIONS

START = 0.1  # weights begin within this of 0


class Sample(NamedTuple):
    """M cells, and how likely they were: each (M, L) or (M,)."""

    before: Tensor  # the node that each node reads
    functions: Tensor  # the number of its function
    log_prob: Tensor  # of all choices together
    entropy: Tensor  # of the choices on the way, in nats


class Controller(nn.Module):
    """A distribution over cells.

    Args:
        nodes: L, of a cell.
        hidden: units of the LSTM.
        temperature: by which scores are divided.
        bound: scores lie within this of 0; it keeps choices from becoming certain too early.
        recency: whether near nodes are read more often at first, as the authors' code has it and
            their paper does not: node l takes (l - p)^2 / 6 from the score of reading node p, and
            divides what it knows of p by 0.1 + l - p.
    """

    def __init__(
        self,
        nodes: int,
        hidden: int = 64,
        temperature: float = 5.0,
        bound: float = 2.5,
        recency: bool = False,
    ) -> None:
        super().__init__()
        self.nodes, self.temperature, self.bound = nodes, temperature, bound
        self.recency = recency
        self.cell = nn.LSTMCell(hidden, hidden)
        self.chosen = nn.Embedding(len(FUNCTIONS) + 1, hidden)  # the last one: the beginning
        self.query, self.key = (nn.Linear(hidden, hidden, bias=False) for _ in range(2))
        self.score = nn.Linear(hidden, 1, bias=False)
        self.function = nn.Linear(hidden, len(FUNCTIONS))
        for each in self.parameters():
            nn.init.uniform_(each, -START, START)

    def forward(self, count: int, given: tuple[Tensor, Tensor] | None = None) -> Sample:
        """Draw cells, or say how likely given ones are.

        Args:
            count: M.
            given: choices (M, L) of nodes and functions, in the place of those that are drawn.
        """
        device = self.score.weight.device
        x = self.chosen(torch.full((count,), len(FUNCTIONS), device=device))
        h, c = self.cell(x)
        states = [h]  # of the nodes, 0 first
        befores, functions, log_prob, entropy = [], [], 0.0, 0.0
        for node in range(self.nodes):
            if node:
                likely = self._reading(h, states)
                before, told = _choose(likely, given and given[0][:, node])
                log_prob, entropy = log_prob + told[0], entropy + told[1]
            else:
                before = torch.zeros(count, dtype=torch.long, device=device)  # nothing to choose
            anchor = torch.stack(states)[before, torch.arange(count, device=device)]
            if self.recency:
                anchor = anchor / (0.1 + node + 1 - before)[:, None]
            h, c = self.cell(anchor, (h, c))
            likely = self._bounded(self.function(h))
            function, told = _choose(likely, given and given[1][:, node])
            log_prob, entropy = log_prob + told[0], entropy + told[1]
            h, c = self.cell(self.chosen(function), (h, c))
            states.append(h)
            befores.append(before)
            functions.append(function)
        made = torch.stack(befores, 1), torch.stack(functions, 1)
        return Sample(*made, torch.as_tensor(log_prob), torch.as_tensor(entropy))

    def _reading(self, h: Tensor, states: list[Tensor]) -> Tensor:
        """Log-probabilities (M, l) of reading the l nodes so far."""
        keys = self.key(torch.stack(states, 1))
        scores = self.score((keys + self.query(h)[:, None]).tanh())[..., 0]
        distance = torch.arange(len(states), 0, -1, device=h.device) if self.recency else 0
        return self._bounded(scores, distance)

    def _bounded(self, scores: Tensor, distance: Tensor | int = 0) -> Tensor:
        """Scores to log-probabilities."""
        scores = self.bound * (scores / self.temperature).tanh()
        return (scores - distance**2 / 6).log_softmax(-1)

    @property
    def most_entropy(self) -> float:
        """The entropy, in nats, of choices that are all equally likely."""
        return sum(math.log(node) + math.log(len(FUNCTIONS)) for node in range(1, self.nodes + 1))


def _choose(likely: Tensor, given: Tensor | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A choice (M,) by log-probabilities (M, n); its own, and the entropy of the distribution."""
    odds = likely.exp()
    chosen = torch.multinomial(odds.detach(), 1)[:, 0] if given is None else given
    return chosen, (likely.gather(1, chosen[:, None])[:, 0], -(odds * likely).sum(1))


def reinforce(sample: Sample, rewards: Tensor, entropy_weight: float) -> Tensor:
    """A loss whose gradient makes cells with more reward than the others likelier.

    advantage = (R - mean R) / sd R,    loss = -mean(advantage log p) - w mean(entropy)

    The rewards of one call are those of cells on one batch, so the others are the best baseline.

    Args:
        sample: M cells.
        rewards: (M,) of them.
        entropy_weight: w; larger explores more.

    Source: Williams (1992), "Simple Statistical Gradient-Following Algorithms"; Kool et al. (2019),
    "Buy 4 REINFORCE Samples, Get a Baseline for Free!".
    """
    spread = rewards.std(correction=0)
    advantage = (rewards - rewards.mean()) / spread.clamp(min=1e-8)
    return -(advantage * sample.log_prob).mean() - entropy_weight * sample.entropy.mean()
