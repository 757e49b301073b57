"""Batches by tokens: nothing is lost, nothing is too large, and the order is drawn."""

import numpy as np
import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra translate is not installed")

from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.tokenizer import END, PAD, START

sentences = st.lists(st.integers(4, 9), max_size=12)
pairs = st.lists(st.tuples(sentences, sentences), min_size=1, max_size=40)


@given(pairs, st.integers(1, 80), st.integers(0, 9))
def test_every_pair_is_in_one_batch_which_is_no_larger_than_asked(rows, most, seed):
    batches = TokenBatches(*zip(*rows, strict=True), most)
    epoch = batches.epoch(np.random.default_rng(seed))
    assert sorted(np.concatenate(epoch).tolist()) == list(range(len(rows)))
    assert len(epoch) == len(batches)
    for numbers in epoch:
        found = batches.batch(numbers)
        longer = max(found["sources"].numel(), found["targets"].numel())
        assert longer <= most or len(numbers) == 1
        for i, number in enumerate(numbers):
            source, target = rows[number]
            length = found["source_lengths"][i]
            assert found["sources"][:length, i].tolist() == [*source, END]
            assert (found["sources"][length:, i] == PAD).all()
            length = found["target_lengths"][i]
            assert found["targets"][:length, i].tolist() == [START, *target, END]
            assert (found["targets"][length:, i] == PAD).all()


def test_batches_are_full_and_of_like_lengths():
    draw = np.random.default_rng(0)
    rows = [[5] * n for n in draw.integers(1, 30, 2000)]
    batches = TokenBatches(rows, rows, 400)
    sizes = [batches.batch(numbers) for numbers in batches.epoch(draw)]
    real = sum(int(each["target_lengths"].sum()) for each in sizes)
    assert real > 0.97 * sum(each["targets"].numel() for each in sizes)
    assert len(sizes) < 1.1 * real / 400


def test_the_order_is_drawn_from_torchs_random_state():
    rows = [[5 + i] for i in range(50)]
    batches = TokenBatches(rows, rows, 15)
    seen = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        seen.append([[each["targets"].tolist() for each in batches] for _ in range(2)])
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]
    assert seen[0][0] != seen[0][1]


def test_sides_of_different_number_are_refused():
    with pytest.raises(ValueError, match="as many sources as targets, and some; got 1 and 2"):
        TokenBatches([[5]], [[5], [6]], 10)
    with pytest.raises(ValueError, match="got 0 and 0"):
        TokenBatches([], [], 10)
