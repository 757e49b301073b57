"""The weights of the best measurement, in whatever order they come."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from swiftrnn.training import weights
from swiftrnn.training.best import Best


def model(number):
    made = nn.Linear(1, 1)
    nn.init.constant_(made.weight, number)
    return made


def kept(path):
    return weights.built(lambda: nn.Linear(1, 1), path).weight.item()


@given(st.lists(st.integers(-2, 2), min_size=1, max_size=6), st.booleans(), st.booleans())
def test_it_is_the_best_the_first_or_the_last_of_equals(tmp_path_factory, values, higher, later):
    path = tmp_path_factory.mktemp("best") / "model.safetensors"
    for number, value in enumerate(values):
        best = Best(path, "f1", higher, later)  # anew each time, as after a kill
        best.offer(model(number), value)
    wanted = (max if higher else min)(values)
    places = [i for i, value in enumerate(values) if value == wanted]
    assert best.value == wanted
    assert kept(path) == places[-1 if later else 0]


def test_a_value_that_was_lost_is_found_again(tmp_path):
    best = Best(tmp_path / "model.safetensors", "f1")
    best.offer(model(1), 0.5)
    (tmp_path / "best.json").unlink()  # killed after the weights, before the number
    best.offer(model(1), 0.5)
    assert best.value == 0.5


def test_several_are_kept_beside_one_another(tmp_path):
    whole, early = Best(tmp_path / "a", "f1"), Best(tmp_path / "b", "f1", record="early.json")
    early.offer(model(1), 0.5)
    for number in (1, 2):
        whole.offer(model(number), number / 2)
    assert (kept(tmp_path / "a"), kept(tmp_path / "b")) == (2, 1)
    assert (whole.value, early.value) == (1.0, 0.5)


def test_a_damaged_number_is_said(tmp_path):
    best = Best(tmp_path / "model.safetensors", "f1")
    (tmp_path / "best.json").write_text("{")
    with pytest.raises(ValueError, match=r"best\.json"):
        best.offer(model(torch.pi), 1.0)
