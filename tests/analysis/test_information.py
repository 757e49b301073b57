"""Information of layers: against counting, full formulas, closed forms and quadrature."""

import itertools
import math
from collections import Counter

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.integrate import quad
from scipy.stats import norm

from swiftrnn.analysis.networks import plane, recorder
from swiftrnn.analysis.samples import information, linear_gaussian, neighbours
from swiftrnn.analysis.samples.information import binned, fixed_edges, kde, patterns
from swiftrnn.report.plots import STYLES

DOUBLE = torch.float64


def bits_of(rows):
    counts = np.array(list(Counter(rows).values())) / len(rows)
    return float(-(counts * np.log2(counts)).sum())


def counted(values, labels, edges):
    """I(X;T) and I(T;Y) by counting tuples."""
    rows = [tuple(np.searchsorted(edges, row, side="right")) for row in values]
    labels = list(map(int, labels))
    joint = bits_of(list(zip(rows, labels, strict=True)))
    return bits_of(rows), bits_of(rows) + bits_of(labels) - joint


def all_patterns(bits=12):
    return torch.tensor(list(itertools.product((-1.0, 1.0), repeat=bits)), dtype=DOUBLE)


# bins


def test_an_injective_binning_of_4096_patterns_has_12_bits():
    x = all_patterns()
    labels = torch.arange(4096) % 2
    for edges in ([0.0], fixed_edges(-1, 1, 30), None):
        found = binned(x, labels, edges)
        assert found.input.item() == pytest.approx(12, abs=1e-12)
        assert found.label.item() == pytest.approx(1, abs=1e-12)
    wide = torch.cat(
        [x, torch.zeros(4096, 240)], 1
    )  # 252 units: numbers of patterns pass 2^62 and are made anew
    assert binned(wide, labels, fixed_edges(-1, 1, 30)).input.item() == pytest.approx(12, abs=1e-12)


@settings(max_examples=25)
@given(st.integers(4, 40), st.integers(1, 30), st.integers(2, 9), st.integers(0, 999))
def test_binned_is_what_counting_gives(n, d, bins, seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(2, n, d)).round(1)
    labels = np.arange(n) % random.integers(2, 4)
    edges = fixed_edges(-1, 1, bins).numpy()
    found = binned(values, labels, edges)
    for network in range(2):
        wanted = counted(values[network], labels, edges)
        assert [each[network].item() for each in found] == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=20)
@given(st.integers(0, 999))
def test_order_does_not_matter_and_coarser_bins_tell_less(seed):
    random = np.random.default_rng(seed)
    values, labels = random.normal(size=(50, 3)), np.arange(50) % 3
    order = random.permutation(50)
    fine, coarse = (binned(values, labels, fixed_edges(-2, 2, bins)) for bins in (16, 8))
    again = binned(values[order], labels[order], fixed_edges(-2, 2, 16))
    for a, b, c in zip(fine, again, coarse, strict=True):
        assert a.item() == pytest.approx(b.item(), abs=1e-12)
        assert c <= a + 1e-12
    assert fine.input <= math.log2(50) + 1e-12
    assert fine.label <= math.log2(3) + 1e-12


def test_edges_belong_above_and_each_network_can_have_its_own():
    values = torch.tensor([[[0.0], [0.5], [1.0], [1.5]], [[0.0], [0.5], [1.0], [1.5]]])
    assert patterns(values, [0.5, 1.0]).tolist() == [[0, 1, 2, 2]] * 2
    own = patterns(values, [[0.5], [1.2]])
    assert own.tolist() == [[0, 1, 1, 1], [0, 0, 0, 1]]


def test_patterns_without_edges_differ_in_the_last_bit():
    one = torch.ones(4, 1)
    one[1] = torch.nextafter(one[1], torch.tensor(2.0))
    assert len(patterns(one).unique()) == 2
    assert len(patterns(torch.tensor([[0.0], [-0.0], [0.0], [0.0]])).unique()) == 1


def test_adaptive_bins_hold_equally_many():
    values = torch.randn(2, 1000, 3, dtype=DOUBLE).exp()
    edges = information.quantile_edges(values, 10)
    assert edges.shape == (2, 9)
    for network in range(2):
        codes = torch.searchsorted(edges[network], values[network].flatten(), right=True)
        assert codes.bincount().tolist() == [300] * 10


@pytest.mark.parametrize("act", [torch.tanh, torch.nn.functional.softsign, torch.relu])
def test_net_input_bins_are_bins_of_the_net_input(act):
    net = torch.randn(500, 2, dtype=DOUBLE) * 2
    if act is torch.relu:
        net = net.clamp(min=0)  # what is below is not in the activation
    edges = information.net_input_edges(act, -6, 6, 23)
    same = patterns(net, fixed_edges(-6, 6, 23))
    there = patterns(act(net), edges)
    for codes in (same, there):
        assert len(codes.unique()) > 20
    pairs = set(zip(same.tolist(), there.tolist(), strict=True))
    assert len(pairs) == len(same.unique()) == len(there.unique())


# kernels


