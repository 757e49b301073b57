"""Word alignment: against loops over every word, finite differences, and planted dictionaries."""

import math

import numpy as np
import pytest
from scipy.special import digamma

from swiftrnn.data.translation import aligner as module
from swiftrnn.data.translation.aligner import (
    Aligner,
    Cells,
    diagonal,
    fertilities,
    prior,
    smoothed,
    tightened,
)


def corpus(count=40, seed=0, longest=5):
    draw = np.random.default_rng(seed)
    return [
        [draw.integers(0, 9, draw.integers(1, longest + 1)).tolist() for _ in range(count)]
        for _ in range(2)
    ]


def test_cells_are_all_pairs_of_words():
    sources, targets = corpus()
    cells, k, j = Cells.of(sources, targets, 100), 0, 0
    for source, target in zip(sources, targets, strict=True):
        for place, word in enumerate(target):
            assert (cells.starts[j], cells.counts[j]) == (k, len(source))
            j += 1
            for i, other in enumerate(source):
                assert cells.keys[k] == other * 100 + word
                off = abs((i + 1) / len(source) - (place + 1) / len(target))
                assert cells.apart[k] == pytest.approx(off, abs=1e-12)
                k += 1
    assert (k, j) == (len(cells.keys), len(cells.counts))
    assert cells.sizes.tolist() == [[len(s), len(t)] for s, t in zip(sources, targets, strict=True)]


@pytest.mark.parametrize("tension", [0.1, 4.0, 14.0])
def test_the_prior_is_a_probability(tension):
    cells = Cells.of(*corpus(), 100)
    sums = np.add.reduceat(prior(cells.apart, tension, cells), cells.starts)
    assert sums == pytest.approx(1)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 7), (9, 3)])
def test_the_gradient_of_the_diagonal_is_that_of_finite_differences(n, m):
    for tension in (0.5, 4.0, 12.0):
        above, below = (diagonal(n, m, tension + d)[0] for d in (1e-6, -1e-6))
        assert diagonal(n, m, tension)[1] == pytest.approx(-(above - below) / 2e-6, abs=1e-6)


def likelihood(tension, after, cells):
    """What the expected alignments say of a tension, over the number of target words."""
    with np.errstate(divide="ignore"):
        return float(after @ np.log(prior(cells.apart, tension, cells))) / len(cells.starts)


def test_the_tension_climbs_to_where_the_likelihood_is_highest():
    cells = Cells.of(*corpus(200, longest=9), 100)
    after = prior(cells.apart, 6.0, cells)  # as if words were known, of a corpus of tension 6
    expected = float(after @ cells.apart)
    tension = 1.0
    for _ in range(20):
        before = likelihood(tension, after, cells)
        tension = tightened(tension, expected, cells.sizes)
        assert likelihood(tension, after, cells) >= before - 1e-12
    assert tension == pytest.approx(6.0, abs=0.01)
    assert tightened(14.0, 0.0, cells.sizes) == 14.0
    assert tightened(0.1, float(cells.apart.sum()), cells.sizes) == 0.1


def test_counts_are_smoothed_by_digammas():
    counts, words = np.array([3.0, 0.5, 2.0]), np.array([0, 0, 1])
    expected = [
        math.exp(digamma(c + 0.01) - digamma(total))
        for c, total in ((3.0, 3.52), (0.5, 3.52), (2.0, 2.01))
    ]
    assert smoothed(counts, words) == pytest.approx(expected)


def test_one_round_is_expectation_and_maximization(monkeypatch):
    """Against loops over every word."""
    monkeypatch.setattr(module, "ROUNDS", 1)
    sources, targets = corpus()
    counts, totals, kinds = {}, {}, {}
    for source, target in zip(sources, targets, strict=True):
        for j, word in enumerate(target):
            weights = [
                math.exp(-4 * abs((i + 1) / len(source) - (j + 1) / len(target)))
                for i in range(len(source))
            ]
            for i, other in enumerate(source):
                share = weights[i] / sum(weights)
                counts[other, word] = counts.get((other, word), 0) + share
                totals[other] = totals.get(other, 0) + share
    for other, _ in counts:
        kinds[other] = kinds.get(other, 0) + 1
    found = Aligner.fit(sources, targets, 100)
    assert found.tension == 4.0
    assert {divmod(key, 100) for key in found.keys.tolist()} == {*counts}
    for key, odds in zip(found.keys.tolist(), found.odds.tolist(), strict=True):
        other, word = divmod(key, 100)
        below = digamma(totals[other] + 0.01 * kinds[other])
        assert odds == pytest.approx(math.exp(digamma(counts[other, word] + 0.01) - below))


