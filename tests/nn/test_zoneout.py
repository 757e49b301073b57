"""Zoneout of QRNN, against the equations with a mask written out."""

import pytest
import torch

from swiftrnn.nn import QRNN

POOLINGS = ["f", "fo", "ifo"]


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def by_hand(layer, x, state, stays):
    """The layer's equations with `stays` (T, B, H), how much of each c stays as it was."""
    before, outputs = torch.zeros_like(x[0]), []
    for t, now in enumerate(x):
        seen = torch.cat([now, before], -1)
        z, f, *more = (seen @ layer.weight_ih_l0.T + layer.bias_ih_l0).chunk(
            1 + len(layer.pooling), -1
        )
        f = f.sigmoid()
        i = more[1].sigmoid() if len(more) == 2 else 1 - f
        state = stays[t] * state + (1 - stays[t]) * (f * state + i * z.tanh())
        outputs.append(more[0].sigmoid() * state if more else state)
        before = now
    return torch.stack(outputs), state


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("training", [False, True])
def test_states_stay_as_the_equations_say(pooling, training):
    layer = QRNN(4, 5, pooling=pooling, zoneout=0.3, dtype=torch.float64).train(training)
    x, c = draw(7, 3, 4).requires_grad_(), draw(1, 3, 5).requires_grad_()
    torch.manual_seed(1)
    output, (last, _) = layer(x, c)
    torch.manual_seed(1)
    drawn = torch.empty(7, 3, 5, dtype=torch.float64).bernoulli_(0.3)
    stays = drawn if training else torch.full_like(drawn, 0.3)
    expected, final = by_hand(layer, x, c[0], stays)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(last[0], final)
    leaves, weights = [x, c, *layer.parameters()], draw(*output.shape)
    found = torch.autograd.grad((output * weights).sum() + last.sum(), leaves)
    right = torch.autograd.grad((expected * weights).sum() + final.sum(), leaves)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a, e)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_all_of_it_keeps_the_first_state(pooling):
    layer, c = QRNN(4, 5, pooling=pooling, zoneout=1.0), torch.randn(1, 3, 5)
    _, (last, _) = layer(torch.randn(6, 3, 4), c)
    torch.testing.assert_close(last, c)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_steps_equal_the_full_pass_in_use(pooling):
    layer = QRNN(4, 5, num_layers=2, pooling=pooling, zoneout=0.5, dtype=torch.float64).eval()
    x, state, outputs = draw(6, 2, 4), None, []
    for now in x:
        y, state = layer.step(now, state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs), layer(x)[0])


def test_a_probability_is_asked_for():
    with pytest.raises(ValueError, match=r"QRNN needs zoneout in 0..1; got 1.5"):
        QRNN(2, 2, zoneout=1.5)