def full_kde(h, labels, variance):
    """All pairs in memory, from the papers' formulas in nats with every constant."""

    def entropy(part, factor):
        n, d = part.shape
        squares = ((part[:, None] - part[None]) ** 2).sum(-1)
        scaled = factor * variance
        inner = torch.logsumexp(-squares / (2 * scaled), 1) - math.log(n)
        return d / 2 + d / 2 * math.log(2 * math.pi * scaled) - inner.mean()

    found = {}
    for name, factor in (("upper", 1.0), ("lower", 4.0)):
        shift = h.shape[1] / 2 * math.log(1 / factor)
        noise = h.shape[1] / 2 * (math.log(2 * math.pi * variance) + 1)
        total = entropy(h, factor) + shift - noise
        within = sum(
            (labels == y).double().mean() * (entropy(h[labels == y], factor) + shift - noise)
            for y in labels.unique()
        )
        found[name] = [v.item() / math.log(2) for v in (total, total - within)]
    return found


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000, None])
@pytest.mark.parametrize("variance", [0.1, 1e-3])
def test_kernels_in_chunks_are_the_full_formula(chunk, variance):
    h = torch.tanh(torch.randn(120, 3, dtype=DOUBLE))
    labels = torch.randint(0, 3, (120,))
    wanted = full_kde(h, labels, variance)
    found = kde(h, labels, variance, chunk)
    for side in ("lower", "upper"):
        values = [each.item() for each in getattr(found, side)]
        assert values == pytest.approx(wanted[side], abs=1e-10)
    single = kde(h.float(), labels, variance, chunk)
    assert [x.item() for x in single.upper] == pytest.approx(wanted["upper"], abs=1e-4)


def test_kernels_of_large_activations_stay_exact_in_float32():
    far = torch.arange(300)[:, None] % 3 * 200.0  # |a|^2 + |b|^2 - 2ab would lose all of it
    h = (torch.randn(300, 4) * 0.05 + far).float()
    labels = torch.arange(300) % 2
    wanted = full_kde(h.double(), labels, 1e-3)["upper"]
    assert [x.item() for x in kde(h, labels, 1e-3).upper] == pytest.approx(wanted, abs=1e-4)


@settings(max_examples=20)
@given(st.integers(4, 60), st.integers(1, 5), st.floats(1e-3, 10), st.integers(0, 999))
def test_bounds_are_in_order_and_no_more_than_there_is(n, d, variance, seed):
    h = torch.randn(n, d, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    found = kde(h, torch.arange(n) % 2, variance)
    assert -1e-9 <= found.lower.input <= found.upper.input + 1e-9
    assert found.upper.input <= math.log2(n) + 1e-9


@pytest.mark.parametrize("clusters", [2, 8, 16])
def test_far_clusters_have_log2_of_their_number(clusters):
    label = torch.arange(320) % clusters
    h = torch.stack([100.0 * label, torch.zeros(320)], 1)
    for side in kde(h, label, 0.1):
        assert side.input.item() == pytest.approx(math.log2(clusters), abs=1e-6)
        assert side.label.item() == pytest.approx(math.log2(clusters), abs=1e-6)


def test_bounds_hold_the_information_of_a_mixture():
    h = torch.tensor([[-0.4], [0.4]], dtype=DOUBLE).repeat(10, 1)
    sd = math.sqrt(0.1)

    def density(t):
        return 0.5 * (norm.pdf(t, -0.4, sd) + norm.pdf(t, 0.4, sd))

    total = quad(lambda t: -density(t) * math.log2(density(t)), -4, 4)[0]
    exact = total - 0.5 * math.log2(2 * math.pi * math.e * 0.1)
    found = kde(h, torch.arange(20) % 2, 0.1)
    assert found.lower.input < exact < found.upper.input


# neighbours


def test_neighbours_find_the_entropy_of_a_gaussian():
    spread = torch.tensor([[1.0, 0.0, 0.0], [0.5, 2.0, 0.0], [0.0, 0.3, 0.5]], dtype=DOUBLE)
    x = torch.randn(4000, 3, dtype=DOUBLE) @ spread.T
    wanted = 0.5 * (3 * math.log2(2 * math.pi * math.e) + 2 * math.log2(spread.det().item()))
    assert neighbours.kozachenko_leonenko(x).item() == pytest.approx(wanted, abs=0.08)
    assert neighbours.kozachenko_leonenko(4 * x).item() == pytest.approx(wanted + 6, abs=0.08)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.99])
def test_neighbours_find_the_information_of_gaussians(rho):
    x = torch.randn(3000, 1, dtype=DOUBLE)
    y = rho * x + math.sqrt(1 - rho**2) * torch.randn(3000, 1, dtype=DOUBLE)
    found = neighbours.ksg(x, y)
    assert found.item() == pytest.approx(-0.5 * math.log2(1 - rho**2), abs=0.07)
    torch.testing.assert_close(found, neighbours.ksg(x.numpy(), y))


