"""Which source word each target word belongs to: IBM model 2 with a prior along the diagonal.

p(a[j] = i | m, n) = exp(-tension |i/n - j/m|) / Z[j],    p(f[j] | e[i]) = t(f[j] | e[i])

There is no empty word: every target word belongs to a source word, so the numbers of words that
belong to each of them (fertilities) add up to the length of the target, exactly.

Source: Dyer et al. (2013), "A Simple, Fast, and Effective Reparameterization of IBM Model 2".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

ROUNDS, TENSION, CONCENTRATION = 5, 4.0, 0.01  # of the paper's program
STEPS, RATE, LEAST, MOST = 8, 20.0, 0.1, 14.0  # of the tension, in each round but the first
CELLS = 24_000_000  # pairs of words that are counted; longer corpora are counted in part
AT_ONCE = 4_000_000  # pairs of words when aligning

Rows = Sequence[Sequence[int]]


class Cells(NamedTuple):
    """Every pair of a source word and a target word of the same sentences.

    Attributes:
        keys: (K,) source * vocabulary + target.
        apart: (K,) how far from the diagonal each is, |i/n - j/m|.
        starts: (J,) where the cells of each target word begin.
        counts: (J,) how many it has: the words of its source.
        sizes: (P, 2) words of the two sides of each pair of sentences.
    """

    keys: NDArray[np.int64]
    apart: NDArray[np.float64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, sources: Rows, targets: Rows, vocabulary: int) -> "Cells":
        """All words of some sentences."""
        sizes = np.array([[len(s), len(t)] for s, t in zip(sources, targets, strict=True)])
        n, m = sizes.T
        source, target = (np.fromiter((w for row in side for w in row), np.int64)
                          for side in (sources, targets))  # fmt: skip
        counts = np.repeat(n, m)  # of each target word
        starts = np.cumsum(counts) - counts
        i = np.arange(counts.sum()) - np.repeat(starts, counts)
        j = np.arange(len(counts)) - np.repeat(np.cumsum(m) - m, m)
        first = np.repeat(np.repeat(np.cumsum(n) - n, m), counts)
        keys = source[first + i] * vocabulary + np.repeat(target, counts)
        down = (j + 1) / np.repeat(m, m)
        apart = np.abs((i + 1) / np.repeat(counts, counts) - np.repeat(down, counts))
        return cls(keys, apart, starts, counts, sizes)

    def share(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Weights of the cells, so that those of each target word add up to 1."""
        return weights / np.repeat(np.add.reduceat(weights, self.starts), self.counts)


