"""The conditional random field with numbers that are none, and with tensors of every kind."""

import numpy as np
import pytest
import torch

from swiftrnn import ops
from swiftrnn.ops import _native, references
from swiftrnn.ops.crf import OP, reference

needs_kernels = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")
NAMES = ("emissions", "transitions", "start", "end")
WHERE = {"emissions": [(0, 1, 2), (3, 1, 0), (5, 1, 1)], "transitions": [(1, 2)],
         "start": [(1,)], "end": [(0,)]}  # fmt: skip


def draw(**options):
    torch.manual_seed(0)
    return list(OP.sample(6, 3, 4, torch.float64, **options))


def results(inputs):
    """The loss and every gradient."""
    leaves = [x.clone().requires_grad_() if i < 4 else x for i, x in enumerate(inputs)]
    loss = ops.crf(*leaves)
    grads = torch.autograd.grad(loss.sum(), leaves[:4], allow_unused=True)
    return loss.detach(), *grads


def same_as_the_reference(inputs, dtype=torch.float32):
    inputs = [x.to(dtype) if i < 4 else x for i, x in enumerate(inputs)]
    found = results(inputs)
    with references():
        right = results(inputs)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-5, equal_nan=True)
    for a, e in zip(ops.crf_viterbi(*inputs[:5]), reference.viterbi(*inputs[:5]), strict=True):
        torch.testing.assert_close(a, e, equal_nan=True)
    return found


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tagged", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e8, -1e8])
@pytest.mark.parametrize("name", NAMES)
def test_one_such_number_means_the_same_in_kernel_and_reference(name, value, tagged, dtype):
    for place in WHERE[name]:
        for forbidden in (0, 1):
            inputs = draw(tagged=tagged, forbidden=forbidden, ragged=forbidden)
            inputs[NAMES.index(name)][place] = value
            same_as_the_reference(inputs, dtype)


@needs_kernels
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_sequence_and_are_said_of_all_of_it(value):
    inputs = draw(ragged=1)
    inputs[4] = torch.tensor([6, 4, 0])
    inputs[0][2, 1, 3] = value
    inputs[0][5, 1] = inputs[0][0, 2] = np.nan  # padding
    loss, emissions, *scores = same_as_the_reference(inputs)
    assert loss[[0, 2]].isfinite().all()
    assert not loss[1].isfinite()
    assert emissions[:, 0].isfinite().all()
    assert emissions[:4, 1].isnan().all()
    assert not emissions[4:, 1].any()
    assert not emissions[:, 2].any()
    for grad in scores:
        assert grad.isnan().all()
    assert not ops.crf_viterbi(*inputs[:5])[0][1].isfinite()


@pytest.mark.parametrize("name", NAMES)
def test_where_no_path_is_allowed_the_sum_is_nothing_and_so_are_gradients(name):
    inputs = draw()
    inputs[NAMES.index(name)].fill_(-torch.inf)
    loss, *grads = same_as_the_reference(inputs) if _native.library() else results(inputs)
    assert (loss == -torch.inf).all()
    assert not any(grad.any() for grad in grads)
    assert (ops.crf_viterbi(*inputs[:5])[0] == -torch.inf).all()
    loss = ops.crf(*inputs[:5], torch.zeros(6, 3, dtype=torch.int64))
    assert loss.isnan().all()  # of nothing, no path has a probability


def test_a_forbidden_path_has_an_infinite_loss():
    inputs = draw(tagged=1)
    inputs[1][inputs[5][1, 0], inputs[5][2, 0]] = -torch.inf
    assert ops.crf(*inputs)[0] == torch.inf


@pytest.mark.parametrize("K", [1, 3])
@pytest.mark.parametrize(("T", "B"), [(0, 2), (4, 0), (0, 0), (1, 1), (4, 2)])
@pytest.mark.parametrize("tagged", [0, 1])
def test_empty_sizes_have_gradients_of_their_shape(T, B, K, tagged):
    torch.manual_seed(0)
    inputs = OP.sample(T, B, K, tagged=tagged)
    found = results(inputs)
    with references():
        right = results(inputs)
    for a, e, x in zip(found, right, (torch.empty(B), *inputs), strict=False):
        assert a.shape == e.shape == x.shape
        torch.testing.assert_close(a, e, rtol=1e-5, atol=1e-5)
    if K == 1 and tagged:
        assert not found[0].any()


