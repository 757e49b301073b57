"""Distances of sequences, against brute force."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.metrics.sequences import edit_distance, positional_errors

words = st.text("abc", max_size=6)


@given(words, words)
def test_edits_are_the_fewest(a, b):
    @cache
    def fewest(i, j):
        if not i or not j:
            return i + j
        same = fewest(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(same, fewest(i - 1, j) + 1, fewest(i, j - 1) + 1)

    assert edit_distance(a, b) == fewest(len(a), len(b)) == edit_distance(b, a)


@given(words, words)
def test_positions_are_compared_one_by_one(a, b):
    longest = max(len(a), len(b))
    wrong = sum(a[i : i + 1] != b[i : i + 1] for i in range(longest))
    assert positional_errors(a, b) == (wrong / longest if longest else 0.0)
    assert positional_errors(a, a) == 0.0