def test_neighbours_are_those_of_the_definition():
    x, y = np.random.default_rng(0).normal(size=(2, 40, 2))
    k, psi = 3, lambda c: torch.special.digamma(torch.tensor(float(c), dtype=DOUBLE)).item()
    terms, logs = [], []
    for i in range(40):
        dx, dy = (np.delete(np.abs(v - v[i]).max(1), i) for v in (x, y))
        far = np.sort(np.maximum(dx, dy))[k - 1]
        terms.append(psi((dx < far).sum() + 1) + psi((dy < far).sum() + 1))
        logs.append(math.log(2 * np.sort(dx)[k - 1]))
    wanted = (psi(k) + psi(40) - np.mean(terms)) / math.log(2)
    assert neighbours.ksg(x, y, k).item() == pytest.approx(wanted, abs=1e-12)
    entropy = (psi(40) - psi(k) + 2 * np.mean(logs)) / math.log(2)
    assert neighbours.kozachenko_leonenko(x, k).item() == pytest.approx(entropy, abs=1e-12)


def rounded(n, seed):
    return np.random.default_rng(seed).normal(size=(2, n)).round(1)


@pytest.mark.parametrize("n", [500, 2000, 5000])
def test_rounded_or_ranked_samples_that_are_independent_have_no_information(n):
    assert abs(neighbours.ksg(*rounded(n, n)).item()) < 0.12 * math.sqrt(500 / n)
    ranks = [np.random.default_rng(s).permutation(n) for s in (0, 1)]
    assert abs(neighbours.ksg(*ranks).item()) < 0.12 * math.sqrt(500 / n)
    assert neighbours.ksg(*ranks, seed=3) == neighbours.ksg(*ranks, seed=3)


def test_samples_with_few_values_have_the_information_of_discrete_variables():
    random = np.random.default_rng(0)
    bits, other = random.integers(2, size=(2, 2000))
    assert neighbours.ksg(bits, bits).item() == pytest.approx(1, abs=0.07)
    assert neighbours.ksg(bits > 0, bits + 2 * other).item() == pytest.approx(1, abs=0.07)
    assert neighbours.ksg(bits, other).item() == pytest.approx(0, abs=0.07)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.99])
def test_rounding_scales_and_offsets_leave_the_closed_form(rho):
    x, noise = np.random.default_rng(1).normal(size=(2, 3000))
    y, wanted = rho * x + math.sqrt(1 - rho**2) * noise, -0.5 * math.log2(1 - rho**2)
    plain = neighbours.ksg(x, y).item()
    assert plain == pytest.approx(wanted, abs=0.07)
    for scale in (1e-310, 1e-200, 2.0**600, 1e300):
        assert neighbours.ksg(x * scale, y / max(scale, 1e-300)).item() == pytest.approx(
            plain, abs=0.03
        )
    assert neighbours.ksg(x + 2.0**30, y).item() == pytest.approx(plain, abs=0.03)
    assert neighbours.ksg(x.round(2), y.round(2)).item() == pytest.approx(wanted, abs=0.1)
    half = torch.from_numpy(x).half(), torch.from_numpy(y).half()
    assert neighbours.ksg(*half).item() == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_neighbours_of_many_coordinates_are_those_of_all_pairs(d):
    x, y = np.random.default_rng(d).normal(size=(2, 300, d))
    dx, dy = (np.abs(v[:, None] - v).max(-1) for v in (x, y))
    far = np.sort(np.maximum(dx, dy), 1)[:, 3]
    psi = [torch.special.digamma(torch.from_numpy((each < far[:, None]).sum(1)).double())
           for each in (dx, dy)]  # fmt: skip
    one = torch.special.digamma(torch.tensor([3.0, 300.0], dtype=DOUBLE)).sum()
    wanted = float(one - (psi[0] + psi[1]).mean()) / math.log(2)
    for noise in (0, 1e-10):
        assert neighbours.ksg(x, y, noise=noise).item() == pytest.approx(wanted, abs=1e-9)
    x[7] = x[8]
    with pytest.raises(ValueError, match=r"as x; got 1 copies of others; leave the noise"):
        neighbours.ksg(x, y, noise=0)


def test_entropy_of_any_scale_is_that_of_one_moved_by_its_logarithm():
    x = np.random.default_rng(0).normal(size=(500, 2))
    plain = neighbours.kozachenko_leonenko(x).item()
    for power in (-1000, 40, 1000):
        found = neighbours.kozachenko_leonenko(np.ldexp(x, power)).item()
        assert found == pytest.approx(plain + 2 * power, rel=1e-12)
    least = neighbours.kozachenko_leonenko(np.zeros((9, 2)) + np.eye(9, 2), least=0.5).item()
    assert math.isfinite(least)
    with pytest.raises(ValueError, match="a least distance of 0 or more; got -1"):
        neighbours.kozachenko_leonenko(x, least=-1)


# what is known exactly


def by_quadrature(weight, edges, f, kinks=()):
    """Probabilities of the bins of f(w x) by integrating the density where f is in the bin."""
    grid = np.array([-np.inf, *edges, np.inf])
    total = 0.0
    for low, high in itertools.pairwise(grid):
        inside = lambda x, low=low, high=high: norm.pdf(x) * (low <= f(weight * x) < high)  # noqa: E731
        ends = sorted({-9.0, 9.0, *(e for e in kinks if -9 < e < 9)})
        odds = sum(quad(inside, a, b, epsabs=1e-11)[0] for a, b in itertools.pairwise(ends))
        total -= odds * math.log2(odds) if odds > 0 else 0
    return total


