"""A random source whose memory is known: its next letter depends on the last `ORDER` letters."""

import hashlib
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swiftrnn.data.text import Text

ORDER = 3
LETTERS = b"abcd"
SPREAD = 0.4  # of the Dirichlet distribution that odds are drawn from; less is more predictable


@dataclass(frozen=True)
class Source:
    """What follows what.

    Attributes:
        odds: (letters^ORDER, letters): of what follows the last letters, the oldest counting most.
    """

    odds: NDArray[np.float64]

    @classmethod
    def drawn(cls, seed: int) -> "Source":
        """At random."""
        draw, count = np.random.default_rng(seed), len(LETTERS)
        return cls(draw.dirichlet([SPREAD] * count, count**ORDER))

    def text(self, seed: int, length: int) -> Text:
        """Letters as they come, in three parts: 80 % train, 5 % valid, 15 % test."""
        draw, count = np.random.default_rng([seed, 1]), len(LETTERS)
        bounds, rolls, state = self.odds.cumsum(1)[:, :-1], draw.random(length), 0
        rows, found = bounds.tolist(), bytearray(length)
        for i, roll in enumerate(rolls.tolist()):
            letter = bisect_left(rows[state], roll)
            state = (state * count + letter) % count**ORDER
            found[i] = LETTERS[letter]
        content = bytes(found)
        first, second = length * 80 // 100, length * 85 // 100
        parts = content[:first], content[first:second], content[second:]
        sha = hashlib.sha256(content).hexdigest()
        return Text(*parts, f"a source of order {ORDER}", sha, test_files=(parts[2],))

    def entropies(self) -> dict[int, float]:
        """Bits of the next letter, given the last k, for k from 0 to ORDER: exact.

        No model can need fewer, and further letters say nothing more.
        """
        count = len(LETTERS)
        joint = (self._often()[:, None] * self.odds).reshape([count] * (ORDER + 1))
        blocks = [_entropy(joint.sum(axis=tuple(range(ORDER + 1 - n)))) for n in range(ORDER + 2)]
        return {k: blocks[k + 1] - blocks[k] for k in range(ORDER + 1)}

    def _often(self) -> NDArray[Any]:
        """How often each run of letters comes, in the long run."""
        count, states = len(LETTERS), len(self.odds)
        moves = np.zeros((states, states))
        for state in range(states):
            for letter in range(count):
                moves[state, (state * count + letter) % states] += self.odds[state, letter]
        equations = np.vstack([moves.T - np.eye(states), np.ones(states)])
        wanted = np.append(np.zeros(states), 1.0)
        return np.linalg.lstsq(equations, wanted, rcond=None)[0]


def _entropy(odds: NDArray[Any]) -> float:
    """In bits."""
    some = odds[odds > 0]
    return float(-(some * np.log2(some)).sum())
