"""Dropout on weights: against masks applied by hand, and what becomes of the module."""

import copy
import re

import pytest
import torch
from tests.nn.test_layers import (
    LAYERS,
    close,
    draw,
    each_direction,
    each_layer,
    each_streaming_layer,
    flat,
    make,
)
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import cached

from swiftrnn import ops
from swiftrnn.nn import RGLRU, SRU, InPlaceOfLSTM, MinGRU, remove_weight_drop, weight_drop
from swiftrnn.ops import _blocked

P = 0.4
each_rnn = pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])


def recurrent(layer):
    """The weights that are dropped here: one for each layer and direction."""
    stems = ("weight_hh", "weight_gate", "weight_ih", "weight_c")
    stem = next(stem for stem in stems if hasattr(layer, f"{stem}_l0"))
    return [n for n, _ in layer.named_parameters() if n.startswith(stem + "_l")]


def masked(layer, names, seed):
    """Its weights with masks by hand, drawn in the order of the names."""
    torch.manual_seed(seed)
    weights = {n: w.detach().clone() for n, w in layer.named_parameters()}
    masks = {n: nn.functional.dropout(torch.ones_like(weights[n]), P) for n in names}
    assert all({0.0, 1 / (1 - P)} == set(mask.unique().tolist()) for mask in masks.values())
    return masks


def gradients(output, state, leaves):
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    loss = (output * weight).sum() + sum(s.sin().sum() for s in flat(state))
    return torch.autograd.grad(loss, leaves)


@each_layer
@each_direction
def test_a_call_equals_one_mask_by_hand_with_every_gradient(kind, bidirectional):
    layer = make(kind, 5, 8, bidirectional=bidirectional)
    plain, names = copy.deepcopy(layer), recurrent(layer)
    masks = masked(layer, names, seed=3)
    weights = dict(plain.named_parameters())
    by_hand = {n: weights[n] * masks[n] if n in masks else weights[n] for n in weights}
    x = draw(9, 3, 5).requires_grad_()
    lengths = torch.tensor([9, 4, 6])
    expected, last = torch.func.functional_call(plain, by_hand, (x, None, lengths))
    weight_drop(layer, names[0].removesuffix("_l0"), p=P)
    torch.manual_seed(3)
    output, state = layer(x, lengths=lengths)
    torch.testing.assert_close(output, expected)
    close(state, last)
    assert not torch.allclose(output, plain(x, lengths=lengths)[0])
    raw = {n: layer.parametrizations[n].original for n in names}
    raw = {n: raw[n] if n in raw else layer.get_parameter(n) for n in weights}
    found = gradients(output, state, [x, *raw.values()])
    close(found, gradients(expected, last, [x, *weights.values()]))
    ((w, mask),) = [(g, masks[n]) for n, g in zip(weights, found[1:], strict=True) if n == names[0]]
    assert not w[mask == 0].any()


@each_rnn
def test_torchs_layers_keep_one_mask_for_all_steps_too(kind):
    layer = kind(5, 6, 2, dtype=torch.float64)
    plain = copy.deepcopy(layer)
    weight_drop(layer, "weight_hh", p=P)
    x = draw(7, 3, 5).requires_grad_()
    with cached():
        output, state = layer(x)
        by_hand = {n: getattr(layer, n).detach() for n, _ in plain.named_parameters()}
        again = layer(x)[0]
    assert torch.equal(again, output)
    kept = by_hand["weight_hh_l1"] != 0
    torch.testing.assert_close(by_hand["weight_hh_l1"], plain.weight_hh_l1 * kept / (1 - P))
    expected, last = torch.func.functional_call(plain, by_hand, (x,))
    torch.testing.assert_close(output, expected)
    close(state, last)
    raw = layer.parametrizations.weight_hh_l1.original
    assert torch.equal(gradients(output, state, raw)[0] != 0, kept)
    other = layer(x)[0]  # without a cache the last mask counts
    used = dict(zip(by_hand, [w.detach() for w in layer._flat_weights], strict=True))
    assert not torch.equal(used["weight_hh_l1"], by_hand["weight_hh_l1"])
    torch.testing.assert_close(other, torch.func.functional_call(plain, used, (x,))[0])