@pytest.mark.parametrize("weight", [0.05, 0.7, 3.0, 20.0])
def test_one_neuron_is_what_quadrature_gives(weight):
    edges = fixed_edges(-1, 1, 8)
    kinks = torch.atanh(edges) / weight
    wanted = by_quadrature(weight, edges.tolist(), np.tanh, kinks.tolist())
    found = linear_gaussian.one_neuron(weight, edges, torch.atanh)
    assert found.item() == pytest.approx(wanted, abs=1e-6)
    edges = fixed_edges(-1, 9, 10)  # the first one and the one at 0 are below all of ReLU

    def inverse(h):
        return torch.where(h > 0, h, -torch.inf)

    kinks = [*(edges / weight).tolist(), 0.0]
    relu = lambda x: max(x, 0.0)  # noqa: E731
    wanted = by_quadrature(weight, edges.tolist(), relu, kinks)
    found = linear_gaussian.one_neuron(weight, edges, inverse)
    assert found.item() == pytest.approx(wanted, abs=1e-6)


def test_tanh_rises_and_falls_towards_one_bit_and_relu_only_rises():
    weights = torch.logspace(-1, 5, 60, dtype=DOUBLE)
    tanh = linear_gaussian.one_neuron(weights, fixed_edges(-1, 1, 30), torch.atanh)
    top = int(tanh.argmax())
    assert 0 < top < 59
    assert bool((tanh[: top + 1].diff() > -1e-9).all())
    assert bool((tanh[top:].diff() < 1e-9).all())
    assert tanh[top] > 4.8
    assert tanh[-1].item() == pytest.approx(1, abs=1e-3)
    weights = torch.logspace(-1, 3, 40, dtype=DOUBLE)
    relu = linear_gaussian.one_neuron(weights, fixed_edges(0, 6000, 6000), lambda h: h)
    assert bool((relu.diff() > -1e-9).all())
    assert relu[-1] > 5


def test_one_neuron_is_what_bins_of_many_samples_give():
    x = torch.randn(200_000, 1, dtype=DOUBLE)
    edges = fixed_edges(-1, 1, 30)
    sampled = information.entropy(patterns(torch.tanh(2 * x), edges))
    found = linear_gaussian.one_neuron(2.0, edges, torch.atanh)
    assert sampled.item() == pytest.approx(found.item(), abs=2e-3)


def test_linear_information_is_that_of_sampled_gaussians():
    w, w0 = torch.randn(1, 6, dtype=DOUBLE) * 2, torch.randn(1, 6, dtype=DOUBLE) * 3
    x = torch.randn(4000, 6, dtype=DOUBLE) / math.sqrt(6)
    t = x @ w.T + math.sqrt(0.5) * torch.randn(4000, 1, dtype=DOUBLE)
    y = x @ w0.T + math.sqrt(0.3) * torch.randn(4000, 1, dtype=DOUBLE)
    total = linear_gaussian.linear_information(w, 0.5).item()
    signal = x @ w.T  # T depends on X through it alone
    assert neighbours.ksg(signal, t).item() == pytest.approx(total, abs=0.07)
    label = linear_gaussian.linear_label_information(w, w0, 0.3, 0.5).item()
    assert neighbours.ksg(t, y).item() == pytest.approx(label, abs=0.07)
    assert 0 <= label <= total


def test_linear_information_is_that_of_sample_covariances():
    w, w0 = torch.randn(4, 6, dtype=DOUBLE), torch.randn(2, 6, dtype=DOUBLE)
    n = 200_000
    x = torch.randn(n, 6, dtype=DOUBLE) / math.sqrt(6)
    t = x @ w.T + 0.7 * torch.randn(n, 4, dtype=DOUBLE)
    y = x @ w0.T + 0.5 * torch.randn(n, 2, dtype=DOUBLE)

    def logdet(*parts):
        return torch.logdet(torch.cov(torch.cat(parts, 1).T))

    for other, exact in (
        (x, linear_gaussian.linear_information(w, 0.49)),
        (y, linear_gaussian.linear_label_information(w, w0, 0.25, 0.49)),
    ):
        sampled = (logdet(t) + logdet(other) - logdet(t, other)) / (2 * math.log(2))
        assert exact.item() == pytest.approx(sampled.item(), abs=0.015)


def test_generalisation_error_is_that_of_new_samples():
    w, w0 = torch.randn(3, 8, dtype=DOUBLE), torch.randn(3, 8, dtype=DOUBLE)
    x = torch.randn(300_000, 8, dtype=DOUBLE) / math.sqrt(8)
    y = x @ w0.T + math.sqrt(0.4) * torch.randn(300_000, 3, dtype=DOUBLE)
    sampled = (y - x @ w.T).square().sum(1).mean().item()
    exact = linear_gaussian.generalisation_error(w, w0, 0.4).item()
    assert exact == pytest.approx(sampled, rel=0.01)


