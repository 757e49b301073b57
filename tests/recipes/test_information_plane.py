"""The information plane's recipe: its task, its stack of networks, the dead, and a small run."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from swiftrnn.recipes import information_plane as recipe
from swiftrnn.recipes.information_plane import data, measure, model
from swiftrnn.runs import results

SHORT = replace(recipe.SMOKE, networks=3, epochs=6, since=2, records=4, activations=("tanh",))


@pytest.fixture
def done(smoke):
    """The folder of a small run, and its metrics."""
    out = smoke("information_plane")
    return out, results.read(out)


def test_a_small_run_learns_and_the_control_does_not(done):
    _, found = done
    assert all(math.isfinite(value) for value in found.values())
    assert found["accuracy_tanh"] > found["baseline_count"] > found["baseline_untrained_tanh"]
    assert found["decided_tanh"] > 0.2
    assert found["control_random_labels"] < 0.05
    assert found["control_accuracy_train"] > 0.9 > 0.6 > found["control_accuracy"]
    for name in ("tanh", "relu"):
        assert found[f"live_{name}"] + found[f"dead_{name}"] == 3


def test_the_same_run_answers_as_the_paper_says(done):
    _, found = done
    assert found["drop_binned_tanh"] > 2
    assert found["compresses_binned_tanh"] == 1
    assert found["drop_net_input_tanh"] <= 0.5
    assert found["compresses_net_input_tanh"] == 0
    assert found["change_kde_0.1_relu"] > -0.1
    assert found["exact_tanh_end"] == pytest.approx(1, abs=0.01)
    assert found["exact_relu_drop"] == found["exact_linear_drop"] == 0
    assert found["exact_linear_error_end"] > 2 * found["exact_linear_error_best"]


def test_a_trial_by_itself_gives_the_same_numbers(done, tmp_path):
    out, found = done
    again = measure.trial(recipe.SMOKE, {"activation": "tanh", "group": 0}, tmp_path)
    assert again["accuracy"] == found["accuracy_tanh"]
    first, second = (measure.together([each]) for each in (out / "trial-0", tmp_path))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("bits", [8, 12])
def test_no_symmetry_of_the_solid_changes_the_class(bits):
    points = data.solid(bits)
    task = data.made(replace(recipe.SMOKE, bits=bits))
    assert 0.45 < task.labels.double().mean() < 0.55
    assert len(task.inputs) == 2**bits == len(task.inputs.unique(dim=0))
    gram = points @ points.T
    neighbours = gram.topk(4 if bits == 8 else 6).indices
    found = 0
    for images in itertools.permutations(range(bits), 3):  # where three points go decides
        frame = points[[0, *neighbours[0, 1:3].tolist()]]
        if torch.linalg.matrix_rank(frame) < 3:
            break
        turn = torch.linalg.solve(frame, points[list(images)])
        if not torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64), atol=1e-9):
            continue
        moved = points @ turn
        where = torch.cdist(moved, points).argmin(1)
        if not torch.allclose(points[where], moved, atol=1e-9):
            continue
        found += 1
        rows = ((task.inputs[:, where] > 0).long() * 2 ** torch.arange(bits).flip(0)).sum(1)
        assert torch.equal(task.labels[rows], task.labels)
    assert found == (48 if bits == 8 else 120)


def test_train_and_test_are_all_patterns_and_soft_labels_differ_near_the_border():
    task = data.made(recipe.Config())
    assert sorted([*task.train.tolist(), *task.test.tolist()]) == list(range(4096))
    assert len(task.train) == 3277
    soft = data.made(recipe.Config(softness=0.2))
    assert 0.01 < (soft.labels != task.labels).double().mean() < 0.25
    mixed = data.shuffled(task, 0)
    assert mixed.labels.sum() == task.labels.sum()
    assert 0.4 < (mixed.labels == task.labels).double().mean() < 0.6
    with pytest.raises(ValueError, match="information_plane needs 8 or 12 bits; got 9; take 12"):
        data.solid(9)


@pytest.mark.parametrize("batch_size", [32, 0])
@pytest.mark.parametrize("activation", list(model.ACTIVATIONS))
def test_networks_trained_together_are_those_trained_alone(activation, batch_size):
    config = replace(SHORT, batch_size=batch_size)
    task = data.made(config)
    whole = model.train(config, activation, [0, 1, 2], task, torch.float64)
    for one in range(3):
        alone = model.train(config, activation, [one], task, torch.float64)
        for name, each in alone.items():
            assert (whole[name][:, [one]] - each).abs().max() < 1e-10
    moved = (whole["linear_6.weight"][-1] - whole["linear_6.weight"][0]).abs()
    assert moved.max() > 1e-3


def test_every_network_has_an_order_of_its_own_in_every_epoch(monkeypatch):
    orders, draw = [], torch.randperm
    task = data.made(SHORT)

    def noted(*given, **how):
        orders.append(draw(*given, **how))
        return orders[-1]

    monkeypatch.setattr(torch, "randperm", noted)
    model.train(SHORT, "tanh", [0, 1], task)
    assert len({tuple(order.tolist()) for order in orders}) == 2 * SHORT.epochs


def test_a_stack_steps_as_torch_says():
    config = replace(SHORT, batch_size=0, epochs=3)
    task = data.made(config)
    kept = model.train(config, "tanh", [4], task, torch.float64)
    net = model.network(config, "tanh").double()
    net.load_state_dict({name: each[0, 0] for name, each in kept.items()})
    optimizer = torch.optim.Adam(net.parameters(), lr=config.rate)
    for _ in range(3):
        optimizer.zero_grad()
        outputs = net[:-1](task.inputs[task.train])
        torch.nn.functional.cross_entropy(outputs, task.labels[task.train]).backward()
        optimizer.step()
    for name, each in net.state_dict().items():
        assert (each - kept[name][-1, 0]).abs().max() < 1e-10


def test_a_stack_gives_what_its_modules_give_under_vmap():
    nets = [model.network(SHORT, "softsign").double() for _ in range(3)]
    parameters, _ = stack_module_state(nets)
    x = torch.randn(3, 20, 8, dtype=torch.float64)
    wanted = vmap(lambda p, v: functional_call(nets[0][:-1], p, (v,)))(parameters, x)
    found = model.logits(parameters, "softsign", x.mT).mT
    torch.testing.assert_close(found, wanted)


def test_weights_begin_as_they_should():
    config = recipe.Config()
    tanh = model.initial(config, "tanh", range(200), torch.float64)
    relu = model.initial(config, "relu", range(200), torch.float64)
    cut = 0.8796  # the deviation of a normal distribution that is cut at two
    assert tanh["linear_1.weight"].std().item() == pytest.approx(cut / math.sqrt(10), rel=0.02)
    assert tanh["linear_1.weight"].abs().max() <= 2 / math.sqrt(10)
    assert relu["linear_2.weight"].std().item() == pytest.approx(cut * math.sqrt(0.2), rel=0.02)
    assert bool((tanh["linear_3.bias"] == 0).all())
    assert relu["linear_3.bias"].unique().item() == pytest.approx(0.1)


@pytest.mark.parametrize(("epochs", "records"), [(3000, 30), (200, 8), (6, 4), (5, 30)])
def test_recorded_epochs_rise_from_0_to_the_last_and_have_the_one_to_count_from(epochs, records):
    config = replace(recipe.Config(), epochs=epochs, records=records, since=min(100, epochs - 1))
    found = model.epochs_of(config)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert found[-1] == epochs
    assert config.since in found
    assert abs(len(found) - min(records, epochs + 1)) <= 1


def kept_of(config, activation="relu"):
    """Two records of three new networks."""
    start = model.initial(config, activation, range(3), torch.float32)
    return {name: torch.stack([each, each]) for name, each in start.items()}


def test_dead_networks_are_flagged_left_out_and_counted(tmp_path):
    config = replace(recipe.SMOKE, activations=("relu",), epochs=40, since=10, closely=3)
    task = data.made(config)
    kept = model.train(config, "relu", range(3), task)
    kept["linear_5.bias"][:, 1] = -100.0  # its last hidden layer is 0 for every pattern
    known = torch.tensor([0.9, 0.9, 0.54])  # the third one knows no more than the larger class
    found = measure.death(config, "relu", kept, task, known)
    assert found["dead"].tolist() == [False, True, True]
    assert found["dead_units"][1] >= 3 / 29
    results = found | {"bits": measure.measured(config, "relu", kept, task)}
    results |= measure.scores(kept, "relu", task) | measure.closely(config, "relu", kept, task)
    verdicts = measure.verdicts(config, results)
    assert (verdicts["live"], verdicts["dead"]) == (1, 2)
    drop, _ = measure.compression(results["bits"][0, :, -2, 0, 0])
    assert verdicts["drop_binned"] == pytest.approx(drop.item())
    nobody = measure.verdicts(config, results | {"dead": torch.ones(3, dtype=torch.bool)})
    assert set(nobody) == {"live", "dead", "baseline_untrained"}
    assert nobody["dead"] == 3


def test_unbounded_units_have_bins_over_all_that_occurs_in_the_run():
    kept = kept_of(SHORT)
    kept["linear_2.weight"][1] *= 3  # the second record has the largest activations
    task = data.made(SHORT)
    edges = measure.edges_of(SHORT, "relu", kept, task)
    assert edges.shape == (3, 99)
    hidden = [measure.activations(SHORT, "relu", each, task) for each in measure.snapshots(kept)]
    for one in range(3):
        top = max(float(layer[one].max()) for record in hidden for layer in record[:-1])
        assert edges[one].tolist() == pytest.approx([top * i / 100 for i in range(1, 100)])
    assert measure.edges_of(SHORT, "tanh", kept, task).shape == (29,)


def test_groups_are_parts_of_one_whole(tmp_path):
    config = replace(SHORT, networks=3)
    parts = [tmp_path / name for name in ("first", "second", "whole")]
    for part, size, group in zip(parts, (2, 2, 3), (0, 1, 0), strict=True):
        part.mkdir()
        measure.trial(replace(config, group=size), {"activation": "tanh", "group": group}, part)
    together, whole = measure.together(parts[:2]), measure.together(parts[2:])
    assert together["bits"].shape == whole["bits"].shape
    torch.testing.assert_close(together["bits"], whole["bits"], rtol=0, atol=0.1)
    assert together["snr"].shape[0] == 2


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"activations": ("tanh", "sine")}, "one of tanh, relu, softsign, linear; got tanh sine"),
        ({"activations": ()}, "needs at least one value, and each once; got none"),
        ({"epochs": 100}, "--since needs a whole number of at most 99; got 100"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changed, says):
    with pytest.raises(ValueError, match=says):
        recipe.Config(**changed)
