"""Weight drop, against masks applied by hand."""

import copy

import pytest
import torch
from tests.nn.test_layers import LAYERS, TransformedSRU, draw, make

with_weights = pytest.mark.parametrize("kind", [k for k in LAYERS if k is not TransformedSRU])
from torch import nn
from torch.nn.utils import parametrize

from swiftrnn.nn import SRU, MinGRU, remove_weight_drop, weight_drop


@with_weights
def test_one_mask_holds_for_a_whole_call(kind):
    plain, x = make(kind), draw(7, 3, 6).requires_grad_()
    layer = weight_drop(copy.deepcopy(plain), p=0.4)
    torch.manual_seed(1)
    output, _ = layer(x)
    torch.manual_seed(1)
    by_hand, masks = copy.deepcopy(plain), {}
    with parametrize.cached():  # the masks of this call, in the order in which they are drawn
        layer(x)
        for name in masks_of(layer):
            masks[name] = getattr(layer, name).detach() != 0
    with torch.no_grad():
        for name, mask in masks.items():
            getattr(by_hand, name).mul_(mask / 0.6)
    expected, _ = by_hand(x)
    torch.testing.assert_close(output, expected)
    weights = draw(*output.shape)
    (found,) = torch.autograd.grad((output * weights).sum(), x)
    (right,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(found, right)


def masks_of(layer):
    return list(layer.parametrizations)


def test_gradients_go_through_what_is_kept():
    layer, x = weight_drop(MinGRU(4, 5, dtype=torch.float64), p=0.5), draw(3, 2, 4)
    with parametrize.cached():
        kept = layer.weight_ih_l0 != 0
        layer(x)[0].square().sum().backward()
    grad = layer.parametrizations.weight_ih_l0.original.grad
    assert not grad[~kept].any()
    assert grad[kept].all()


@with_weights
def test_in_use_it_changes_no_bit(kind):
    layer, x = make(kind).eval(), draw(5, 2, 6)
    dropped = weight_drop(copy.deepcopy(layer), p=0.9)
    assert torch.equal(dropped(x)[0], layer(x)[0])
    assert not torch.equal(dropped.train()(x)[0], dropped(x)[0])


def test_it_can_be_taken_off_again():
    layer, x = SRU(6, 6, 2), torch.randn(5, 2, 6)
    before = copy.deepcopy(layer)
    weight_drop(layer, p=0.5)
    assert "weight_ih_l0" not in layer.state_dict()
    assert layer.training
    remove_weight_drop(layer)
    assert layer.training
    assert list(layer.state_dict()) != []
    for name, value in before.state_dict().items():
        assert torch.equal(layer.state_dict()[name], value)
    assert torch.equal(layer(x)[0], before(x)[0])
    assert isinstance(layer.weight_ih_l0, nn.Parameter)


def test_an_lstm_drops_what_lies_between_its_states():
    lstm, x = weight_drop(nn.LSTM(4, 5, 2), "weight_hh", 0.5), torch.randn(6, 2, 4)
    assert masks_of(lstm) == ["weight_hh_l0", "weight_hh_l1"]
    assert not torch.equal(lstm(x)[0], lstm(x)[0])
    assert torch.equal(lstm.eval()(x)[0], lstm(x)[0])


def test_a_model_is_dropped_inside():
    model = nn.ModuleDict({"a": SRU(4, 4), "b": nn.Linear(4, 4)})
    weight_drop(model, ("a.weight_ih", "b.weight"), 0.5)
    assert parametrize.is_parametrized(model["a"], "weight_ih_l0")
    assert parametrize.is_parametrized(model["b"], "weight")
    assert not parametrize.is_parametrized(model["a"], "bias_ih_l0")
    assert not any(parametrize.is_parametrized(m) for m in remove_weight_drop(model).modules())


@pytest.mark.parametrize(
    ("names", "p", "said"),
    [
        ("weight", 1.5, r"needs p in 0..1; got 1.5"),
        ("bias", 0.5, r"needs names of matrices of SRU \(weight_ih_l0\); got bias"),
        (("weight_hh",), 0.5, r"got weight_hh; name one that is there"),
    ],
)
def test_what_is_not_there_is_refused(names, p, said):
    with pytest.raises(ValueError, match=f"weight_drop {said}" if p > 1 else said):
        weight_drop(SRU(4, 4), names, p)
    layer = weight_drop(SRU(4, 4))
    with pytest.raises(ValueError, match="not dropped yet"):
        weight_drop(layer, "weight_ih")