def test_descending_takes_the_steps_of_autograd():
    x, y = torch.randn(20, 5, dtype=DOUBLE), torch.randn(20, 2, dtype=DOUBLE)
    recorded = linear_gaussian.descend(x, y, [4, 3], [0, 1, 7], 0.05, 0.5)
    chance = torch.Generator().manual_seed(0)
    sizes = ((4, 5), (3, 4), (2, 3))
    layers = [
        (torch.randn(s, dtype=DOUBLE, generator=chance) * 0.5 / math.sqrt(s[1])).requires_grad_()
        for s in sizes
    ]
    for epoch in range(8):
        if epoch in (0, 1, 7):
            products = recorded[(0, 1, 7).index(epoch)]
            torch.testing.assert_close(products[0], layers[0].detach())
            torch.testing.assert_close(products[2], (layers[2] @ layers[1] @ layers[0]).detach())
        loss = (x @ (layers[2] @ layers[1] @ layers[0]).T - y).square().sum() / 20
        for layer, g in zip(layers, torch.autograd.grad(loss, layers), strict=True):
            layer.data -= 0.05 * g


# the recorder


class Odd(torch.nn.Module):
    """A recurrent part, a part used twice, work in place, dropout, and a part that never runs."""

    def __init__(self):
        super().__init__()
        self.gru = torch.nn.GRU(3, 4, batch_first=True)
        self.first = torch.nn.Linear(4, 4)
        self.act = torch.nn.ReLU(inplace=True)
        self.drop = torch.nn.Dropout(0.5)
        self.idle = torch.nn.Linear(1, 1)

    def forward(self, x):
        hidden = self.gru(x)[0][:, -1]
        return self.drop(self.act(self.first(self.act(self.first(hidden)))))


def test_a_recorder_keeps_the_right_layers_and_leaves_nothing_behind():
    net, x = Odd(), torch.randn(10, 6, 3)
    net.gru.eval()
    torch.nn.init.ones_(net.first.bias)  # or dropout would find nothing but zeros
    with recorder.Recorder(net, x, ["gru", "first", "drop"], chunk=4) as kept:
        net(x)  # hooks keep nothing while others train
        assert kept.history == {}
        found = kept.record(3)
        kept.record(5, keep=False)
    hidden = net.gru(x)[0]
    torch.testing.assert_close(found["gru"], hidden.detach())
    inner = net.first(torch.relu(net.first(hidden[:, -1]))).detach()
    torch.testing.assert_close(found["first"], inner)  # the second call, before ReLU changed it
    torch.testing.assert_close(found["drop"], torch.relu(inner))  # evaluation mode
    assert list(kept.history) == [3]
    assert net.training
    assert net.drop.training
    assert not net.gru.training
    assert all(not each._forward_hooks for each in net.modules())
    assert not found["gru"].requires_grad


