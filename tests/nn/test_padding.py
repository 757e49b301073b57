"""What lies beyond a sequence's length."""

import pytest
import torch
from tests.nn.test_layers import draw, each_direction, each_layer, flat, make

from swiftrnn import nn
from swiftrnn.nn import SRU


@each_layer
@each_direction
@pytest.mark.parametrize("size", [(6, 3, 5), (40, 24, 6)], ids=["small", "in runs"])
def test_nan_in_the_padding_reaches_nothing(kind, bidirectional, size):
    check(make(kind, I=size[2], bidirectional=bidirectional), draw(*size))


def check(layer, x):
    """Outputs and all gradients are the same with nan in the padding as with zeros."""
    lengths = torch.randint(0, len(x), (x.shape[1],))
    inside = torch.arange(len(x))[:, None] < lengths

    def results(filling):
        leaf = torch.where(inside[..., None], x, filling).requires_grad_()
        output, state = layer(leaf, lengths=lengths)
        loss = output.square().sum() + flat(state)[0].sum()
        return [output, *flat(state), *torch.autograd.grad(loss, [leaf, *layer.parameters()])]

    for a, e in zip(results(torch.nan), results(0.0), strict=True):
        assert torch.equal(a, e)


OPTIONS = ({}, {"norm": "after"}, {"norm": "before"}, {"projection_size": 3},
           {"project_input": True})  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("I", [5, 10])
def test_nan_reaches_no_gradient_of_an_sru_with_more(options, I):
    check(SRU(I, 5, bidirectional=True, dtype=torch.float64, **options), draw(40, 24, I))


@pytest.mark.parametrize("kind", ["SRU", "MinGRU"])
def test_nan_reaches_no_gradient_under_autocast(kind):
    with torch.autocast("cpu", torch.bfloat16):
        check(getattr(nn, kind)(5, 5), draw(40, 24, 5).float())
