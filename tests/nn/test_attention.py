"""Attention: against its definition, against torch's, and under padding."""

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from swiftrnn.nn import Attention, MultiHeadAttention
from swiftrnn.nn.attention import SCORES
from swiftrnn.ops._plain import hooked

kinds = pytest.mark.parametrize("score", SCORES)


def wide(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def made(score, query=6, memory=6):
    torch.manual_seed(2)
    return Attention(query, memory, score, dtype=torch.float64)


def by_definition(attention, q, v):
    """One query (Q) over values (S, V): context and weights."""
    if attention.score == "dot":
        scores = torch.stack([q @ each for each in v])
    elif attention.score == "general":
        scores = torch.stack([q @ attention.key.weight @ each for each in v])
    else:
        sums = [attention.query.weight @ q + attention.key(each) for each in v]
        scores = torch.stack([attention.weight.weight[0] @ each.tanh() for each in sums])
    weights = scores.exp() / scores.exp().sum()
    return weights @ v, weights


@kinds
def test_each_step_is_that_of_the_definition(score):
    attention, q, v = made(score), wide(3, 2, 6), wide(5, 2, 6)
    context, weights = attention(q, attention.memory(v))
    for t in range(3):
        for b in range(2):
            wanted = by_definition(attention, q[t, b], v[:, b])
            torch.testing.assert_close((context[t, b], weights[t, b]), wanted)


@kinds
def test_gradients_are_those_of_finite_differences(score):
    attention, lengths = made(score), torch.tensor([4, 2])
    q, v = wide(2, 2, 6).requires_grad_(), wide(4, 2, 6).requires_grad_()

    def of(q, v, *_):
        return attention(q, attention.memory(v, lengths))

    assert torch.autograd.gradcheck(of, (q, v, *attention.parameters()))


@kinds
def test_all_steps_at_once_are_those_one_by_one(score):
    attention = made(score)
    q, memory = wide(7, 3, 6), attention.memory(wide(5, 3, 6), torch.tensor([5, 1, 3]))
    whole = attention(q, memory)
    single = [attention(each[None], memory) for each in q]
    for i in range(2):
        torch.testing.assert_close(torch.cat([each[i] for each in single]), whole[i])


@kinds
@settings(deadline=None, max_examples=20)
@given(more=st.integers(0, 4), filling=st.sampled_from([0.0, 1e30, float("nan"), float("inf")]))
def test_padding_and_what_is_in_it_change_nothing(score, more, filling):
    attention, q, v = made(score), wide(3, 2, 6), wide(4, 2, 6)
    lengths = torch.tensor([4, 2])
    wanted = attention(q, attention.memory(v, lengths))
    longer = torch.cat([v, v.new_full((more, 2, 6), filling)])
    longer[2:, 1] = filling
    context, weights = attention(q, attention.memory(longer, lengths))
    torch.testing.assert_close((context, weights[..., :4]), wanted)
    assert (weights[..., 4:] == 0).all()
    alone, _ = attention(q[:, 1:], attention.memory(v[:2, 1:]))
    torch.testing.assert_close(context[:, 1:], alone)


@pytest.mark.parametrize("kind", [*SCORES, "heads"])
def test_nan_in_the_padding_reaches_no_gradient(kind):
    attention = MultiHeadAttention(6, 2).double() if kind == "heads" else made(kind)
    v = wide(4, 2, 6)
    v[3, 0] = torch.nan
    v.requires_grad_()
    found = attention(wide(3, 2, 6), attention.memory(v, torch.tensor([3, 4])))
    (found if kind == "heads" else found[0]).sum().backward()
    assert v.grad.isfinite().all()
    assert (v.grad[3, 0] == 0).all()
    assert all(p.grad.isfinite().all() for p in attention.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", [*SCORES, "heads"])
def test_a_sequence_without_steps_gives_zeros_and_finite_gradients(kind):
    heads = MultiHeadAttention(6, 2, bias=False).double()
    attention = heads if kind == "heads" else made(kind)
    v = wide(4, 2, 6).requires_grad_()
    found = attention(wide(3, 2, 6), attention.memory(v, torch.tensor([0, 4])))
    context = found if kind == "heads" else found[0]
    assert (context[:, 0] == 0).all()
    assert (context[:, 1] != 0).any()
    context.sum().backward()
    assert v.grad.isfinite().all()


def test_a_mask_may_have_gaps():
    attention, q, v = made("general"), wide(3, 1, 6), wide(4, 1, 6)
    inside = torch.tensor([True, False, True, True])[:, None]
    context, weights = attention(q, attention.memory(v, inside=inside))
    wanted, few = attention(q, attention.memory(v[inside[:, 0]]))
    torch.testing.assert_close(context, wanted)
    torch.testing.assert_close(weights[..., inside[:, 0]], few)


def test_a_memory_follows_its_batch():
    attention, q = made("additive"), wide(2, 3, 6)
    memory = attention.memory(wide(4, 3, 6), torch.tensor([1, 4, 2]))
    index = torch.tensor([2, 0, 0, 1])
    moved = memory.map(lambda x: x.index_select(1, index))
    whole = attention(q, memory)
    for found, wanted in zip(attention(q[:, index], moved), whole, strict=True):
        torch.testing.assert_close(found, wanted[:, index])


# -------------------------------------------------------------------- heads


def torchs(ours):
    """torch's attention with the same weights."""
    theirs = nn.MultiheadAttention(ours.embed_dim, ours.num_heads).double()
    parts = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([each.weight for each in parts]))
        theirs.in_proj_bias.copy_(torch.cat([each.bias for each in parts]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_are_those_of_torch(heads):
    ours = MultiHeadAttention(8, heads).double()
    q, v, lengths = wide(3, 2, 8), wide(5, 2, 8), torch.tensor([5, 2])
    found = ours(q, ours.memory(v, lengths))
    padding = torch.arange(5) >= lengths[:, None]
    wanted, _ = torchs(ours)(q, v, v, key_padding_mask=padding)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_weights_of_heads_are_those_of_torch(heads):
    ours = MultiHeadAttention(8, heads).double()
    q, v, lengths = wide(3, 2, 8), wide(5, 2, 8), torch.tensor([5, 2])
    found = ours.weights(q, ours.memory(v, lengths))
    padding = torch.arange(5) >= lengths[:, None]
    _, wanted = torchs(ours)(q, v, v, key_padding_mask=padding, average_attn_weights=False)
    torch.testing.assert_close(found, wanted.permute(1, 2, 0, 3))  # torch's are (B, heads, T, S)
    with pytest.raises(ValueError, match="MultiHeadAttention needs queries"):
        ours.weights(q[..., :4], ours.memory(v))


def test_a_causal_step_sees_itself_and_what_was_before():
    ours, x = MultiHeadAttention(8, 2).double(), wide(5, 2, 8)
    found = ours(x, ours.memory(x), causal=True)
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted, _ = torchs(ours)(x, x, x, attn_mask=mask)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("cuts", [(5,), (1, 4), (2, 2, 1), (1, 1, 1, 1, 1)])
def test_a_cache_changes_nothing(cuts):
    ours, x = MultiHeadAttention(8, 2).double(), wide(5, 2, 8)
    cache, parts = None, []
    for piece in x.split(cuts):
        found, cache = ours.extend(piece, cache)
        parts.append(found)
    torch.testing.assert_close(torch.cat(parts), ours(x, ours.memory(x), causal=True))


def test_dropout_of_weights_is_for_training():
    ours, x = MultiHeadAttention(8, 2, dropout=0.5), torch.randn(5, 2, 8)
    memory = ours.memory(x)
    assert not torch.equal(ours(x, memory), ours(x, memory))
    ours.eval()
    assert torch.equal(ours(x, memory), ours(x, memory))


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Attention(4, 4, "cosine"), ValueError, "dot, general, additive; got 'cosine'"),
        (lambda: Attention(4, 5, "dot"), ValueError, "query_size equal to memory_size .* 4 and 5"),
        (lambda: Attention(0, 5), ValueError, "query_size of at least 1; got 0"),
        (lambda: Attention(4, 5.0), TypeError, "memory_size as an integer; got 5.0"),
        (lambda: Attention(4, 4, "additive", 0), ValueError, "hidden_size of at least 1"),
        (lambda: MultiHeadAttention(8, 3), ValueError, "num_heads that divide embed_dim; got 3"),
        (lambda: MultiHeadAttention(8, 2, dropout=2), ValueError, r"dropout in 0\.\.1"),
        (lambda: made("dot").memory(wide(4, 2, 5)), ValueError, r"\(S, B, 6\); got \(4, 2, 5\)"),
        (lambda: made("dot").memory(wide(4, 2, 6), torch.tensor([1.0, 2.0])), ValueError, "of int"),
        (lambda: made("dot").memory(wide(4, 2, 6), torch.tensor([1])), ValueError, r"lengths \(2,"),
        (lambda: made("dot").memory(wide(4, 2, 6), inside=torch.ones(4, 2)), ValueError, "of bool"),
        (
            lambda: made("dot").memory(wide(4, 2, 6), torch.tensor([1, 2]), torch.ones(4, 2) > 0),
            ValueError, "got both",
        ),
        (
            lambda: made("dot")(wide(3, 1, 6), made("dot").memory(wide(4, 2, 6))),
            ValueError, r"needs queries \(T, 2, 6\); got \(3, 1, 6\)",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()


@pytest.mark.parametrize("make", [lambda: MultiHeadAttention(6, 2), lambda: Attention(6, 6)])
@pytest.mark.parametrize("turned", [False, True])
def test_hooks_on_saved_tensors_may_give_other_strides(make, turned):
    attention, x = make().double(), torch.randn(5, 3, 6, dtype=torch.float64, requires_grad=True)

    def given_back(saved):
        if turned and saved.dim() > 1:
            return saved.transpose(-1, -2).contiguous().transpose(-1, -2)
        return saved

    def gradients(hooks):
        with hooks:
            found = attention(x, attention.memory(x, lengths=torch.tensor([5, 2, 4])))
        found = found if isinstance(found, torch.Tensor) else found[0]
        return torch.autograd.grad(found.sin().sum(), [x, *attention.parameters()])

    plain = gradients(nullcontext())
    hooked = gradients(saved_tensors_hooks(lambda saved: saved, given_back))
    for a, b in zip(plain, hooked, strict=True):
        torch.testing.assert_close(a, b)


def test_a_checkpoint_takes_the_fused_kernel():
    seen = []
    with saved_tensors_hooks(lambda saved: saved, lambda saved: saved):
        seen.append(hooked())
    checkpoint(lambda x: seen.append(hooked()) or x * 2, torch.ones(2, requires_grad=True),
               use_reentrant=False).sum().backward()  # fmt: skip
    assert (seen[0], {*seen[1:]}, hooked()) == (True, {False}, False)


def test_steps_see_what_is_allowed():
    torch.manual_seed(0)
    ours, x = MultiHeadAttention(8, 2, dtype=torch.float64), wide(5, 3, 8)
    allowed = torch.tensor([[s != t and (s + t) % 2 == 0 for s in range(5)] for t in range(5)])
    memory = ours.memory(x, lengths=torch.tensor([5, 4, 1]))
    found = ours(x, memory, allowed=allowed)
    for t in range(5):
        some = allowed[t].nonzero()[:, 0]
        for b, n in enumerate((5, 4, 1)):
            seen = some[some < n]
            if not len(seen):
                expected = ours.output.bias
            else:
                alone = ours.memory(x[seen, b : b + 1])
                expected = ours(x[t : t + 1, b : b + 1], alone)[0, 0]
            torch.testing.assert_close(found[t, b], expected)
    both = ours(x, ours.memory(x), causal=True, allowed=torch.ones(5, 5, dtype=torch.bool))
    torch.testing.assert_close(both, ours(x, ours.memory(x), causal=True))
    for wrong in (torch.ones(4, 5, dtype=torch.bool), torch.ones(5, 5)):
        with pytest.raises(ValueError, match=r"needs allowed \(5, 5\) of bool; got"):
            ours(x, ours.memory(x), allowed=wrong)
