"""Steps, Hessians, moments and batch norm: against closed forms, and the model as it was."""

import copy
import math

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from swiftrnn.analysis.networks import curvature, landscape, normalization
from swiftrnn.analysis.networks._probe import size
from swiftrnn.analysis.networks.curvature import hessian_ends
from swiftrnn.analysis.networks.landscape import batch_loss, covariate_shift, scan
from swiftrnn.analysis.networks.normalization import (
    batch_norm_gradient,
    batch_norm_removed,
    second_moment,
    second_moments,
)
from swiftrnn.nn import SRU
from swiftrnn.ops import references

matplotlib.use("agg")


class Point(nn.Module):
    """Weights and nothing else."""

    def __init__(self, start):
        super().__init__()
        self.x = nn.Parameter(torch.as_tensor(start, dtype=torch.float64))


def quadratic(n=6, seed=0):
    """Its model, its loss 1/2 x'Hx + b'x, and H; indefinite."""
    draw = torch.Generator().manual_seed(seed)
    h = torch.randn(n, n, dtype=torch.float64, generator=draw)
    h, b = h + h.t(), torch.randn(n, dtype=torch.float64, generator=draw)
    model = Point(torch.randn(n, dtype=torch.float64, generator=draw))
    return model, lambda: model.x @ h @ model.x / 2 + b @ model.x, h


def net(norm=True, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(5, 4), nn.BatchNorm1d(4) if norm else nn.Identity(), nn.Tanh(),
        nn.Dropout(dropout), nn.Linear(4, 3),
    ).double()  # fmt: skip


def data(n=16, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=draw).double(), torch.randint(3, (n,), generator=draw)


def loss_of(model, n=16):
    return batch_loss(model, cross_entropy, *data(n))


def full_hessian(model, loss):
    parameters = list(model.parameters())
    g = torch.autograd.grad(loss(), parameters, create_graph=True)
    flat = torch.cat([each.reshape(-1) for each in g])
    rows = [torch.autograd.grad(each, parameters, retain_graph=True) for each in flat]
    return torch.stack([torch.cat([each.reshape(-1) for each in row]) for row in rows])


# ---- along a step


def test_a_scan_of_a_quadratic_is_its_closed_form():
    model, loss, h = quadratic()
    g = torch.autograd.grad(loss(), model.x)[0]
    seen = scan(model, loss, rate=0.05, points=5)
    s = 0.05 * torch.tensor([0.5, 0.5 * 8**0.25, 0.5 * 8**0.5, 0.5 * 8**0.75, 4]).double()
    curve = g @ h @ g
    torch.testing.assert_close(seen.distances, s)
    torch.testing.assert_close(seen.losses, loss().detach() - s * (g @ g) + s**2 * curve / 2)
    torch.testing.assert_close(seen.changes, s * (h @ g).norm())
    beta, weights = float((h @ g).norm() / g.norm()), float(model.x.detach().norm())
    assert seen.smoothness == pytest.approx(beta, rel=1e-12)
    assert seen.smoothness_by_rate == pytest.approx(beta * 0.05, rel=1e-12)
    assert seen.smoothness_by_weights == pytest.approx(beta * weights**2, rel=1e-12)
    assert seen.own_smoothness == pytest.approx(beta * weights**2, rel=1e-12)  # one layer
    assert seen.gradient_change == pytest.approx(0.2 * float((h @ g).norm()), rel=1e-12)
    assert seen.relative_gradient_change == pytest.approx(0.2 * beta, rel=1e-12)
    assert seen.loss_range == pytest.approx(float(seen.losses.max() - seen.losses.min()))
    assert seen.relative_step == pytest.approx(0.05 * float(g.norm()) / weights, rel=1e-12)


def test_along_its_top_eigenvector_a_quadratic_is_as_smooth_as_its_eigenvalue():
    model, loss, h = quadratic()
    top = hessian_ends(model, loss, tolerance=1e-12)
    value = float(torch.linalg.eigvalsh(h)[-1])
    seen = scan(model, loss, rate=0.1, direction=top.direction)
    assert seen.smoothness == pytest.approx(value, rel=1e-9)
    assert seen.smoothness_by_rate == pytest.approx(value * 0.1 / seen.gradient_norm, rel=1e-9)


