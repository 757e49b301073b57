"""Batches of lanes, and vocabularies."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.lanes import PIECE, Lanes, excerpts
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


def test_a_long_text_is_read_in_pieces_from_all_over():
    tokens = torch.arange(10 * PIECE + 5)
    early = Lanes(tokens, 4, 64, seed=0)
    seen = torch.cat([early.batch(step)[1:, 0] for step in range(3 * PIECE // 64)])
    jumps = (seen.diff() != 1).nonzero().flatten()
    assert 2 <= len(jumps) <= 4  # lane 0 has gone through about three pieces
    whole = early.tokens.sort().values
    assert torch.equal(whole, tokens)
    assert not torch.equal(early.tokens, Lanes(tokens, 4, 64, seed=1).tokens)


def test_excerpts_are_equal_pieces_of_the_whole_text():
    parts = excerpts(torch.arange(1000), 40, pieces=4).view(4, 10)
    assert parts[:, 0].tolist() == [0, 250, 500, 750]
    assert (parts.diff() == 1).all()
    assert torch.equal(excerpts(torch.arange(30), 40), torch.arange(30))
