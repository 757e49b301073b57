"""The conditional random field where float32 has too few digits: long sequences, large scores."""

import numpy as np
import pytest
import torch

from swiftrnn import ops
from swiftrnn.ops import _native, references
from swiftrnn.ops.crf import OP, reference

needs_kernels = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")


def drawn(T, B, K, scale, dtype=torch.float32, tagged=True):
    draw = torch.Generator().manual_seed(0)
    shapes = ((T, B, K), (K, K), (K,), (K,))
    x, *scores = (scale * torch.randn(*shape, generator=draw) for shape in shapes)
    tags = torch.randint(K, (T, B), generator=draw) if tagged else None
    return [x.to(dtype), *scores], tags


def values(inputs, lengths, tags, function=ops.crf):
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    loss = function(*leaves, lengths, tags)
    return [loss.detach(), *torch.autograd.grad(loss.sum(), leaves)]


def differ(found, right, rtol, atol):
    """Transitions are sums over steps, of which each is right to `atol`."""
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a.double(), e.double(), rtol=rtol, atol=atol)


def long_double(x, A, start, end):
    """Total and probabilities of tags and pairs of one sequence, scaled in every step."""
    wide = [np.asarray(each.double()).astype(np.longdouble) for each in (x, A, start, end)]
    x, A, start, end = wide
    T, K = x.shape
    forward, total = np.zeros((T, K), np.longdouble), np.longdouble(0)
    now = start + x[0]
    for t in range(T):
        if t:
            ways = forward[t - 1][:, None] + A
            most = ways.max(0)
            now = most + np.log(np.exp(ways - most).sum(0)) + x[t]
        total, forward[t] = total + now.max(), now - now.max()
    last = forward[-1] + end
    total += last.max() + np.log(np.exp(last - last.max()).sum())
    odds, pairs, after = np.zeros((T, K)), np.zeros((K, K)), end
    for t in reversed(range(T)):
        both = forward[t] + after
        p = np.exp(both - both.max())
        odds[t] = p / p.sum()
        if t:
            ways = A + (x[t] + after)
            every = forward[t - 1][:, None] + ways
            p = np.exp(every - every.max())
            pairs += (p / p.sum()).astype(float)
            most = ways.max(1)
            after = most + np.log(np.exp(ways - most[:, None]).sum(1))
            after -= after.max()
    return float(total), torch.from_numpy(odds), torch.from_numpy(pairs)


@pytest.mark.parametrize("scale", [1, 10, 100])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_two_thousand_steps_are_as_exact_as_one(scale, dtype):
    inputs, _ = drawn(2000, 1, 4, scale, dtype, tagged=False)
    inputs = inputs if dtype != torch.float64 else [x.double() for x in inputs]
    total, odds, pairs = long_double(inputs[0][:, 0], *inputs[1:])
    functions = [ops.crf, lambda *x: reference.forward(*x)[0]]
    for function in functions if (scale, dtype) == (10, torch.float32) else functions[:1]:
        found = values(inputs, None, None, function)
        close = {torch.float64: 1e-9, torch.float32: 2e-6, torch.bfloat16: 4e-3}[dtype]
        torch.testing.assert_close(found[1][:, 0].double(), odds, rtol=close, atol=close)
        close = 1e-9 if dtype == torch.float64 else 1e-5
        torch.testing.assert_close(found[2].double(), pairs, rtol=close, atol=close)
        assert float(found[0]) == pytest.approx(total, rel=1e-7)


@needs_kernels
@pytest.mark.parametrize("scale", [1, 10, 100])
def test_float32_has_the_digits_of_float64_after_twenty_thousand_steps(scale):
    inputs, tags = drawn(20_000, 2, 5, scale)
    lengths = torch.tensor([20_000, 13_333])
    for path in (None, tags):
        found = values(inputs, lengths, path)
        right = values([x.double() for x in inputs], lengths, path)
        differ(found[:2], right[:2], 1e-6, 2e-6)
        differ(found[2:], right[2:], 1e-5, 2e-5)


@needs_kernels
def test_the_loss_of_a_likely_path_keeps_its_digits():
    """Total and score are about 1e6 each, and differ by less than 1."""
    inputs, _ = drawn(20_000, 1, 5, 10)
    tags = ops.crf_viterbi(*inputs)[1]
    inputs[0].scatter_add_(2, tags[..., None], torch.full((20_000, 1, 1), 6.0))
    found = values(inputs, None, tags)
    right = values([x.double() for x in inputs], None, tags)
    assert 0 < float(right[0]) < 1
    # 20,000 roundings of numbers near 10 add up to about 2e-4; from 1e6 on, floats are 0.06 apart
    torch.testing.assert_close(found[0].double(), right[0], rtol=0, atol=1.5e-3)
    differ(found[1:2], right[1:2], 0, 1e-6)
    differ(found[2:], right[2:], 0, 20_000 * 2e-7)  # each of so many probabilities of about 1