def test_a_scan_goes_where_an_optimiser_went():
    model = net()
    loss, before = loss_of(model), copy.deepcopy(model)
    adam = torch.optim.Adam(model.parameters(), lr=0.1)
    loss().backward()
    adam.step()
    pairs = zip(before.named_parameters(), model.parameters(), strict=True)
    direction = {name: (old - new).detach() for (name, old), new in pairs}
    seen = scan(before, loss_of(before), 1.0, direction=direction, span=(1.0, 1.0), points=1)
    assert seen.losses[0].item() == pytest.approx(loss().item(), rel=1e-12)


def test_a_relative_step_is_the_one_that_was_asked_for():
    model = net()
    seen = scan(model, loss_of(model), relative=0.03)
    assert seen.relative_step == pytest.approx(0.03)
    steps = list(seen.relative_steps.values())
    assert len(steps) == 3
    assert math.sqrt(sum(s**2 for s in steps) / 3) == pytest.approx(0.03)


def scaled(by):
    """A net whose output does not depend on the scale of its first two layers, and its loss."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 4, bias=False), nn.BatchNorm1d(4, eps=1e-30, affine=False), nn.Tanh(),
        nn.Linear(4, 3, bias=False), nn.BatchNorm1d(3, eps=1e-30, affine=False),
    ).double()  # fmt: skip
    with torch.no_grad():
        for p in model.parameters():
            p *= by
    return model, loss_of(model)


def test_scale_free_numbers_do_not_depend_on_the_scale_of_weights_and_raw_ones_do():
    (one, one_loss), (ten, ten_loss) = scaled(1.0), scaled(10.0)
    a, b = scan(one, one_loss, rate=0.2), scan(ten, ten_loss, rate=20.0)
    torch.testing.assert_close(a.losses, b.losses)
    for name in ("relative_gradient_change", "smoothness_by_rate", "smoothness_by_weights",
                 "own_smoothness", "relative_step", "loss_range"):  # fmt: skip
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9), name
    assert a.smoothness == pytest.approx(100 * b.smoothness, rel=1e-9)
    assert a.gradient_change == pytest.approx(10 * b.gradient_change, rel=1e-9)
    ends = [hessian_ends(m, f, own_units=True, tolerance=1e-10, iterations=40)
            for m, f in ((one, one_loss), (ten, ten_loss))]  # fmt: skip
    torch.testing.assert_close(ends[0].largest, ends[1].largest)
    raw = [hessian_ends(m, f, tolerance=1e-10, iterations=40)
           for m, f in ((one, one_loss), (ten, ten_loss))]  # fmt: skip
    torch.testing.assert_close(raw[0].largest, 100 * raw[1].largest)
    assert raw[0].sharpness_by_weights == pytest.approx(raw[1].sharpness_by_weights)


def test_own_units_stay_where_one_layer_alone_is_scaled():
    (one, one_loss), (other, other_loss) = scaled(1.0), scaled(1.0)
    with torch.no_grad():
        other[0].weight *= 10
    d = [torch.randn_like(p) for p in one.parameters()]
    a = scan(one, one_loss, rate=0.01, direction=d)
    b = scan(other, other_loss, rate=0.01, direction=[10 * d[0], d[1]])
    assert a.own_smoothness == pytest.approx(b.own_smoothness, rel=1e-9)
    assert a.relative_step == pytest.approx(b.relative_step, rel=1e-9)
    assert abs(a.smoothness_by_weights / b.smoothness_by_weights - 1) > 0.1
    ends = [hessian_ends(m, f, own_units=True, tolerance=1e-10, iterations=40)
            for m, f in ((one, one_loss), (other, other_loss))]  # fmt: skip
    torch.testing.assert_close(ends[0].largest, ends[1].largest)


def test_smoothness_along_the_gradient_is_never_above_the_largest_curvature():
    model = quadratic(8)[0]
    _, _, h = quadratic(8)
    seen = scan(model, quadratic_loss := (lambda: model.x @ h @ model.x / 2), rate=0.1)
    ends = hessian_ends(model, quadratic_loss, tolerance=1e-10)
    assert seen.smoothness <= max(ends.largest[0], -ends.smallest[0]) * (1 + 1e-9)


def test_a_step_that_leaves_the_landscape_is_infinitely_rough():
    model = Point([1.0, 2.0])
    seen = scan(model, lambda: (model.x * 100).exp().sum(), rate=-0.0 + 1.0, direction=[-model.x])
    assert seen.loss_range == math.inf
    assert seen.smoothness == math.inf


# ---- internal covariate shift


def test_one_layer_has_no_covariate_shift():
    layer = nn.Linear(5, 3).double()
    (shift,) = covariate_shift(layer, loss_of(layer), rate=1.0).values()
    assert (shift.distance, shift.cosine) == (0.0, pytest.approx(1.0))


def test_covariate_shift_of_two_linear_layers_is_worked_out_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)).double()
    x, y, rate = torch.randn(7, 4).double(), torch.randn(7, 2).double(), 0.3
    loss = batch_loss(model, lambda a, b: (a - b).square().sum() / 14, x, y)
    found = covariate_shift(model, loss, rate)
    first, second = (p.detach() for p in model.parameters())

    def gradients(one, two):
        error = (x @ one.t() @ two.t() - y) / 7
        return two.t() @ error.t() @ x, error.t() @ (x @ one.t())

    g1, g2 = gradients(first, second)
    _, after = gradients(first - rate * g1, second)
    assert list(found) == ["0", "1"]
    assert found["0"].distance == 0
    assert found["1"].gradient_norm == pytest.approx(float(g2.norm()), rel=1e-12)
    assert found["1"].distance == pytest.approx(float((g2 - after).norm()), rel=1e-12)
    cosine = float((g2 * after).sum() / g2.norm() / after.norm())
    assert found["1"].cosine == pytest.approx(cosine, rel=1e-12)


class Odd(nn.Module):
    """Its layers are called in another order than they are made; one is never called."""

    def __init__(self):
        super().__init__()
        self.late, self.early = nn.Linear(4, 3), nn.Linear(5, 4)
        self.inside = nn.ModuleDict({"never": nn.Linear(3, 3, bias=False)})
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.late(self.early(x)) @ self.inside["never"].weight * self.scale


def test_layers_count_in_the_order_in_which_they_are_called():
    model = Odd().double()
    found = covariate_shift(model, loss_of(model), rate=0.1)
    assert list(found) == ["model", "early", "late"]
    assert list(scan(model, loss_of(model), 0.1).weight_norms) == list(found)


# ---- the model comes back


def state(model):
    return [
        *((n, id(p), p.data_ptr(), p.detach().clone()) for n, p in model.named_parameters()),
        *((n, id(b), b.data_ptr(), b.clone()) for n, b in model.named_buffers()),
        *((n, m.training) for n, m in model.named_modules()),
        *(None if p.grad is None else (id(p.grad), p.grad.clone()) for p in model.parameters()),
        torch.get_rng_state(),
    ]


def same(a, b):
    return all(
        torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y
        for one, other in zip(a, b, strict=True)
        for x, y in zip(*((v,) if not isinstance(v, tuple) else v for v in (one, other)),
                        strict=True)
    )  # fmt: skip


class Counts(nn.Module):
    """Replaces a buffer, changes a mode and draws, at each call."""

    def __init__(self):
        super().__init__()
        self.net = net(dropout=0.5)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls = self.calls + 1
        out = self.net(x) + 0.01 * self.calls * torch.rand(1)
        self.net[3].eval()
        return out


@pytest.mark.parametrize("measure", [
    lambda m, f: scan(m, f, 0.1), lambda m, f: covariate_shift(m, f, 0.1),
    lambda m, f: hessian_ends(m, f, iterations=3), lambda m, f: second_moments(m, data()[0]),
])  # fmt: skip
def test_the_model_is_as_it_was_also_after_an_error(measure):
    model = Counts().double()
    loss = loss_of(model)
    loss().backward()
    model.net[3].train()
    model.net[4].bias.requires_grad_(False)
    before = state(model)
    measure(model, loss)
    assert same(before, state(model))

    def broken(*_):
        raise KeyboardInterrupt

    model.register_forward_hook(broken)
    with pytest.raises(KeyboardInterrupt):
        measure(model, loss)
    assert same(before, state(model))


def test_what_is_drawn_is_the_same_everywhere():
    model = Counts().double()
    seen = scan(model, loss_of(model), 1e-9)
    assert seen.loss_range < 1e-6
    assert seen.losses[0].item() == pytest.approx(seen.loss, abs=1e-6)


def test_recurrent_nets_can_be_scanned():
    torch.manual_seed(0)
    model = nn.LSTM(2, 3).double()
    x = torch.randn(5, 4, 2).double()
    seen = scan(model, lambda: model(x)[0].square().sum(), 0.1, points=2)
    g = torch.autograd.grad(model(x)[0].square().sum(), list(model.parameters()))
    with torch.no_grad():
        for p, d in zip(model.parameters(), g, strict=True):
            p -= 0.4 * d
    assert seen.losses[1].item() == pytest.approx(model(x)[0].square().sum().item(), rel=1e-12)


# ---- curvature


@pytest.mark.parametrize("norm", [True, False])
def test_lanczos_is_the_full_hessian_at_both_ends(norm):
    model = net(norm)
    loss = loss_of(model)
    values = torch.linalg.eigvalsh(full_hessian(model, loss))
    found = hessian_ends(model, loss, count=3, tolerance=1e-11)
    assert found.converged
    assert found.iterations <= len(values)
    near = dict(rtol=1e-8, atol=1e-8 * float(values[-1]))
    torch.testing.assert_close(found.largest, values[-3:].flip(0), **near)
    torch.testing.assert_close(found.smallest, values[:3], **near)
    weights = torch.cat([p.reshape(-1) for p in model.parameters()]).norm()
    assert found.weight_norm == pytest.approx(weights.item())


def test_the_direction_is_an_eigenvector_of_length_one():
    model, loss, h = quadratic(9)
    (top,) = hessian_ends(model, loss, tolerance=1e-11).direction
    assert float(top.norm()) == pytest.approx(1)
    torch.testing.assert_close(h @ top, torch.linalg.eigvalsh(h)[-1] * top, rtol=0, atol=1e-8)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=12), st.integers(1, 2))
def test_lanczos_finds_the_ends_of_any_spectrum(values, count):
    model, scale = Point([1.0] * len(values)), torch.tensor(values).double()
    found = hessian_ends(model, lambda: (scale * model.x**2).sum() / 2, count, tolerance=1e-12)
    near, order = 1e-7 * max(1e-9, *map(abs, values)), sorted(values)
    assert found.largest[0].item() == pytest.approx(order[-1], abs=near)
    assert found.smallest[0].item() == pytest.approx(order[0], abs=near)


def test_errors_bound_what_is_not_converged():
    model, loss, h = quadratic(60)
    values = torch.linalg.eigvalsh(h)
    found = hessian_ends(model, loss, iterations=8, tolerance=1e-9)
    assert not found.converged
    assert found.iterations == 8
    gap = (values - found.largest).abs().min()
    assert 1e-6 < gap <= found.largest_errors[0] + 1e-9
    half = hessian_ends(model, loss, ends="largest", tolerance=0.01)
    assert half.converged
    assert half.iterations < 60
    assert abs(half.largest[0] - values[-1]) <= 0.01 * values.abs().max()


def test_a_loss_that_does_not_curve_has_no_curvature():
    model = Point([1.0, 2.0, 3.0])
    found = hessian_ends(model, lambda: model.x.sum())
    assert (found.largest[0], found.converged, found.iterations) == (0, True, 1)


class Square(torch.autograd.Function):
    """Has first gradients only, as kernels have."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]


