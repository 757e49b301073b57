"""mixup: every mixture against its definition, example by example, and the draws' distribution."""

import doctest
import itertools
import math
from collections import namedtuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot
from torch.nn.utils.rnn import pack_sequence

from swiftrnn.training.techniques import mixup
from swiftrnn.training.techniques import targets as checks
from swiftrnn.training.techniques.manifold_mixup import manifold
from swiftrnn.training.techniques.mixup import Mix, draw, generator_of

B, K = 6, 4
CE = nn.CrossEntropyLoss(reduction="none")
per_both = pytest.mark.parametrize("per", ["batch", "sample"])


def real(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def fixed(per="sample"):
    """A mix in float64 whose partners are no involution, so that a mixed-up direction shows."""
    lam = torch.tensor([0.9, 0.2, 0.5, 0.0, 1.0, 0.35], dtype=torch.float64)
    return Mix(lam if per == "sample" else lam[1], torch.tensor([1, 2, 0, 4, 5, 3]))


def each(mix):
    """(b, its partner, its lam) as plain numbers."""
    return list(zip(range(B), mix.partner.tolist(), mix.lam.expand(B).tolist(), strict=True))


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def by_hand(mix, x):
    """Of x (B, ...)."""
    return torch.stack([w * x[b] + (1 - w) * x[p] for b, p, w in each(mix)])


def test_two_examples_mix_to_the_values_worked_out_by_hand():
    mix = Mix(torch.tensor([0.75, 0.5]), torch.tensor([1, 0]))
    assert mix.inputs(torch.tensor([[0.0, 4.0], [8.0, 0.0]])).tolist() == [[2, 3], [4, 2]]
    assert Mix(torch.tensor(0.75), mix.partner).inputs(torch.tensor([0.0, 8.0])).tolist() == [2, 6]


@per_both
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_every_example_is_its_weighted_mean_along_any_dimension(per, dim):
    mix, x = fixed(per), real(B, 3, 2)
    moved = x.movedim(0, dim)
    close(mix.inputs(moved, dim).movedim(dim, 0), by_hand(mix, x))
    close(mix.targets(moved, dim).movedim(dim, 0), by_hand(mix, x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.complex128])
def test_the_dtype_stays_and_the_ends_are_exact(dtype):
    x, mix = torch.randn(B, 3).to(dtype), fixed()
    assert mix.inputs(x).dtype == dtype
    for lam, expected in ((1.0, x), (0.0, x[mix.partner])):
        assert torch.equal(Mix(torch.tensor(lam), mix.partner).inputs(x), expected)
        assert torch.equal(Mix(torch.full((B,), lam), mix.partner).inputs(x), expected)


@per_both
def test_mixing_is_linear(per):
    mix, x, y = fixed(per), real(B, 3), real(B, 3)
    close(mix.inputs(2 * x - 3 * y), 2 * mix.inputs(x) - 3 * mix.inputs(y))


@per_both
def test_gradients_flow_to_both_partners_with_their_weights(per):
    mix, x, weight = fixed(per), real(B, 3).requires_grad_(), real(B, 3)
    (found,) = torch.autograd.grad((mix.inputs(x) * weight).sum(), x)
    expected = torch.zeros(B, 3, dtype=torch.float64)
    for b, p, w in each(mix):
        expected[b] += w * weight[b]
        expected[p] += (1 - w) * weight[b]
    close(found, expected)


def test_structures_stay_and_every_tensor_in_them_is_mixed():
    Pair, mix, x, y = namedtuple("Pair", "a b"), fixed(), real(B, 2), real(B)
    found = mix.inputs({"one": [x, (y,)], "two": Pair(y, x)})
    assert [type(v) for v in found.values()] == [list, Pair]
    assert type(found["one"][1]) is tuple
    for tensor, original in (
        (found["one"][0], x), (found["one"][1][0], y), (found["two"].a, y), (found["two"].b, x)
    ):  # fmt: skip
        close(tensor, by_hand(mix, original))


def test_partners_of_ones_own_may_be_shared():
    x, partner = real(B, 3), torch.tensor([1, 1, 1, 0, 0, 5])
    mix = Mix(fixed().lam, partner)
    close(mix.inputs(x), by_hand(mix, x))


def test_several_labels_and_regression_are_mixed_linearly():
    mix, labels = fixed(), (real(B, 5) > 0).double()
    close(mix.targets(labels), by_hand(mix, labels))
    close(mix.targets((real(B), labels))[1], by_hand(mix, labels))


def padded(x, T, filling):
    return torch.cat([x, torch.full((T - len(x), *x.shape[1:]), filling, dtype=x.dtype)])


@given(
    lengths=st.lists(st.integers(0, 5), min_size=B, max_size=B),
    more=st.integers(0, 3),
    filling=st.sampled_from([0.0, 7.0, math.nan, math.inf]),
    per=st.sampled_from(["batch", "sample"]),
)
def test_sequences_mix_as_each_pair_alone_whatever_the_padding(lengths, more, filling, per):
    torch.manual_seed(sum(lengths))
    mix, rows, T = fixed(per), [real(n, 3) for n in lengths], max(lengths) + more
    x = torch.stack([padded(row, T, filling) for row in rows], 1).requires_grad_()
    found, ends = mix.sequences(x, torch.tensor(lengths))
    batch_first, same = mix.sequences(x.transpose(0, 1), torch.tensor(lengths), batch_dim=0)
    assert torch.equal(batch_first.transpose(0, 1), found)
    assert torch.equal(ends, same)
    for b, p, w in each(mix):
        expected = w * padded(rows[b], T, 0.0) + (1 - w) * padded(rows[p], T, 0.0)
        close(found[:, b], expected)
        assert ends[b] == max(lengths[b] * (w > 0), lengths[p] * (w < 1))
        assert not found[ends[b] :, b].any()
    (grad,) = torch.autograd.grad(found.sum(), x)
    assert grad.isfinite().all()
    assert not any(grad[n:, b].any() for b, n in enumerate(lengths))


def test_the_longer_sequence_gives_the_length_unless_it_has_no_weight():
    lengths, partner = torch.tensor([1, 3]), torch.tensor([1, 0])
    for lam, expected in ((0.99, [3, 3]), (1.0, [1, 3]), (0.0, [3, 1])):
        x = torch.ones(4, 2, 1)
        _, found = Mix(torch.tensor(lam), partner).sequences(x, lengths)
        assert found.tolist() == expected
        assert found.dtype == lengths.dtype


def test_sequences_of_one_number_a_step_and_of_images_a_step_mix_too():
    mix, lengths = fixed(), torch.tensor([1, 2, 3, 4, 2, 1], dtype=torch.int32)
    x = real(4, B)
    found, ends = mix.sequences(x, lengths)
    assert ends.dtype == torch.int32
    images, _ = mix.sequences(x[..., None, None, None].expand(4, B, 2, 3, 1), lengths)
    close(images[:, :, 1, 2, 0], found)


def test_soft_targets_are_those_worked_out_by_hand():
    mix = Mix(torch.tensor([0.75, 0.5, 0.25]), torch.tensor([1, 2, 0]))
    found = mix.soft(torch.tensor([0, 2, 2]), 3)
    assert found.tolist() == [[0.75, 0, 0.25], [0, 0, 1], [0.75, 0, 0.25]]
    smooth = mix.soft(torch.tensor([0, 2, 2], dtype=torch.uint8), 3, smoothing=0.3)
    torch.testing.assert_close(smooth, 0.7 * found + 0.1)


@per_both
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_rows_of_soft_targets_sum_to_one(per, smoothing):
    found = fixed(per).soft(torch.randint(K, (B, 5)), K, smoothing)
    assert found.shape == (B, 5, K)
    close(found.sum(-1), torch.ones(B, 5, dtype=torch.float64))
    assert (found >= 0).all()


@per_both
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_equals_that_against_soft_targets_with_its_gradient(per, smoothing):
    mix, output, y = fixed(per), real(B, K).requires_grad_(), torch.randint(K, (B,))
    criterion = nn.CrossEntropyLoss(reduction="none", label_smoothing=smoothing)
    found = mix.loss(criterion, output, y)
    expected = cross_entropy(output, mix.soft(y, K, smoothing))
    close(found, expected)
    close(*(torch.autograd.grad(loss, output)[0] for loss in (found, expected)))
    steps, labels = real(B, K, 5), torch.randint(K, (B, 5))
    soft = mix.soft(labels, K, smoothing).movedim(-1, 1)
    expected = cross_entropy(steps, soft, reduction="none").mean()
    close(mix.loss(criterion, steps, labels), expected)


@per_both
def test_the_loss_is_the_weighted_sum_over_examples_taken_alone(per):
    mix, output, y = fixed(per), real(B, K), torch.randint(K, (B,))
    pairs = [
        w * cross_entropy(output[b], y[b]) + (1 - w) * cross_entropy(output[b], y[p])
        for b, p, w in each(mix)
    ]
    close(mix.loss(CE, output, y), torch.stack(pairs).mean())


@per_both
def test_binary_cross_entropy_equals_that_against_mixed_labels(per):
    mix, output, y = fixed(per), real(B, K), (real(B, K) > 0).double()
    found = mix.loss(nn.BCEWithLogitsLoss(reduction="none"), output, y)
    close(found, binary_cross_entropy_with_logits(output, mix.targets(y)))


@per_both
def test_squared_error_has_the_gradient_of_mixed_targets_and_a_known_excess(per):
    mix, output, y = fixed(per), real(B).requires_grad_(), real(B)
    found = mix.loss(nn.MSELoss(reduction="none"), output, y)
    against = (output - mix.targets(y)).square().mean()
    excess = mix.lam * (1 - mix.lam) * (y - y[mix.partner]).square()
    close(found, against + excess.mean())
    close(*(torch.autograd.grad(loss, output)[0] for loss in (found, against)))


@per_both
@pytest.mark.parametrize("more", [(), (5,)])
def test_accuracy_equals_a_loop(per, more):
    mix, output, y = fixed(per), real(B, 2, *more), torch.randint(2, (B, *more))
    total = 0.0
    for b, p, w in each(mix):
        for place in itertools.product(*map(range, more)):
            guess = output[(b, slice(None), *place)].argmax()
            total += w * bool(guess == y[(b, *place)]) + (1 - w) * bool(guess == y[(p, *place)])
    assert mix.accuracy(output, y).item() == pytest.approx(total / y.numel(), abs=1e-12)


BINARY = torch.tensor([0, 1, 1, 0, 1, 0])


@per_both
@pytest.mark.parametrize("shape", [(B,), (B, 1)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bool, torch.int64])
def test_accuracy_of_one_logit_is_that_of_two_scores(per, shape, kind):
    mix = fixed(per)
    for logits in (BINARY * 4.0 - 2, 2 - BINARY * 4.0, real(B)):
        two = torch.stack([torch.zeros(B), logits], 1)
        right = mix.accuracy(two, BINARY)
        close(mix.accuracy(logits[:, None], BINARY.reshape(shape).to(kind)), right)
        if kind != torch.int64:
            close(mix.accuracy(logits, BINARY.to(kind)), right)


def test_a_perfect_classifier_of_one_logit_is_right_as_often_as_lam_says():
    same = Mix(torch.tensor(1.0), torch.arange(B).roll(1))
    for output, targets in (
        (BINARY * 2.0 - 1, BINARY.float()),
        (BINARY[:, None] * 2.0 - 1, BINARY[:, None].float()),
        (BINARY[:, None] * 2.0 - 1, BINARY),
        ((BINARY * 2.0 - 1).view(B, 1, 1).expand(B, 1, 3), BINARY.view(B, 1).expand(B, 3)),
    ):  # fmt: skip
        assert same.accuracy(output, targets) == 1
        assert same.accuracy(-output, targets) == 0


def test_accuracy_takes_the_first_of_the_highest_scores_and_no_nan():
    same, nan = Mix(torch.tensor(1.0), torch.tensor([0, 1])), torch.tensor(math.nan)
    assert same.accuracy(torch.zeros(2, 3), torch.tensor([0, 1])) == 0.5
    for y in (0, 1):
        assert same.accuracy(nan.expand(2, 2), torch.tensor([y, y])) == 0
        assert same.accuracy(torch.stack([nan, nan + 1])[:, None], torch.tensor([y, y])) == 0
        assert same.accuracy(nan.expand(2), torch.tensor([y, y]).float()) == 0
    assert same.accuracy(torch.zeros(2), torch.zeros(2)) == 1  # a logit of 0 is not above 0


@per_both
@pytest.mark.parametrize(
    ("shape", "kind"),
    [((B, 3, 4, 5), torch.channels_last), ((B, 1, 4, 5), torch.channels_last),
     ((B, 3, 2, 4, 5), torch.channels_last_3d), ((B, 3, 4, 5), torch.contiguous_format),
     ((1, 3, 4, 5), torch.channels_last), ((B, 3, 1, 1), torch.channels_last)],
)  # fmt: skip
def test_the_memory_format_stays(per, shape, kind):
    x = real(*shape).to(memory_format=kind)
    mix = fixed(per) if shape[0] == B else draw(1, 1.0, per)
    found = mix.inputs(x)
    assert found.is_contiguous(memory_format=kind)
    assert found.stride() == x.stride()
    close(found, mix.inputs(x.contiguous()))
    transposed = real(4, B, 3).transpose(0, 1)
    assert fixed(per).inputs(transposed).stride() == transposed.stride()
    close(fixed(per).inputs(transposed), by_hand(fixed(per), transposed))


@pytest.mark.parametrize("view", [
    lambda x: x[:, ::2], lambda x: x[:, :1].expand(B, 4), lambda x: x.flip(0), lambda x: x.t().t(),
    lambda x: x[:, 2:3],
])  # fmt: skip
def test_what_is_not_contiguous_mixes_as_its_copy(view):
    x = view(real(B, 6))
    close(fixed().inputs(x), fixed().inputs(x.contiguous()))


def test_a_squared_error_that_is_broadcast_gets_one_line():
    mix, mse = fixed(), nn.MSELoss(reduction="none")
    with pytest.warns(UserWarning, match="broadcasting"), pytest.raises(
        ValueError, match=r"Mix.loss .* fit; got \(6, 1\) for \(6,\), and \(6, 6\) losses; give"
    ):  # fmt: skip
        mix.loss(mse, real(B, 1), real(B))
    output, y = real(B, 1), real(B, 1)
    close(mix.loss(mse, output, y), mix.loss(mse, output[:, 0], y[:, 0]))
    weight = torch.tensor([3.0], dtype=torch.float64)
    bce = nn.BCEWithLogitsLoss(reduction="none", pos_weight=weight)
    y = BINARY[:, None].double()
    right = binary_cross_entropy_with_logits(output, mix.targets(y), pos_weight=weight)
    close(mix.loss(bce, output, y), right)


def test_accuracy_of_perfect_guesses_is_the_weight_of_the_guessed_labels():
    mix, y = fixed(), torch.tensor([0, 1, 2, 3, 0, 1])  # no partner shares a label
    close(mix.accuracy(one_hot(y).double(), y), mix.lam.mean())
    close(mix.accuracy(one_hot(y[mix.partner]).double(), y), 1 - mix.lam.mean())


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.2, 1.0, 8.0, 32.0])
def test_lam_follows_the_beta_distribution(alpha):
    """Ends are counted: there, for small alpha, lam is rounded to 0 and 1."""
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed (extra data)")
    n, edge, beta = 20_000, 1e-5, stats.beta(alpha, alpha)
    lam = draw(n, alpha, per="sample", generator=generator_of(1)).lam.double().numpy()
    below, above = (lam < edge).sum(), (lam > 1 - edge).sum()
    for count in (below, above):
        assert stats.binomtest(int(count), n, beta.cdf(edge)).pvalue > 1e-3
    inner = lam[(lam >= edge) & (lam <= 1 - edge)]
    low, high = beta.cdf(edge), beta.cdf(1 - edge)
    assert stats.kstest(inner, lambda x: (beta.cdf(x) - low) / (high - low)).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-3, 1e6])
