"""Rate maps, autocorrelograms, scores and nulls: by brute force, on ideal maps, on noise."""

import math

import numpy as np
import pytest
import torch

from swiftrnn.analysis.neurons import autocorrelogram, grid
from swiftrnn.analysis.neurons.autocorrelogram import autocorrelograms
from swiftrnn.analysis.neurons.border import border_scores
from swiftrnn.analysis.neurons.grid import grid_scores
from swiftrnn.analysis.neurons.ideal import border, lattice, noise, places, same_spectrum
from swiftrnn.analysis.neurons.null import against_null, shuffles
from swiftrnn.analysis.neurons.rate_map import rate_maps, smoothed
from swiftrnn.analysis.neurons.tuning import band_scores, direction_scores, speed_scores
from swiftrnn.data.walking.arenas import arena
from swiftrnn.data.walking.walks import brownian, walk

HEX, SQUARE = (0, 60, 120), (0, 90)


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_rate_maps_are_means_of_bins():
    generator = draw()
    where = 2.2 * torch.rand(500, 2, dtype=torch.float64, generator=generator) - 1.1
    rates = torch.randn(500, 3, dtype=torch.float64, generator=generator)
    maps = rate_maps(where, rates, 1.0, 7)
    assert maps.shape == (3, 7, 7)
    for row in range(7):
        for column in range(7):
            x, y = (((where[:, i] + 1) / 2 * 7).floor().clamp(0, 6) for i in (0, 1))
            inside = (x == column) & (y == row)
            want = rates[inside].mean(0) if inside.any() else torch.full((3,), math.nan)
            torch.testing.assert_close(maps[:, row, column], want.double(), equal_nan=True)
    again = rate_maps(where.view(50, 10, 2).numpy(), rates.view(50, 10, 3).numpy(), 1.0, 7)
    torch.testing.assert_close(again, maps, equal_nan=True)


def test_rate_maps_refuse_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"positions \(\.\.\., 2\) and rates .* got \(3, 2\) and \(4, 1\)"
    ):
        rate_maps(torch.zeros(3, 2), torch.zeros(4, 1), 1.0)
    with pytest.raises(ValueError, match="finite numbers as rates"):
        rate_maps(torch.zeros(3, 2), torch.tensor([[0.0], [math.nan], [1.0]]), 1.0)
    with pytest.raises(ValueError, match="an extent above 0"):
        rate_maps(torch.zeros(3, 2), torch.zeros(3, 1), 0.0)
    with pytest.raises(TypeError, match="numbers as positions"):
        rate_maps("here", torch.zeros(3, 1), 1.0)


def test_smoothing_keeps_means_and_unvisited_places():
    maps = torch.full((1, 9, 9), 3.0)
    maps[0, 2:4, 5] = math.nan
    found = smoothed(maps, 1.5)
    assert found.isnan().equal(maps.isnan())
    assert (found[found.isfinite()] - 3).abs().max() < 1e-5
    point = torch.zeros(1, 9, 9)
    point[0, 4, 4] = 1
    spread = smoothed(point, 1.0)[0]
    assert spread[4, 4] < 0.2
    assert spread[4, 3] == pytest.approx(float(spread[3, 4]))
    assert smoothed(point, 0) is point


def brute(one, least):
    """Pearson's correlation of each lag, pair by pair."""
    n = len(one)
    found = np.full((2 * n - 1, 2 * n - 1), np.nan)
    for down in range(-n + 1, n):
        for right in range(-n + 1, n):
            pairs = [
                (one[i, j], one[i + down, j + right])
                for i in range(max(0, -down), min(n, n - down))
                for j in range(max(0, -right), min(n, n - right))
                if np.isfinite(one[i, j]) and np.isfinite(one[i + down, j + right])
            ]
            if len(pairs) >= least:
                a, b = np.array(pairs).T
                if a.std() > 0 and b.std() > 0:
                    found[n - 1 + down, n - 1 + right] = np.corrcoef(a, b)[0, 1]
    return found


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_autocorrelograms_are_those_of_brute_force(dtype):
    maps = torch.randn(3, 9, 9, dtype=torch.float64, generator=draw()) * 50 + 1000
    maps[1][torch.rand(9, 9, generator=draw(1)) < 0.3] = math.nan
    maps[2, :4] = math.nan
    found = autocorrelograms(maps.to(dtype), least=6)
    for i in range(3):
        want = torch.from_numpy(brute(maps[i].numpy(), 6))
        room = 1e-9 if dtype == torch.float64 else 2e-3
        torch.testing.assert_close(found[i].double(), want, rtol=0, atol=room, equal_nan=True)


