"""Zoneout, against the equations with a mask written out."""

import pytest
import torch

from swiftrnn.nn import QRNN, MinGRU, MinLSTM

KINDS = ["f", "fo", "ifo", "minGRU", "minLSTM"]
each = pytest.mark.parametrize("kind", KINDS)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def make(kind, **options):
    options = options | {"dtype": torch.float64}
    if kind in ("minGRU", "minLSTM"):
        return {"minGRU": MinGRU, "minLSTM": MinLSTM}[kind](4, 5, **options)
    return QRNN(4, 5, pooling=kind, **options)


def candidates(kind, gates):
    """What the state would be without zoneout, as factors of the old and an addend; and o."""
    if kind == "minGRU":
        z, h = gates.chunk(2, -1)
        return 1 - z.sigmoid(), z.sigmoid() * h, 1
    if kind == "minLSTM":
        i, f, h = gates.chunk(3, -1)
        both = i.sigmoid() + f.sigmoid()
        return f.sigmoid() / both, i.sigmoid() / both * h, 1
    z, f, *more = gates.chunk(1 + len(kind), -1)
    i = more[1].sigmoid() if kind == "ifo" else 1 - f.sigmoid()
    return f.sigmoid(), i * z.tanh(), more[0].sigmoid() if more else 1


def by_hand(kind, layer, x, state, stays):
    """The layer's equations with `stays` (T, B, H), how much of each state stays as it was."""
    before, outputs = torch.zeros_like(x[0]), []
    for t, now in enumerate(x):
        seen = now if kind.startswith("min") else torch.cat([now, before], -1)
        keep, new, opened = candidates(kind, seen @ layer.weight_ih_l0.T + layer.bias_ih_l0)
        state = stays[t] * state + (1 - stays[t]) * (keep * state + new)
        outputs.append(opened * state)
        before = now
    return torch.stack(outputs), state


def first(state):
    return state if isinstance(state, torch.Tensor) else state[0]


@each
@pytest.mark.parametrize("training", [False, True])
def test_states_stay_as_the_equations_say(kind, training):
    layer = make(kind, zoneout=0.3).train(training)
    x, c = draw(7, 3, 4).requires_grad_(), draw(1, 3, 5).requires_grad_()
    torch.manual_seed(1)
    output, last = layer(x, c)
    last = first(last)
    torch.manual_seed(1)
    drawn = torch.empty(7, 3, 5, dtype=torch.float64).bernoulli_(0.3)
    stays = drawn if training else torch.full_like(drawn, 0.3)
    expected, final = by_hand(kind, layer, x, c[0], stays)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(last[0], final)
    leaves, weights = [x, c, *layer.parameters()], draw(*output.shape)
    found = torch.autograd.grad((output * weights).sum() + last.sum(), leaves)
    right = torch.autograd.grad((expected * weights).sum() + final.sum(), leaves)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a, e)


@each
def test_all_of_it_keeps_the_first_state(kind):
    layer, c = make(kind, zoneout=1.0), draw(1, 3, 5)
    _, last = layer(draw(6, 3, 4), c)
    torch.testing.assert_close(first(last), c)


@each
def test_steps_equal_the_full_pass_in_use(kind):
    layer = make(kind, num_layers=2, zoneout=0.5).eval()
    x, state, outputs = draw(6, 2, 4), None, []
    with torch.no_grad():
        for now in x:
            y, state = layer.step(now, state)
            outputs.append(y)
        torch.testing.assert_close(torch.stack(outputs), layer(x)[0])


@pytest.mark.parametrize("layer", [QRNN, MinGRU, MinLSTM])
def test_a_probability_is_asked_for(layer):
    with pytest.raises(ValueError, match=rf"{layer.__name__} needs zoneout in 0..1; got 1.5"):
        layer(2, 2, zoneout=1.5)
    assert "zoneout=0.5" in repr(layer(2, 2, zoneout=0.5))
