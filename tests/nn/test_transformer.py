"""Blocks of a Transformer, against their definition and torch's own."""

import math

import pytest
import torch
from torch import nn

from swiftrnn.nn.transformer import Block, Encoder, embedding, memories, sinusoids, with_positions


def test_positions_are_sines_and_cosines():
    found = sinusoids(5, 6, first=3)
    for t in range(5):
        for i in range(3):
            angle = (t + 3) / 10_000 ** (2 * i / 6)
            assert found[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert found[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)
    assert sinusoids(4, 5).shape == (4, 5)
    vectors = torch.randn(3, 2, 4)
    expected = 2 * vectors + sinusoids(3, 4, 7)[:, None]
    assert torch.allclose(with_positions(vectors, 7), expected)


def twin(block, size, heads, inner):
    """torch's layer with the same weights."""
    theirs = nn.TransformerEncoderLayer(size, heads, inner, 0.0, norm_first=True).double()
    with torch.no_grad():
        parts = [block.attention.query, block.attention.key, block.attention.value]
        theirs.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
        theirs.self_attn.out_proj.load_state_dict(block.attention.output.state_dict())
        theirs.norm1.load_state_dict(block.norm.state_dict())
        theirs.norm2.load_state_dict(block.net[0].state_dict())
        theirs.linear1.load_state_dict(block.net[1].state_dict())
        theirs.linear2.load_state_dict(block.net[4].state_dict())
    return theirs


def test_a_block_is_torchs_layer():
    torch.manual_seed(0)
    block = Block(8, 2, 16, 0.0, False, False).double()
    theirs, lengths = twin(block, 8, 2, 16), torch.tensor([5, 3])
    x = torch.randn(5, 2, 8, dtype=torch.float64)
    padding = torch.arange(5) >= lengths[:, None]
    expected = theirs(x, src_key_padding_mask=padding)
    found = block(x, lengths)
    inside = ~padding.t()
    assert torch.allclose(found[inside], expected[inside], rtol=1e-10)
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert torch.allclose(block(x, None, causal=True), theirs(x, src_mask=causal), rtol=1e-10)
    apart = ~torch.eye(5, dtype=torch.bool)
    assert torch.allclose(block(x, None, allowed=apart), theirs(x, src_mask=~apart), rtol=1e-10)


@pytest.mark.parametrize("hypotheses", [1, 3])
def test_steps_with_a_cache_are_all_at_once(hypotheses):
    torch.manual_seed(0)
    block = Block(8, 2, 16, 0.0, True, False).double()
    (memory,) = memories([block], torch.randn(4, 2, 8, dtype=torch.float64), torch.tensor([4, 2]))
    x = torch.randn(6, 2 * hypotheses, 8, dtype=torch.float64)
    wide = memory.map(lambda part: part.repeat_interleave(hypotheses, 1))
    whole, cache = block(x, None, wide, causal=True), None
    for t in range(6):
        y, cache = block.step(x[t : t + 1], cache, memory)
        assert torch.allclose(y[0], whole[t], rtol=1e-10)


def test_positional_attention_moves_states_by_their_places_alone():
    """Where states are all the same but their places, queries and keys do not know the states."""
    torch.manual_seed(0)
    block = Block(8, 2, 16, 0.0, False, True).double()
    x, lengths = torch.randn(5, 1, 8, dtype=torch.float64), torch.tensor([5])
    after = x + block.attention(block.norm(x), block.attention.memory(block.norm(x)))
    places, heads = sinusoids(5, 8).double(), []
    q, k = block.positions.query(places), block.positions.key(places)
    v = block.positions.value(block.positions_norm(after))[:, 0]
    for h in (slice(0, 4), slice(4, 8)):
        weights = (q[:, h] @ k[:, h].t() / 2).softmax(-1)
        heads.append(weights @ v[:, h])
    moved = after + block.positions.output(torch.cat(heads, -1))[:, None]
    assert torch.allclose(block(x, lengths), moved + block.net(moved), rtol=1e-10)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    encoder = Encoder(20, 8, 2, 16, 2, 0.0).double()
    tokens, lengths = torch.randint(1, 20, (6, 3)), torch.tensor([6, 2, 4])
    found = encoder(tokens, lengths)
    for b, n in enumerate(lengths.tolist()):
        alone = encoder(tokens[:n, b : b + 1], lengths[b : b + 1])
        assert torch.allclose(alone[:, 0], found[:n, b], rtol=1e-10)
    positional = Block(8, 2, 16, 0.0, False, True).double()
    x = torch.randn(6, 3, 8, dtype=torch.float64)
    both = positional(x, lengths)
    assert torch.allclose(positional(x[:2, 1:2], lengths[1:2])[:, 0], both[:2, 1], rtol=1e-10)


def test_one_step_that_sees_nothing_is_finite():
    block = Block(8, 2, 16, 0.0, False, False)
    x = torch.randn(1, 2, 8, requires_grad=True)
    y = block(x, torch.tensor([1, 1]), allowed=~torch.eye(1, dtype=torch.bool))
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_a_block_without_a_source_refuses_one():
    block = Block(8, 2, 16, 0.0, False, False)
    with pytest.raises(RuntimeError, match="attends to no source"):
        block(torch.zeros(1, 1, 8), None, block.attention.memory(torch.zeros(1, 1, 8)))


def test_padding_has_no_vector():
    made = embedding(9, 16, padding=2)
    assert not made.weight[2].any()
    assert made.weight[3].norm().item() == pytest.approx(1, abs=0.6)
