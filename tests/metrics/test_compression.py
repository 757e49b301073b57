"""What a language model must beat, against values worked out by hand or by counting in Python."""

import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swiftrnn.metrics.compression import baselines, by_order, order_0, order_2, xz


def by_counting(train, test):
    """Witten-Bell interpolation written down byte by byte."""
    counts = [defaultdict(Counter) for _ in range(3)]
    for order, table in enumerate(counts):
        for i in range(order, len(train)):
            table[train[i - order : i]][train[i]] += 1
    bits = 0.0
    for i in range(2, len(test)):
        p = 1 / 256
        for order, table in enumerate(counts):
            after = table[test[i - order : i]]
            if after:
                p = (after[test[i]] + len(after) * p) / (after.total() + len(after))
        bits -= math.log2(p)
    return bits / (len(test) - 2)


@settings(max_examples=12, deadline=None)  # each fills a table of 16 million counts
@given(
    train=st.binary(min_size=3, max_size=60).map(lambda b: bytes(x % 5 for x in b)),
    test=st.binary(min_size=3, max_size=20).map(lambda b: bytes(x % 6 for x in b)),
)
def test_order_2_equals_counting(train, test):
    assert order_2(train, test) == pytest.approx(by_counting(train, test), rel=1e-9)


def test_the_counts_are_probabilities():
    train = b"abracadabra" * 3
    p = [2 ** -by_counting(train, b"ra" + bytes([last])) for last in range(256)]
    assert sum(p) == pytest.approx(1)
    assert p[ord("c")] == pytest.approx(2 ** -order_2(train, b"rac"))
    assert p[ord("c")] > 0.3


def test_order_0_of_two_equal_letters_is_one_bit():
    assert order_0(b"ab" * 100_000, b"ba" * 50) == pytest.approx(1, abs=2e-2)
    assert order_0(np.array([0, 1] * 50_000), np.array([1, 0]), 2) == pytest.approx(1)
    assert order_0(b"a" * 744, b"b") == pytest.approx(math.log2(1000))


def test_xz_counts_every_file():
    files = [b"to be or not to be" * 20, b"", bytes(range(256))]
    packed = sum(len(lzma.compress(file, preset=9)) for file in files)
    assert xz(files) == pytest.approx(8 * packed / 616)
    assert xz([b"".join(files)]) < xz(files)


def test_the_names_say_which_is_which():
    found = baselines(b"to be " * 300, b"to be " * 20, [b"to be "] * 20)
    assert found["xz_file"] > found["xz_stream"]
    assert found["order_0"] > found["order_2"]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: order_0(np.array([0, 1]), np.array([2]), 2), ValueError,
         r"order_0 needs tokens in 0..1 as test; got 2 to 2; say how many kinds"),
        (lambda: order_0(np.array([0, 5]), np.array([1]), 2), ValueError, "as train; got 0 to 5"),
        (lambda: order_0(b"a", np.array([-1])), ValueError, "as test; got -1 to -1"),
        (lambda: order_0(np.array([0.5]), b"a"), TypeError, "whole numbers as train; got float64"),
        (lambda: order_0(b"a", b""), ValueError, "tokens to measure as test; got none"),
        (lambda: order_0(b"a", b"a", 0), ValueError, "kinds of at least 1; got 0"),
        (lambda: order_2(b"abc", b"ab"), ValueError, "a test of 3 bytes or more; got 2"),
        (lambda: xz([b"", b""]), ValueError, "bytes to compress; got none in 2 files"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_said(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
    assert order_0([0, 1, 1], [1, 0], 2) == order_0(np.array([0, 1, 1]), np.array([1, 0]), 2)


def counted(train, test, orders, place):
    """p of one byte by definition, order after order."""
    p = 1 / 256
    for order in orders:
        context = test[place - order : place]
        after = Counter(
            train[i] for i in range(order, len(train)) if train[i - order : i] == context
        )
        if after:
            p = (after[test[place]] + len(after) * p) / (after.total() + len(after))
    return p


@settings(max_examples=40, deadline=None)
@given(
    train=st.binary(max_size=80).map(lambda b: bytes(x % 3 for x in b)),
    test=st.binary(min_size=13, max_size=30).map(lambda b: bytes(x % 4 for x in b)),
    orders=st.sampled_from([(0,), (2, 3, 4), (0, 1, 5, 7, 8), (0, 3, 12), (1, 9, 10, 11)]),
)
def test_any_orders_equal_counting(train, test, orders):
    places = np.arange(12, len(test))[::2]
    found = by_order(train, test, orders, places)
    for i, order in enumerate(orders):
        bits = [-math.log2(counted(train, test, orders[: i + 1], p)) for p in places]
        assert found[order] == pytest.approx(np.mean(bits), rel=1e-9)


def test_long_contexts_of_any_bytes_are_told_apart():
    """Runs of twelve bytes that differ in one, wherever it is, are different contexts."""
    draw = np.random.default_rng(0)
    base = draw.integers(0, 256, 12, np.uint8)
    train = b""
    for place in range(12):
        other = base.copy()
        other[place] ^= 1
        train += bytes(other) + bytes([place])
    train += bytes(base) + b"\xff"
    test = bytes(base) + b"\xff"
    assert by_order(train, test, (12,))[12] == pytest.approx(-math.log2((1 + 1 / 256) / 2))


@pytest.mark.parametrize(
    ("orders", "places", "message"),
    [
        ((), None, "orders that rise"), ((2, 1), None, "orders that rise"),
        ((-1, 0), None, "orders that rise"), ((9,), None, "from 9 to below 5, and some; got 0"),
        ((1,), [0], "places from 1 to below 5"), ((1,), [5], "places from 1 to below 5"),
    ],
)  # fmt: skip
def test_orders_and_places_are_checked(orders, places, message):
    with pytest.raises(ValueError, match=message):
        by_order(b"abcabc", b"abcab", orders, places)
