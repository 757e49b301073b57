"""A module in the place of SRU's matrices: against the equations, and what it must give."""

import copy
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.test_layers import close, draw
from torch import nn

from swiftrnn.nn import SRU, convert


def module(features, gates, **options):
    options = dict(dtype=torch.float64) | options
    return nn.Sequential(
        nn.Linear(features, 4, **options), nn.Tanh(), nn.Linear(4, gates, **options)
    )


def made(I, H, layers, **options):
    """A layer with a module of its own for each of its layers."""
    width = H * (2 if options.get("bidirectional") else 1)
    sizes = [width if options.get("project_input") else I] + [width] * (layers - 1)
    fourth = [options.get("skip", True) and size != width for size in sizes]
    transform = [module(n, (3 + four) * width) for n, four in zip(sizes, fourth, strict=True)]
    return SRU(I, H, layers, dtype=torch.float64, transform=transform, **options)


def by_equations(layer, x, start, lengths):
    """Output and last state, a direction, a sequence and a step at a time."""
    H, directions, states = layer.hidden_size, 1 + layer.bidirectional, []
    zero = torch.zeros(H, dtype=x.dtype)
    if layer.project_input and x.shape[2] != directions * H:
        x = x @ layer.weight_input.T
    for k in range(layer.num_layers):
        norm = [getattr(layer, f"{n}_norm_l{k}", None) for n in ("weight", "bias")]
        normed = nn.functional.layer_norm(x, x.shape[2:], *norm) if layer.norm == "before" else x
        parts, outputs = layer.transform[k](normed).chunk(directions, -1), []
        for d, end in enumerate(("", "_reverse")[:directions]):
            v = getattr(layer, f"weight_c_l{k}{end}", torch.cat([zero, zero])).split(H)
            b = getattr(layer, f"bias_ih_l{k}{end}", torch.cat([zero, zero])).split(H)
            h = [[zero] * len(lengths) for _ in x]
            for n, length in enumerate(lengths):
                c = start[directions * k + d, n]
                for t in range(length)[:: -1 if d else 1]:
                    u, uf, ur, *us = parts[d][t, n].split(H)
                    f, r = torch.sigmoid(uf + v[0] * c + b[0]), torch.sigmoid(ur + v[1] * c + b[1])
                    c = f * c + (1 - f) * u
                    s = us[0] if us else layer._scale() * x[t, n, d * H : (d + 1) * H]
                    g = c.tanh() if layer.tanh else c
                    h[t][n] = r * g + ((1 - r) * s if layer.skip else 0)
                states.append(c)
            outputs.append(torch.stack([torch.stack(row) for row in h]))
        x = torch.cat(outputs, -1)
        if layer.norm == "after":
            x = nn.functional.layer_norm(x, x.shape[2:], *norm)
            x = torch.stack([torch.where(torch.arange(len(x)) < n, x[:, i].T, 0).T
                             for i, n in enumerate(lengths)], 1)  # fmt: skip
    return x, torch.stack(states).view(-1, len(lengths), H)