@needs_kernels
def test_what_only_the_end_decides_keeps_its_digits():
    """Two tags are far likelier all along, but only the others may come last."""
    inputs, _ = drawn(5000, 1, 4, 1)
    x, A, start, end = inputs
    x[:, :, :2] += 3
    A[:2, 2:] = A[2:, :2] = -torch.inf
    end[:2] = -torch.inf
    found = values(inputs, None, None)
    right = values([i[..., 2:].double() if i is not A else A[2:, 2:].double() for i in inputs],
                   None, None)  # fmt: skip
    assert not found[1][:, :, :2].any()
    torch.testing.assert_close(found[1][:, :, 2:].double(), right[1], rtol=1e-6, atol=2e-6)
    torch.testing.assert_close(found[2][2:, 2:].double(), right[2], rtol=1e-6, atol=1e-4)
    turned = values([x.flip(0), A.T, end, start], None, None)  # and as well from the other end
    torch.testing.assert_close(turned[1].flip(0), found[1], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1, 100])
def test_the_best_of_long_paths_is_that_of_float64(dtype, scale):
    inputs, _ = drawn(20_000, 2, 5, scale, dtype)
    right = ops.crf_viterbi(*(x.double() for x in inputs))
    found = ops.crf_viterbi(*inputs)
    assert torch.equal(found[1], right[1])
    torch.testing.assert_close(found[0].double(), right[0], rtol=1e-7, atol=0)


def test_equal_paths_stay_equal_however_long():
    """0.1 is no number of float32: sums of it differ by how they are rounded."""
    x = torch.full((20_000, 1, 3), 0.1)
    _, path = ops.crf_viterbi(x, torch.zeros(3, 3), torch.zeros(3), torch.zeros(3))
    assert not path.any()
    x[0, 0, 1] += 1e-3  # what is better at first must still be so at the end
    never = torch.full((3, 3), -torch.inf).fill_diagonal_(0)
    scores = never, torch.zeros(3), torch.zeros(3)
    assert (ops.crf_viterbi(x, *scores)[1] == 1).all()
    with references():
        assert (ops.crf_viterbi(x[:2000] + 1000, *scores)[1] == 1).all()


@needs_kernels
@pytest.mark.parametrize("scale", [1, 10])
def test_sums_before_and_after_a_step_are_rounded_once(scale):
    inputs, _ = drawn(20_000, 2, 5, scale)
    lengths = torch.tensor([20_000, 13_333])
    inside = torch.arange(20_000)[:, None] < lengths
    found = ops.crf_scores(*inputs, lengths)
    right = ops.crf_scores(*(x.double() for x in inputs), lengths)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a[inside].double(), e[inside], rtol=2e-7, atol=1e-6)


@needs_kernels
def test_what_follows_a_forbidden_tag_is_no_nan():
    x, A, start, end = (i.double() for i in drawn(6, 2, 4, 1)[0])
    x[2, 0, 1] = x[5, 1, 2] = -torch.inf
    found = ops.crf_scores(x, A, start, end)
    with references():
        right = ops.crf_scores(x, A, start, end)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a, e)


def test_second_gradients_of_float32_are_those_of_float64():
    inputs, tags = drawn(300, 1, 3, 10)
    found = []
    for given in (inputs, [x.double() for x in inputs]):
        x = given[0].clone().requires_grad_()
        with references():
            loss = ops.crf(x, *given[1:], None, tags).sum()
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        found += torch.autograd.grad(slope.square().sum(), x)
    torch.testing.assert_close(found[0].double(), found[1], rtol=1e-5, atol=1e-6)


def test_every_op_case_keeps_its_digits_at_a_hundred_times_the_scale():
    for case in OP.cases:
        inputs = OP.sample(**case)
        inputs = [x * 100 if i < 4 else x for i, x in enumerate(inputs)]
        if not case["T"]:
            continue
        found = values(inputs[:4], *inputs[4:])
        right = values([x.double() for x in inputs[:4]], *inputs[4:])
        differ(found, right, 1e-5, 1e-5)


def test_the_logarithm_of_a_sum_is_exact_to_the_last_digits():
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(50):
        for step in range(1, 400):
            second = -step / 100  # sums from 1 to 2
            emissions = torch.tensor([[[0.0, second]], [[0.0, -2000.0]]], dtype=torch.float64)
            zeros = torch.zeros(2, 2, dtype=torch.float64)
            found = ops.crf(emissions, zeros, zeros[0], zeros[0], None, None)
            exact = mpmath.log(1 + mpmath.exp(second))
            assert abs(float(found) - exact) < 4e-16 * max(1, exact)
