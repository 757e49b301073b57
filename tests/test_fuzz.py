"""A few random calls of every op and layer; `tests/fuzz.py` makes thousands."""

from tests.fuzz import fuzz


def test_random_calls_equal_the_reference_or_are_refused():
    counts, wrong = fuzz(300, seed=1)
    assert not wrong
    assert sum(counts.values()) == 300
    assert len(counts) > 15
