"""CTRNN: its equation, nn.RNN without leak, halves, streams, noise, what is refused."""

import pytest
import torch

from swiftrnn.nn import CTRNN


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_it_is_its_equation(nonlinearity):
    torch.manual_seed(0)
    layer = CTRNN(3, 7, leak=0.3, nonlinearity=nonlinearity).double()
    torch.nn.init.normal_(layer.bias_ih_l0)
    given, x = torch.randn(12, 2, 3).double(), torch.randn(1, 2, 7).double()
    output, final = layer(given, x)
    x = x[0]
    for t in range(12):
        drive = layer.rates(x) @ layer.weight_hh_l0.t() + given[t] @ layer.weight_ih_l0.t()
        x = 0.7 * x + 0.3 * (drive + layer.bias_ih_l0)
        torch.testing.assert_close(output[t], layer.rates(x))
    torch.testing.assert_close(final[0], x)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_without_leak_it_has_outputs_and_gradients_of_torchs_rnn(nonlinearity):
    torch.manual_seed(0)
    theirs = torch.nn.RNN(3, 20, nonlinearity=nonlinearity).double()
    ours = CTRNN(3, 20, leak=1.0, nonlinearity=nonlinearity).double()
    with torch.no_grad():
        ours.weight_ih_l0.copy_(theirs.weight_ih_l0)
        ours.weight_hh_l0.copy_(theirs.weight_hh_l0)
        ours.bias_ih_l0.copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
    x = torch.randn(15, 4, 3).double()
    grads = []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        output, _ = layer(given)
        output.square().sum().backward()
        grads.append([output, given.grad, layer.weight_hh_l0.grad, layer.weight_ih_l0.grad,
                      layer.bias_ih_l0.grad])  # fmt: skip
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_two_halves_and_steps_make_the_whole():
    torch.manual_seed(0)
    layer, x = CTRNN(2, 9), torch.randn(10, 3, 2)
    whole, final = layer(x)
    first, state = layer(x[:4])
    second, last = layer(x[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(last, final)
    state, rows = None, []
    for each in x:
        y, state = layer.step(each, state)
        rows.append(y)
    torch.testing.assert_close(torch.stack(rows), whole)
    torch.testing.assert_close(state, final)


def test_layouts_change_nothing():
    torch.manual_seed(0)
    layer, x = CTRNN(2, 9), torch.randn(10, 3, 2)
    whole, final = layer(x)
    first = CTRNN(2, 9, batch_first=True)
    first.load_state_dict(layer.state_dict())
    output, state = first(x.transpose(0, 1))
    torch.testing.assert_close(output.transpose(0, 1), whole)
    torch.testing.assert_close(state, final)
    alone, state = layer(x[:, 1])
    torch.testing.assert_close(alone, whole[:, 1])
    torch.testing.assert_close(state, final[:, 1])
    again, _ = layer(x[5:, 1], layer(x[:5, 1])[1])
    torch.testing.assert_close(again, whole[5:, 1])


def test_beyond_its_length_a_sequence_is_silent():
    torch.manual_seed(0)
    layer, x = CTRNN(2, 9, nonlinearity="relu"), torch.randn(6, 2, 2)
    output, final = layer(x, lengths=torch.tensor([6, 2]))
    short, last = layer(x[:2, 1:])
    torch.testing.assert_close(output[:2, 1:], short)
    torch.testing.assert_close(final[:, 1:], last)
    assert (output[2:, 1] == 0).all()


def test_noise_is_there_in_training_alone():
    torch.manual_seed(0)
    layer = CTRNN(2, 2000, leak=0.5, noise=0.4)
    torch.nn.init.zeros_(layer.weight_hh_l0)
    x = torch.zeros(1, 1, 2)
    state = layer(x)[1].detach()
    assert state.std() == pytest.approx(0.5 * 0.4, rel=0.1)
    assert not layer(x)[1].equal(state)
    assert (layer.eval()(x)[1] == 0).all()
    assert "noise=0.4" in repr(layer)


def test_it_begins_as_published():
    layer = CTRNN(4, 200)
    weight = layer.weight_hh_l0.detach()
    torch.testing.assert_close(weight @ weight.t(), torch.eye(200), rtol=0, atol=1e-4)
    assert layer.weight_ih_l0.detach().std() == pytest.approx(0.5, rel=0.15)
    assert (layer.bias_ih_l0 == 0).all()
    assert CTRNN(4, 8, bias=False).bias_ih_l0 is None


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [({"leak": 0}, ValueError, "leak above 0 and at most 1; got 0"),
     ({"noise": -1.0}, ValueError, r"noise of at least 0; got -1\.0"),
     ({"nonlinearity": "sigmoid"}, ValueError, "tanh or relu; got 'sigmoid'"),
     ({"hidden_size": 0}, ValueError, "hidden_size of at least 1; got 0"),
     ({"bias": 1}, TypeError, "bias as True or False; got 1")],
)  # fmt: skip
def test_other_options_are_refused(options, error, said):
    with pytest.raises(error, match=said):
        CTRNN(**{"input_size": 2, "hidden_size": 3} | options)


def test_other_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"input \(T, B, I\) or \(T, I\) with I = 2; got \(5, 3, 4\)"
    ):
        CTRNN(2, 3)(torch.zeros(5, 3, 4))
    with pytest.raises(ValueError, match=r"initial of shape \(B, H\)"):
        CTRNN(2, 3)(torch.zeros(5, 3, 2), torch.zeros(1, 3, 4))


def test_it_compiles():
    layer, x = CTRNN(2, 5).eval(), torch.randn(6, 3, 2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x)[0], layer(x)[0])
