"""The conditional random field: all paths one by one, the reference, and the kernels."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from swiftrnn import ops
from swiftrnn.ops import _native, references
from swiftrnn.ops.crf import OP, reference

TOLERANCE = {torch.float64: 1e-10, torch.float32: 3e-5, torch.bfloat16: 3e-2}
needs_kernels = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")


def paths(emissions, transitions, start, end, lengths, _):
    """Every path of each sequence with its score, in order of the tags."""
    T, B, K = emissions.shape
    for b in range(B):
        n = T if lengths is None else int(lengths[b])
        scores = {}
        for path in product(range(K), repeat=n):
            score = torch.zeros((), dtype=emissions.dtype)
            for t, tag in enumerate(path):
                score = score + emissions[t, b, tag]
                score = score + (transitions[path[t - 1], tag] if t else start[tag])
            scores[path] = score + end[path[-1]] if n else score
        yield scores


def draw(T, B, K, **options):
    return OP.sample(T, B, K, torch.float64, **options)


@pytest.mark.parametrize("T", [1, 2, 4])
@pytest.mark.parametrize("forbidden", [0, 1])
@pytest.mark.parametrize("backend", [ops.crf, lambda *inputs: reference.forward(*inputs)[0]])
def test_sums_over_all_paths(T, forbidden, backend):
    inputs = draw(T, 3, 3, forbidden=forbidden, ragged=1)
    expected = [torch.stack(list(p.values())).logsumexp(0) for p in paths(*inputs)]
    torch.testing.assert_close(backend(*inputs), torch.stack(expected))


@pytest.mark.parametrize("T", [1, 2, 4])
@pytest.mark.parametrize("forbidden", [0, 1])
@pytest.mark.parametrize("backend", [ops.crf_viterbi, reference.viterbi])
def test_the_best_of_all_paths_is_found(T, forbidden, backend):
    inputs = draw(T, 3, 3, forbidden=forbidden, ragged=1)
    score, path = backend(*inputs[:5])
    for b, scores in enumerate(paths(*inputs)):
        best = max(scores, key=lambda p, s=scores: float(s[p]))
        assert tuple(path[: len(best), b].tolist()) == best
        assert not path[len(best) :, b].any()
        torch.testing.assert_close(score[b], scores[best])


def values(function, inputs):
    leaves = [x.clone().requires_grad_() if x is not None and x.is_floating_point() else x
              for x in inputs]  # fmt: skip
    total = function(*leaves)
    weights = torch.linspace(-1, 2, total.numel(), dtype=total.dtype)
    grads = torch.autograd.grad((total * weights).sum(), leaves[:4], allow_unused=True)
    unseen = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=False)]
    return [total.detach(), *unseen]


def same(a, e, dtype):
    """The digits of a probability are those of the total that its logarithm is taken from."""
    size = 1 + float(e[0].abs().nan_to_num().amax()) / 5 if e[0].numel() else 1.0
    for x, y in zip(a, e, strict=True):
        torch.testing.assert_close(
            x.double(), y, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * size
        )


@needs_kernels
@pytest.mark.parametrize("case", OP.cases, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_equal_the_reference_with_every_gradient(case, dtype, threads, monkeypatch):
    monkeypatch.setattr(_native, "threads", lambda _: threads)
    inputs = OP.sample(dtype=dtype, **case)
    exact = [x.double() if x is not None and x.is_floating_point() else x for x in inputs]
    if case["T"]:  # of nothing, the reference has no gradient
        same(values(ops.crf, inputs), values(lambda *x: reference.forward(*x)[0], exact), dtype)
    else:
        assert not any(x.any() for x in values(ops.crf, inputs))
    score, path = ops.crf_viterbi(*inputs[:5])
    best, _ = reference.viterbi(*exact[:5])
    torch.testing.assert_close(score.double(), best, rtol=1e-5, atol=1e-3)
    if dtype is torch.float64:
        assert torch.equal(path, reference.viterbi(*inputs[:5])[1])


@needs_kernels
def test_threads_change_no_bit(monkeypatch):
    inputs, found = draw(20, 37, 9, ragged=1), []
    for n in (1, 2, 3):
        monkeypatch.setattr(_native, "threads", lambda _, n=n: n)
        found.append(values(ops.crf, inputs))
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(other, found[0], strict=True))


@pytest.mark.parametrize("forbidden", [0, 1])
def test_the_loss_is_minus_the_log_likelihood_of_a_path(forbidden):
    inputs = draw(4, 3, 3, forbidden=forbidden, ragged=1, tagged=1)
    loss = ops.crf(*inputs)
    for b, scores in enumerate(paths(*inputs)):
        path = tuple(inputs[5][: int(inputs[4][b]), b].tolist())
        odds = torch.stack(list(scores.values())).softmax(0)
        torch.testing.assert_close(loss[b], -odds[list(scores).index(path)].log())


@settings(deadline=None, max_examples=40)
@given(T=st.integers(1, 9), B=st.integers(1, 4), K=st.integers(1, 6), data=st.data())
def test_padding_and_order_change_nothing(T, B, K, data):
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, T), min_size=B, max_size=B)))
    emissions, *scores = draw(T, B, K)[:4]
    longer = torch.full((T + 3, B, K), torch.nan, dtype=torch.float64)
    inside = torch.arange(T)[:, None] < lengths
    longer[:T][inside] = emissions[inside]
    order = torch.randperm(B)
    total = ops.crf(emissions, *scores, lengths)
    assert torch.equal(ops.crf(longer[:, order], *scores, lengths[order]), total[order])
    score, path = ops.crf_viterbi(emissions, *scores, lengths)
    found = ops.crf_viterbi(longer[:, order], *scores, lengths[order])
    assert torch.equal(found[0], score[order])
    assert torch.equal(found[1][:T], path[:, order])


@pytest.mark.parametrize("forbidden", [0, 1])
def test_probabilities_of_tags_are_the_gradient(forbidden):
    inputs = draw(4, 2, 3, forbidden=forbidden, ragged=1)
    emissions = inputs[0].requires_grad_()
    found = torch.autograd.grad(ops.crf(*inputs).sum(), emissions)[0]
    expected = torch.zeros_like(found)
    for b, scores in enumerate(paths(emissions.detach(), *inputs[1:])):
        odds = torch.stack(list(scores.values())).softmax(0)
        for path, p in zip(scores, odds, strict=True):
            for t, tag in enumerate(path):
                expected[t, b, tag] += p
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("ragged", [0, 1])
def test_scores_from_both_ends_meet_in_the_total(ragged):
    emissions, *scores, lengths, _ = draw(6, 4, 5, forbidden=1, ragged=ragged)
    total, inside = ops.crf(emissions, *scores, lengths), torch.ones(6, 4, dtype=torch.bool)
    if lengths is not None:
        inside = torch.arange(6)[:, None] < lengths
    before, after = ops.crf_scores(emissions, *scores, lengths)
    found = (before + after).logsumexp(2)
    torch.testing.assert_close(found[inside], total.expand(6, -1)[inside])
    slow = (reference.forward_scores(emissions, *scores[:2], lengths),
            reference.backward_scores(emissions, scores[0], scores[2], lengths))  # fmt: skip
    torch.testing.assert_close(before[inside], slow[0][inside])
    torch.testing.assert_close(after[inside], slow[1][inside])


def test_what_is_forbidden_but_for_one_unlikely_path_is_exact():
    """The only legal path is e^-200 of the illegal ones: no sum over the likely can see it."""
    K, scores = 3, torch.full((3, 3), -torch.inf)
    scores[2, 2] = 0.0
    start = torch.tensor([0.0, 0.0, -100.0])
    emissions, end = torch.zeros(4, 1, K), torch.tensor([-torch.inf, -torch.inf, -100.0])
    assert ops.crf(emissions, scores, start, end).item() == pytest.approx(-200.0)


def test_gradients_equal_finite_differences():
    emissions, *scores, lengths, tags = draw(4, 2, 3, ragged=1, tagged=1)
    inputs = [x.requires_grad_() for x in (emissions, *scores)]
    for path in (None, tags):
        assert torch.autograd.gradcheck(lambda *x, p=path: ops.crf(*x, lengths, p), inputs)


@needs_kernels
def test_registered_as_pytorch_wants_it():
    inputs = OP.sample(T=5, B=2, K=3, ragged=1)
    torch.library.opcheck(OP.raw["forward"], (*inputs, True))
    torch.library.opcheck(torch.ops.swiftrnn.crf_viterbi.default, inputs[:5])


class Watching(TorchDispatchMode):
    """Sees every op, and does nothing."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_registered_op_has_the_same_gradients(dtype):
    inputs = OP.sample(T=5, B=2, K=3, ragged=1, tagged=1, dtype=dtype)

    def values(function):
        leaves = [x.detach().requires_grad_() for x in inputs[:4]]
        loss = function(*leaves, *inputs[4:])
        return loss, *torch.autograd.grad(loss.sum(), leaves)

    expected = values(ops.crf)
    with Watching():  # who watches sees the registered ops, in backward too
        watched = values(ops.crf)
    raw = values(lambda *given: OP.raw["forward"](*given, True)[0])
    for found in (*zip(watched, expected, strict=True), *zip(raw, expected, strict=True)):
        assert torch.equal(*found)