class Cut(Square):
    """Says nothing of that."""

    @staticmethod
    def backward(ctx, g):
        return (2 * g * ctx.saved_tensors[0]).detach()


@pytest.mark.parametrize("square", [Square, Cut])
def test_layers_with_first_gradients_only_are_refused_and_not_left_out(square):
    model = Point([1.0, 2.0])
    before = state(model)
    with pytest.raises(RuntimeError, match="hessian_ends needs a gradient that can be different"):
        hessian_ends(model, lambda: square.apply(model.x).sum())
    assert same(before, state(model))
    assert scan(model, lambda: square.apply(model.x).sum(), 0.1).smoothness == pytest.approx(2)


def test_layers_of_swiftrnn_have_the_curvature_of_their_references():
    torch.manual_seed(0)
    model, x = SRU(3, 4), torch.randn(6, 2, 3)
    loss = lambda: model(x)[0].square().mean()  # noqa: E731
    with references():
        values = torch.linalg.eigvalsh(full_hessian(model, loss))
    found = hessian_ends(model, loss, tolerance=1e-4)
    torch.testing.assert_close(found.largest[0].float(), values[-1], rtol=1e-3, atol=0)


# ---- second moments


def test_second_moments_are_those_of_inputs_and_patches():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.Flatten(),
        nn.Linear(16, 3),
    ).double()  # fmt: skip
    x = torch.rand(70, 2, 4, 4).double()
    found = second_moments(model, x)
    assert list(found) == ["0", "3"]
    flat = model[2](model[1](model[0](x))).detach()
    alone = second_moment(flat)
    assert found["3"].centred_largest == pytest.approx(alone.centred_largest, rel=1e-12)
    assert (found["3"].count, found["3"].dimension) == (70, 16)
    whole = flat.t() @ flat / 70
    assert found["3"].absolute == pytest.approx(float(whole.abs().sum()), rel=1e-12)
    assert found["3"].largest == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]))
    assert found["3"].frobenius == pytest.approx(float(whole.norm()))
    cov = torch.cov(flat.t(), correction=0)
    assert found["3"].centred_absolute == pytest.approx(float(cov.abs().sum()), rel=1e-9)
    around = nn.functional.pad(x, (1, 1, 1, 1))
    patches = torch.stack([
        around[b, :, 2 * r : 2 * r + 3, 2 * c : 2 * c + 3]
        for b in range(70) for r in range(2) for c in range(2)
    ])  # fmt: skip
    halves = [second_moment(patches[:, g].flatten(1)) for g in range(2)]
    assert found["0"].absolute == pytest.approx(sum(h.absolute for h in halves), rel=1e-12)
    assert found["0"].largest == pytest.approx(max(h.largest for h in halves), rel=1e-12)
    assert (found["0"].count, found["0"].dimension) == (280, 18)


