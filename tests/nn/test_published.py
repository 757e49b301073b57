"""Weights of sru and torchqrnn, against their equations in their own layout, and the package."""

import random
import re
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from swiftrnn.nn import load_qrnn, load_sru


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def layer_of_sru(x, c, p, H, tanh, skip, after, pad):
    """One layer of the package sru: x (T, B, I), c (B, O), its parameters; a channel at a time."""
    T, B, I = x.shape
    O = c.shape[1]
    normed = x
    if "layer_norm.weight" in p and not after:
        normed = nn.functional.layer_norm(x, (I,), p["layer_norm.weight"], p["layer_norm.bias"])
    U = normed @ p["weight_proj"] if "weight_proj" in p else normed
    U = p["custom_m"](normed) if "custom_m" in p else U @ p["weight"]
    U = U.view(T, B, O, -1)  # the gates of a channel side by side
    v, b = (p.get(name, torch.zeros(2 * O).double()).view(2, O) for name in ("weight_c", "bias"))
    h, last = torch.zeros(T, B, O).double(), c.clone()
    for channel in range(O):
        state, reverse = c[:, channel], channel >= H
        for t in reversed(range(T)) if reverse else range(T):
            u, uf, ur, *us = U[t, :, channel].unbind(-1)
            f = torch.sigmoid(uf + v[0, channel] * state + b[0, channel])
            r = torch.sigmoid(ur + v[1, channel] * state + b[1, channel])
            new = f * state + (1 - f) * u
            fallen = us[0] if us else x[t, :, channel] * p["scale_x"] if skip else 0
            out = r * (new.tanh() if tanh else new) + (1 - r) * fallen
            h[t, :, channel] = torch.where(pad[t], 0, out)
            state = torch.where(pad[t], state, new)
        last[:, channel] = state
    if "layer_norm.weight" in p and after:
        h = nn.functional.layer_norm(h, (O,), p["layer_norm.weight"], p["layer_norm.bias"])
    return h, last


def sru_in_their_way(x, c, state, layers, pad, **options):
    if "input_to_hidden.weight" in state:
        x = x @ state["input_to_hidden.weight"].T
    lasts = []
    for i in range(layers):
        prefix = f"rnn_lst.{i}."
        part = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
        x, last = layer_of_sru(x, c[i], part, pad=pad, **options)
        lasts.append(last)
    return x, torch.stack(lasts)


def made_up(I, H, layers, directions, skip, rank, norm, version, rescale, project):
    """A state dict as sru 2.6 would have it."""
    O, state = H * directions, {}
    first = O if project and I != O else I
    if first != I:
        state["input_to_hidden.weight"] = draw(O, I)
    for i in range(layers):
        inputs = O if i else first
        gates = 4 if skip and inputs != O else 3
        rows = rank if 0 < rank < min(inputs, O) else inputs
        part = {"weight": draw(rows, O * gates), "bias": draw(2 * O)}
        part["scale_x"] = torch.tensor([1.3 if rescale else 1.0], dtype=torch.float64)
        if rows != inputs:
            part["weight_proj"] = draw(inputs, rows)
        if version == 2:
            part["weight_c"] = draw(2 * O)
        if norm:
            size = O if norm == "after" else inputs
            part |= {"layer_norm.weight": draw(size), "layer_norm.bias": draw(size)}
        state |= {f"rnn_lst.{i}.{name}": value for name, value in part.items()}
    return state


def turned(c, directions):
    """Their states (layers, B, directions * H) as ours (layers * directions, B, H)."""
    layers, B, O = c.shape
    return c.view(layers, B, directions, O // directions).transpose(1, 2).flatten(0, 1)


CHOICES = dict(
    I=(1, 4, 6), H=(1, 3, 6), layers=(1, 2, 3), directions=(1, 2), skip=(True, False),
    rank=(0, 2), norm=("", "before", "after"), version=(1, 2), rescale=(True, False),
    project=(True, False),
)  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHOICES.items()}), st.booleans())
def test_sru_gives_the_outputs_of_its_equations(options, tanh):
    state, (H, directions) = made_up(**options), (options["H"], options["directions"])
    layer = load_sru(
        state, bidirectional=directions == 2, tanh=tanh, skip=options["skip"],
        norm_after=options["norm"] == "after",
    )  # fmt: skip
    x, c = draw(7, 3, options["I"]), draw(options["layers"], 3, H * directions)
    lengths = torch.tensor([7, 4, 1])
    pad = torch.arange(7)[:, None] >= lengths
    theirs = dict(H=H, tanh=tanh, skip=options["skip"], after=options["norm"] == "after")
    expected, last = sru_in_their_way(x, c, state, options["layers"], pad & False, **theirs)
    output, found = layer(x, turned(c, directions))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(found, turned(last, directions))
    if options["norm"] != "after":  # there the package puts out the norm's bias
        expected, last = sru_in_their_way(x, c, state, options["layers"], pad, **theirs)
        output, found = layer(x, turned(c, directions), lengths)
        torch.testing.assert_close(output, expected)
        torch.testing.assert_close(found, turned(last, directions))