@pytest.mark.skipif(not ops.OPS[0].has_kernel("cpu"), reason="the C kernels are missing")
@pytest.mark.parametrize("kind", [SRU, MinGRU])
def test_kernels_take_the_dropped_weights(kind, monkeypatch):
    layer = kind(16, 16, 2)
    plain, x = copy.deepcopy(layer), torch.randn(40, 16, 16)
    weight_drop(layer, "weight_ih", p=P)
    called = []
    forward = _blocked._forward
    monkeypatch.setattr(_blocked, "_forward", lambda *a: called.append(1) or forward(*a))
    with cached(), torch.no_grad():
        output, _ = layer(x)
        for name in ("weight_ih_l0", "weight_ih_l1"):
            getattr(plain, name).copy_(getattr(layer, name))
    assert len(called) == 2
    assert torch.equal(output, plain(x)[0])


@pytest.mark.parametrize("kind", [*LAYERS, nn.LSTM, nn.GRU], ids=lambda kind: kind.__name__)
def test_eval_mode_changes_no_bit(kind):
    layer = kind(6, 6, 2).eval()
    x = torch.randn(30, 4, 6)
    expected, last = layer(x)
    weight_drop(layer, *recurrent(layer))
    for _ in range(2):
        output, state = layer(x)
        assert torch.equal(output, expected)
        close(state, last, rtol=0, atol=0)
        assert not torch.equal(layer.train()(x)[0], expected)
        layer.eval()


@each_streaming_layer
def test_each_step_draws_a_mask_unless_cached(kind):
    layer, x = make(kind), draw(1, 2, 6).expand(12, 2, 6)
    weight_drop(layer, *recurrent(layer), p=P)

    def stream():
        state, outputs = None, []
        for x_t in x:
            output, state = layer.step(x_t, state)
            outputs.append(output)
        return torch.stack(outputs), state

    with cached():
        whole, last = layer(x)
        steps, state = stream()
    torch.testing.assert_close(steps, whole)
    close(state, last)
    assert not torch.equal(layer.step(x[0], last)[0], layer.step(x[0], last)[0])


@pytest.mark.parametrize("kind", [*LAYERS, nn.LSTM], ids=lambda kind: kind.__name__)
def test_removal_gives_the_weights_back(kind):
    layer = kind(6, 6, 2, bidirectional=True)
    before = copy.deepcopy(layer)
    parameters, x = {n: id(p) for n, p in layer.named_parameters()}, torch.randn(5, 2, 6)
    weight_drop(layer, *recurrent(layer), p=P)
    layer(x)
    assert {id(p) for p in layer.parameters()} == set(parameters.values())
    assert remove_weight_drop(layer) is layer
    assert type(layer) is kind
    assert {n: id(p) for n, p in layer.named_parameters()} == parameters
    assert torch.equal(layer(x)[0], before(x)[0])
    layer.load_state_dict(before.state_dict())
    assert remove_weight_drop(layer) is layer


def test_removal_from_a_copy_leaves_the_first_as_it_is():
    layer = weight_drop(SRU(4, 4), "weight_ih", "weight_c")
    other = copy.deepcopy(layer)
    assert type(remove_weight_drop(other)) is SRU
    x = torch.randn(3, 2, 4)
    assert not torch.equal(layer(x)[0], other(x)[0])
    assert torch.equal(layer.eval()(x)[0], other(x)[0])
    remove_weight_drop(layer)
    assert torch.equal(layer(x)[0], other(x)[0])


def test_other_parametrizations_stay():
    linear = parametrizations.weight_norm(nn.Linear(3, 3))
    weight_drop(linear, "weight", p=0.5)
    x = torch.randn(4, 3)
    assert not torch.equal(linear(x), linear(x))
    assert torch.equal(remove_weight_drop(linear)(x), linear(x))
    assert list(linear.state_dict()) == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1"
    ]  # fmt: skip