def test_constant_maps_have_no_correlation():
    assert autocorrelograms(torch.full((1, 12, 12), 0.1)).isnan().all()
    with pytest.raises(ValueError, match=r"maps \(U, n, n\); got \(12, 12\)"):
        autocorrelograms(torch.zeros(12, 12))


def scored(maps):
    return grid_scores(autocorrelograms(maps))


def test_ideal_lattices_have_their_scores_whatever_their_spacing_turn_and_phase():
    generator = np.random.default_rng(0)
    for _ in range(20):
        spacing, turn = generator.uniform(0.45, 0.8), generator.uniform(0, 60)
        phase = generator.uniform(-0.5, 0.5, 2)
        maps = torch.stack(
            [lattice(20, spacing, HEX, turn, phase), lattice(20, spacing, SQUARE, turn, phase)]
        )
        triangular, square = scored(maps)
        assert triangular[0] > 1
        assert triangular[1] < 0.3
        assert square[1] > 0.8
        assert square[0] < 0.3


def test_unvisited_places_are_not_zeros():
    maps = lattice(20, 0.6)[None].repeat(8, 1, 1)
    hidden = torch.rand(8, 20, 20, generator=draw()) < 0.5
    holes, zeros = (scored(torch.where(hidden, each, maps)).triangular for each in (math.nan, 0.0))
    assert holes.min() > 1.4
    assert (zeros < holes).float().mean() > 0.8
    assert zeros.mean() < holes.mean() - 0.05


def test_a_lattice_in_a_round_arena_is_still_one():
    outside = places(20).norm(dim=-1) > 1
    maps = torch.where(outside, math.nan, lattice(20, 0.5))[None]
    assert scored(maps).triangular > 1


def test_scores_do_not_depend_on_scale_and_sign_of_place():
    maps = noise(20, 5, 2.0, draw())
    first = scored(maps)
    torch.testing.assert_close(
        scored(1e3 * maps + 5e3).triangular, first.triangular, rtol=0, atol=1e-6
    )
    for turned in (maps.flip(1), maps.flip(2), maps.rot90(1, (1, 2)), maps.transpose(1, 2)):
        torch.testing.assert_close(scored(turned).square, first.square, rtol=0, atol=1e-6)


def test_a_score_is_the_largest_of_its_rings_by_hand(monkeypatch):
    """Turned pixel by pixel with SciPy, for one ring."""
    from scipy.ndimage import map_coordinates

    monkeypatch.setattr(grid, "OUTER", (0.8, 0.8, 1))
    sac = autocorrelograms(noise(20, 3, 2.0, draw()))
    sac = sac.nan_to_num(0.0)  # nothing is missing
    found = grid_scores(sac)
    y, x = np.mgrid[-19:20, -19:20]
    ring = (np.hypot(x, y) >= 4) & (np.hypot(x, y) <= 16)
    for i in range(3):
        r = {}
        for angle in grid.ANGLES:
            a = np.radians(angle)
            at = [np.sin(a) * x + np.cos(a) * y + 19, np.cos(a) * x - np.sin(a) * y + 19]
            turned = map_coordinates(sac[i].numpy(), at, order=1)
            r[angle] = np.corrcoef(sac[i].numpy()[ring], turned[ring])[0, 1]
        want = (r[60] + r[120]) / 2 - (r[30] + r[90] + r[150]) / 3
        assert float(found.triangular[i]) == pytest.approx(want, abs=1e-3)
        assert float(found.square[i]) == pytest.approx(r[90] - (r[45] + r[135]) / 2, abs=1e-3)