def test_extreme_alpha_gives_numbers(alpha):
    lam = draw(1000, alpha, per="sample", generator=generator_of(2)).lam
    assert ((lam >= 0) & (lam <= 1)).all()
    assert abs(lam.mean() - 0.5) < 0.06


@per_both
@pytest.mark.parametrize("alpha", [0, 0.0])
def test_alpha_of_zero_is_training_without_mixup(per, alpha):
    mix, x, y = draw(B, alpha, per), real(4, B, 2), torch.randint(K, (B,))
    assert (mix.lam == 1).all()
    assert torch.equal(mix.inputs(x, 1), x)
    output, lengths = real(B, K), torch.tensor([4, 1, 2, 0, 3, 4])
    close(mix.loss(CE, output, y), cross_entropy(output, y))
    close(mix.accuracy(output, y), (output.argmax(1) == y).double().mean().to(mix.lam))
    assert torch.equal(mix.sequences(x, lengths)[1], lengths)


@per_both
def test_shapes_and_dtypes_are_those_promised(per):
    mix = draw(B, 0.2, per)
    assert mix.lam.shape == ((B,) if per == "sample" else ())
    assert (mix.lam.dtype, mix.partner.dtype) == (torch.get_default_dtype(), torch.int64)
    if per == "sample":
        assert len(set(mix.lam.tolist())) == B
    for size in (0, 1):
        assert draw(size, 0.2, per).inputs(torch.zeros(size, 3)).shape == (size, 3)