@pytest.mark.parametrize("padding", ["same", "valid", (2, 1)])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_patches_times_weights_are_the_convolution(padding, mode):
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 2, (3, 4), dilation=(1, 2), padding=padding, padding_mode=mode, bias=False)
    x = torch.randn(5, 3, 9, 8)
    rows = normalization._patches(layer, x)[:, 0]
    out = (rows @ layer.weight.flatten(1).t()).view(5, -1, 2).transpose(1, 2)
    torch.testing.assert_close(out, layer(x).flatten(2), rtol=1e-4, atol=1e-5)


@given(st.integers(4, 30), st.integers(1, 5), st.floats(-3, 3), st.integers(0, 99))
def test_centring_never_enlarges_eigenvalues_or_squares(n, d, shift, seed):
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift
    found = second_moment(x)
    assert found.centred_largest <= found.largest + 1e-9
    assert found.centred_frobenius <= found.frobenius + 1e-9


def test_centring_can_enlarge_absolute_entries():
    found = second_moment(np.eye(3).repeat(2, 0))  # words as one-hot vectors
    assert found.absolute == pytest.approx(1)
    assert found.centred_absolute == pytest.approx(4 / 3)


@pytest.mark.parametrize("far", [1e3, 1e6, 2.0**40])
def test_centred_moments_are_those_of_samples_however_far_from_zero(far):
    x = (torch.randn(300, 4).double() * 2**8).round() / 2**8
    near, moved = second_moment(x), second_moment(x + far)
    for name in ("centred_absolute", "centred_frobenius", "centred_largest"):
        assert getattr(moved, name) == pytest.approx(getattr(near, name), rel=1e-10)
    mean = (x + far).mean(0)
    whole = torch.cov(x.T, correction=0) + mean[:, None] * mean
    assert moved.absolute == pytest.approx(float(whole.abs().sum()), rel=1e-12)
    layer = nn.Linear(4, 1).double()
    for name in ("absolute", "centred_absolute"):  # in chunks of 64
        chunked = second_moments(layer, x + far)["model"]
        assert getattr(chunked, name) == pytest.approx(getattr(moved, name), rel=1e-10)
    flat = second_moment(torch.full((7, 2), 0.1))
    assert flat.centred_absolute == 0
    assert flat.absolute == pytest.approx(4 * float(torch.tensor(0.1)) ** 2)


