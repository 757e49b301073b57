"""Recipes of training techniques: small runs that learn, controls that do not, pictures."""

import math
from dataclasses import replace

import pytest
import torch
from tests.data.test_images import cifar_files

from swiftrnn.recipes import accumulation, adamw_heatmap
from swiftrnn.recipes.accumulation.model import lines_of, micro_batches
from swiftrnn.recipes.adamw_heatmap import model as heat
from swiftrnn.recipes.adamw_heatmap.resnet import FlipAndCrop, residual
from swiftrnn.recipes.mixup_robustness import model as mixing
from swiftrnn.recipes.sgdr.model import schedule_of
from swiftrnn.runs import results
from swiftrnn.training.sweep import finished


def test_exact_accumulation_is_the_whole_batch_and_the_usual_way_is_not(smoke):
    found = results.read(smoke("accumulation"))
    assert found["gradient_error_exact"] < 1e-12
    assert found["largest_gap_exact"] < 1e-9
    assert found["gradient_error_usual"] > 0.05
    assert found["largest_gap_usual"] > 1e-3
    with pytest.raises(ValueError, match="a window that divides batch_size; got 5 and 32"):
        accumulation.Config(window=5)


def test_lines_are_neither_short_nor_long_and_micro_batches_have_all_of_them_once():
    text = b"\n".join([b"x" * n for n in (1, 4, 5, 80, 300, 301)])
    assert sorted(len(line) for line in lines_of(text, 10, 0)) == [5, 80, 300]
    lines = [torch.zeros(n) for n in (9, 5, 300, 7, 80, 6)]
    assert [[len(line) for line in part] for part in micro_batches(lines, 4)] == [
        [5, 6, 7, 9], [80, 300],
    ]  # fmt: skip


def test_mixup_learns_fewer_wrong_labels_and_the_control_nothing(smoke):
    found = results.read(smoke("mixup_robustness"))
    assert found["fit_40_mixup_8"] < found["fit_40_plain"]
    assert found["last_40_mixup_8"] < found["last_40_plain"]
    assert found["over_plain_40_mixup_8"] == found["last_40_mixup_8"] / found["last_40_plain"]
    assert found["control_random_labels"] > 50
    assert found["best_40_plain"] < found["last_40_plain"]


def rows_of(*cells):
    names = ("noise", "alpha", "rate")
    return [(dict(zip(names, point, strict=True)), dict(zip(("last", "best", "fit"), metrics,
             strict=True))) for point, metrics in cells]  # fmt: skip


def test_plain_training_counts_at_rates_where_it_knows_its_labels_and_mixup_at_any():
    rows = rows_of(
        ((0.4, 0.0, 1.0), (20.0, 15.0, 80.0)), ((0.4, 0.0, 2.0), (30.0, 16.0, 96.0)),
        ((0.4, 0.0, 3.0), (35.0, 17.0, 99.0)), ((0.4, 8.0, 1.0), (18.0, 17.5, 60.0)),
        ((0.4, 8.0, 2.0), (25.0, 16.0, 70.0)), ((0.8, 0.0, 1.0), (50.0, 40.0, 70.0)),
        ((0.8, 0.0, 2.0), (60.0, 45.0, 75.0)),
    )  # fmt: skip
    assert mixing.chosen(rows, 0.4, 0.0, "last")[0]["rate"] == 2.0
    assert mixing.chosen(rows, 0.4, 0.0, "best")[0]["rate"] == 1.0
    assert mixing.chosen(rows, 0.4, 8.0, "last")[0]["rate"] == 1.0
    assert mixing.chosen(rows, 0.4, 8.0, "best")[0]["rate"] == 2.0
    assert mixing.chosen(rows, 0.8, 0.0, "last")[0]["rate"] == 2.0  # none knows them: the fullest


def test_heat_maps_are_drawn_from_the_study_alone(smoke, tmp_path):
    out = smoke("adamw_heatmap")
    found = results.read(out)
    rows = finished(out / "study.db", out.name)
    again = adamw_heatmap.heat_maps(rows, tmp_path / "again.png")
    assert again.read_bytes() == (out / "heat_maps.png").read_bytes()
    assert found["error_adam"] <= 100


def cells(*points):
    names = ("rate", "decay")
    return [(dict(zip(names, point[:2], strict=True)), {"error": point[2]}) for point in points]


def test_correlation_sees_a_diagonal_and_not_a_cross():
    diagonal = cells((1, 1, 5.0), (2, 2, 5.1), (4, 4, 5.2), (1, 0, 1.0))
    assert heat.correlation(diagonal) == pytest.approx(1)
    against = cells((1, 4, 5.0), (2, 2, 5.1), (4, 1, 5.2))
    assert heat.correlation(against) == pytest.approx(-1)
    square = cells((1, 1, 5.0), (1, 2, 5.0), (2, 1, 5.0), (2, 2, 5.0))
    assert heat.correlation(square) == pytest.approx(0, abs=1e-12)
    crossed = cells(*((a, b, 5.0) for a in (0.1, 0.3, 0.7) for b in (0.2, 0.9, 5.0)))
    assert heat.correlation(crossed) == pytest.approx(0, abs=1e-12)
    for rate in (1, 0.1, 0.3, 7.0, 1e-3):  # what does not vary has no correlation
        assert math.isnan(heat.correlation(cells(*((rate, b, 5.0) for b in range(1, 8)))))
        assert math.isnan(heat.correlation(cells(*((b, rate, 5.0) for b in range(1, 8)))))
    assert math.isnan(heat.correlation(cells((1, 1, 5.0))))
    assert math.isnan(heat.correlation([]))


