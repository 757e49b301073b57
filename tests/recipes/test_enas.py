"""Architecture search: cells, shared weights, the controller, and what is made of what it finds."""

import math
import os
import signal
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import swiftrnn
from swiftrnn import cli
from swiftrnn.data.lanes import excerpts, streams
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.enas import SMOKE, Config, find, measure
from swiftrnn.recipes.enas.alone import train_alone
from swiftrnn.recipes.enas.cells import (
    FUNCTIONS,
    Cell,
    cells_of,
    choices,
    count,
    distinct,
    every,
    run,
)
from swiftrnn.recipes.enas.controller import Controller, reinforce
from swiftrnn.recipes.enas.data import words_for
from swiftrnn.recipes.enas.drawing import drawn, layout
from swiftrnn.recipes.enas.model import Apart, Shared, Writer
from swiftrnn.recipes.enas.search import Search, search, uniform
from swiftrnn.runs import folder, results
from swiftrnn.runs.folder import RunFolder

BY_NAME = {
    "tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x,
}  # fmt: skip


@st.composite
def cells(draw, most=6):
    depth = draw(st.integers(1, most))
    return Cell(
        tuple((draw(st.integers(0, n)), draw(st.sampled_from(FUNCTIONS))) for n in range(depth))
    )


# ------------------------------------------------------------------ the space


@given(cells())
def test_a_cell_is_written_and_read(cell):
    assert Cell.read(str(cell)) == cell
    assert cells_of(*choices([cell])) == [cell]