def of_3_0(name, value):
    if name.endswith("weight_proj"):
        return name.replace("weight_proj", "transform_module.0.weight"), value.T
    if name.endswith(".weight") and "norm" not in name and "hidden" not in name:
        return name.replace(".weight", ".transform_module.1.weight"), value.T
    return name, value


@pytest.mark.parametrize("rank", [0, 2])
def test_sru_of_other_releases_is_the_same(rank):
    options = {k: v[-1] for k, v in CHOICES.items()} | dict(I=4, rank=rank, norm="after")
    state = made_up(**options)
    old = dict(bidirectional=True, skip=False, norm_after=True)
    expected = load_sru(state, **old).state_dict()
    newer = dict(of_3_0(name, value) for name, value in state.items())
    if not rank:
        newer = {name.replace("module.1.", "module."): value for name, value in newer.items()}
    earlier = {re.sub(r"rnn_lst(.\d.)layer_norm.", r"ln_lst\1", n): v for n, v in state.items()}
    assert newer.keys() != state.keys()
    assert earlier.keys() != state.keys()
    for other in (newer, earlier):
        found = load_sru(other, **old).state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_sru_keeps_device_dtype_and_number_of_threads_out_of_it():
    state = {"weight": torch.randn(4, 9).bfloat16(), "bias": torch.zeros(6).bfloat16()}
    layer = load_sru(state, skip=False, batch_first=True, variational_dropout=0.1)
    assert layer.weight_ih_l0.dtype == torch.bfloat16
    assert layer.batch_first
    assert layer.variational_dropout == 0.1


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({"rnn_lst.0.gain": torch.ones(3)}, {}, "without weight norm; got .*gain"),
        ({"rnn_lst.0.bias": None}, {}, "needs weight and bias of layer 0"),
        ({}, {"bidirectional": True}, "needs an even width for two directions; got 3"),
        ({"rnn_lst.0.scale_x": torch.tensor(1.5)}, {}, "one scale_x .* got 1, 1.5"),
        ({"rnn_lst.1.weight_c": torch.zeros(5)}, {}, r"shape '\[2, 1, 3\]' is invalid"),
        ({"rnn_lst.1.weight_c": None}, {}, "needs weights that fit SRU.* Missing key"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, options, said):
    state = made_up(3, 3, 2, 1, True, 0, "", 2, False, False) | change
    state = {name: value for name, value in state.items() if value is not None}
    with pytest.raises((ValueError, RuntimeError), match=said):
        load_sru(state, **options)


class Custom(nn.Module):
    def __init__(self, inputs, outputs, flat=False):
        super().__init__()
        self.linear, self.flat = nn.Linear(inputs, outputs), flat

    def forward(self, x):
        gates = self.linear(x.sin())
        return gates.flatten(0, 1) if self.flat else gates

    def reset_parameters(self):
        """The package asks for it."""


class Cell(nn.Module):
    """As sru.SRUCell looks from outside."""

    def __init__(self, inputs, H, directions, flat):
        super().__init__()
        self.input_size, O, self.bidirectional = inputs, directions * H, directions == 2
        self.num_matrices = 3 if inputs == O else 4
        self.custom_m = Custom(inputs, O * self.num_matrices, flat).double()
        self.weight_c, self.bias = nn.Parameter(draw(2 * O)), nn.Parameter(draw(2 * O))
        self.register_buffer("scale_x", torch.tensor([1.3], dtype=torch.float64))
        self.layer_norm = nn.LayerNorm(inputs).double()


def with_custom(I, H=3, directions=2, flat=False):
    module = nn.Module()
    cells = [Cell(n, H, directions, flat) for n in (I, H * directions)]
    module.rnn_lst, module.bidirectional = nn.ModuleList(cells), directions == 2
    return module


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("I", [4, 6])
def test_a_custom_m_becomes_a_transform(I, directions, flat):
    module, x, c = with_custom(I, 3, directions, flat), draw(7, 3, I), draw(2, 3, 3 * directions)
    state = module.state_dict() | {
        f"rnn_lst.{k}.custom_m": cell.custom_m for k, cell in enumerate(module.rnn_lst)
    }
    pad = torch.zeros(7, 1).bool()
    theirs = dict(H=3, tanh=False, skip=True, after=False)
    expected, last = sru_in_their_way(x, c, state, 2, pad, **theirs)
    layer = load_sru(module.eval())
    output, found = layer(x, turned(c, directions))
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(found, turned(last, directions))
    assert not layer.transform[0].training
    assert layer.transform[0].module is not module.rnn_lst[0].custom_m


