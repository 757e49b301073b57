"""The study of batch norm: its norms against torch's, its numbers, its small run, its picture."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from swiftrnn.recipes import batchnorm_study
from swiftrnn.recipes.batchnorm_study import model as study
from swiftrnn.recipes.batchnorm_study.norms import NORMS, Halves, Noisy, norm, vgg
from swiftrnn.runs import results
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training.sweep import finished

SMOKE = batchnorm_study.SMOKE


@pytest.fixture
def done(smoke):
    """The folder of the small run, and its metrics."""
    out = smoke("batchnorm_study")
    return out, results.read(out)


def test_a_small_run_learns_and_its_control_does_not(done):
    _, found = done
    assert all(math.isfinite(value) for value in found.values())
    assert found["error_none"] < 5
    assert found["error_batch"] < 5
    assert found["control_random_labels"] > 50
    assert found["steps_to_level_batch"] < found["steps_to_level_none"]
    assert found["over_plain_beta"] == found["beta_batch"] / found["beta_none"]
    assert found["sharpness_converged_none"] == 1


def test_a_trial_by_itself_gives_the_same_weights(done, tmp_path):
    out, _ = done
    rows = finished(out / "study.db", out.name)
    point, control = study.chosen(rows, "batch")[0], tmp_path / "control"
    control.mkdir()
    assert study.trial(SMOKE, rows[0][0], tmp_path) == rows[0][1]
    study.trial(SMOKE, point, control, share=1.0)
    for again, first in ((tmp_path, out / "trial-0"), (control, out / "control")):
        for name in (study.LAST, "history.json"):
            assert (again / name).read_bytes() == (first / name).read_bytes()


def test_measuring_does_not_change_the_training(tmp_path):
    seldom = replace(SMOKE, every=SMOKE.steps, norms=("noisy",), rates=(0.1,))
    often = replace(seldom, every=1)
    folders = [tmp_path / "seldom", tmp_path / "often"]
    for config, where in zip((seldom, often), folders, strict=True):
        where.mkdir()
        study.trial(config, {"norm": "noisy", "rate": 0.1}, where)
    losses = [json.loads((where / "history.json").read_text())["losses"] for where in folders]
    assert losses[0] == losses[1]


def test_what_was_seen_is_written_down(done):
    out, _ = done
    seen = json.loads((out / "trial-0" / "history.json").read_text())
    assert seen["step"] == [0, 5, 10, 15, 20, 25, 30]
    assert seen["shift_step"] == [0, 25]
    assert seen["hessian_step"] == [15, 30]
    assert len(seen["losses"]) == 30
    assert all(len(seen[name]) == 7 for name in ("loss", "along", "beta", "matched_change"))
    for losses, size in zip(seen["along"], seen["loss_range"], strict=True):
        assert max(losses) - min(losses) == pytest.approx(size)


def test_a_training_that_diverges_is_left_out(tmp_path):
    config = replace(SMOKE, rates=(0.1, 1e6), norms=("none",))
    found = batchnorm_study.run(config, RunFolder(tmp_path, "x")).metrics
    assert found["rate_none"] == 0.1
    assert not [name for name in found if name.startswith("over_plain")]
    (tmp_path / "all").mkdir()
    with pytest.raises(
        ValueError, match=r"needs rates that train; got \(1000000.0,\); try smaller"
    ):
        batchnorm_study.run(replace(config, rates=(1e6,)), RunFolder(tmp_path / "all", "x"))


def test_wrong_norms_are_refused_before_anything_is_trained():
    with pytest.raises(
        ValueError, match=r"needs norms among none, batch, .*; got 'bach' and 8; change"
    ):
        replace(SMOKE, norms=("none", "bach"))
    with pytest.raises(ValueError, match=r"--width in fours for group; got 'group' and 6; change"):
        replace(SMOKE, norms=("none", "group"), width=6)


# ---- norms


@pytest.mark.parametrize("training", [True, False])
def test_both_halves_make_batch_norm(training):
    torch.manual_seed(0)
    ours, theirs = Halves(4, centre=True, scale=True).double(), nn.BatchNorm2d(4).double()
    for _ in range(3):
        x = 2 * torch.randn(6, 4, 3, 3).double() + 1
        a, b = ours(x), theirs(x)
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    n = x[:, 0].numel()
    variance = 0.9**3 + (theirs.running_var - 0.9**3) * (n - 1) / n  # theirs is unbiased
    torch.testing.assert_close(ours.variance, variance)
    if not training:
        theirs.running_var.copy_(ours.variance)
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_either_half_does_one_thing():
    x = 3 * torch.randn(50, 4, 5, 5) + 2
    centred, scaled = (norm(name, 4)(x) for name in ("centring", "scaling"))
    assert centred.mean((0, 2, 3)).abs().max() < 1e-5
    torch.testing.assert_close(centred.std((0, 2, 3)), x.std((0, 2, 3)))
    torch.testing.assert_close(scaled.std((0, 2, 3), unbiased=False), torch.ones(4))
    means = x.mean((0, 2, 3)) / x.std((0, 2, 3), unbiased=False)
    torch.testing.assert_close(scaled.mean((0, 2, 3)), means)


def test_noise_shifts_and_scales_by_step_and_by_image():
    torch.manual_seed(0)
    layer = Noisy(300)
    x = torch.randn(40, 300, 4, 4)
    clean = layer.norm(x)
    once, again = layer(x), layer(x)
    assert not torch.equal(once, again)
    scale = once.std((2, 3)) / clean.std((2, 3))
    shift = once.mean((2, 3)) - scale * clean.mean((2, 3))
    assert scale.min() > 0.9 - 1e-4
    assert scale.max() < 1.35 + 1e-4
    assert 0.45 < shift.abs().max() < 0.6 + 1e-4
    within = scale - scale.mean(0)
    assert within.abs().max() < 0.12
    assert scale.mean(0).std() > 0.05  # each channel has its own
    torch.testing.assert_close(layer.eval()(x), layer.norm(x) * 1.125)


def test_root_mean_square_makes_each_image_as_large():
    x = 4 * torch.randn(5, 3, 6, 6) + 1
    out = norm("rms", 3)(x)
    torch.testing.assert_close(out.square().mean((1, 2, 3)), torch.ones(5), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (3, 32, 32)])
def test_nets_take_images_and_begin_alike(name, shape):
    nets = []
    for each in (name, "none"):
        torch.manual_seed(0)
        nets.append(vgg(torch.Size(shape), each, 8, 10, he=True))
    assert nets[0](torch.randn(3, math.prod(shape))).shape == (3, 10)
    first, other = ([m.weight for m in n if isinstance(m, nn.Conv2d | nn.Linear)] for n in nets)
    assert len(first) == 7
    assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    spread = float(first[4].detach().std() * (first[4][0].numel() / 2) ** 0.5)
    assert spread == pytest.approx(1, rel=0.1)


# ---- numbers


def test_values_at_a_level_lie_on_a_line_of_logarithms():
    assert study.at_level([2.0, 1.0, 0.5], [1.0, 4.0, 9.0], 1.5) == pytest.approx(2.0)
    assert study.at_level([2.0, 1.0, 0.5], [1.0, 4.0, 9.0], 1.0) == pytest.approx(4.0)
    assert study.at_level([2.0, 1.0, 3.0, 0.5], [1.0, 4.0, 9.0, 1.0], 0.9) > 1
    assert math.isnan(study.at_level([2.0, 1.0], [1.0, 4.0], 0.5))
    assert math.isnan(study.at_level([0.4, 0.3], [1.0, 4.0], 0.5))
    assert math.isnan(study.at_level([2.0, 1.0], [1.0, None], 1.5))


def test_steps_to_a_level_count_the_running_mean():
    losses = [2.0] * 10 + [0.0] * 10
    assert study.smoothed([4.0, 2.0, 0.0]) == [4.0, 3.0, 2.0]
    assert study.steps_to(losses, 1.0) == 15
    assert math.isnan(study.steps_to(losses, -1.0))


def test_the_best_rate_is_the_one_that_trains_best():
    rows = [({"norm": n, "rate": r}, {"error": e, "loss": 1 / e})
            for n, r, e in (("none", 1, 5.0), ("none", 2, 3.0), ("batch", 1, 1.0))]  # fmt: skip
    assert study.chosen(rows, "none")[0]["rate"] == 1
    assert study.chosen(rows, "layer") is None


def test_medians_count_what_is_not_finite_as_large():
    values = {name: [1.0, None, 3.0] for name in (*study.ALONG, "matched_change")}
    seen = values | {"loss": [2.0, 1.0, 0.5], "shift": [0.5, None], "sharpness": [1.0, 2.0],
                     "own_sharpness": [None], "losses": [1.0]}  # fmt: skip
    found = study.summary(seen, 0.1)
    assert found["beta"] == 3.0
    assert found["shift_cosine"] == 0.5
    assert found["sharpness"] == 2.0
    assert math.isnan(found["own_sharpness"])