@given(size=st.integers(0, 40), seed=st.integers(0, 2**40))
def test_each_example_is_partner_of_exactly_one(size, seed):
    partner = draw(size, 1.0, generator=generator_of(seed)).partner
    assert sorted(partner.tolist()) == list(range(size))


def test_all_permutations_are_equally_likely():
    seen = [tuple(draw(3, 1, generator=generator_of(0, s)).partner.tolist()) for s in range(1200)]
    counts = [seen.count(p) for p in itertools.permutations(range(3))]
    assert max(abs(n - 200) for n in counts) < 60  # 4.6 standard deviations


@given(groups=st.lists(st.integers(-2, 3), max_size=30), seed=st.integers(0, 99))
def test_partners_stay_within_groups_and_each_is_one_once(groups, seed):
    labels = torch.tensor(groups, dtype=torch.int64)
    partner = draw(len(groups), 1.0, generator=generator_of(seed), groups=labels).partner
    assert sorted(partner.tolist()) == list(range(len(groups)))
    assert torch.equal(labels[partner], labels)


def test_within_groups_all_permutations_are_equally_likely():
    groups = torch.tensor([5, 0, 5, 0, 5])
    draws = (draw(5, 1, generator=generator_of(0, s), groups=groups) for s in range(1200))
    seen = [tuple(mix.partner[[0, 2, 4]].tolist()) for mix in draws]
    counts = [seen.count(p) for p in itertools.permutations([0, 2, 4])]
    assert max(abs(n - 200) for n in counts) < 60