@given(cells(), st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter_to_the_canonical_form(cell, draw):
    order, left = [0], set(range(1, len(cell.nodes) + 1))
    while left:  # any order in which a node comes after the one that it reads
        order.append(draw.choice([n for n in sorted(left) if cell.nodes[n - 1][0] in order]))
        left.remove(order[-1])
    nodes = [cell.nodes[n - 1] for n in order[1:]]
    moved = Cell(tuple((order.index(before), name) for before, name in nodes))
    assert moved.canonical() == cell.canonical()
    assert cell.canonical().canonical() == cell.canonical()


def test_the_space_is_counted():
    assert [count(nodes) for nodes in (1, 2, 3)] == [4, 32, 384]
    for nodes in (1, 2, 3):
        assert len({*every(nodes)}) == count(nodes)
    # trees of three nodes: a chain, a fork above one node, two branches, three branches
    assert len(distinct(3)) == 4**3 + 4 * 10 + 4 * 16 + 20
    assert len(distinct(2)) == 16 + 10


@pytest.mark.parametrize(("text", "said"), [
    ("", "at least one node; got none"), ("1:tanh", "node 1 .* from 0 to 0 to read; got 1"),
    ("0:tanh 2:relu", "node 2 .* from 0 to 1 to read; got 2"),
    ("0:sin", "function of tanh, relu, sigmoid, identity; got 'sin'"),
    ("tanh", "NODE:FUNCTION .* got 'tanh'"), ("-1:tanh", "NODE:FUNCTION .* got '-1:tanh'"),
])  # fmt: skip
def test_what_is_no_cell_is_said(text, said):
    with pytest.raises(ValueError, match=said):
        Cell.read(text)


@given(cells())
def test_a_drawing_has_a_place_for_each_node(cell):
    places = layout(cell)
    assert len({*places}) == len(places) == len(cell.nodes) + 1
    for number, (before, _) in enumerate(cell.nodes, 1):
        assert places[number][0] == places[before][0] + 1
    assert drawn(cell).svg.count("<rect") == len(places) + 1


# ------------------------------------------------------------------ side by side


def by_hand(x, state, recurrent, nodes, cell):
    """One cell over a sequence, as the equations have it."""
    found = []
    for x_t in x:
        h, t = (x_t + state @ recurrent).chunk(2, -1)
        values = [state + t.sigmoid() * (h.tanh() - state)]
        for weight, (before, name) in zip(nodes, cell.nodes, strict=True):
            h, t = (values[before] @ weight).chunk(2, -1)
            values.append(values[before] + t.sigmoid() * (BY_NAME[name](h) - values[before]))
        state = sum(values[1:]) / len(nodes)
        found.append(state)
    return torch.stack(found)


def test_every_cell_gives_what_its_equations_say():
    some = [*every(3)]
    groups, size = len(some), 4
    x = torch.randn(3, groups, 2, 2 * size, dtype=torch.float64)
    state = torch.randn(groups, 2, size, dtype=torch.float64)
    weights = [torch.randn(groups, size, 2 * size, dtype=torch.float64) for _ in range(4)]
    found, last = run(x, state, weights[0], weights[1:], *choices(some))
    assert torch.equal(found[-1], last)
    for g, cell in enumerate(some):
        own = [each[g] for each in weights]
        expected = by_hand(x[:, g], state[g], own[0], own[1:], cell)
        torch.testing.assert_close(found[:, g], expected, rtol=1e-12, atol=1e-12)


def test_gradients_equal_finite_differences():
    some = [Cell.read(each) for each in ("0:tanh 1:sigmoid 0:identity", "0:sigmoid 0:tanh 2:tanh")]
    x = torch.randn(2, 2, 1, 6, dtype=torch.float64, requires_grad=True)
    rest = [torch.randn(2, 1, 3, dtype=torch.float64, requires_grad=True)]
    rest += [torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    numbers = choices(some)

    def function(x, state, recurrent, *nodes):
        return run(x, state, recurrent, nodes, *numbers)

    assert torch.autograd.gradcheck(function, (x, *rest))


def test_shared_weights_are_those_of_node_function_and_source():
    shared = Shared(3, 5, 11).double()
    some = [Cell.read("0:relu 0:tanh 2:sigmoid"), Cell.read("0:tanh 1:identity 0:relu")]
    batch = torch.randint(0, 11, (6, 2, 3))
    losses, _ = shared.losses(batch, *choices(some))
    for g, cell in enumerate(some):
        rows = [FUNCTIONS.index(name) * n + before
                for n, (before, name) in enumerate(cell.nodes, 1)]  # fmt: skip
        nodes = [weight[row] for weight, row in zip(shared.nodes, rows, strict=True)]
        x = shared.words[batch[:-1, g]] @ shared.input
        hidden = by_hand(x, x.new_zeros(3, 5), shared.recurrent, nodes, cell)
        expected = nn.functional.cross_entropy(
            (hidden @ shared.words.t() + shared.bias).flatten(0, 1), batch[1:, g].flatten(),
            reduction="none",
        )  # fmt: skip
        torch.testing.assert_close(losses[:, g].flatten(), expected)
        used = torch.autograd.grad(losses[:, g].sum(), [*shared.nodes], retain_graph=True)
        for gradient, row in zip(used, rows, strict=True):
            touched = gradient.abs().sum((1, 2)) > 0
            assert touched.nonzero().flatten().tolist() in ([row], [])


def test_cells_apart_do_not_touch_each_other():
    some = distinct(3)[::40]
    together = Apart(some, 6, 9).double()
    tokens = torch.randint(0, 9, (7, 2))
    losses, state = together.losses(tokens[:-1], tokens[1:])
    losses.mean((0, 2)).sum().backward()
    for g, cell in enumerate(some):
        one = Apart([cell], 6, 9).double()
        own = {}
        for name, value in together.state_dict().items():
            own[name] = value[g : g + 1]
        one.load_state_dict(own)
        found, last = one.losses(tokens[:-1], tokens[1:])
        torch.testing.assert_close(found[:, 0], losses[:, g].detach())
        torch.testing.assert_close(last[0], state[g])
        found.mean().backward()
        for name, value in one.named_parameters():
            torch.testing.assert_close(value.grad[0], together.get_parameter(name).grad[g])


def test_the_canonical_form_is_the_same_network():
    cell = Cell.read("0:tanh 0:relu 1:sigmoid 2:tanh 1:identity")
    same = cell.canonical()
    assert same != cell
    trees = [[(name, each._tree(n)) for n, (_, name) in enumerate(each.nodes, 1)]
             for each in (cell, same)]  # fmt: skip
    order = [trees[0].index(tree) for tree in trees[1]]  # no two branches here are alike
    one, other = (Apart([each], 4, 7).double() for each in (cell, same))
    weights = one.state_dict()
    weights |= {f"nodes.{new}": one.state_dict()[f"nodes.{old}"] for new, old in enumerate(order)}
    other.load_state_dict(weights)
    tokens = torch.randint(0, 7, (9, 2))
    torch.testing.assert_close(other.hidden(tokens)[0], one.hidden(tokens)[0])


def test_a_writer_steps_as_it_reads():
    network = Apart([Cell.read("0:relu 1:tanh")], 5, 8).eval()
    writer = Writer(network, Vocabulary.of_words(b"a b c d e f"))
    tokens = torch.randint(0, 8, (6, 3))
    expected, state = writer.read(tokens)
    now = None
    for token in tokens:
        logits, now = writer.step(token, now)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(now, state)
    losses, _ = writer.losses(tokens[:-1], tokens[1:])
    assert losses.shape == (5, 3)


# ------------------------------------------------------------------ the controller


@pytest.mark.parametrize("recency", [False, True])
def test_probabilities_of_all_cells_sum_to_one_and_give_the_entropy(recency):
    controller = Controller(3, hidden=8, recency=recency).double()
    for each in controller.parameters():
        nn.init.normal_(each)
    known = controller(count(3), choices([*every(3)]))
    odds = known.log_prob.exp()
    assert odds.sum().item() == pytest.approx(1, abs=1e-12)
    exact = -(odds * known.log_prob).sum()
    assert (odds * known.entropy).sum().item() == pytest.approx(exact.item(), abs=1e-12)
    assert exact < controller.most_entropy == pytest.approx(math.log(384))


def test_what_is_drawn_has_the_probability_that_is_told():
    controller = Controller(2, hidden=8)
    for each in controller.parameters():
        nn.init.normal_(each)
    with torch.no_grad():
        sample = controller(20_000)
        again = controller(20_000, (sample.before, sample.functions))
    torch.testing.assert_close(sample.log_prob, again.log_prob)
    seen = cells_of(sample.before, sample.functions)
    for cell in [*every(2)][::5]:
        odds = controller(1, choices([cell])).log_prob.exp().item()
        error = math.sqrt(odds * (1 - odds) / len(seen))
        assert abs(seen.count(cell) / len(seen) - odds) < 5 * error + 1e-9


def test_near_nodes_are_favoured_where_that_is_asked_for():
    means = []
    for recency in (False, True):
        controller = Controller(8, recency=recency)
        with torch.no_grad():
            before = controller(2000).before
        means.append((torch.arange(1, 9) - before).float().mean().item())
    assert means[0] == pytest.approx(sum((n + 1) / 2 for n in range(1, 9)) / 8, abs=0.1)
    assert means[1] < means[0] - 0.5


def taught(rewards_of, updates, shuffle=False):
    """A controller after so many updates on rewards of its cells."""
    controller = Controller(3)
    optimizer = torch.optim.Adam(controller.parameters(), Config.controller_rate)
    for _ in range(updates):
        sample = controller(Config.samples)
        rewards = rewards_of(sample)
        if shuffle:
            rewards = rewards[torch.randperm(len(rewards))]
        optimizer.zero_grad()
        reinforce(sample, rewards, Config.entropy).backward()
        optimizer.step()
    with torch.no_grad():
        return controller, controller(1000)


def planted(sample):
    """The share of nodes that are tanh and read the node before."""
    right = (sample.functions == 0) & (sample.before == torch.arange(3))
    return right.float().mean(1)


def test_a_planted_optimum_is_found_and_not_with_shuffled_rewards():
    _, sample = taught(planted, 450)
    assert planted(sample).mean() > 0.95
    controller, sample = taught(planted, 450, shuffle=True)
    assert sample.entropy.mean() > 0.95 * controller.most_entropy
    assert planted(sample).mean() < 0.4


def test_the_loss_is_that_of_reinforce():
    controller = Controller(2, hidden=8).double()
    sample = controller(5)
    rewards = torch.tensor([1.0, 2.0, 4.0, 4.0, 9.0], dtype=torch.float64)
    advantage = (rewards - 4) / math.sqrt(((rewards - 4) ** 2).mean())
    expected = -(advantage * sample.log_prob).mean() - 0.5 * sample.entropy.mean()
    assert reinforce(sample, rewards, 0.5).item() == pytest.approx(expected.item())
    equal = reinforce(sample, torch.ones(5, dtype=torch.float64), 0.0)
    assert equal.item() == 0  # nothing to learn


# ------------------------------------------------------------------ the search


@pytest.fixture(scope="module")
def words():
    return words_for(SMOKE)


def here(path):
    return RunFolder(path, "enas")


@pytest.mark.parametrize("policy", ["controller", "uniform"])
def test_a_search_that_was_stopped_ends_the_same(policy, words, tmp_path, monkeypatch):
    config = replace(SMOKE, steps=30)
    whole, _ = search(config, policy, here(tmp_path / "whole"), words)
    step, seen = Search.training_step, []

    def stop(self, batch, number):
        seen.append(number)
        if len(seen) == 17:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch, number)

    with monkeypatch.context() as patch:
        patch.setattr(Search, "training_step", stop)
        with pytest.raises(KeyboardInterrupt):
            search(config, policy, here(tmp_path / "cut"), words)
    cut, fitted = search(config, policy, here(tmp_path / "cut"), words)
    assert fitted.steps == 30
    assert cut.told == whole.told
    assert len(cut.told) == (15 if policy == "controller" else 0)
    for name, value in whole.state_dict().items():
        assert torch.equal(cut.state_dict()[name], value), name
    assert measure.derived(cut, words.valid, config)[0].nodes


def test_rewards_are_of_the_same_words_and_better_cells_have_more(words):
    model = Search(SMOKE, "controller", len(words.vocabulary), words.valid)
    some = [*every(2)]
    rewards = model.rewards(*choices(some), 3)
    for i in (0, 7, 31):
        batch = model.valid.batch(3)[:, None]
        losses, _ = model.shared.losses(batch, *choices([some[i]]))
        assert rewards[i].item() == pytest.approx(80 / math.exp(losses.mean().item()), rel=1e-5)


def test_a_controller_with_shuffled_rewards_gets_those_of_other_cells(words, monkeypatch):
    given = {}
    monkeypatch.setattr(
        "swiftrnn.recipes.enas.search.reinforce",
        lambda sample, rewards, _: given.update({"got": rewards}) or sample.log_prob.sum() * 0,
    )
    for policy in ("controller", "shuffled"):
        torch.manual_seed(0)
        model = Search(SMOKE, policy, len(words.vocabulary), words.valid)
        kept, rewards = {}, model.rewards
        model.rewards = lambda *a, f=rewards, kept=kept: kept.setdefault("made", f(*a))
        model._teach()
        assert given["got"].sort().values.tolist() == kept["made"].sort().values.tolist()
        assert torch.equal(given["got"], kept["made"]) == (policy == "controller")


def test_uniform_cells_are_uniform():
    drawn = cells_of(*uniform(38_400, 3))
    counts = [drawn.count(cell) for cell in [*every(3)][::37]]
    assert all(abs(each - 100) < 50 for each in counts)


def test_losses_do_not_depend_on_how_many_are_measured_at_once(words):
    shared = Shared(2, 8, len(words.vocabulary)).double()
    some, text = [*every(2)][::3], words.test[:700]
    found = measure.shared_losses(shared, some, text, 4)
    torch.testing.assert_close(found, measure.shared_losses(shared, some, text, 99))
    batch = streams(text, measure.LANES)[:, None].expand(-1, len(some), -1)
    losses, _ = shared.losses(batch, *choices(some))
    torch.testing.assert_close(found, losses.mean((0, 2)))
    with pytest.raises(ValueError, match="at least 32 tokens; got 31"):
        measure.shared_losses(shared, some, text[:31], 4)


def test_cells_that_were_trained_are_only_measured_again(words, tmp_path):
    config = replace(SMOKE, alone_steps=20, together=2)
    some = distinct(2)[:3]
    first = train_alone(config, some, here(tmp_path), words, "cells")
    again = train_alone(config, some, here(tmp_path), words, "cells")
    assert first == again
    assert len(first.valid) == len(first.test) == 3
    swapped = words._replace(valid=words.test, test=words.valid)
    other = train_alone(config, some, here(tmp_path), swapped, "cells")
    assert (other.valid, other.test) == (first.test, first.valid) != (first.valid, first.test)
    assert len([*tmp_path.glob("cells-*")]) == 2


def test_the_derived_cell_is_the_best_of_those_that_were_drawn(words):
    config = replace(SMOKE, drawn=300, kept=6)
    model = Search(config, "uniform", len(words.vocabulary), words.valid)
    cell, seen = measure.derived(model, words.valid, config)
    assert {*seen} == {*every(2)}
    short = measure.shared_losses(model.shared, seen, excerpts(words.valid, measure.SHORT), 8)
    kept = [seen[i] for i in sorted(range(len(seen)), key=short.tolist().__getitem__)[:6]]
    whole = measure.shared_losses(model.shared, kept, words.valid, 8).tolist()
    assert cell == kept[whole.index(min(whole))].canonical()


def test_rankings_are_compared_and_placed():
    assert measure.agreement([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert measure.agreement([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert measure.agreement([1, 2, 3, 4], [1, 2, 4, 3]) == pytest.approx(4 / 6)
    assert measure.percentile(2, [1, 2, 3, 4]) == 50


def test_random_cells_are_different_networks():
    config = replace(SMOKE, nodes=3)
    torch.manual_seed(1)
    some = find.random_cells(config)
    assert len({cell.canonical() for cell in some}) == len(some) == config.random
    assert len(find.random_cells(replace(SMOKE, nodes=1, random=9))) == 4


# ------------------------------------------------------------------ runs


def test_a_small_run_learns(smoke):
    found = results.read(smoke("enas"))
    assert found["perplexity"] < 12  # of 16 words that are equally likely without order
    assert found["test_random_best"] <= found["test_random_median"]


def test_every_cell_is_trained_and_tells_the_place_of_what_is_found(tmp_path, capsys):
    quick = ("--alone-steps", "5", "--final-steps", "5", "--steps", "6")
    small = ("run", "enas", "--preset", "smoke", *quick)
    assert cli.main([*small, "--every-cell", "--out", str(tmp_path / "all")]) == 0
    table = (tmp_path / "all" / measure.TRUTH).read_text().splitlines()
    assert table[0] == "cell,perplexity"
    assert len(table) == 1 + len(distinct(2))
    numbers = [float(line.partition(",")[2]) for line in table[1:]]
    assert numbers == sorted(numbers)
    truth = ("--truth", str(tmp_path / "all"), "--out", str(tmp_path / "found"))
    assert cli.main([*small, *truth]) == 0
    found = results.read(tmp_path / "found")
    assert 0 <= found["place_controller"] <= 100
    assert -1 <= found["tau_uniform"] <= 1
    capsys.readouterr()
    wrong = ("--truth", str(tmp_path / "found"), "--out", str(tmp_path / "none"))
    assert cli.main([*small, *wrong]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--truth needs the run folder of `swiftrnn run enas --preset truth`; got" in said
    assert cli.main([*small, "--nodes", "3", *truth[:3], str(tmp_path / "none")]) == 2
    assert "--truth needs cells of 2 nodes" not in capsys.readouterr().err


def test_a_cell_of_ones_own_is_trained(tmp_path, capsys):
    words = ("--cell", "0:tanh 0:relu", "--final-steps", "5", "--out", str(tmp_path / "run"))
    assert cli.main(["run", "enas", "--preset", "smoke", *words]) == 0
    assert swiftrnn.load(tmp_path / "run").model.network.cells == (Cell.read("0:relu 0:tanh"),)
    saved = folder.settings_of(tmp_path / "run")
    assert saved["cell"] == "0:relu 0:tanh"


@pytest.mark.parametrize(("words", "said"), [
    (("--cell", "1:tanh"), "--cell: node 1 of a cell needs a node from 0 to 0 to read; got 1"),
    (("--cell", "0:tanh", "--every-cell"), "--cell needs to stand without --every-cell; got both"),
    (("--every-cell", "--nodes", "5"), "--every-cell needs at most 4 nodes; got 5"),
    (("--policies", "uniform", "uniform"), "--policies needs"),
])  # fmt: skip
def test_settings_that_do_not_fit_get_one_line(words, said, tmp_path, capsys):
    assert cli.main(["run", "enas", *words, "--out", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error
    assert not (tmp_path / "x").exists()


def test_the_published_size_trains_a_step(words):
    from swiftrnn.recipes.enas import PUBLISHED

    model = Search(PUBLISHED, "controller", len(words.vocabulary), words.valid)
    batch = torch.randint(0, len(words.vocabulary), (4, PUBLISHED.groups * PUBLISHED.rows))
    model.training_step(batch, 0).backward()
    assert all(each.grad is not None for each in model.shared.parameters())
