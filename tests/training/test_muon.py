"""Muon: held against its equations in float64, against torch's own, and against AdamW."""

import copy
import doctest
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from swiftrnn.nn import (
    HGRN,
    QRNN,
    RGLRU,
    SRU,
    CausalConv,
    MinGRU,
    MinLSTM,
    SRUPlusPlus,
    weight_drop,
)
from swiftrnn.training.techniques import muon
from swiftrnn.training.techniques.muon import COEFFICIENTS, RMS, Muon, matrices_of, orthogonal

SHAPES = [(6, 6), (12, 4), (4, 12), (8, 4), (5, 3, 2)]  # square, gates, wide, tall, a convolution


def parameters(shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(s, generator=generator, dtype=dtype)) for s in shapes]


def gradients(params, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in params:
        p.grad = torch.randn(p.shape, generator=generator, dtype=p.dtype)


def polar(G, steps):
    """The iteration for one matrix, as printed in its source."""
    a, b, c = COEFFICIENTS
    X = G / G.norm()
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X


@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 5), st.integers(0, 99))
def test_orthogonal_is_the_iteration_for_each_matrix(n, rows, more, seed):
    G = torch.randn(n, rows, rows + more, generator=torch.Generator().manual_seed(seed)).double()
    expected = torch.stack([polar(g, 3) for g in G])
    torch.testing.assert_close(orthogonal(G, 3), expected, atol=1e-5, rtol=0)