def test_norms_of_weights_whose_squares_are_no_floats():
    for scale in (1e-300, 1e-170, 1.0, 1e170, 1e300):
        parts = [torch.tensor([3.0 * scale], dtype=torch.float64),
                 torch.tensor([[4.0 * scale]], dtype=torch.float64), torch.zeros(0)]  # fmt: skip
        assert size(parts) == pytest.approx(5 * scale, rel=1e-14)
    assert size([torch.zeros(3)]) == size([]) == 0
    assert size([torch.tensor([math.inf])]) == math.inf
    assert math.isnan(size([torch.tensor([math.nan])]))


# ---- batch norm


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_the_gradient_of_batch_norm_is_that_of_the_numbers_in_float64(kind):
    torch.manual_seed(0)
    y, g = (torch.randn(50, 3) + 100).to(kind), torch.randn(50, 3).to(kind)
    wanted = batch_norm_gradient(y.double(), g.double())
    found = batch_norm_gradient(y, g)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted.float())
    assert batch_norm_removed(y, g).share == batch_norm_removed(y.double(), g.double()).share
    with pytest.raises(ValueError, match="a channel of equal values"):
        batch_norm_gradient(torch.full((7, 1), 0.1), torch.ones(7, 1), eps=0)


def test_tables_are_batches_and_bands():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(np.ones((4, 2)))
    model = nn.Linear(2, 1)
    plain = batch_loss(model, mse_loss, np.ones((4, 2)), np.zeros((4, 1)))
    assert batch_loss(model, mse_loss, table, [[0.0]] * 4)() == plain()
    axes = Figure().subplots()
    landscape.draw_bands(axes, [0, 1, 2, 3], table)
    assert axes.lines[0].get_ydata().tolist() == [1.0] * 4