def test_noise_of_the_same_spectrum_is_no_lattice():
    maps = lattice(20, 0.6)[None].repeat(40, 1, 1)
    turned = same_spectrum(noise(20, 40, 1.5, draw()), draw(1))
    assert torch.fft.fft2(turned).abs().sum() == pytest.approx(
        float(torch.fft.fft2(noise(20, 40, 1.5, draw())).abs().sum()), rel=1e-6
    )
    assert scored(turned).triangular.quantile(0.95) < scored(maps).triangular.min()


def test_without_enough_places_there_is_no_score():
    maps = torch.full((1, 20, 20), math.nan)
    maps[0, :3, :3] = torch.rand(3, 3, generator=draw())
    triangular, square = scored(maps)
    assert triangular.isnan().all()
    assert square.isnan().all()
    with pytest.raises(ValueError, match="grid_scores needs autocorrelograms"):
        grid_scores(torch.zeros(39, 39))
    assert autocorrelogram.LEAST == 20


@pytest.mark.parametrize("wall", range(4))
def test_a_border_is_told_from_all_else(wall):
    square = arena("square")
    middle = (places(20).norm(dim=-1) < 0.3).double()
    maps = torch.stack([border(20, 0.2, wall), border(20, 0.1, wall) + 5, middle, lattice(20, 0.5),
                        -border(20, 0.5, wall)])  # fmt: skip
    scores = border_scores(maps, square, 1.0)
    assert scores[:2].min() > 0.7
    assert scores[2] < -0.9
    assert scores[3] < 0.3
    assert scores[4] < scores[0]
    assert border_scores(torch.ones(1, 20, 20), square, 1.0).isnan().all()
    with pytest.raises(TypeError, match="an arena with straight walls; got Circle"):
        border_scores(maps, arena("circle"), 1.0)


def test_borders_of_other_arenas():
    for shape in ("triangle", "hexagon"):
        room = arena(shape)
        away = room.distances(places(40))
        outside = away.amin(-1) < 0
        along = torch.where(outside, math.nan, (away[..., 0] < 0.15).double())
        inside = torch.where(outside, math.nan, (places(40).norm(dim=-1) < 0.25).double())
        scores = border_scores(torch.stack([along, inside]), room, 1.0)
        assert scores[0] > 0.6
        assert scores[1] < -0.5


def test_bands_are_told_from_lattices_and_noise():
    bands = torch.stack([lattice(20, 0.5, (angle,)) for angle in (0, 17, 45, 90, 130)])
    assert band_scores(bands).min() > 0.6
    assert band_scores(torch.stack([lattice(20, 0.5, HEX), lattice(20, 0.5, SQUARE)])).max() < 0.3
    assert band_scores(noise(20, 50, 1.0, draw())).median() < 0.3
    assert band_scores(torch.ones(1, 20, 20)).isnan().all()


def test_direction_and_speed_are_found():
    generator = draw()
    headings = 2 * math.pi * torch.rand(4000, generator=generator) - math.pi
    tuned = torch.exp(4 * torch.cos(headings - 1))
    flat = torch.randn(4000, generator=generator)
    scores = direction_scores(headings, torch.stack([tuned, tuned - 100, flat], -1))
    assert scores[0] > 0.7
    assert scores[1] == pytest.approx(float(scores[0]), abs=1e-3)
    assert scores[2] < 0.3
    speeds = torch.rand(4000, generator=generator)
    found = speed_scores(speeds, torch.stack([3 * speeds - 7, -speeds, flat, torch.ones(4000)], -1))
    assert found[0] == pytest.approx(1, abs=1e-5)
    assert found[1] == pytest.approx(-1, abs=1e-5)
    assert abs(found[2]) < 0.1
    assert found[3].isnan()
    with pytest.raises(ValueError, match=r"speeds \(\.\.\.\) and rates \(\.\.\., U\)"):
        speed_scores(speeds[:5], torch.ones(4, 1))