@per_both
def test_a_generator_repeats_the_draw_and_leaves_the_global_state_alone(per):
    model, before = nn.Sequential(nn.Linear(2, 2)), torch.get_rng_state()
    first, second = (draw(B, 0.3, per, generator_of(1, 2, 3)) for _ in range(2))
    with manifold(model, ["", "0"], first, generator_of(1)):
        model(torch.zeros(B, 2))
    assert torch.equal(first.lam, second.lam)
    assert torch.equal(first.partner, second.partner)
    assert torch.equal(torch.get_rng_state(), before)


@per_both
def test_without_a_generator_the_global_seed_repeats_the_draw(per):
    first = draw(B, 0.3, per)
    torch.manual_seed(0)
    second = draw(B, 0.3, per)
    assert torch.equal(first.lam, second.lam)
    assert torch.equal(first.partner, second.partner)
    assert not torch.equal(draw(B, 0.3, per).lam, second.lam)


def test_generators_differ_between_seeds_steps_and_ranks():
    triples = list(itertools.product(range(3), range(10), range(8)))
    drawn = [torch.rand((), generator=generator_of(*t), dtype=torch.float64) for t in triples]
    assert len({number.item() for number in drawn}) == len(triples)


def test_ranks_far_apart_differ_and_without_processes_the_rank_is_zero():
    seeds = {generator_of(3, 4, rank).initial_seed() for rank in range(0, 2**32, 2**27)}
    assert len(seeds) == 32
    assert max(seeds) < 2**32  # torch would drop what is above
    assert generator_of(3, 4).initial_seed() == generator_of(3, 4, 0).initial_seed()