def test_a_recorder_leaves_nothing_behind_when_something_fails():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh())
    kept = recorder.Recorder(net, torch.ones(4, 2))

    def fails():
        with kept:
            assert list(kept.record(0)) == ["0", "1"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert all(not each._forward_hooks for each in net.modules())
    with pytest.raises(RuntimeError, match="record needs its hooks; got none; call it inside"):
        kept.record(1)
    with recorder.Recorder(Odd(), torch.ones(4, 6, 3), ["idle"]) as kept:  # noqa: SIM117
        with pytest.raises(RuntimeError, match="needs layers that run; got idle, which did not"):
            kept.record(0)
    with pytest.raises(ValueError, match=r"layers of the module; got 7, x; there are 0, 1$"):
        recorder.Recorder(net, torch.ones(4, 2), ["7", "0", "x"])
    with pytest.raises(ValueError, match="Recorder needs a positive chunk; got 0"):
        recorder.Recorder(net, torch.ones(4, 2), chunk=0)


class Several(torch.nn.Module):
    """Several arguments, keywords, nested outputs, an output without samples, an idle part."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 2)
        self.pair = Pair()
        self.total = Total()
        self.idle = torch.nn.Linear(1, 1)

    def forward(self, x, shift, *, scale=1.0, mask=None):
        inner = self.pair(self.first(x) * scale + shift)
        return {"loss": self.total(inner["nested"][0]), "mask": mask}


class Pair(torch.nn.Module):
    def forward(self, x):
        return {"nothing": None, "nested": (x, (x + 1, x + 2))}


class Total(torch.nn.Module):
    def forward(self, x):
        return x.sum()


def test_a_recorder_takes_arguments_keywords_and_what_modules_give():
    net, x, shift = Several(), torch.randn(6, 3), torch.randn(6, 2)
    wanted = (net.first(x) * 2 + shift).detach()
    pandas = pytest.importorskip("pandas")
    for inputs in (
        {"x": x, "shift": shift, "scale": 2.0, "mask": None},
        {"x": x.double().numpy(), "shift": shift.tolist(), "scale": 2.0},
        {"x": pandas.DataFrame(x.numpy()), "shift": shift, "scale": 2.0},
    ):
        for layers in (None, ["first", "pair", "total", ""]):
            with recorder.Recorder(net, inputs, layers) as kept:
                found = kept.record(0)
            torch.testing.assert_close(found["pair"], wanted, rtol=1e-5, atol=1e-5)
            assert found["total"].shape == ()
            assert "idle" not in found
    with recorder.Recorder(net, (x, shift), ["first", "pair"], chunk=4) as kept:
        torch.testing.assert_close(kept.record(0)["pair"], wanted - net.first(x).detach())
    with recorder.Recorder(torch.nn.Embedding(9, 2), np.arange(9)) as kept:
        assert kept.record(0)[""].shape == (9, 2)


def test_what_a_recorder_cannot_put_together_is_said():
    net, x, shift = Several(), torch.randn(6, 3), torch.randn(6, 2)
    with recorder.Recorder(net, (x, shift), ["total"], chunk=4) as kept:  # noqa: SIM117
        with pytest.raises(RuntimeError, match=r"first for chunks; got \(\) of total for 4"):
            kept.record(0)
    with recorder.Recorder(torch.nn.Sequential(torch.nn.Linear(3, 2)), x, [""], chunk=2) as kept:
        assert kept.record(0)[""].shape == (6, 2)
    nothing = torch.nn.Module()
    nothing.forward = lambda x: None
    with recorder.Recorder(nothing, x) as kept:  # noqa: SIM117
        with pytest.raises(RuntimeError, match="layers that give tensors; got NoneType of the mod"):
            kept.record(0)
    with pytest.raises(ValueError, match="as many samples for chunks; got 5, 6; leave chunk out"):
        recorder.Recorder(net, (x, shift[:5]), chunk=2)
    with pytest.raises(TypeError, match="Recorder needs numbers as inputs; got <U1"):
        recorder.Recorder(net, np.array(["a"] * 4))


def test_words_and_large_whole_numbers_are_labels():
    x = np.random.default_rng(0).normal(size=(40, 2))
    codes, edges = np.arange(40) % 3, fixed_edges(-1, 1, 4)
    words = np.array(["a", "bb", "c"])[codes]
    pandas = pytest.importorskip("pandas")
    for labels in (words, words.tolist(), codes + 2**60, codes > 0, pandas.Series(words),
                   torch.from_numpy(codes)[:, None]):  # fmt: skip
        same = codes > 0 if np.asarray(labels).dtype == bool else codes
        assert binned(x, labels, edges) == binned(x, same, edges)
        assert kde(pandas.DataFrame(x), labels, 0.1) == kde(x, same, 0.1)
    with pytest.raises(ValueError, match="words or numbers as labels; got missing ones"):
        binned(x, [None, *words[1:]])
    assert information.entropy(np.array([2**64 - 1, 2**64 - 2] * 2, np.uint64)).item() == 1


def test_quantiles_of_more_numbers_than_torch_takes():
    n = 2**24 + 5
    values = (torch.arange(n, dtype=torch.float64) + n // 3) % n
    found = information.quantile_edges(values[:, None], 4)
    assert found.tolist() == [0.25 * (n - 1), 0.5 * (n - 1), 0.75 * (n - 1)]


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE, torch.float16])
def test_quantiles_are_torchs_and_never_beside_a_number_that_repeats(dtype):
    tied = torch.tensor([0.1, 0.1, 0.1, 0.7]).repeat(5)[:, None].to(dtype)
    assert information.quantile_edges(tied, 3).tolist()[0] == tied[0].item()
    few = torch.randn(2, 7, 3, dtype=DOUBLE)
    torch.testing.assert_close(
        information.quantile_edges(few, 5),
        torch.quantile(few.flatten(1), torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=DOUBLE), 1).T,
    )


def test_kernels_of_far_clusters_are_the_full_formula():
    """One product has lost at 1e9 what counts beside a variance of 1e-3."""
    h = 0.05 * torch.randn(90, 3, dtype=DOUBLE) + 1e9 * (torch.arange(90) % 3)[:, None]
    labels = torch.arange(90) % 2
    wanted = full_kde(h, labels, 1e-3)["upper"]
    assert [x.item() for x in kde(h, labels, 1e-3).upper] == pytest.approx(wanted, abs=1e-9)
    near = full_kde(h - h.mean(0), labels, 1e-3)["upper"]
    assert near == pytest.approx(wanted, abs=1e-6)
    for scale in (2.0**-400, 2.0**400):
        found = kde(h * scale, labels, 1e-3 * scale * scale).upper
        assert [x.item() for x in found] == pytest.approx(wanted, abs=1e-9)


def test_linear_information_keeps_its_digits_at_any_size():
    w, w0 = torch.randn(2, 3, 4, dtype=DOUBLE)
    for size in (1e-9, 1e-160, 1e9, 1e160):
        found = linear_gaussian.linear_information(w * size, 0.5).item()
        s = torch.linalg.svdvals(w).tolist()
        with mp.workdps(400):
            wanted = sum(mp.log(1 + (mp.mpf(a) * mp.mpf(size)) ** 2 / 2, 2) for a in s) / 2
        assert found == pytest.approx(float(wanted), rel=1e-12)
    for noise, label_noise in ((1e-12, 1e-12), (1e-9, 1e-6), (1.0, 1e-14), (1e9, 1e-3)):
        found = linear_gaussian.linear_label_information(w, w0, label_noise, noise).item()
        with mp.workdps(80):
            a, b = (mp.matrix(each.tolist()) for each in (w, w0))
            of_t = a * a.T / 4 + noise * mp.eye(3)
            of_y = b * b.T / 4 + label_noise * mp.eye(3)
            both = b * a.T / 4
            left = of_y - both * of_t**-1 * both.T
            wanted = mp.log(mp.det(of_y) / mp.det(left), 2) / 2
        assert found == pytest.approx(float(wanted), rel=1e-9)


def test_gradients_that_are_all_the_same_have_no_noise():
    net = torch.nn.Linear(2, 1, bias=False).double()
    ones = np.full((7, 2), 0.1)
    square = torch.nn.functional.mse_loss
    assert recorder.gradient_snr(net, square, ones, np.ones((7, 1)), 3) == {"weight": math.inf}
    with pytest.raises(ValueError, match="finite numbers as inputs; got nan or infinity in 7 of 7"):
        recorder.gradient_snr(net, square, ones * math.nan, ones)
    with pytest.raises(ValueError, match="gradients whose squares are finite; got nan or inf"):
        recorder.gradient_snr(net, lambda a, b: (a * 1e200).square().sum(), ones, ones[:, :1])


def test_dead_units_are_those_that_never_change():
    values = torch.randn(2, 5, 3)
    values[1, :, 2] = 7.0
    assert recorder.dead_units(values).tolist() == [[False] * 3, [False, False, True]]


@pytest.mark.parametrize("chunk", [5, 64])
def test_signal_to_noise_is_that_of_gradients_one_by_one(chunk):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    net = net.double()
    x, y = torch.randn(23, 3, dtype=DOUBLE), torch.randint(0, 2, (23,))
    loss = torch.nn.functional.cross_entropy
    found = recorder.gradient_snr(net, loss, x, y, chunk)
    names = [name for name, _ in net.named_parameters()]
    each = {name: [] for name in names}
    for a, b in zip(x, y, strict=True):
        grads = torch.autograd.grad(loss(net(a[None]), b[None]), list(net.parameters()))
        for name, g in zip(names, grads, strict=True):
            each[name].append(g)
    for name, grads in each.items():
        stack = torch.stack(grads)
        wanted = stack.mean(0).norm() / stack.std(0, correction=0).norm()
        assert found[name] == pytest.approx(wanted.item(), rel=1e-9)


# several, compression, the picture


def test_several_estimators_are_each_of_them():
    h = torch.tanh(torch.randn(2, 3, 64, 2, dtype=DOUBLE))
    labels, edges = torch.arange(64) % 2, fixed_edges(-1, 1, 30)
    found = plane.several(h, labels, edges, torch.tanh, 5, [0.1])
    names = ["binned", "adaptive", "net_input", "float32", "kde_0.1", "kde_lower_0.1"]
    assert list(found) == names
    assert {each.input.shape for each in found.values()} == {(2, 3)}
    one = h[1, 2]
    wanted = {
        "binned": binned(one, labels, edges),
        "adaptive": binned(one, labels, information.quantile_edges(one, 5)),
        "net_input": binned(one, labels, information.net_input_edges(torch.tanh, -50, 50, 100)),
        "float32": binned(one, labels),
        "kde_0.1": kde(one, labels, 0.1).upper,
        "kde_lower_0.1": kde(one, labels, 0.1).lower,
    }
    for name, pair in wanted.items():
        for a, b in zip(found[name], pair, strict=True):
            assert a[1, 2].item() == pytest.approx(b.item(), abs=1e-5)


def test_a_drop_is_from_the_peak_and_a_change_from_the_record_that_is_named():
    drop, change = plane.compression([[0.0, 5.0, 4.0, 1.0], [0.0, 1.0, 2.0, 3.0]], since=2)
    assert drop.tolist() == [4.0, 0.0]
    assert change.tolist() == [-3.0, 1.0]
    with pytest.raises(ValueError, match=r"after the one it counts from; got \(2,\) and since=1"):
        plane.compression([1.0, 2.0], since=1)


def test_a_plane_has_a_path_for_each_layer():
    axes = Figure().subplots()
    bits = torch.rand(5, 3, 2)
    plane.draw_plane(axes, bits, ["a", "b", "c"], STYLES)
    lines = [line for line in axes.lines if len(line.get_xdata()) == 5]
    assert [line.get_label() for line in lines] == ["a", "b", "c"]
    np.testing.assert_allclose(lines[1].get_xydata(), bits[:, 1])
    assert axes.get_xlabel() == "I(X;T), bits"
    with pytest.raises(ValueError, match=r"bits \(R, 2 layers, 2\) .* got \(5, 3, 2\) and 7"):
        plane.draw_plane(axes, bits, ["a", "b"], STYLES)


# input that is refused

GOOD = torch.arange(10.0)[:, None]
HALF = torch.arange(10) % 2
NAN = GOOD.clone()
NAN[6] = math.nan


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: binned(NAN, HALF), ValueError,
         "binned needs finite numbers as values; got nan or infinity in 1 of 10 samples, first in "
         "sample 6"),
        (lambda: binned(GOOD[:3], HALF[:3]), ValueError,
         r"binned needs at least 4 samples \(..., n, d\) as values; got \(3, 1\)"),
        (lambda: binned(GOOD, HALF[:9]), ValueError, "got 10 of values, 9 of labels; pair them"),
        (lambda: binned(GOOD, HALF * 0 + 3), ValueError,
         "binned needs samples that differ as labels; got 10 equal ones"),
        (lambda: binned(GOOD, GOOD.expand(10, 2)), ValueError,
         r"one label for each sample \(n\); got \(10, 2\)"),
        (lambda: binned("words", HALF), TypeError, "binned needs numbers as values; got str"),
        (lambda: patterns(GOOD, [1.0, 0.5]), ValueError, "edges that rise; got some that fall"),
        (lambda: patterns(GOOD, [0.0, math.nan]), ValueError, "edges that rise"),
        (lambda: patterns(GOOD, []), ValueError, r"edges \(m\) or \('m',\); got \(0,\)"),
        (lambda: patterns(GOOD, [[0.5], [0.6]]), ValueError, r"got \(2, 1\)"),
        (lambda: fixed_edges(1, 1, 4), ValueError, "low < high; got 1 and 1; swap"),
        (lambda: fixed_edges(0, 1, 1), ValueError, "fixed_edges needs at least 2 bins; got 1"),
        (lambda: information.quantile_edges(GOOD, 0), ValueError, "at least 2 bins; got 0"),
        (lambda: information.net_input_edges(torch.cos, 0, 3, 9), ValueError,
         "activation that never falls; got one that falls between 0 and 3"),
        (lambda: information.entropy([0.5, 1.0]), TypeError, "whole numbers as codes; got"),
        (lambda: information.entropy(torch.zeros(0, dtype=torch.int64)), ValueError,
         r"entropy needs codes \(..., n\); got \(0,\)"),
        (lambda: kde(NAN, HALF, 0.1), ValueError, "kde needs finite numbers as values"),
        (lambda: kde(GOOD[:3], HALF[:3], 0.1), ValueError, "kde needs at least 4 samples"),
        (lambda: kde(GOOD, HALF[:9], 0.1), ValueError, "got 10 of values, 9 of labels"),
        (lambda: kde(GOOD, HALF, 0.0), ValueError, "kde needs a positive variance; got 0"),
        (lambda: kde(GOOD, HALF, 0.1, -2), ValueError, "kde needs a positive chunk; got -2"),
        (lambda: neighbours.ksg(GOOD, GOOD[:9]), ValueError, "got 10 of x, 9 of y"),
        (lambda: neighbours.ksg(GOOD, GOOD * 0), ValueError, "differ as y; got 10 equal ones"),
        (lambda: neighbours.ksg(GOOD, NAN), ValueError, "ksg needs finite numbers as y"),
        (lambda: neighbours.ksg(GOOD, GOOD, 10), ValueError, "k from 1 to 9.* got 10"),
        (lambda: neighbours.ksg(GOOD, HALF, noise=0), ValueError, "samples as y; got 8 copies of"),
        (lambda: neighbours.kozachenko_leonenko(HALF), ValueError, "got 10 with 2 or more copies"),
        (lambda: neighbours.kozachenko_leonenko(GOOD[:2]), ValueError, "at least 4 samples"),
        (lambda: linear_gaussian.one_neuron([1.0, -2.0], [0.0], torch.atanh), ValueError,
         "one_neuron needs positive weights; got -2"),
        (lambda: linear_gaussian.one_neuron(1.0, [0.5, 0.5], torch.atanh), ValueError,
         r"edges \(m\) that rise; got \(2,\)"),
        (lambda: linear_gaussian.one_neuron(1.0, [0.5, 3.0], torch.atanh), ValueError,
         "inverse defined at all edges; got nan at 1 of 2"),
        (lambda: linear_gaussian.linear_information(torch.ones(3)), ValueError,
         r"matrix \(units, inputs\) as weight; got \(3,\)"),
        (lambda: linear_gaussian.linear_information(torch.eye(2), -1.0), ValueError,
         "linear_information needs a positive noise; got -1"),
        (lambda: linear_gaussian.linear_label_information(torch.eye(2), torch.eye(3), 1.0),
         ValueError, "as many inputs of both; got 2 of weight and 3 of teacher"),
        (lambda: linear_gaussian.generalisation_error(torch.ones(2, 3), torch.ones(1, 3), 1.0),
         ValueError, "as many outputs of both; got 2 of weight and 1 of teacher"),
        (lambda: linear_gaussian.generalisation_error(torch.eye(2), torch.eye(2), -1.0),
         ValueError, "label_noise of 0 or more; got -1"),
        (lambda: linear_gaussian.descend(GOOD, HALF, [2], [5, 5]), ValueError,
         r"epochs that rise from 0 on; got \[5, 5\]"),
        (lambda: linear_gaussian.descend(GOOD, HALF, [2], [900], rate=1e3), ValueError,
         "a rate at which it converges; got 1000; take less"),
        (lambda: recorder.dead_units(GOOD[:3]), ValueError, r"at least 4 samples .* got \(3, 1\)"),
        (lambda: recorder.gradient_snr(torch.nn.Linear(1, 1), print, GOOD[:3], GOOD[:3]),
         ValueError, "gradient_snr needs at least 4 samples .* got 3"),
        (lambda: recorder.gradient_snr(torch.nn.Linear(1, 1), print, GOOD, GOOD[:4]),
         ValueError, "got 10 of inputs, 4 of targets"),
        (lambda: recorder.gradient_snr(torch.nn.Linear(1, 1), print, GOOD, GOOD, 0),
         ValueError, "gradient_snr needs a positive chunk; got 0"),
        (lambda: plane.several(NAN, HALF, [0.0], torch.tanh), ValueError,
         "several needs finite numbers as values"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(call, kind, says):
    with pytest.raises(kind, match=says) as raised:
        call()
    assert "\n" not in str(raised.value)