def test_directions_taken_more_often_do_not_count_more():
    headings = torch.cat(
        [torch.full((5000,), 0.1), 2 * math.pi * torch.rand(5000, generator=draw())]
    )
    rates = torch.cos(headings - 2)[:, None]
    alone = direction_scores(headings[5000:], rates[5000:])
    assert direction_scores(headings, rates) == pytest.approx(float(alone), abs=0.02)


def test_no_walk_stays_with_its_places_in_a_shuffle():
    rates = torch.arange(12.0).view(1, 12, 1).repeat(5, 1, 1)
    seen = set()
    for found in shuffles(rates, 50, draw()):
        order = found[0, :, 0].long()
        assert order.sort().values.tolist() == [*range(12)]
        assert (order != torch.arange(12)).all()
        seen.add(tuple(order.tolist()))
    assert len(seen) > 40
    single = torch.arange(100.0).view(100, 1, 1)
    for found in shuffles(single, 50, draw()):
        by = int(found[0, 0, 0])
        assert 10 <= by <= 90
        assert found.roll(by, 0).equal(single)
    with pytest.raises(ValueError, match=r"shuffles needs rates \(T, N, U\)"):
        next(shuffles(torch.zeros(5, 1, 2), 1))


def autoregressive(T, N, U, generator, keep=0.9):
    rates, x = [], torch.randn(N, U, generator=generator)
    for _ in range(T):
        x = keep * x + (1 - keep**2) ** 0.5 * torch.randn(N, U, generator=generator)
        rates.append(x)
    return torch.stack(rates)


def test_five_percent_of_what_knows_no_place_is_called_a_grid_and_planted_grids_are_found():
    generator = draw()
    found = walk(arena("square"), brownian(2.0, 0.0), 60, 120, generator)
    where = found.positions[1:]
    null = autoregressive(60, 120, 400, generator)
    planted = lattice(200, 0.6, HEX).float()
    at = ((where + 1) / 2 * 200).long().clamp(0, 199)
    signal = planted[at[..., 1], at[..., 0]]
    signal = (signal - signal.mean()) / signal.std()
    grids = signal[..., None] + torch.randn(60, 120, 20, generator=generator)  # of equal variance
    rates = torch.cat([null, grids], -1)

    def score(each):
        return scored(smoothed(rate_maps(where, each, 1.0), 1.0))._asdict()

    found = against_null(score, rates, 19, generator)
    assert {*found} == {"triangular", "square"}
    verdict = found["triangular"]
    false = (verdict.p[:400] <= 0.05).float().mean()
    assert 0.017 < false < 0.083  # 5 % of 400, give or take three standard errors
    assert (verdict.p[400:] <= 0.05).float().mean() > 0.9
    assert (verdict.family <= 0.05).sum() <= 21
    assert (verdict.family >= verdict.p).all()
    assert verdict.scores[400:].median() > verdict.level


def test_what_has_no_score_is_never_significant():
    rates = torch.zeros(20, 3, 2)
    verdict = against_null(lambda each: {"x": each.sum((0, 1)) / 0}, rates, 9, draw())["x"]
    assert verdict.p.tolist() == [1, 1]
    assert verdict.family.tolist() == [1, 1]
    assert math.isnan(verdict.level)
    with pytest.raises(ValueError, match="at least one shuffle; got 0"):
        against_null(lambda each: {"x": each.sum((0, 1))}, rates, 0)


def test_fields_are_connected_parts():
    from scipy.ndimage import label

    from swiftrnn.analysis.neurons.border import fields

    active = torch.rand(20, 15, 15, generator=draw()) < 0.5
    found = fields(active)
    for one, mine in zip(active, found, strict=True):
        theirs, count = label(one.numpy())
        assert len(mine.unique()) == count + 1
        pairs = {*zip(theirs.flatten().tolist(), mine.flatten().tolist(), strict=True)}
        assert len(pairs) == count + 1