def test_singular_values_come_near_one_and_directions_stay():
    G = torch.randn(3, 20, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = orthogonal(G)
    U, S, Vh = torch.linalg.svd(G, full_matrices=False)
    inside = U.mT @ turned @ Vh.mT  # diagonal, where left and right directions are kept
    values = inside.diagonal(dim1=-2, dim2=-1)
    assert values.min() > 0.65
    assert values.max() < 1.25
    assert (inside - torch.diag_embed(values)).abs().max() < 1e-6
    assert S.max() / S.min() > 3  # they were far apart


def test_zero_gradients_give_no_nan():
    assert torch.equal(orthogonal(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def test_steps_follow_the_equations():
    mine, exact = parameters(SHAPES), parameters(SHAPES)
    averages = [torch.zeros_like(p) for p in exact]
    lr, mu, decay = 0.02, 0.9, 0.1
    optimizer = Muon(mine, [], lr, momentum=mu, weight_decay=decay, gates={mine[1]: 3})
    for seed in range(4):
        gradients(mine, seed)
        optimizer.step()
        gradients(exact, seed)
        for p, m in zip(exact, averages, strict=True):
            m.mul_(mu).add_((1 - mu) * p.grad)
            update = mu * m + (1 - mu) * p.grad
            gates = 3 if p.shape == (12, 4) else 1
            for gate, step in zip(p.data.chunk(gates), update.chunk(gates), strict=True):
                flat = step.flatten(1)
                tall = flat.shape[0] > flat.shape[1]
                turned = polar(flat.T, 5).T if tall else polar(flat, 5)
                gate.mul_(1 - lr * decay)
                gate.sub_(lr * RMS * math.sqrt(max(flat.shape)) * turned.reshape(gate.shape))
    for a, b in zip(mine, exact, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(16, 16), (9, 16), (16, 9)])
def test_it_agrees_with_torch_within_bfloat16(shape):
    mine, theirs = parameters([shape], torch.float32), parameters([shape], torch.float32)
    before = mine[0].detach().clone()
    ours = Muon(mine, [], 0.1, momentum=0.9, weight_decay=0.1)
    options = {"momentum": 0.9, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    rival = torch.optim.Muon(theirs, 0.1, **options)
    for seed in range(3):
        gradients(mine, seed)
        gradients(theirs, seed)
        ours.step()
        rival.step()
    moved = (theirs[0] - before).norm()
    assert (mine[0] - theirs[0]).norm() < 0.05 * moved


def test_without_matrices_it_is_adamw():
    mine, theirs = parameters([(5,), (3, 4)]), parameters([(5,), (3, 4)])
    ours = Muon([], mine, 0.01, betas=(0.9, 0.99), weight_decay=0.1)
    rival = torch.optim.AdamW(theirs, 0.01, betas=(0.9, 0.99), weight_decay=0.1)
    for seed in range(3):
        gradients(mine, seed)
        gradients(theirs, seed)
        ours.step()
        rival.step()
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_a_schedule_reaches_both_kinds():
    matrix, vector = parameters([(4, 4), (4,)])
    optimizer = Muon([matrix], [vector], 1.0)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 0.0)
    before = matrix.detach().clone(), vector.detach().clone()
    gradients([matrix, vector], 0)
    optimizer.step()
    assert torch.equal(matrix, before[0])
    assert torch.equal(vector, before[1])


def test_it_goes_on_from_its_state():
    one = parameters([(4, 4), (4,)])
    first = Muon(one[:1], one[1:], 0.1)
    gradients(one, 0)
    first.step()
    two = [nn.Parameter(p.detach().clone()) for p in one]
    second = Muon(two[:1], two[1:], 0.5)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for params, optimizer in ((one, first), (two, second)):
        gradients(params, 1)
        optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_hooks_run_once_for_all():
    matrix, vector = parameters([(8, 8), (4,)])
    torch.optim.AdamW([vector])  # from now on its class runs hooks, too
    optimizer, calls = Muon([matrix], [vector], 0.1), []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    gradients([matrix, vector], 0)
    optimizer.step()
    assert calls == [1]
    other = copy.deepcopy(optimizer)
    gradients([p for g in other.param_groups for p in g["params"]], 1)
    other.step()
    assert len(other.state) == 2


def test_closure_and_missing_gradients():
    used, unused, vector = parameters([(4, 4), (4, 4), (4,)])
    optimizer = Muon([used, unused], [used, unused, vector], 0.1)
    before = unused.detach().clone()

    def closure():
        optimizer.zero_grad()
        loss = (used @ vector).square().sum()
        loss.backward()
        return loss

    losses = [optimizer.step(closure) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]
    assert torch.equal(unused, before)


def test_what_is_a_matrix_and_bad_input():
    matrix, vector = parameters([(4, 4), (4,)])
    assert matrices_of(nn.LSTM(9, 8))[0].shape == (32, 9)
    assert matrices_of(nn.LSTM(7, 8))[0].shape == (32, 8)  # 7 columns are too few
    with pytest.raises(ValueError, match=r"two dimensions or more; got one of shape \(4,\)"):
        Muon([vector], [matrix])
    for wrong in ({"momentum": 1.0}, {"momentum": -0.1}, {"steps": 0}):
        with pytest.raises(ValueError, match="Muon needs a momentum from 0 to below 1"):
            Muon([matrix], [vector], **wrong)
    for gates in (3, 0, 2.0):
        with pytest.raises(ValueError, match=rf"divide the rows .* got {gates} for shape \(4, 4\)"):
            Muon([matrix], [vector], gates={matrix: gates})
    with pytest.raises(ValueError, match="gates of its matrices; got those of another parameter"):
        Muon([matrix], [vector], gates={vector: 1})
    with pytest.raises(ValueError, match="not differentiated; got differentiable=True"):
        Muon([matrix], [vector], differentiable=True)
    matrix.grad = torch.zeros(4, 4, dtype=torch.float64).to_sparse()
    with pytest.raises(RuntimeError, match=r"dense gradients .* \(4, 4\); leave it"):
        Muon([matrix], [vector]).step()


def moved(p, gates, lr=0.1):
    """A parameter after one step, from its gradient, without decay and with momentum 0.95."""
    update = (0.95 * 0.05 + 0.05) * p.grad
    turned = [polar(g.T, 5).T if len(g) > g.shape[1] else polar(g, 5) for g in update.chunk(gates)]
    scale = lr * RMS * math.sqrt(max(len(p) // gates, p.shape[1]))
    return p.detach() - scale * torch.cat(turned)


LAYERS = {
    "linear": (nn.Linear(8, 32), {"weight": 1}),
    "lstm": (nn.LSTM(8, 8), {"weight_ih_l0": 4, "weight_hh_l0": 4}),
    "lstm with a projection": (
        nn.LSTM(16, 16, proj_size=8),
        {"weight_ih_l0": 4, "weight_hh_l0": 4, "weight_hr_l0": 1},
    ),
    "gru": (nn.GRU(8, 16, bidirectional=True), {"weight_ih_l0_reverse": 3, "weight_hh_l0": 3}),
    "rnn": (nn.RNN(8, 16), {"weight_ih_l0": 1, "weight_hh_l0": 1}),
    "cell": (nn.LSTMCell(8, 8), {"weight_ih": 4, "weight_hh": 4}),
    "attention": (nn.MultiheadAttention(8, 2), {"in_proj_weight": 3, "out_proj.weight": 1}),
    "transformer": (
        nn.TransformerEncoderLayer(8, 2, 32),
        {"self_attn.in_proj_weight": 3, "linear1.weight": 1, "linear2.weight": 1},
    ),
    "sru": (SRU(8, 8, num_layers=2), {"weight_ih_l0": 3, "weight_ih_l1": 3}),
    "sru with a skip by product": (SRU(16, 8), {"weight_ih_l0": 4}),
    "sru of a rank": (SRU(16, 16, projection_size=8), {"weight_ih_l0": 3, "weight_proj_l0": 1}),
    "qrnn": (QRNN(8, 8, window=2), {"weight_ih_l0": 3}),
    "mingru": (MinGRU(16, 8), {"weight_ih_l0": 2}),
    "minlstm": (MinLSTM(8, 8), {"weight_ih_l0": 3}),
    "hgrn": (HGRN(8, 8), {"weight_ih_l0": 3, "weight_hy_l0": 1}),
    "rglru": (RGLRU(16, 8), {"weight_ih_l0": 1}),
    "sru++": (
        SRUPlusPlus(16, 16, projection_size=8),
        {"weight_ih_l0": 3, "weight_proj_l0": 1, "weight_kv_l0": 2},
    ),
    "conv": (CausalConv(8, 8, kernel_size=2), {"convolutions.0.weight": 1}),
    "dropped": (
        weight_drop(nn.LSTM(8, 8), "weight_hh_l0"),
        {"parametrizations.weight_hh_l0.original": 4, "weight_ih_l0": 4},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_gates_are_those_that_a_layer_has_and_no_shape_is_cut_by_itself(name):
    layer, gates = copy.deepcopy(LAYERS[name])
    layer, params = layer.double(), dict(layer.double().named_parameters())
    found = matrices_of(layer)
    gradients(params.values(), 0)
    expected = {n: moved(params[n], count) for n, count in gates.items()}
    Muon(found + muon.Matrices(), layer.parameters(), 0.1, weight_decay=0.0).step()
    for n, right in expected.items():
        assert any(p is params[n] for p in found)
        torch.testing.assert_close(params[n].detach(), right, atol=1e-6, rtol=0)


def test_gates_are_read_from_the_groups_whoever_adds_or_loads_them():
    one, two, three = parameters([(12, 4), (12, 4), (4,)])
    optimizer = Muon([one], [three], 0.1, weight_decay=0.0)
    optimizer.add_param_group({"params": [two], "gates": 3})
    optimizer.add_param_group({"params": parameters([(5,)])})
    gradients([one, two], 0)
    expected = moved(one, 1), moved(two, 3)
    older = copy.deepcopy(optimizer.state_dict())
    for group in older["param_groups"]:
        group.pop("gates", None)
    optimizer.load_state_dict(older)
    copy.deepcopy(optimizer).step()
    optimizer.step()
    for p, right in zip((one, two), expected, strict=True):
        torch.testing.assert_close(p.detach(), right, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match=r"got 5 for shape \(4, 4\); 1 is a matrix"):
        optimizer.add_param_group({"params": parameters([(4, 4)]), "gates": 5})


def test_maximizing_goes_the_other_way_for_both_kinds():
    found = []
    for maximize in (False, True):
        params = parameters([(4, 4), (4,)])
        optimizer = Muon(params[:1], params, 0.1, maximize=maximize, weight_decay=0.0)
        before = [p.detach().clone() for p in params]
        gradients(params, 0)
        optimizer.step()
        found.append([p.detach() - b for p, b in zip(params, before, strict=True)])
    for down, up in zip(*found, strict=True):
        torch.testing.assert_close(down, -up)


def test_examples_run():
    assert doctest.testmod(muon).failed == 0