@each_layer
def test_state_dicts_with_and_without_fit(kind):
    model, plain = nn.Sequential(kind(6, 6, 2)), nn.Sequential(kind(6, 6, 2))
    weight_drop(model[0], *recurrent(model[0]))
    x = torch.randn(4, 2, 6)
    assert model.load_state_dict(plain.state_dict()) == ([], [])
    assert torch.equal(model.eval()[0](x)[0], plain[0](x)[0])
    other = weight_drop(kind(6, 6, 2), *recurrent(plain[0])).eval()
    other.load_state_dict(model[0].state_dict())
    assert torch.equal(other(x)[0], plain[0](x)[0])
    lacking = {n: w for n, w in plain.state_dict().items() if n != "0." + recurrent(plain[0])[0]}
    with pytest.raises(RuntimeError, match=r"Missing key.*parametrizations\.weight_\w+\.original"):
        model.load_state_dict(lacking)


@pytest.mark.parametrize("kind", [*LAYERS, nn.LSTM], ids=lambda kind: kind.__name__)
def test_copies_draw_masks_of_their_own(kind):
    layer = weight_drop(kind(6, 6), *recurrent(kind(6, 6)), p=P)
    other, x = copy.deepcopy(layer), torch.randn(4, 2, 6)
    assert not torch.equal(other(x)[0], layer(x)[0])
    assert torch.equal(other.eval()(x)[0], layer.eval()(x)[0])
    twin = copy.deepcopy(layer)  # torch's LSTM: after a call in eval mode
    assert torch.equal(twin(x)[0], layer(x)[0])
    twin.parametrizations[recurrent(kind(6, 6))[0]].original.data.zero_()
    assert not torch.equal(twin(x)[0], layer(x)[0])


def test_fresh_weights_are_drawn_for_what_lies_below():
    layer, plain = RGLRU(6, 6), RGLRU(6, 6)
    weight_drop(layer, "weight_gate", "decay")
    for each in (layer, plain):
        torch.manual_seed(5)
        each.reset_parameters()
    drawn = remove_weight_drop(layer).state_dict()
    assert all(torch.equal(drawn[name], value) for name, value in plain.state_dict().items())


@pytest.mark.parametrize("kind", [SRU, MinGRU])
def test_compiles_whole(kind):
    torch._dynamo.reset()
    layer = weight_drop(kind(6, 6, 2), "weight_ih", p=P)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(5, 2, 6)
    one, two = compiled(x)[0], compiled(x)[0]
    assert not torch.equal(one, two)
    one.sum().backward()
    assert (layer.parametrizations.weight_ih_l0.original.grad == 0).any()
    layer.eval()
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])


def test_p_of_one_leaves_nothing_and_of_zero_everything():
    layer, x = MinGRU(4, 4, bias=False), torch.randn(3, 2, 4)
    expected = layer(x)[0]
    assert torch.equal(weight_drop(copy.deepcopy(layer), "weight_ih", p=0)(x)[0], expected)
    assert not weight_drop(layer, "weight_ih", p=1)(x)[0].any()


@pytest.mark.parametrize(
    ("names", "p", "message"),
    [
        (("weight_ih",), 1.5, "p in 0..1; got 1.5"),
        (("weight_ih",), float("nan"), "p in 0..1; got nan"),
        (("weight_ih", "weight_hh"), 0.5, "that SRU itself has, bias_ih, weight_c, weight_ih; got "
         "'weight_ih', 'weight_hh'"),
        (("weight_ih_l2",), 0.5, "got 'weight_ih_l2'"),
        ((), 0.5, "got no name"),
        (("weight_ih_l0", "weight_c"), 0.5, "not dropped yet; got weight_c_l0; call remove_"),
    ],
)  # fmt: skip
def test_what_cannot_be_dropped_is_refused_before_anything_changes(names, p, message):
    layer = weight_drop(SRU(4, 4), "weight_c")
    before = list(layer.state_dict())
    with pytest.raises(ValueError, match=f"weight_drop needs .*{re.escape(message)}"):
        weight_drop(layer, *names, p=p)
    assert list(layer.state_dict()) == before


def test_messages_name_the_layer_as_before():
    layer = weight_drop(SRU(4, 4), "weight_ih")
    with pytest.raises(ValueError, match=r"^SRU needs input"):
        layer(torch.zeros(3, 2, 5))
    with pytest.raises(ValueError, match=r"SRUInPlaceOfLSTM itself has, .*; got 'weight_hh'"):
        weight_drop(InPlaceOfLSTM(SRU(4, 4)), "weight_hh")