def test_a_custom_m_without_its_module_is_refused():
    module = with_custom(4)
    with pytest.raises(
        ValueError, match=r"needs the module of sru 2.*; got custom_m.linear.weight"
    ):
        load_sru(module.state_dict(), bidirectional=True)
    newer = {"transform_module.weight": draw(9, 4), "bias": draw(6)}
    load_sru(newer, skip=False)
    with pytest.raises(ValueError, match=r"custom_m; got transform_module.bias of layer 0"):
        load_sru(newer | {"transform_module.bias": draw(9)}, skip=False)
    cell = module.rnn_lst[1]
    cell.weight, cell.custom_m = nn.Parameter(draw(6, 18)), None
    with pytest.raises(ValueError, match="custom_m in all layers or in none; got 1 in 2 layers"):
        load_sru(module)
    module = with_custom(4)
    module.rnn_lst[0].custom_m = nn.LSTM(4, 24).double()  # gives a tuple, as one with V does
    with pytest.raises(TypeError, match=r"SRU needs gates from its transform .*; got tuple"):
        load_sru(module)(draw(5, 2, 4))


@pytest.mark.parametrize("load", [load_sru, load_qrnn])
def test_nothing_is_refused(load):
    with pytest.raises(ValueError, match=f"{load.__name__} needs .*; got"):
        load({})


def one_of_the_package(package, seed):
    """Their outputs and ours for random options."""
    choose = random.Random(seed).choice
    torch.manual_seed(seed)
    H, bidirectional, layers = choose([1, 3, 5, 8]), choose([True, False]), choose([1, 2, 3])
    O = H * (2 if bidirectional else 1)
    I, skip, project = choose([O, 1, 4, 7, 16]), choose([True, True, False]), choose([1, 0, 0])
    sizes, flat = [O if project else I] + [O] * (layers - 1), choose([True, False])
    custom = [Custom(n, O * (4 if skip and n != O else 3), flat) for n in sizes]
    theirs = package.SRU(
        I, H, layers, bidirectional=bidirectional,
        projection_size=choose([0, 0, 2, 4]), use_tanh=choose([True, False]),
        layer_norm=choose([True, False]), highway_bias=choose([0.0, -1.0, -3.0]),
        has_skip_term=skip, rescale=choose([True, False]),
        v1=choose([True, False, False]), normalize_after=choose([True, False]),
        proj_input_to_hidden_first=project, dropout=choose([0.0, 0.2]),
        custom_m=choose([None, None, custom]),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.requires_grad:
                parameter += torch.randn_like(parameter) / 10
    T, B = choose([1, 4, 9]), choose([1, 3])
    x, c = torch.randn(T, B, I), torch.randn(layers, B, O)
    ours, directions = load_sru(theirs), O // H
    assert not ours.training
    with torch.no_grad():
        expected, last = theirs(x, c)
        output, found = ours(x, turned(c, directions))
    return (output, found), (expected, turned(last, directions))


@pytest.mark.parametrize("part", range(4))
def test_equals_the_published_package(part):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = pytest.importorskip("sru", reason="the package sru (extra bench) is missing")
        for seed in range(150 * part, 150 * (part + 1)):
            ours, theirs = one_of_the_package(package, seed)
            torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def qrnn_in_their_way(x, state, layers, gates, window):
    """torchqrnn from its equations: f multiplies the candidate, the state is before the gate."""
    finals = []
    for k in range(layers):
        before = torch.cat([torch.zeros_like(x[:1]), x[:-1]])
        seen = torch.cat([x, before], -1) if window == 2 else x
        weight, bias = (state[f"layers.{k}.linear.{n}"] for n in ("weight", "bias"))
        z, f, *o = (seen @ weight.T + bias).chunk(gates, -1)
        c, outputs = torch.zeros_like(z[0]), []
        for t in range(len(x)):
            c = f[t].sigmoid() * z[t].tanh() + (1 - f[t].sigmoid()) * c
            outputs.append(o[0][t].sigmoid() * c if o else c)
        finals.append(c)
        x = torch.stack(outputs)
    return x, torch.stack(finals)


@pytest.mark.parametrize("gates", [2, 3])
@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
def test_qrnn_gives_the_outputs_of_its_equations(gates, window, layers):
    state, I, H = {}, 4, 5
    for k in range(layers):
        state[f"layers.{k}.linear.weight"] = draw(gates * H, window * (H if k else I))
        state[f"layers.{k}.linear.bias"] = draw(gates * H)
    x = draw(6, 2, I)
    expected, last = qrnn_in_their_way(x, state, layers, gates, window)
    layer = load_qrnn(state, window=None if layers > 1 else window)
    output, (c, _) = layer(x)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(c, last)
