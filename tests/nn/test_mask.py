"""SequenceMask: every form, and every function against each sequence alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention as attend

from swiftrnn.nn import SequenceMask
from swiftrnn.ops._reverse import reverse

REDUCE = {  # over the rows of one sequence
    "sum": lambda x: x.sum(0),
    "mean": lambda x: x.mean(0),
    "std": lambda x: x.std(0, correction=0),
    "max": lambda x: x.amax(0),
    "min": lambda x: x.amin(0),
    "logsumexp": lambda x: x.logsumexp(0),
    "last": lambda x: x[-1],
}
STEPS = {
    "softmax": lambda x: x.softmax(0),
    "log_softmax": lambda x: x.log_softmax(0),
    "reverse": lambda x: x.flip(0),
}


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@st.composite
def masks(draw_):
    """Booleans (T, B) with gaps, and empty columns."""
    T, B = draw_(st.integers(1, 8)), draw_(st.integers(1, 4))
    rows = st.lists(st.booleans(), min_size=B, max_size=B)
    return torch.tensor(draw_(st.lists(rows, min_size=T, max_size=T)))


@settings(deadline=None, max_examples=60)
@given(inside=masks(), name=st.sampled_from([*REDUCE, "softmax", "log_softmax"]))
def test_equals_each_column_alone_with_its_gradient(inside, name):
    mask, x = SequenceMask.of_bool(inside), draw(*inside.shape, 3)
    x[~inside] = torch.nan
    x.requires_grad_()
    found = getattr(mask, name)(x)
    weights = draw(*found.shape)
    (grad,) = torch.autograd.grad((found * weights).sum(), x)
    assert not grad[~inside].any()  # nor nan
    for b in range(x.shape[1]):
        rows = x.detach()[inside[:, b], b].requires_grad_()
        if not len(rows):
            assert not found.detach().select(0 if name in REDUCE else 1, b).any()
            continue
        if name in REDUCE:
            expected, here, weight = REDUCE[name](rows), found[b], weights[b]
        else:
            expected, here = STEPS[name](rows), found[inside[:, b], b]
            weight = weights[inside[:, b], b]
            assert not found.detach()[~inside[:, b], b].any()
        torch.testing.assert_close(here, expected)
        if name == "std" and len(rows) == 1:
            assert not grad[:, b].any()  # where torch says nan
            continue
        (alone,) = torch.autograd.grad((expected * weight).sum(), rows)
        torch.testing.assert_close(grad[inside[:, b], b], alone)


@pytest.mark.parametrize("name", [*REDUCE, *STEPS])
def test_more_padding_changes_nothing(name):
    mask, x = SequenceMask.of_lengths(torch.tensor([3, 0, 5])), draw(5, 3, 2)
    longer = torch.cat([x, torch.full((4, 3, 2), torch.inf, dtype=torch.float64)])
    wide = SequenceMask.of_lengths(mask.lengths, 9)
    a, b = getattr(mask, name)(mask.clear(x)), getattr(wide, name)(longer)
    if name in STEPS:
        a, b = mask.clear(a), wide.clear(b)[:5]
    assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_dtype_stays_finite(dtype):
    mask = SequenceMask.of_lengths(torch.tensor([2, 0]), 3)
    x = (torch.randn(3, 2, 2) * 100).to(dtype).requires_grad_()
    total = sum(getattr(mask, name)(x).float().sum() for name in [*REDUCE, *STEPS])
    assert torch.autograd.grad(total, x)[0].isfinite().all()
    assert mask.bias(dtype).isfinite().all()


SEGMENTS = torch.tensor([[1, 1], [1, 0], [2, 2], [2, 2], [0, 2], [3, 0]])


def test_forms_of_several_sequences_in_a_column():
    mask = SequenceMask(SEGMENTS)
    assert mask.positions.t().tolist() == [[0, 1, 0, 1, 0, 0], [0, 0, 0, 1, 2, 0]]
    assert mask.starts.t().int().tolist() == [[1, 0, 1, 0, 0, 1], [1, 0, 1, 0, 0, 0]]
    assert mask.cu_seqlens.tolist() == [0, 2, 4, 5, 6, 9]
    x = torch.arange(12).view(6, 2)
    assert mask.pack(x).tolist() == [0, 2, 4, 6, 10, 1, 5, 7, 9]
    assert torch.equal(mask.unpack(mask.pack(x)), torch.where(mask.inside, x, 0))
    assert mask.reverse(x).t().tolist() == [[2, 0, 6, 4, 8, 10], [1, 3, 9, 7, 5, 11]]
    row = SequenceMask.of_cu_seqlens(torch.tensor([0, 2, 2, 5]))
    assert row.segments[:, 0].tolist() == [1, 1, 3, 3, 3]
    with pytest.raises(ValueError, match="needs one sequence in each column"):
        _ = mask.lengths
    with pytest.raises(ValueError, match=r"segments \(T, B\) of integers; got \(2,\) of torch.fl"):
        SequenceMask(torch.zeros(2))


def test_lengths_come_back():
    lengths = torch.tensor([3, 0, 4, 1])
    mask, x = SequenceMask.of_lengths(lengths, 6), draw(6, 4, 2)
    assert torch.equal(mask.lengths, lengths)
    assert torch.equal(mask.reverse(x), reverse(x, lengths))
    assert SequenceMask.of_lengths(torch.zeros(0, dtype=torch.long)).segments.shape == (0, 0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 2])
def test_attention_equals_a_loop_over_sequences(causal, window):
    mask = SequenceMask(SEGMENTS)
    q, k, v = (draw(2, 1, 6, 4) for _ in range(3))
    found = attend(q, k, v, attn_mask=mask.attention(causal, window))
    added = attend(q, k, v, attn_mask=mask.bias(torch.float64, causal, window))
    torch.testing.assert_close(found, added)
    mod = mask.mask_mod(causal)
    for b in range(2):
        for segment in set(SEGMENTS[:, b].tolist()) - {0}:
            at = (SEGMENTS[:, b] == segment).nonzero().flatten()
            back = at[:, None] - at
            near = back.abs() < (window or 99)
            near = near & (back >= 0) if causal else near
            alone = attend(q[b, :, at], k[b, :, at], v[b, :, at], attn_mask=near)
            torch.testing.assert_close(found[b, :, at], alone)
        if window is None:
            for i in range(6):
                row = [bool(mod(torch.tensor(b), 0, torch.tensor(i), torch.tensor(j)))
                       for j in range(6)]  # fmt: skip
                assert row == mask.attention(causal)[b, 0, i].tolist()


def test_normalisation_and_losses_see_only_what_is_there():
    mask, x = SequenceMask(SEGMENTS), draw(6, 2, 3)
    x[~mask.inside] = torch.nan
    norm = torch.nn.BatchNorm1d(3, affine=False).double()
    torch.testing.assert_close(mask.pack(mask.normalize(x)), norm(mask.pack(x)))
    assert not mask.normalize(x)[~mask.inside].any()
    targets = torch.randint(3, (6, 2))
    loss, count = mask.cross_entropy(x, targets)
    assert count == 9
    rows = torch.nn.functional.cross_entropy(mask.pack(x), mask.pack(targets))
    torch.testing.assert_close(loss / count, rows)
    nothing = SequenceMask.of_bool(torch.zeros(2, 2, dtype=torch.bool))
    assert not nothing.normalize(draw(2, 2, 3)).any()


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: SequenceMask.of_lengths(torch.tensor([3, 9]), 5), ValueError, "in 0..5; got 3..9"),
        (lambda: SequenceMask.of_lengths(torch.tensor([-1, 2])), ValueError, "in 0..2; got -1..2"),
        (lambda: SequenceMask.of_lengths(torch.tensor([2.5])), TypeError, "integer lengths"),
        (lambda: SequenceMask.of_lengths(torch.tensor([[3]])), ValueError, r"got \(1, 1\)"),
        (lambda: SequenceMask.of_lengths(torch.tensor([3]), 3.0), TypeError, "T as an integer"),
        (lambda: SequenceMask.of_bool(torch.tensor([[0.5]])), TypeError, "got torch.float32"),
        (lambda: SequenceMask.of_cu_seqlens(torch.tensor([0, 3, 2])), ValueError, "that rise from"),
        (lambda: SequenceMask.of_cu_seqlens(torch.tensor([1, 3])), ValueError, "that rise from 0"),
        (
            lambda: SequenceMask.of_cu_seqlens(torch.tensor([0.0, 3.0])),
            TypeError,
            "integer cu_s",
        ),
        (lambda: SequenceMask(torch.ones(2, 2, dtype=torch.complex64)), ValueError, "of integers"),
        (lambda: SequenceMask([[1, 0]]), TypeError, "got list"),
    ],
)
def test_what_is_no_mask_is_refused(make, error, said):
    with pytest.raises(error, match=f"^SequenceMask.* needs .*{said}"):
        make()


@pytest.mark.parametrize(
    "name", ["clear", "sum", "mean", "std", "max", "min", "softmax", "logsumexp", "reverse", "last",
             "pack", "normalize"],
)  # fmt: skip
@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (4, 2), (3,)])
def test_x_has_the_steps_of_the_mask(name, shape):
    """One step, or one sequence, was spread over all."""
    mask = SequenceMask.of_lengths(torch.tensor([3, 1]))
    with pytest.raises(ValueError, match=r"needs x \(T, B, \.\.\.\) with \(T, B\) = \(3, 2\); got"):
        getattr(mask, name)(torch.ones(shape))


def test_rows_are_as_many_as_steps():
    mask = SequenceMask.of_lengths(torch.tensor([3, 1]))
    for count in (3, 5):
        with pytest.raises(ValueError, match=f"a row for each of 4 steps; got {count}"):
            mask.unpack(torch.ones(count, 2))