def test_the_rank_is_that_of_the_process_group(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 5)
    assert generator_of(3, 4).initial_seed() == generator_of(3, 4, 5).initial_seed()


@pytest.mark.parametrize("along", [0, 1])
def test_first_draws_of_neighbouring_steps_and_ranks_are_uniform(along):
    """As if of one stream: neighbouring seeds must not give neighbouring numbers."""
    pairs = [(n, 7) if along == 0 else (7, n) for n in range(4000)]
    lam = torch.stack([draw(1, 1.0, generator=generator_of(0, *pair)).lam for pair in pairs])
    counts = torch.histc(lam, 10, 0, 1)
    assert (counts - 400).abs().max() < 90  # 4.7 standard deviations
    assert abs(torch.corrcoef(torch.stack([lam[1:], lam[:-1]]))[0, 1]) < 0.07


def test_draws_do_not_depend_on_the_default_device():
    expected = draw(B, 0.3, "sample", generator_of(1))
    with torch.device("meta"):
        found = draw(B, 0.3, "sample", generator_of(1))
    assert torch.equal(found.lam, expected.lam)


def test_a_draw_for_another_device_lies_there():
    mix = draw(B, 0.3, device="meta")
    assert {mix.lam.device.type, mix.partner.device.type} == {"meta"}
    assert mix.inputs(torch.zeros(B, 2, device="meta")).shape == (B, 2)


