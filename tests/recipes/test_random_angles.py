"""The recipe `random_angles`: a small run, its picture, and vectors that have to fail."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from tests.recipes.pictures import small_run

from swiftrnn.analysis.angles import angle
from swiftrnn.recipes import random_angles
from swiftrnn.recipes.random_angles import model


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a small run, its metrics, and its figure."""
    out = tmp_path_factory.mktemp("angles")
    return out, *small_run(random_angles, out)


def test_a_small_run_finds_what_the_formula_says_and_the_controls_fail(done):
    _, found, _ = done
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


def test_images_have_fewer_dimensions_than_pixels_and_more_when_shuffled(done):
    _, found, _ = done
    assert found["made_up_pixels"] == 64
    assert found["made_up_raw"] < found["made_up_centred"] < 0.5 * found["made_up_shuffled"]
    assert found["made_up_centred_pvalue"] < 1e-6
    assert found["made_up_centred_by_angle"] == pytest.approx(found["made_up_centred"], rel=0.05)


def test_the_same_run_gives_the_same_numbers_and_another_seed_others(done, tmp_path):
    out, found, _ = done
    assert random_angles.run(random_angles.SMOKE, out) == found
    other = random_angles.run(replace(random_angles.SMOKE, dimensions=(2, 3), seed=1), tmp_path)
    assert other["variance_3"] != found["variance_3"]


def test_the_picture_has_labelled_axes_legends_and_no_empty_panel(done):
    out, _, (figure,) = done
    assert (out / random_angles.PICTURE).read_bytes()[:4] == b"\x89PNG"
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert all(text.get_text() for text in axes.get_legend().get_texts())
        assert axes.lines
        assert all(line.get_xydata().size for line in axes.lines)


def test_claims_are_measured_by_default():
    config = random_angles.Config()
    measured = {f"variance_{n}" for n in config.dimensions}
    assert set(random_angles.CLAIMS) <= measured
    for name, claim in random_angles.CLAIMS.items():
        assert claim == pytest.approx(angle(int(name.split("_")[1])).var(), rel=5e-6)


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
