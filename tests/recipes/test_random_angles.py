"""The recipe `random_angles`: a small run, its picture, and vectors that have to fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from swiftrnn.analysis.samples.angles import angle
from swiftrnn.recipes import random_angles
from swiftrnn.recipes.random_angles import model
from swiftrnn.recipes.random_angles.claims import TABLE
from swiftrnn.runs import results
from swiftrnn.runs.folder import RunFolder


@pytest.fixture
def found(smoke):
    """The metrics of a small run."""
    return results.read(smoke("random_angles"))


def test_a_small_run_finds_what_the_formula_says_and_the_controls_fail(found):
    assert all(type(value) is float and math.isfinite(value) for value in found.values())
    for n in random_angles.SMOKE.dimensions:
        assert found[f"variance_{n}"] == pytest.approx(angle(n).var(), rel=0.1)
        assert found[f"mean_{n}"] == pytest.approx(90, abs=4 * np.degrees(angle(n).std()) / 63)
        assert found[f"spread_{n}"] == pytest.approx(math.sqrt(n * found[f"variance_{n}"]))
        assert found["smallest_pvalue"] <= found[f"pvalue_{n}"]
    assert found["smallest_pvalue"] > 1e-3
    assert found["baseline_normal_2"] > 10 * found["distance_2"]
    controls = {name: value for name, value in found.items() if name.startswith("control")}
    assert set(controls) == {"control_positive_entries", "control_unequal_axes"}
    assert max(controls.values()) < 1e-3
    assert found["largest_cosine"] == pytest.approx(found["largest_cosine_expected"], rel=0.1)


def test_images_have_fewer_dimensions_than_pixels_and_more_when_shuffled(found):
    assert found["made_up_pixels"] == 64
    assert found["made_up_raw"] < found["made_up_centred"] < 0.5 * found["made_up_shuffled"]
    assert found["made_up_centred_pvalue"] < 1e-6
    assert found["made_up_centred_by_angle"] == pytest.approx(found["made_up_centred"], rel=0.05)


def test_another_seed_gives_other_numbers(found, tmp_path):
    config = replace(random_angles.SMOKE, dimensions=(2, 3), seed=1)
    other = random_angles.run(config, RunFolder(tmp_path, "x"))
    assert other.metrics["variance_3"] != found["variance_3"]


def test_the_table_of_the_post_is_what_the_formula_says():
    for n, variance in TABLE.items():
        assert variance == pytest.approx(angle(n).var(), rel=5e-6)
        assert n in random_angles.Config().dimensions


@pytest.mark.parametrize("n", [2, 10, 200])
def test_samples_are_independent_pairs_drawn_in_pieces(n, monkeypatch):
    whole = model.sampled(model.normal, n, 1000, 0)
    monkeypatch.setattr(model, "CHUNK", 64 * n)
    pieces = model.sampled(model.normal, n, 1000, 0)
    assert pieces.shape == whole.shape == (1000,)
    assert stats.kstest(pieces, angle(n).cdf).pvalue > 1e-3
    assert len(np.unique(pieces)) == 1000
    for sampler in model.CONTROLS:
        wrong = model.sampled(sampler, n, 4000, 0)
        assert stats.kstest(wrong, angle(n).cdf).pvalue < 1e-3


def test_data_sets_are_read_by_name_and_made_up_ones_need_none(monkeypatch):
    part = model.images.made_up(50, 0)
    monkeypatch.setattr(model.images, "known", lambda name, which: part)
    config = random_angles.Config(images=20)
    found = model.images_of(config)
    assert set(found) == {"fashion_mnist", "mnist"}
    assert found["mnist"].shape == (20, 64)
    assert torch.equal(found["mnist"], model.images_of(config)["mnist"])
    assert float(found["mnist"].max()) <= 1
