"""The moving average against its formula, with a decay of one's own, and inside `fit`."""

import doctest

import lightning as L
import pytest
import torch
from torch import nn

from swiftrnn.training.fit import fit
from swiftrnn.training.techniques import average
from swiftrnn.training.techniques.average import MovingAverage, decay


class Counts(L.LightningModule):
    """A weight that is 1, 2, 3 ... after each update."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def training_step(self, batch, _):
        return -self.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def by_hand(longest, steps):
    """The average begins as the first weights."""
    found, count = 1.0, 1
    for value in range(2, steps + 1):
        kept = min(longest, (1 + count) / (10 + count))
        found, count = kept * found + (1 - kept) * value, count + 1
    return found


@pytest.mark.parametrize(
    ("given", "longest"), [(True, 0.99), (0.5, 0.5), (0.2, 0.2), (0.9999, 0.9999), (0.0, 0.0)]
)
def test_the_decay_of_the_average_is_the_one_that_is_given(tmp_path, given, longest):
    model = Counts()
    fit(model, [torch.zeros(1)] * 4, out=tmp_path, steps=30, average=given, progress=False)
    assert model.weight.item() == pytest.approx(by_hand(longest, 30), rel=1e-9)


def test_without_an_average_the_last_weights_are_returned(tmp_path):
    fit(model := Counts(), [torch.zeros(1)] * 4, out=tmp_path, steps=30, progress=False)
    assert model.weight.item() == 30
    assert decay(10_000, 0.5) == 0.5


@pytest.mark.parametrize("longest", [1, 1.5, -0.1, float("nan")])
def test_a_decay_out_of_range_gets_one_line(longest):
    with pytest.raises(ValueError, match=f"from 0 to below 1; got {longest}; 0.99 is usual"):
        MovingAverage(longest)


def test_examples_run():
    assert doctest.testmod(average).failed == 0
