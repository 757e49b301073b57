"""What lies beyond a sequence's length."""

import pytest
import torch
from tests.nn.test_layers import draw, each_direction, each_layer, flat, make


@each_layer
@each_direction
@pytest.mark.parametrize("size", [(6, 3, 5), (40, 24, 6)], ids=["small", "in runs"])
def test_nan_in_the_padding_reaches_nothing(kind, bidirectional, size):
    layer, x = make(kind, I=size[2], bidirectional=bidirectional), draw(*size)
    lengths = torch.randint(0, size[0], (size[1],))
    inside = torch.arange(size[0])[:, None] < lengths

    def results(filling):
        leaf = torch.where(inside[..., None], x, filling).requires_grad_()
        output, state = layer(leaf, lengths=lengths)
        loss = output.square().sum() + flat(state)[0].sum()
        return [output, *flat(state), *torch.autograd.grad(loss, [leaf, *layer.parameters()])]

    for a, e in zip(results(torch.nan), results(0.0), strict=True):
        assert torch.equal(a, e)