def test_compiles_whole():
    inputs = draw(6, 3, 4, ragged=1)
    compiled = torch.compile(lambda *x: (ops.crf(*x), ops.crf_viterbi(*x[:5])[1]), fullgraph=True)
    total, path = compiled(*inputs)
    torch.testing.assert_close(total, ops.crf(*inputs))
    assert torch.equal(path, ops.crf_viterbi(*inputs[:5])[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: torch.zeros(3, 2)}, r"crf needs emissions of shape \(T, B, K\); got \(3, 2\)"),
        ({1: torch.zeros(2, 3)}, r"crf needs transitions .* K = 4; got \(2, 3\)"),
        ({3: torch.zeros(3)}, r"crf needs end of shape \(K\) with K = 4; got \(3,\)"),
        ({4: torch.tensor([9, 1])}, r"crf needs lengths in 0..3; got 1..9"),
        (
            {5: torch.zeros(2, 3)},
            r"crf needs tags \(T, B\) of integers .* got \(2, 3\) of torch.float",
        ),
        ({5: torch.full((3, 2), 4)}, r"crf needs tags in 0..3; got 0..4"),
    ],
)
def test_bad_input_gets_one_clear_line(change, message):
    inputs = list(OP.sample(T=3, B=2, K=4))
    for i, value in change.items():
        inputs[i] = value
    with pytest.raises(ValueError, match=message):
        ops.crf(*inputs)
    with references(), pytest.raises(ValueError, match=message):
        ops.crf(*inputs)


@pytest.mark.parametrize("tag", [-1, 4, 10**12])
def test_a_wrong_tag_is_never_an_address(tag):
    emissions, *scores, _, _ = OP.sample(T=3, B=2, K=4)
    emissions.requires_grad_()
    tags, lengths = torch.zeros(3, 2, dtype=torch.int64), torch.tensor([3, 2])
    tags[2, 1] = tag
    ops.crf(emissions, *scores, lengths, tags).sum().backward()  # beyond the length
    tags[1, 1] = tag
    for run in (ops.crf, torch.compile(ops.crf, backend="aot_eager")):
        with pytest.raises(ValueError, match=f"got {min(tag, 0)}..{max(tag, 0)}; K is the last"):
            run(emissions, *scores, lengths, tags)