@pytest.mark.parametrize("shape", [(9, 4), (6, 3, 5), (4, 3, 2, 5)])
@pytest.mark.parametrize("eps", [1e-5, 0.1, 1e-30])
def test_the_gradient_of_batch_norm_is_autograds(shape, eps):
    torch.manual_seed(0)
    kind = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)]
    layer = kind(shape[1], eps=eps).double()
    nn.init.normal_(layer.weight)
    y = (3 * torch.randn(shape).double() + 1).requires_grad_()
    g = torch.randn(shape).double() + 0.5
    (wanted,) = torch.autograd.grad(layer(y), y, g)
    found = batch_norm_gradient(y.detach(), g, layer.weight.detach(), eps)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)
    removed = batch_norm_removed(y.detach(), g, layer.weight.detach(), eps)
    norms = wanted.transpose(0, 1).flatten(1).square().sum(1)
    torch.testing.assert_close(removed.left, norms, rtol=1e-10, atol=1e-12)
    assert bool((removed.along_mean > 0).all())
    assert bool((removed.along_output >= 0).all())
    share = 1 - float(norms.sum() / removed.whole.sum())
    assert removed.share == pytest.approx(share)


def test_batch_norm_takes_the_mean_and_the_output_out_of_a_gradient():
    y = torch.randn(8, 2).double()
    normal = (y - y.mean(0)) / y.std(0, unbiased=False)
    for g in (torch.ones(8, 2).double(), normal):
        assert batch_norm_gradient(y, g, eps=0).abs().max() < 1e-12
        assert batch_norm_removed(y, g, eps=0).share == pytest.approx(1)


