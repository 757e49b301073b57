"""Networks that navigate: targets, losses, long walks in parts, baselines, and what is refused."""

import math

import pytest
import torch

from swiftrnn.data.walking.arenas import arena
from swiftrnn.recipes import grid_cells
from swiftrnn.recipes.grid_cells import SMOKE, Config, measure
from swiftrnn.recipes.grid_cells.data import Walks, arena_of, batch_of, drawn
from swiftrnn.recipes.grid_cells.model import NETWORKS, Navigator
from swiftrnn.recipes.grid_cells.targets import DIRECTIONS, PlaceCells, direction_cells
from swiftrnn.recipes.grid_cells.train import untrained
from swiftrnn.runs.limits import Unfit

SMALL = {"units": 12, "place_cells": 30, "length": 10, "batch_size": 4, "far": 40, "walks": 8,
         "bins": 8, "shuffles": 3}  # fmt: skip


def some(target, **more):
    config = Config(target=target, **{**SMALL, **more})
    return config, drawn(config, config.length, 4, torch.Generator().manual_seed(0))


def test_place_cells_are_most_active_at_their_centres_and_sum_to_one():
    for surround in (False, True):
        cells = PlaceCells(arena("hexagon"), 40, 0.2, surround, 0)
        assert (arena("hexagon").room(cells.centres) >= 0).all()
        code = cells(cells.centres[:, None])
        assert code.shape == (40, 1, 40)
        assert (code[:, 0].argmax(-1) == torch.arange(40)).all()
        torch.testing.assert_close(code.sum(-1), torch.ones(40, 1))
        assert (code >= 0).all()
    same = PlaceCells(arena("hexagon"), 40, 0.2, True, 0)
    assert same.centres.equal(cells.centres)


def test_a_surround_is_the_difference_of_two_softmaxes():
    cells = PlaceCells(arena("square"), 7, 0.3, True, 1)
    where = torch.tensor([[0.1, -0.4]])
    away = (where - cells.centres).square().sum(-1)
    a, b = ((-away / (2 * scale * 0.09)).softmax(-1) for scale in (1, 2))
    want = (a - b - (a - b).min()) / (a - b - (a - b).min()).sum()
    torch.testing.assert_close(cells(where)[0], want)


def test_positions_come_back_from_place_cells():
    cells = PlaceCells(arena("square", 2.2), 512, 0.12, True, 0)
    where = 1.8 * torch.rand(100, 2, generator=torch.Generator().manual_seed(0)) - 0.9
    assert (cells.decoded(cells(where)) - where).norm(dim=-1).mean() < 0.08


def test_direction_cells_turn_with_the_head():
    code = direction_cells(torch.tensor([0.0, math.pi / 2, -math.pi]))
    assert code.argmax(-1).tolist() == [0, DIRECTIONS // 4, DIRECTIONS // 2]
    torch.testing.assert_close(code.sum(-1), torch.ones(3))


@pytest.mark.parametrize("target", NETWORKS)
def test_long_walks_go_part_after_part(target):
    config, walks = some(target)
    torch.manual_seed(0)
    model = untrained(config).eval()
    whole, rates = model.walked(batch_of(walks))
    assert whole.shape == (10, 4, 2)
    assert rates.shape == (10, 4, 12)
    if target == "coordinates":
        torch.nn.init.normal_(model.network.readout.weight)
        whole, rates = model.walked(batch_of(walks))
    for at_once in (1, 3, 7):
        again, other = model.walked(batch_of(walks), at_once)
        torch.testing.assert_close(again, whole)
        torch.testing.assert_close(other, rates)


@pytest.mark.parametrize("target", NETWORKS)
def test_a_step_of_training_lowers_the_loss_and_reaches_every_weight(target):
    config, walks = some(target, noise=0.0, decay=0.0, learning_rate=1e-2)
    torch.manual_seed(0)
    model, batch = untrained(config), batch_of(walks)
    ([optimizer], _), losses = model.configure_optimizers(), []
    for _ in range(30):
        loss = model.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in model.parameters())


def test_the_terms_of_the_loss():
    config, walks = some("coordinates", noise=0.0, decay=0.0, cost=0.0)
    torch.manual_seed(0)
    base = untrained(config)
    torch.nn.init.normal_(base.network.readout.weight)
    batch = batch_of(walks)
    found, rates, _ = base.network(batch, None)
    error = (found - walks.positions[1:]).square().mean()
    torch.testing.assert_close(base.training_step(batch, 0), error)
    for name, term in (
        ("cost", rates.square().mean()),
        ("decay", base.network.layer.weight_ih_l0.square().mean()
         + base.network.readout.weight.square().mean()),
    ):  # fmt: skip
        options = {"noise": 0.0, "decay": 0.0, "cost": 0.0, name: 0.5}
        other = Navigator(some("coordinates", **options)[0], arena_of(config))
        other.load_state_dict(base.state_dict())
        torch.testing.assert_close(other.training_step(batch, 0), error + 0.5 * term)


def test_batches_are_walks_of_the_paper():
    config = Config(**SMALL)
    batch = next(iter(Walks(config)))
    assert batch["positions"].shape == (11, 4, 2)
    assert (batch["positions"][0] == 0).all()
    assert 0.7 < (batch["speeds"] == 0).float().mean() <= 1
    metres = next(iter(Walks(Config(target="places", **SMALL))))
    assert (metres["positions"][0] != 0).any()
    assert (metres["speeds"] > 0).all()


def test_errors_are_shares_of_the_width():
    config, walks = some("coordinates")
    right = walks.positions[1:]
    assert measure.error(right, walks, config) == 0
    assert measure.error(right + torch.tensor([0.2, 0.0]), walks, config) == pytest.approx(10)
    found = measure.baselines(walks, config)
    assert found["baseline_no_memory"] <= found["baseline_middle"] * 1.1
    assert 0 < found["baseline_dead_reckoning"] < found["baseline_middle"]


def test_borders_are_not_scored_without_straight_walls():
    for shape, there in (("square", True), ("circle", False)):
        config, walks = some("coordinates", arena=shape)
        rates = torch.randn(10, 4, 5)
        assert ("border" in measure.scores(rates, walks, config)) == there


def test_variants_differ_from_the_network():
    for given in ({"variants": ("tanh",)}, {"variants": ("no_cost",), "cost": 0.0},
                  {"variants": ("plain", "plain")}):  # fmt: skip
        with pytest.raises(Unfit, match="--variants needs what differs"):
            Config(**given)
    plain = Config(variants=("plain",)).variant("plain")
    assert (plain.noise, plain.cost, plain.rests, plain.variants) == (0, 0, 0, ())
    assert grid_cells.PLACES.variant("gaussian").surround is False


def test_it_learns_where_it_is(smoke):
    """Of a small run: better than knowing nothing, and shares of units that are shares."""
    from swiftrnn.runs import results

    found = results.read(smoke("grid_cells"))
    assert found["error"] < 0.9 * found["baseline_middle"]
    shares = [value for name, value in found.items() if name.startswith("share_")]
    assert len(shares) == 12
    assert all(0 <= value <= 100 for value in shares)
    assert SMOKE.shuffles == 19
