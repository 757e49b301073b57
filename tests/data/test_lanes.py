"""Batches of lanes, and vocabularies."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.lanes import Lanes
from swiftrnn.data.vocabulary import Vocabulary


@given(
    count=st.integers(13, 200), lanes=st.integers(1, 4), time=st.integers(1, 3), seed=st.integers(0)
)
def test_each_lane_goes_on_where_it_ended_round_and_round(count, lanes, time, seed):
    batches = Lanes(torch.arange(count), lanes, time, seed)
    for step in range(80):
        here, after = batches.batch(step), batches.batch(step + 1)
        assert here.shape == (time + 1, lanes)
        assert torch.equal(here[-1], after[0])
        assert torch.equal((here[:-1] + 1) % count, here[1:])


def test_a_round_sees_every_token_as_often():
    batches = Lanes(torch.arange(60), 4, 5, seed=3)
    seen = torch.cat([batches.batch(step)[1:].flatten() for step in range(3)])
    assert seen.sort().values.tolist() == list(range(60))


def test_batches_depend_on_seed_and_step_only():
    tokens = torch.arange(1000)
    walk = iter(Lanes(tokens, 4, 5, seed=1))
    walked = [next(walk) for _ in range(9)]
    assert torch.equal(walked[8], Lanes(tokens, 4, 5, seed=1).batch(8))
    assert not torch.equal(walked[8], Lanes(tokens, 4, 5, seed=2).batch(8))


def test_a_text_shorter_than_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"more than 4 x 5 tokens for one batch; got 20; give"):
        Lanes(torch.arange(20), 4, 5, seed=0)


@given(st.binary(max_size=300))
def test_bytes_come_back(content):
    assert Vocabulary().decode(Vocabulary().encode(content).tolist()) == content.decode(
        "utf-8", "replace"
    )


def test_words_come_back_line_by_line():
    words = Vocabulary.of_words(b"a b b\nc <unk> b\n")
    assert words.words == ["<unk>", "<eos>", "b", "a", "c"]
    assert words.encode(b"b a\nnever").tolist() == [2, 3, 1, 0]
    assert words.decode([2, 3, 1, 4]) == " b a\n c"