# ---- pictures


def test_pictures_have_lines_bands_and_labels():
    axes = Figure().subplots()
    model = net()
    seen = scan(model, loss_of(model), 0.1)
    landscape.draw(axes, seen)
    assert [line.get_label() for line in axes.lines] == ["loss", "loss, if straight"]
    assert axes.get_xlabel() == "rate of the step"
    axes = Figure().subplots()
    landscape.draw_bands(axes, [0, 10], [[1.0, 3.0, 2.0], [2.0, 2.5, 2.1]], "with")
    assert axes.lines[0].get_ydata().tolist() == [2.0, 2.1]
    assert len(axes.collections) == 1


# ---- what is wrong is said


def broken_weight():
    model = net()
    with torch.no_grad():
        model[0].weight[1, 2] = math.nan
    return model


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda m, f: scan(m, f, 0.0), ValueError,
     "scan needs rate above 0; got 0; give a finite one"),
    (lambda m, f: scan(m, f, math.nan), ValueError, "scan needs rate above 0; got nan"),
    (lambda m, f: scan(m, f), ValueError,
     "scan needs a rate or a relative step; got None and None; give one of them"),
    (lambda m, f: scan(m, f, 1.0, relative=0.1), ValueError, "got 1.0 and 0.1"),
    (lambda m, f: scan(m, f, 0.1, span=(0, 4)), ValueError, "scan needs span above 0; got 0"),
    (lambda m, f: scan(m, f, 0.1, points=0), ValueError, "scan needs points above 0; got 0"),
    (lambda m, f: scan(f, f, 0.1), TypeError,
     "scan needs a torch.nn.Module; got function; give the model itself"),
    (lambda m, f: scan(nn.ReLU(), f, 0.1), ValueError,
     "scan needs a model with parameters to train; got none in ReLU; give one that has some"),
    (lambda m, f: scan(broken_weight(), f, 0.1), ValueError,
     "scan needs finite numbers as 0.weight; got nan or infinity in 1 of 4 samples, first in "
     "sample 1"),
    (lambda m, f: scan(m, lambda: f() * math.nan, 0.1), ValueError,
     "scan needs a finite loss where the model stands; got nan; look at its inputs and weights"),
    (lambda m, f: scan(m, lambda: m(data()[0]), 0.1), ValueError,
     r"scan needs a loss of one number; got shape \(16, 3\); take its mean"),
    (lambda m, f: scan(m, lambda: 3.0, 0.1), ValueError, "a loss of one number; got float"),
    (lambda m, f: scan(m, lambda: f().detach(), 0.1), ValueError,
     "scan needs a loss that depends on parameters; got one without gradient"),
    (lambda m, f: scan(m, lambda: f() * 0, 0.1), ValueError,
     "scan needs a direction that leads somewhere; got zero; a loss is flat there"),
    (lambda m, f: scan(m, f, 0.1, direction=[torch.ones(2)]), ValueError,
     r"scan needs a direction like the parameters, \[\(4, 5\), .*got \[\(2,\)\]; give a tensor"),
    (lambda m, f: scan(m, f, 0.1, direction={"0.weight": torch.ones(4, 5)}), ValueError,
     r"got \[\(4, 5\), None"),
    (lambda m, f: scan(m, f, 0.1, direction=[p * math.nan for p in m.parameters()]), ValueError,
     "finite numbers as direction of 0.weight; got nan or infinity in 4 of 4"),
    (lambda m, f: covariate_shift(m, f, -1), ValueError,
     "covariate_shift needs rate above 0; got -1; give a finite one"),
    (lambda m, f: covariate_shift(nn.ReLU(), f, 1), ValueError, "covariate_shift needs a model"),
    (lambda m, f: hessian_ends(m, f, count=30), ValueError,
     "hessian_ends needs 59 parameters or more for 30 at each end; got 47; ask for fewer"),
    (lambda m, f: hessian_ends(m, f, tolerance=0), ValueError, "needs tolerance above 0; got 0"),
    (lambda m, f: hessian_ends(m, lambda: f() * math.inf), ValueError,
     "hessian_ends needs a finite loss where the model stands; got inf"),
    (lambda m, f: batch_loss(m, mse_loss, torch.ones(3, 5), torch.ones(4)), ValueError,
     "batch_loss needs as many samples of each; got 3 of inputs, 4 of targets; pair them first"),
    (lambda m, f: batch_loss(m, mse_loss, [[math.nan]], [1]), ValueError,
     "batch_loss needs finite numbers as inputs; got nan or infinity in 1 of 1 samples"),
    (lambda m, f: batch_loss(m, mse_loss, "text", [1]), TypeError,
     "batch_loss needs numbers as inputs; got str; give an array"),
    (lambda m, f: second_moment([[1.0], [2.0], [3.0]]), ValueError,
     r"second_moment needs at least 4 samples \(n, d\) as x; got \(3, 1\)"),
    (lambda m, f: second_moments(m, data()[0][:3]), ValueError,
     "second_moments at 0 needs at least 4 samples of the input; got 3; give more"),
    (lambda m, f: second_moments(nn.ReLU(), data()[0]), ValueError,
     "second_moments needs a model with a Linear or a Conv2d; got none in ReLU; measure the"),
    (lambda m, f: second_moments(3, data()[0]), TypeError, "a torch.nn.Module; got int"),
    (lambda m, f: second_moments(m, data()[0] * math.nan), ValueError,
     "second_moments at 0 needs finite numbers as input"),
    (lambda m, f: batch_norm_gradient(torch.ones(1, 3), torch.ones(1, 3)), ValueError,
     r"batch_norm_gradient needs y \(B, C, ...\) with at least 2 values in each channel; got "
     r"\(1, 3\); give a whole batch"),
    (lambda m, f: batch_norm_removed(torch.ones(4, 3), torch.ones(4, 2)), ValueError,
     r"batch_norm_removed needs a gradient like y and a gamma for each channel; got \(4, 2\) and "
     r"\(\) for \(4, 3\)"),
    (lambda m, f: batch_norm_gradient(torch.ones(4, 3), torch.ones(4, 3), torch.ones(2)),
     ValueError, r"got \(4, 3\) and \(2,\) for \(4, 3\)"),
    (lambda m, f: batch_norm_gradient(torch.ones(4, 3), torch.ones(4, 3), eps=0), ValueError,
     "batch_norm_gradient needs y that varies in each channel, or eps above 0; got a channel"),
    (lambda m, f: batch_norm_gradient(torch.ones(4, 3), torch.ones(4, 3), eps=-1), ValueError,
     "batch_norm_gradient needs eps of 0 or more; got -1"),
    (lambda m, f: batch_norm_gradient(torch.ones(4, 3) * math.inf, torch.ones(4, 3)), ValueError,
     "batch_norm_gradient needs finite numbers as y; got nan or infinity in 4 of 4"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(call, error, text):
    model = net()
    with pytest.raises(error, match=text) as caught:
        call(model, loss_of(model))
    assert "\n" not in str(caught.value)


def test_bad_targets_of_float32_models_are_brought_to_their_type():
    model = nn.Linear(2, 1)
    loss = batch_loss(model, mse_loss, np.ones((4, 2)), np.zeros((4, 1)))
    assert loss().dtype == torch.float32
    assert hessian_ends(model, loss).largest.dtype == torch.float64
    assert isinstance(curvature.hessian_ends(model, loss).converged, bool)