class Pair(nn.Module):
    """Gives a tuple, as recurrent layers do, or fails."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3).double()
        self.fails = False

    def forward(self, x):
        if self.fails:
            raise ArithmeticError("of the model")
        return self.linear(x), x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.last, self.unused = Pair(), nn.Linear(3, 2).double(), nn.Linear(1, 1)

    def forward(self, x):
        hidden, same = self.pair(x)
        return self.last(hidden.tanh()), same


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def choose(names, generator=None):
    model = nn.Sequential(nn.Linear(2, 2))
    with manifold(model, names, draw(3, 1.0), generator) as place:
        model(torch.zeros(3, 2))
    return place


def expected_at(place, model, mix, x):
    x = mix.inputs(x) if place == "" else x
    hidden = model.pair.linear(x)
    hidden = mix.inputs(hidden) if place in ("pair", "pair.linear") else hidden
    last = model.last(hidden.tanh())
    return mix.inputs(last) if place == "last" else last, x


@per_both
@pytest.mark.parametrize("place", ["", "pair", "pair.linear", "last"])
def test_the_chosen_place_alone_is_mixed_and_the_hook_is_gone_afterwards(per, place):
    model, mix, x = Model(), fixed(per), real(B, 3)
    plain = model(x)
    with manifold(model, [place], mix) as name:
        found = model(x)
    assert name == place
    for ours, expected in zip(found, expected_at(place, model, mix, x), strict=True):
        close(ours, expected)
    assert not torch.allclose(found[0], plain[0])
    assert hooks(model) == 0
    assert torch.equal(model(x)[0], plain[0])


@pytest.mark.parametrize("place", ["", "pair"])
def test_the_hook_is_gone_after_an_exception_which_is_passed_on(place):
    model = Model()
    model.pair.fails = True
    with pytest.raises(ArithmeticError, match="of the m"), manifold(model, [place], fixed()):
        model(real(B, 3))
    assert hooks(model) == 0


def test_all_places_are_equally_likely_the_input_too():
    generator = generator_of(0)
    places = [choose(["", "0"], generator) for _ in range(400)]
    assert 150 < places.count("") < 250
    assert set(places) == {"", "0"}


def test_recurrent_layers_are_mixed_along_their_batch_dimension():
    lstm, mix, x = nn.LSTM(3, 5).double(), fixed(), real(4, B, 3)
    model = nn.ModuleList([lstm])
    model.forward = lambda x: lstm(x)
    with manifold(model, ["0"], mix, batch_dim=1):
        found, (state, _) = model(x)
    plain, (plain_state, _) = lstm(x)
    close(found, mix.inputs(plain, 1))
    assert torch.equal(state, plain_state)


def test_a_place_that_forward_does_not_reach_is_an_error_not_silence():
    model, x = Model(), real(B, 3)
    message = r"place that forward reaches; got no value at 'unused'; name what forward calls"
    with pytest.raises(ValueError, match=message), manifold(model, ["unused"], fixed()):
        model(x)
    message = r"got no value at ''; name what .* a positional argument and not compiled before"
    with pytest.raises(ValueError, match=message), manifold(model, [""], fixed()):
        model(x=x)
    assert hooks(model) == 0


def test_gradients_pass_through_a_mixed_place_to_both_partners():
    model, x = Model(), real(2, 3).requires_grad_()
    mix = Mix(torch.tensor(0.5), torch.tensor([1, 0]))
    with manifold(model, ["pair"], mix):
        output, _ = model(x)
    (grad,) = torch.autograd.grad(output[0].sum(), x)
    assert (grad != 0).any(1).tolist() == [True, True]


HALF = Mix(torch.tensor(0.5), torch.tensor([1, 0]))
TWO, X = torch.tensor([0, 1]), torch.zeros(2, 3)
PACKED = pack_sequence([torch.zeros(1, 3), torch.zeros(1, 3)])


def refused(error, call, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("; ") == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Mix(0.5, TWO), r"needs tensors, lam of .* got float and torch\.int64; convert"),
        (lambda: Mix(X[:, 0], X[:, 0]), r"got torch\.float32 and torch\.float32; convert"),
        (lambda: Mix(TWO, TWO), r"got torch\.int64 and torch\.int64; convert"),
        (lambda: HALF.inputs(TWO), r"Mix\.inputs .* got torch\.int64; mix embeddings"),
        (lambda: HALF.inputs({"a": [None]}), r"got NoneType; mix embeddings"),
        (lambda: HALF.inputs(PACKED), r"got PackedSequence; .* pad what is packed"),
        (lambda: HALF.targets(TWO), r"Mix\.targets .* got torch\.int64; use soft for"),
        (lambda: HALF.targets(X > 0), r"got torch\.bool; .* else \.float\(\)"),
        (lambda: HALF.sequences(X.t(), X[:, 0]), r"lengths of integers; got torch\.float32; con"),
        (lambda: HALF.sequences(TWO[None], TWO), r"Mix\.sequences .* got torch\.int64; mix"),
        (lambda: HALF.soft(X, 3), r"Mix\.soft needs targets of integers; got torch\.float32"),
        (lambda: HALF.accuracy(X, X), r"Mix\.accuracy needs .* integers; got torch\.float32"),
        (lambda: draw(2, 1, groups=X[:, 0]), r"groups of integers; got torch\.float32; number"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_its_name(call, message):
    refused(TypeError, call, message)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Mix(X[0], TWO), r"got lam \(3,\) from 0 to 0 and partner \(2,\)"),
        (lambda: Mix(torch.tensor(1.5), TWO), r"lam \(\) from 1\.5 to 1\.5 and"),
        (lambda: Mix(torch.tensor(math.nan), TWO), r"lam \(\) from nan to nan and"),
        (lambda: Mix(X[:, 0], TWO + 1), r"partner \(2,\) from 1 to 2; use draw"),
        (lambda: Mix(X[0, 0], TWO[None]), r"partner \(1, 2\) from 0 to 1; use draw"),
        (lambda: HALF.inputs(X.t()), r"2 examples along dimension 0; got shape \(3, 2\); draw"),
        (lambda: HALF.inputs(X, 2), r"along dimension 2; got shape \(2, 3\); draw"),
        (lambda: HALF.inputs(X[0, 0]), r"along dimension 0; got shape \(\); draw for"),
        (lambda: HALF.sequences(X.t(), TWO + 3), r"\(3, 2\) with 1 .* \(2,\) from 3 to 4; ch"),
        (lambda: HALF.sequences(X.t(), TWO - 1), r"from 0 to T; .* from -1 to 0; check"),
        (lambda: HALF.sequences(X.t(), TWO, -1), r"got \(3, 2\) with -1 and lengths"),
        (lambda: HALF.sequences(X[:, 0], TWO), r"got \(2,\) with 1 and lengths"),
        (lambda: HALF.sequences(X, TWO[:1]), r"lengths \(1,\) from 0 to 0; check"),
        (lambda: HALF.sequences(X, TWO), r"got \(2, 3\) with 1 and .*; check batch_dim"),
        (lambda: HALF.soft(TWO[:1], 2), r"Mix\.soft needs 2 .* shape \(1,\); give"),
        (lambda: HALF.soft(TWO, 1), r"from 0 to 0 .* \(2,\) from 0 to 1 and 0\.0; check"),
        (lambda: HALF.soft(TWO - 100, 9), r"to 8 .* from -100 to -99 and 0\.0; check"),
        (lambda: HALF.soft(TWO, 2, 1.5), r"smoothing from 0 to 1; got .* and 1\.5; check"),
        (lambda: HALF.loss(CE, X, TWO[:1]), r"Mix\.loss needs 2 .* \(1,\); give the targets"),
        (lambda: HALF.loss(cross_entropy, X, TWO), r'shape \(\); .* reduction="none"'),
        (lambda: HALF.accuracy(X, TWO[:1]), r"Mix\.accuracy needs 2 .* \(1,\); give"),
        (lambda: HALF.accuracy(X.t(), TWO), r"got \(3, 2\) for \(2,\); move K to"),
        (lambda: HALF.accuracy(X, TWO + 2), r"targets from 0 to 2; got \(2,\) from 2 to 3; leave"),
        (lambda: HALF.accuracy(X, TWO - 100), r"0 to 2; got \(2,\) from -100 to -99; leave out"),
        (lambda: HALF.accuracy(X[:, :1], TWO + 1), r"0 to 1; got \(2,\) from 1 to 2; leave out"),
        (
            lambda: HALF.accuracy(X[:, 0], X[:, 0] + 0.3),
            r"0 and 1 .* from 0\.3 to 0\.3 .*; r",
        ),
        (lambda: HALF.accuracy(X[:, :1], X), r"one logit .* got \(2, 1\) for \(2, 3\); reshape"),
        (lambda: HALF.accuracy(X[:, 0], TWO), r"got \(2,\) for \(2,\); move K to"),
        (lambda: draw(-1, 1), r"draw needs .* got -1, 1, 'batch', \(-1,\); alpha 0\.2"),
        (lambda: draw(2, -0.5), r"at least 0, .* got 2, -0\.5, 'batch', \(2,\)"),
        (lambda: draw(2, math.inf), r"got 2, inf, 'batch'"),
        (lambda: draw(2, math.nan), r"got 2, nan, 'batch'"),
        (lambda: draw(2, 1, "pair"), r"per .batch. or .sample., .* got 2, 1, 'pair'"),
        (lambda: draw(3, 1, groups=TWO), r"groups \(B\); got 3, 1, 'batch', \(2,\); alpha"),
        (lambda: choose([]), r"names of submodules, .* got \[\]; see named_modules"),
        (lambda: choose(["0", "9"]), r"got \['0', '9'\]; see named_modules"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_values(call, message):
    refused(ValueError, call, message)


def test_the_examples_in_the_documentation_run():
    assert doctest.testmod(checks).failed == 0
    found = doctest.testmod(mixup)
    assert (found.failed, found.attempted > 20) == (0, True)