def oddly_strided(x):
    """The same numbers in a tensor whose memory is in another order, with gaps."""
    room = x.new_full([2 * n for n in reversed(x.shape)], -7 if x.dtype == torch.int64 else 1e9)
    room = room[tuple(slice(None, None, 2) for _ in x.shape)].permute(*reversed(range(x.dim())))
    return room.copy_(x)


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8, torch.int16, torch.int64])
def test_integers_of_every_kind_and_strides_of_every_kind_count(kind):
    inputs = draw(tagged=1, ragged=1)
    right = results(inputs)
    strange = [oddly_strided(x) for x in inputs[:4]]
    whole = [oddly_strided(x).to(kind) for x in inputs[4:]]
    for a, e in zip(results([*strange, *whole]), right, strict=True):
        assert torch.equal(a, e)
    for a, e in zip(results([*inputs[:4], inputs[4].tolist(), inputs[5]]), right, strict=True):
        assert torch.equal(a, e)
    negative = [torch.complex(x * 0, -x).conj().imag for x in inputs[:4]]
    assert all(x.is_neg() for x in negative)
    for a, e in zip(results([*negative, *inputs[4:]]), right, strict=True):
        torch.testing.assert_close(a, e)
    expanded = [inputs[0][:1].expand(6, -1, -1), *inputs[1:]]
    dense = [expanded[0].contiguous(), *inputs[1:]]
    for a, e in zip(results(expanded), results(dense), strict=True):
        assert torch.equal(a, e)


@pytest.mark.parametrize("only", range(4))
def test_one_input_alone_may_ask_for_its_gradient(only):
    inputs = draw(tagged=1)
    right = results(inputs)
    leaf = inputs[only].clone().requires_grad_()
    loss = ops.crf(*inputs[:only], leaf, *inputs[only + 1 :])
    (found,) = torch.autograd.grad(loss.sum(), leaf)
    torch.testing.assert_close(found, right[1 + only])


def test_a_numpy_array_that_changes_before_backward_changes_nothing():
    """Its tensor shares memory with it and has no version; 10**12 would be an address."""
    inputs = draw(ragged=1, tagged=1)
    right = results(inputs)
    lengths, tags = inputs[4].numpy().copy(), inputs[5].numpy().copy()
    x = inputs[0].clone().requires_grad_()
    loss = ops.crf(x, *inputs[1:4], torch.from_numpy(lengths), torch.from_numpy(tags))
    lengths[:], tags[:] = 10**12, -(10**12)
    torch.testing.assert_close(torch.autograd.grad(loss.sum(), x)[0], right[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_of_any_strides_come_back_the_same(dtype):
    inputs = [x.to(dtype) if i == 0 else x for i, x in enumerate(draw(ragged=1))]
    x = inputs[0].requires_grad_()
    given = torch.randn(2, 3, dtype=torch.float64).t()[:, 0].to(ops.crf(*inputs).dtype)
    for weights in (given, torch.ones((), dtype=given.dtype).expand(3)):
        found = torch.autograd.grad(ops.crf(*inputs), x, weights)[0]
        right = torch.autograd.grad((ops.crf(*inputs) * weights.contiguous()).sum(), x)[0]
        assert torch.equal(found, right)


@pytest.mark.parametrize(
    ("tags", "error", "message"),
    [
        ([[0]], TypeError, "crf needs a tensor of tags; got list"),
        (torch.zeros(6, 3).bool(), ValueError, r"tags \(T, B\) of integers .* torch.bool"),
        (torch.zeros(6, 3).cfloat(), ValueError, r"tags \(T, B\) of integers .* torch.complex64"),
        (torch.zeros(3, 6).int(), ValueError, r"T = 6, B = 3; got \(3, 6\)"),
        (torch.zeros(6, 3, device="meta").int(), ValueError, "tags on cpu; got meta"),
    ],
)
def test_tags_that_are_none_get_one_clear_line(tags, error, message):
    with pytest.raises(error, match=message):
        ops.crf(*draw()[:5], tags)