@dataclass(frozen=True)
class Aligner:
    """A trained model; `fit` makes one.

    Attributes:
        vocabulary: above every number of a target token.
        tension: how strongly the diagonal attracts.
        keys: pairs of words that were seen together, sorted: source * vocabulary + target.
        odds: t(target | source) of each.

    Examples:
        >>> sources, targets = [[1, 2], [2], [1, 3]], [[7, 8], [8], [7, 9]]
        >>> aligner = Aligner.fit(sources, targets, vocabulary=10)
        >>> aligner.align([[2, 3]], [[8, 9]])[0].tolist()
        [0, 1]
    """

    vocabulary: int
    tension: float
    keys: NDArray[np.int64]
    odds: NDArray[np.float64]

    @classmethod
    def fit(cls, sources: Rows, targets: Rows, vocabulary: int) -> "Aligner":
        """Learnt from pairs of sentences, each with at least one word on both sides.

        Raises:
            ValueError: there are none, or a side is empty.
        """
        check(sources, targets)
        sizes = np.array([len(s) * len(t) for s, t in zip(sources, targets, strict=True)])
        if sizes.sum() > CELLS:  # of all over
            some = np.linspace(0, len(sizes) - 1, int(len(sizes) * CELLS / sizes.sum())).astype(int)
            sources, targets = ([side[i] for i in some] for side in (sources, targets))
        cells = Cells.of(sources, targets, vocabulary)
        keys, place = np.unique(cells.keys, return_inverse=True)
        words = np.unique(keys // vocabulary, return_inverse=True)[1]  # of each key the source
        odds, tension = np.ones(len(keys)), TENSION
        for number in range(ROUNDS):
            after = cells.share(odds[place] * prior(cells.apart, tension, cells))
            if number:
                tension = tightened(tension, float(after @ cells.apart), cells.sizes)
            odds = smoothed(np.bincount(place, after, len(keys)), words)
        return cls(vocabulary, tension, keys, odds)

    def align(self, sources: Rows, targets: Rows) -> list[NDArray[np.int64]]:
        """The source word of each target word, a row for each pair: the likeliest.

        Raises:
            ValueError: there are no pairs, or a side is empty.
        """
        check(sources, targets)
        sizes = np.cumsum([len(s) * len(t) for s, t in zip(sources, targets, strict=True)])
        found: list[NDArray[np.int64]] = []
        while len(found) < len(sources):
            first = len(found)
            done = sizes[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(sizes, done + AT_ONCE)))
            found += self._aligned(sources[first:last], targets[first:last])
        return found

    def _aligned(self, sources: Rows, targets: Rows) -> list[NDArray[np.int64]]:
        cells = Cells.of(sources, targets, self.vocabulary)
        at = np.searchsorted(self.keys, cells.keys).clip(max=len(self.keys) - 1)
        odds = np.where(self.keys[at] == cells.keys, self.odds[at], 0)
        score = np.log(odds + 1e-12) - self.tension * cells.apart
        most = np.repeat(np.maximum.reduceat(score, cells.starts), cells.counts)
        best = np.flatnonzero(score == most)  # several where they are equal: the first counts
        word = np.repeat(np.arange(len(cells.counts)), cells.counts)[best]
        first = np.concatenate([[True], word[1:] != word[:-1]])
        places = best[first] - cells.starts
        return np.split(places, np.cumsum(cells.sizes[:, 1])[:-1])


def fertilities(places: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """How many target words belong to each of the source words.

    Examples:
        >>> fertilities(np.array([0, 2, 2]), 4).tolist()
        [1, 0, 2, 0]
    """
    return np.bincount(places, minlength=length)


def check(sources: Rows, targets: Rows) -> None:
    """Refuse what cannot be aligned."""
    if len(sources) != len(targets) or not len(sources):
        raise ValueError(
            "an aligner needs as many sources as targets, and some; got "
            f"{len(sources)} and {len(targets)}"
        )
    if not all(map(len, sources)) or not all(map(len, targets)):
        raise ValueError("an aligner needs words on both sides of each pair; got an empty side")


def prior(apart: NDArray[Any], tension: float, cells: Cells) -> NDArray[Any]:
    """Of each cell the probability before the words are known."""
    return cells.share(np.exp(-tension * apart))


def smoothed(counts: NDArray[Any], words: NDArray[np.int64]) -> NDArray[np.float64]:
    """Counts of pairs to t(target | source), by the mean of a Dirichlet posterior's logarithm."""
    each = np.bincount(words)
    total = np.bincount(words, counts) + CONCENTRATION * each
    above, below = (torch.from_numpy(x).digamma().numpy() for x in (counts + CONCENTRATION, total))
    return np.exp(above - below[words])


def tightened(tension: float, apart: float, sizes: NDArray[np.int64]) -> float:
    """The tension after some steps up the gradient of the likelihood.

    Args:
        tension: before them.
        apart: distance from the diagonal that is expected once the words are known, over all target
            words.
        sizes: (P, 2) words of the two sides of each pair.
    """
    kinds, often = np.unique(sizes, axis=0, return_counts=True)
    words = int(sizes[:, 1].sum())
    for _ in range(STEPS):
        expected = sum(diagonal(n, m, tension)[1].sum() * count
                       for (n, m), count in zip(kinds.tolist(), often, strict=True))  # fmt: skip
        tension = float(np.clip(tension + RATE * (expected - apart) / words, LEAST, MOST))
    return tension


def diagonal(n: int, m: int, tension: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """log Z of each of m target words over n source words, and how far it lies off on average.

    The second is the derivative of the first by the tension, with the sign turned round.
    """
    i, j = np.arange(1, n + 1) / n, np.arange(1, m + 1)[:, None] / m
    apart = np.abs(i - j)
    weights = np.exp(-tension * apart)
    total = weights.sum(1)
    return np.log(total), (weights * apart).sum(1) / total
