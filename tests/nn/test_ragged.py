"""Sequences one after the other, without padding: `cu_seqlens`."""

import pytest
import torch
from tests.nn.test_layers import LAYERS, close, draw, each_direction, each_layer, make


@each_layer
@each_direction
def test_each_sequence_as_if_alone(kind, bidirectional):
    layer, starts = make(kind, bidirectional=bidirectional), torch.tensor([0, 4, 4, 5, 11])
    x, reset = draw(11, 6).requires_grad_(), torch.rand(11) < 0.3
    start = layer.map_state(torch.randn_like, layer(draw(3, 4, 6))[1])
    output, state = layer(x, start, reset=reset, cu_seqlens=starts)
    weights = torch.randn_like(output)
    gradient = torch.autograd.grad((output * weights).sum(), x, retain_graph=True)[0]
    total = 0
    for b in range(4):
        here = slice(int(starts[b]), int(starts[b + 1]))
        one = layer.map_state(lambda s, b=b: s[:, b], start)
        expected, last = layer(x[here], one, reset=reset[here])
        torch.testing.assert_close(output[here], expected)
        close(layer.map_state(lambda s, b=b: s[:, b], state), last)
        total = total + (expected * weights[here]).sum()
    torch.testing.assert_close(torch.autograd.grad(total, x)[0], gradient)


@each_layer
def test_no_sequences_at_all(kind):
    output, _ = make(kind)(draw(0, 6), cu_seqlens=torch.tensor([0]))
    assert output.shape == (0, 6)


@pytest.mark.parametrize(
    ("starts", "shape", "error", "said"),
    [
        ([0, 5], (5, 6), TypeError, "needs integer cu_seqlens; got list"),
        (
            torch.tensor([0.0, 5.0]),
            (5, 6),
            TypeError,
            "needs integer cu_seqlens; got torch.float32",
        ),
        (torch.tensor([0, 5]), (5, 2, 6), ValueError, r"needs input \(N, I\) .*; got \(5, 2, 6\)"),
        (torch.tensor([0, 4]), (5, 6), ValueError, r".* from 0 to N = 5; got \[0, 4\]"),
        (torch.tensor([1, 5]), (5, 6), ValueError, r".* from 0 to N = 5; got \[1, 5\]"),
        (torch.tensor([0, 3, 2, 5]), (5, 6), ValueError, r".* from 0 to N = 5; got \[0, 3, 2, 5\]"),
    ],
)
def test_what_does_not_fit_is_refused(starts, shape, error, said):
    with pytest.raises(error, match=f"SRU {said}"):
        LAYERS[0](6, 6)(torch.randn(shape), cu_seqlens=starts)


def test_lengths_and_cu_seqlens_exclude_each_other():
    with pytest.raises(ValueError, match="SRU needs lengths or cu_seqlens, not both"):
        LAYERS[0](6, 6)(
            torch.randn(5, 6), lengths=torch.tensor([5]), cu_seqlens=torch.tensor([0, 5])
        )
