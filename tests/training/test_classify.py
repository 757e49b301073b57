"""Classifiers: what is measured, by hand; training that resumes; grids in several processes."""

import doctest
import json
import math
from functools import partial

import pytest
import torch
from tests.training.squares import squared

from swiftrnn.data import images
from swiftrnn.tasks import image_classification as classify
from swiftrnn.tasks.image_classification import BEST, Classifier, Shuffled, measures, nearest_mean
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import folder_of, train_all
from swiftrnn.training.techniques.schedule import cosine


def test_error_likelihood_and_calibration_are_those_worked_out_by_hand():
    odds = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]], dtype=torch.float64)
    found = measures(odds.log(), torch.tensor([0, 1, 0, 0]))
    assert found["error"] == 50
    right = -(math.log(0.9) + math.log(0.1) + math.log(0.6) + math.log(0.3)) / 4
    assert found["nll"] == pytest.approx(right, rel=1e-12)
    # bins: two at 0.9 (one right), one at 0.6 (right), one at 0.7 (wrong)
    assert found["ece"] == pytest.approx((2 * 0.4 + 0.4 + 0.7) / 4, rel=1e-12)
    with pytest.raises(ValueError, match="at least one example; got none"):
        measures(odds[:0], torch.tensor([], dtype=torch.long))


def test_who_is_as_sure_as_right_is_calibrated():
    sure = torch.tensor([[0.75, 0.25]] * 400).log()
    assert measures(sure, (torch.arange(400) % 4 == 0).long())["ece"] < 1e-6


def test_an_epoch_has_every_example_once_in_an_order_that_is_drawn():
    x = torch.arange(23.0)[:, None]
    batches = Shuffled(x, torch.arange(23), 5)
    assert len(batches) == 5
    first, second = ([y for _, y in batches] for _ in range(2))
    assert [len(y) for y in first] == [5, 5, 5, 5, 3]
    assert sorted(torch.cat(first).tolist()) == list(range(23))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()
    assert all(torch.equal(x[:, 0].long(), y) for x, y in batches)


def sgd(net):
    return torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def made(alpha=0.0, epochs=6):
    torch.manual_seed(0)
    train, valid = images.parts(images.made_up(300, 0), (200, 100), 0)
    net = classify.perceptron(64, 16, 4)
    return Classifier(net, sgd, cosine(epochs * 10), alpha, 0), train, valid


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_training_learns_and_keeps_the_epoch_that_was_best_on_valid(tmp_path, alpha):
    model, train, valid = made(alpha)
    fitted = classify.train(model, train, valid, tmp_path, 6, 20, progress=False)
    errors = [each["error"] for each in fitted.history]
    assert len(errors) == 6
    assert errors[-1] < 10
    best = weights.built(lambda: made()[0], tmp_path / BEST)
    x = valid.scaled(*train.scale())
    with torch.no_grad():
        assert measures(best(x), valid.labels)["error"] == min(errors)
        assert measures(model(x), valid.labels)["error"] == errors[-1]
    assert json.loads((tmp_path / "best.json").read_text())["error"] == min(errors)


@pytest.mark.parametrize("kind", ["perceptron", "convolutional"])
def test_nets_take_flat_images(kind):
    shape = torch.Size((8, 8))
    perceptron = classify.perceptron(64, 6, 4)
    net = perceptron if kind == "perceptron" else classify.convolutional(shape, 3, 5, 4)
    assert net(torch.randn(5, 64)).shape == (5, 4)
    for side in (7, 8, 9, 10):  # in colour
        net = classify.convolutional(torch.Size((3, side, side)), 2, 5, 4)
        assert net(torch.randn(5, 3 * side**2)).shape == (5, 4)


def test_the_nearest_mean_finds_what_is_far_apart():
    whole = images.made_up(400, 1)
    train, test = images.parts(whole, (200, 200), 0)
    assert nearest_mean(train, test) < 5
    assert nearest_mean(images.corrupted(train, 1.0, 0), test) > 30


@pytest.mark.parametrize("workers", [1, 2])
def test_a_grid_is_trained_once_at_every_point_by_any_number_of_workers(tmp_path, workers):
    axes = {"x": (1.0, 2.0, 3.0), "y": (0.0, 0.5)}
    rows = train_all(squared, axes, tmp_path, "error", workers=workers)
    assert [tuple(point.values()) for point, _ in rows] == [
        (x, y) for x in axes["x"] for y in axes["y"]
    ]
    for point, found in rows:
        assert found["error"] == squared(point, tmp_path)["error"]
        assert (folder_of(axes, point, tmp_path) / "seen").read_text() == str(point)
    assert len(list(tmp_path.glob("trial-*"))) == 6
    again = train_all(partial(squared), axes, tmp_path, "error", workers=1)
    assert again == rows


def test_examples_run():
    assert doctest.testmod(classify).failed == 0