def test_cells_count_at_rates_where_training_without_decay_learns_its_labels():
    names = ("method", "rate", "decay")
    rows = [(dict(zip(names, point, strict=True)), {"error": error, "fit": fit})
            for point, error, fit in [
                (("adam", 1, 0), 9.0, 60.0), (("adam", 1, 2), 8.0, 50.0),
                (("adam", 3, 0), 20.0, 96.0), (("adam", 3, 2), 11.0, 70.0),
                (("adamw", 1, 2), 7.0, 50.0), (("adamw", 3, 2), 10.0, 60.0),
                (("adamw", 3, 4), 12.0, 60.0)]]  # fmt: skip
    assert [r[1]["error"] for r in heat.where_it_fits(rows, "adam", "adam")] == [11.0, 20.0]
    assert [r[1]["error"] for r in heat.where_it_fits(rows, "adamw", "adam")] == [10.0, 12.0]


def test_regret_is_what_tuning_one_axis_after_the_other_loses():
    rows = cells((1, 1, 9.0), (2, 1, 6.0), (4, 1, 8.0), (1, 2, 5.0), (2, 2, 7.0), (4, 2, 9.0))
    assert heat.regret(rows, (1, 2, 4)) == 1.0  # at rate 2 decay 1; of decay 1 rate 2; best is 5


@pytest.mark.parametrize("method", heat.METHODS)
def test_methods_put_their_decay_where_they_say(method):
    net = torch.nn.Linear(3, 2)
    before = net.weight.detach().clone()
    optimizer = heat.optimizer_of(net, method, rate=2.0, decay=3.0)
    rate, decay = (unit * by for unit, by in zip(heat.METHODS[method], (2.0, 3.0), strict=True))
    assert [g["lr"] for g in optimizer.param_groups] == [rate, rate]
    for p in net.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    shrunk = {"adamw": 1 - rate * decay, "adamw_paper": 1 - decay, "sgdw": 1 - decay}
    if method in shrunk:
        torch.testing.assert_close(net.weight.detach(), before * shrunk[method])
    elif method == "sgd":
        torch.testing.assert_close(net.weight.detach(), before * (1 - rate * decay))
    else:  # divided by its own size: every weight moves by the rate
        moved = (net.weight.detach() - before).abs()
        torch.testing.assert_close(moved, torch.full_like(moved, rate), rtol=1e-3, atol=0)


def test_schedules_end_with_a_cycle_and_the_control_learns_nothing(smoke):
    for name in ("cosine", "restarts", "restarts_short"):
        rate = schedule_of(name, 630)
        assert rate(629.999) < 1e-4
        assert rate(0) == 1
    assert schedule_of("restarts", 630).starts(629) == pytest.approx([0, 90, 270])
    assert len(schedule_of("restarts_short", 630).starts(629)) == 6
    found = results.read(smoke("sgdr"))
    assert found["error_restarts"] < 5
    assert found["control_random_labels"] > 50


def test_the_papers_net_has_its_weights_and_takes_a_step_on_cifar_10(tmp_path):
    net = residual(torch.Size((3, 32, 32)), 64, 10)
    assert round(sum(p.numel() for p in net.parameters()) / 1e5) in (116, 117)  # 11.6 million
    cifar_files(tmp_path, images_each=8)
    config = replace(
        adamw_heatmap.PAPER, cifar=tmp_path, hidden=8, train_size=20, valid_size=10, epochs=1,
        batch_size=10,
    )  # fmt: skip
    (tmp_path / "out").mkdir()
    found = heat.trial(config, dict(method="sgdw", rate=1.0, decay=1.0), tmp_path / "out")
    assert 0 <= found["error"] <= 100


def test_images_are_moved_and_mirrored_while_training_and_only_then():
    x = torch.arange(1.0, 65).view(1, 1, 8, 8).expand(400, 1, 8, 8)
    part = FlipAndCrop()
    assert torch.equal(part.eval()(x), x)
    moved = part.train()(x)
    seen = {(r, c, f) for r in range(9) for c in range(9) for f in (0, 1)
            if any(torch.equal(m[0], torch.nn.functional.pad(
                x[0, 0].flip(1) if f else x[0, 0], (4, 4, 4, 4))[r : r + 8, c : c + 8])
                for m in moved[:60])}  # fmt: skip
    assert len(seen) > 30
    assert {f for _, _, f in seen} == {0, 1}
    assert all(((m == 0) | torch.isin(m, x[0])).all() for m in moved)
