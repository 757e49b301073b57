"""What a language model must beat, against values worked out by hand or by counting in Python."""

import lzma
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swiftrnn.metrics.compression import baselines, order_0, order_2, xz


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
