"""How far off positions are, what units respond to, and what needs no network."""

import math
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis.neurons.autocorrelogram import autocorrelograms
from swiftrnn.analysis.neurons.border import border_scores
from swiftrnn.analysis.neurons.grid import grid_scores
from swiftrnn.analysis.neurons.null import against_null
from swiftrnn.analysis.neurons.rate_map import rate_maps, smoothed
from swiftrnn.analysis.neurons.tuning import band_scores, direction_scores, speed_scores
from swiftrnn.data.walking.arenas import Polygon
from swiftrnn.data.walking.walks import Walk
from swiftrnn.recipes.grid_cells.data import arena_of, batch_of, drawn

TEST_SEED = 12_345  # test walks are the same for all seeds
FAR_WALKS = 20
SMOOTH = 1.0  # bins
SENSED = 0.1  # noise of what dead reckoning senses: of the length of a step, and radians
LEVEL = 0.05  # of p-values


def test_walks(config: Any) -> tuple[Walk, Walk]:
    """Walks of the length of training, and a few that are far longer."""
    draw = torch.Generator().manual_seed(TEST_SEED)
    return drawn(config, config.length, config.walks, draw), drawn(
        config, config.far, FAR_WALKS, draw
    )  # fmt: skip


def error(found: Tensor, walks: Walk, config: Any) -> float:
    """Mean distance (T, N, 2) from where it is, in percent of the arena's width."""
    away = (found - walks.positions[1:]).norm(dim=-1).mean()
    return 100 * float(away) / (2 * arena_of(config).extent)


def errors(model: Any, near: Walk, far: Walk, config: Any) -> dict[str, float]:
    """Of walks as long as in training, and of the last part, as long as that, of longer ones."""
    found, _ = model.walked(batch_of(near))
    long, _ = model.walked(batch_of(far))
    last = Walk(far.positions[-config.length - 1 :], far.headings[-config.length :],
                far.speeds[-config.length :])  # fmt: skip
    return {"error": error(found, near, config),
            "error_far": error(long[-config.length :], last, config)}  # fmt: skip


def baselines(near: Walk, config: Any) -> dict[str, float]:
    """What knows no input, no past, and what adds up noisy steps from the right start."""
    draw = torch.Generator().manual_seed(TEST_SEED)
    T, N = near.headings.shape
    true = near.positions[1:]
    middle = true.mean((0, 1)).expand(T, N, 2)
    heading, speed = near.headings[..., None], near.speeds[..., None]
    x = torch.cat([speed, heading.cos(), heading.sin(), speed * heading.cos(),
                   speed * heading.sin(), torch.ones_like(speed)], -1).flatten(0, 1)  # fmt: skip
    fitted = (x @ torch.linalg.lstsq(x, true.flatten(0, 1)).solution).view(T, N, 2)
    length = near.speeds * (1 + SENSED * torch.randn(T, N, generator=draw))
    angle = near.headings + SENSED * torch.randn(T, N, generator=draw)
    steps = length[..., None] * torch.stack([angle.cos(), angle.sin()], -1)
    reckoned = near.positions[0] + steps.cumsum(0)
    return {
        f"baseline_{name}": error(each, near, config)
        for name, each in (("middle", middle), ("no_memory", fitted), ("dead_reckoning", reckoned))
    }


def maps_of(rates: Tensor, walks: Walk, config: Any) -> Tensor:
    """Smoothed rate maps (U, bins, bins)."""
    extent = arena_of(config).extent
    return smoothed(rate_maps(walks.positions[1:], rates, extent, config.bins), SMOOTH)


def of_places(rates: Tensor, walks: Walk, config: Any) -> dict[str, Tensor]:
    """Scores of lattices, bands and borders; borders where walls are straight."""
    room, maps = arena_of(config), maps_of(rates, walks, config)
    found = {**grid_scores(autocorrelograms(maps))._asdict(), "band": band_scores(maps)}
    if isinstance(room, Polygon):
        found["border"] = border_scores(maps, room, room.extent)
    return found


def scores(rates: Tensor, walks: Walk, config: Any) -> dict[str, Tensor]:
    """All scores (U) of rates (T, N, U)."""
    return of_places(rates, walks, config) | {
        "direction": direction_scores(walks.headings, rates),
        "speed": speed_scores(walks.speeds, rates).abs(),
    }


def shares(model: Any, near: Walk, config: Any) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Percent of units whose score is above its null, one by one and among all; and all scores."""
    _, rates = model.walked(batch_of(near))
    numbers: dict[str, float] = {}
    every: dict[str, Tensor] = {}
    draw = torch.Generator().manual_seed(TEST_SEED)
    verdicts = against_null(lambda r: scores(r, near, config), rates, config.shuffles, draw)
    for name, verdict in verdicts.items():
        numbers |= {
            f"share_{name}": 100 * float((verdict.p <= LEVEL).float().mean()),
            f"share_{name}_family": 100 * float((verdict.family <= LEVEL).float().mean()),
            f"median_{name}": _median(verdict.scores),
        }  # fmt: skip
        if math.isfinite(verdict.level):
            numbers[f"null_{name}"] = verdict.level
        every[name] = verdict.scores
    return numbers, every


def snapshot(model: Any, walks: Walk, config: Any) -> dict[str, float]:
    """While training: the error, and the median score of units for borders and both lattices."""
    found, rates = model.walked(batch_of(walks))
    seen = of_places(rates, walks, config)
    return {"error": error(found, walks, config)} | {
        name: _median(each) for name, each in seen.items()
    }


def _median(scores: Tensor) -> float:
    known = scores[scores.isfinite()]
    return float(known.median()) if len(known) else 0.0
