"""Layers that run once more in backward, instead of keeping what they found."""

import copy
import subprocess
import sys

import pytest
import torch
from tests.nn.test_layers import close, draw, each_direction, each_layer, make

from swiftrnn.nn import QRNN, SRU, MinGRU


def run(layer, x, **options):
    """Output, states and every gradient, of one set of random masks."""
    torch.manual_seed(1)
    x = x.clone().requires_grad_()
    output, state = layer(x, **options)
    parts = [output, *(s for s in ([state] if torch.is_tensor(state) else state[:1]))]
    loss = sum((part * part.detach().cos()).sum() for part in parts)
    return output, state, torch.autograd.grad(loss, [x, *layer.parameters()], allow_unused=True)


@each_layer
@each_direction
def test_recomputing_changes_no_number(kind, bidirectional):
    layer = make(kind, layers=3, bidirectional=bidirectional, dropout=0.2)
    x, lengths = draw(7, 3, 6), torch.tensor([7, 0, 4])
    expected = run(layer, x, lengths=lengths)
    layer.recompute = True
    output, state, grads = run(layer, x, lengths=lengths)
    close(output, expected[0], rtol=0, atol=0)
    close(state, expected[1], rtol=0, atol=0)
    for a, b in zip(grads, expected[2], strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


@pytest.mark.parametrize(
    "layer",
    [SRU(8, 8, 2, variational_dropout=0.5), QRNN(8, 8, 2, zoneout=0.5)],
    ids=["variational dropout", "zoneout"],
)
def test_both_runs_draw_the_same_masks(layer):
    x = torch.randn(9, 3, 8)
    expected = run(layer, x)
    layer.recompute = True
    for a, b in zip(run(layer, x)[2], expected[2], strict=True):
        assert torch.equal(a, b)


STEPS = """
import torch
from swiftrnn.nn import MinGRU
from swiftrnn.runs.machine import peak_memory as peak

layer, x = MinGRU(128, 128, num_layers=16), torch.randn(512, 32, 128)
layer.recompute = True
layer(x[:8])[0].sum().backward()
before = peak()
for layer.recompute in (True, False):  # the one that takes less first: a peak does not fall
    layer(x)[0].sum().backward()
    print((peak() - before) / x.nbytes)
"""


def test_memory_is_that_of_inputs_and_one_layer():
    """Growth in units of one layer's input; without it a layer keeps its gates and states too."""
    run = [sys.executable, "-c", STEPS]
    said = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    saved, usual = map(float, said.split())
    assert 16 < saved < 32 < 48 < usual


def test_a_copy_recomputes_too():
    layer = MinGRU(3, 3)
    layer.recompute = True
    assert copy.deepcopy(layer).recompute
    assert not MinGRU(3, 3).recompute


def test_recomputes_within_a_compiled_step():
    layer, x = make(MinGRU), draw(5, 2, 6)
    expected = run(layer, x)
    layer.recompute = True
    found = run(torch.compile(layer, fullgraph=True), x)
    close(found[0], expected[0])
    for a, b in zip(found[2], expected[2], strict=True):
        torch.testing.assert_close(a, b)