def test_each_target_word_gets_the_likeliest_source_word():
    sources, targets = corpus(60, 1)
    known = Aligner.fit(sources, targets, 100)
    table = dict(zip(known.keys.tolist(), known.odds.tolist(), strict=True))
    for source, target, places in zip(sources, targets, known.align(sources, targets), strict=True):
        for j, word in enumerate(target):
            scores = [
                math.log(table.get(other * 100 + word, 0) + 1e-12)
                - known.tension * abs((i + 1) / len(source) - (j + 1) / len(target))
                for i, other in enumerate(source)
            ]
            assert scores[places[j]] == pytest.approx(max(scores))
        counts = fertilities(places, len(source))
        assert (len(counts), counts.sum()) == (len(source), len(target))


def test_parts_give_what_the_whole_gives(monkeypatch):
    sources, targets = corpus(60, 2)
    known = Aligner.fit(sources, targets, 100)
    whole = known.align(sources, targets)
    for size in (1, 7, 50):
        monkeypatch.setattr(module, "AT_ONCE", size)
        found = known.align(sources, targets)
        assert [each.tolist() for each in found] == [each.tolist() for each in whole]


def planted(count, seed, permuted):
    """Sentences by a dictionary, each word once or twice, in another order; and what belongs."""
    draw = np.random.default_rng(seed)
    words, twice = draw.permutation(200), draw.random(200) < 0.3
    sources, targets, right = [], [], []
    for _ in range(count):
        source = draw.choice(200, draw.integers(3, 11), replace=False)
        order = np.argsort(
            np.arange(len(source)) + (draw.random(len(source)) * 3 if permuted else 0)
        )
        places = [i for i in order.tolist() for _ in range(1 + twice[source[i]])]
        sources.append(source.tolist())
        targets.append([int(words[source[i]]) for i in places])
        right.append(places)
    return sources, targets, right


@pytest.mark.parametrize("permuted", [False, True])
def test_a_planted_dictionary_is_found(permuted):
    sources, targets, right = planted(2000, 0, permuted)
    found = Aligner.fit(sources, targets, 1000).align(sources, targets)
    same = sum((np.array(a) == b).sum() for a, b in zip(right, found, strict=True))
    assert same / sum(map(len, right)) >= 0.98


def test_large_corpora_are_counted_in_part(monkeypatch):
    sources, targets, right = planted(2000, 0, True)
    monkeypatch.setattr(module, "CELLS", 20_000)
    found = Aligner.fit(sources, targets, 1000).align(sources, targets)
    same = sum((np.array(a) == b).sum() for a, b in zip(right, found, strict=True))
    assert same / sum(map(len, right)) >= 0.9


def test_new_words_are_put_on_the_diagonal():
    known = Aligner.fit([[1, 2]], [[1, 2]], 100)
    assert known.align([[50, 51, 52]], [[60, 61, 62]])[0].tolist() == [0, 1, 2]
    # the third of four lies between both words: the first counts
    assert known.align([[50, 51]], [[60, 61, 62, 63]])[0].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        ([], [], "and some; got 0 and 0"), ([[1]], [], "as many sources as targets"),
        ([[1], []], [[1], [2]], "got an empty side"), ([[1]], [[]], "got an empty side"),
    ],
)  # fmt: skip
def test_what_cannot_be_aligned_is_refused(sources, targets, message):
    with pytest.raises(ValueError, match=message):
        Aligner.fit(sources, targets, 10)
    with pytest.raises(ValueError, match=message):
        Aligner.fit([[1]], [[1]], 10).align(sources, targets)