CHOICES = dict(
    bidirectional=(True, False), bias=(True, False), version=(1, 2), tanh=(True, False),
    rescale=(True, False), skip=(True, False), norm=("none", "before", "after"),
    project_input=(True, False),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(
    st.fixed_dictionaries({k: st.sampled_from(v) for k, v in CHOICES.items()}),
    st.sampled_from([3, 6]),
    st.integers(1, 2),
)
def test_equals_the_equations_with_every_gradient(options, I, layers):
    layer, x = made(I, 3, layers, highway_bias=-1.0, **options), draw(5, 3, I).requires_grad_()
    start = draw((1 + options["bidirectional"]) * layers, 3, 3).requires_grad_()
    lengths = torch.tensor([5, 0, 3])
    found = layer(x, start, lengths)
    expected = by_equations(layer, x, start, lengths.tolist())
    close(found, expected)
    leaves = [x, start, *layer.parameters()]
    weights = [torch.linspace(-1, 2, each.numel()).double().view_as(each) for each in found]
    ours, theirs = (
        torch.autograd.grad(pair, leaves, weights, allow_unused=True) for pair in (found, expected)
    )
    close([g for g in ours if g is not None], [g for g in theirs if g is not None])
    assert [g is None for g in ours] == [g is None for g in theirs]
    assert all(g.any() for g, leaf in zip(ours, leaves, strict=True) if leaf.dim() == 2)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("I", [5, 6, 12])
def test_a_matrix_as_a_module_is_the_layer_without_one(bidirectional, I):
    options = dict(bidirectional=bidirectional, dtype=torch.float64)
    plain, transforms = SRU(I, 6, 2, **options), []
    ends = ("", "_reverse") if bidirectional else ("",)
    for k in range(2):
        matrix = torch.cat([plain.get_parameter(f"weight_ih_l{k}{end}") for end in ends])
        transforms.append(nn.Linear(*matrix.T.shape, bias=False, dtype=torch.float64))
        transforms[-1].weight.data.copy_(matrix)
    layer = SRU(I, 6, 2, transform=transforms, **options)
    rest = {n: p for n, p in plain.state_dict().items() if not n.startswith("weight_ih")}
    assert layer.load_state_dict(rest, strict=False).unexpected_keys == []
    x, reset = draw(9, 2, I), torch.rand(9, 2) < 0.3
    close(layer(x, reset=reset), plain(x, reset=reset))


def test_each_layer_gets_a_copy_of_one_module_and_keeps_a_list():
    one = module(6, 18)
    layer = SRU(6, 6, 2, transform=one)
    assert {id(one), *map(id, layer.transform)} == {id(m) for m in (one, *layer.transform)}
    assert len({id(m) for m in (one, *layer.transform)}) == 3
    assert all(torch.equal(m[0].weight, one[0].weight) for m in layer.transform)
    for several in ([one, module(6, 18)], nn.ModuleList([one, module(6, 18)])):
        assert [*SRU(6, 6, 2, transform=several).transform] == [*several]
    names = {n for n, _ in layer.named_parameters()}
    assert not any("weight_ih" in n for n in names)
    assert {"transform.0.0.weight", "transform.1.2.bias", "weight_c_l0"} <= names


def test_its_own_weights_are_not_drawn_anew():
    layer = SRU(6, 6, transform=nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 18)))
    nn.init.constant_(layer.transform[0][0].weight, 3.0)
    before = copy.deepcopy(layer)
    layer.reset_parameters()
    assert not torch.equal(layer.weight_c_l0, before.weight_c_l0)
    close(list(layer.transform.state_dict().values()), list(before.transform.state_dict().values()))


class Wider(nn.Module):
    """Without any parameter."""

    def forward(self, x):
        return torch.cat([x, x.sin(), x.cos()], -1)


def test_no_parameters_are_needed_at_all():
    layer = SRU(4, 4, 2, bias=False, version=1, transform=Wider())
    assert not list(layer.parameters())
    x = draw(5, 2, 4)
    output, last = layer(x)
    close((output, last), by_equations(layer, x, draw(2, 2, 4) * 0, [5, 5]))
    steps, state = [], None
    for x_t in x:
        step, state = layer.step(x_t, state)
        steps.append(step)
    close((torch.stack(steps), state), (output, last))


def test_convert_gives_every_place_its_copy_and_one_line():
    model = nn.ModuleDict({"a": nn.GRU(4, 4), "b": nn.LSTM(4, 4)})
    lines = convert(model, SRU, transform=nn.Linear(4, 12))
    assert len(lines) == 2
    assert not any("\n" in line for line in lines)
    assert model["a"].transform[0] is not model["b"].transform[0]
    assert model["a"](torch.randn(3, 2, 4))[0].shape == (3, 2, 4)


class Pair(nn.Module):
    def forward(self, x):
        return torch.cat([x, x, x], -1), x


class Doubled(nn.Module):
    def forward(self, x):
        return torch.cat([x, x, x], -1).double()


@pytest.mark.parametrize(
    ("transform", "options", "error", "message"),
    [
        (nn.Linear(6, 12), {}, ValueError, "G * H) of (4, 2, 18); got (4, 2, 12)"),
        (nn.Linear(6, 18), {"bidirectional": True}, ValueError, "of (4, 2, 48); got (4, 2, 18)"),
        (nn.Flatten(0, 1), {}, ValueError, "of (4, 2, 18); got (8, 6)"),
        (Pair(), {}, TypeError, "gates from its transform (T, B, directions * G * H); got tuple"),
        (Doubled(), {}, TypeError, "gates from its transform in torch.float32, as its input; got"),
        (lambda x: x, {}, TypeError, "one for each layer; got function"),
        ([nn.Linear(6, 18)] * 3, {}, ValueError, "a transform for each of 1 layers; got 3"),
        (nn.Linear(6, 18), {"projection_size": 2}, ValueError, "not both; got both"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(transform, options, error, message):
    x = torch.randn(4, 2, 6)
    with pytest.raises(error, match=f"^SRU needs .*{re.escape(message)}") as raised:
        SRU(6, 6, transform=transform, **options)(x)
    assert "\n" not in str(raised.value)
