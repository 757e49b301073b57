"""Tables tested for dependence, and layers that learn by HSIC, each alone."""

import csv
import math
from dataclasses import replace

import pytest
import torch

from swiftrnn.cli import main
from swiftrnn.recipes import hsic_bottleneck, hsic_test
from swiftrnn.recipes.hsic_bottleneck import model as bottleneck
from swiftrnn.recipes.hsic_bottleneck.readout import accuracies
from swiftrnn.recipes.hsic_test.data import made_up, read_table
from swiftrnn.recipes.hsic_test.model import of_correlation, of_table
from swiftrnn.runs import results
from swiftrnn.runs.folder import RunFolder

# -- the table


def test_pairs_of_the_made_up_table_are_found_and_shuffled_ones_are_not(tmp_path):
    config = replace(hsic_test.SMOKE, rows=120, draws=4, circles=2)
    found = hsic_test.run(config, RunFolder(tmp_path, "hsic_test")).metrics
    for pair in ("number_square", "circle_x_circle_y", "circle_x_side"):
        assert found[f"p_{pair}"] <= 0.05
    assert found["p_alone_die"] > 0.05
    assert found["control_dependent_pairs_shuffled"] == 0
    assert found["baseline_correlated_pairs"] < found["dependent_pairs"]
    rows = list(csv.DictReader((tmp_path / "pairs.csv").read_text().splitlines()))
    assert len(rows) == found["pairs"] == 21
    assert {rows[0]["first"], rows[0]["second"]} <= {"number", "square", "circle x", "side",
                                                     "circle y"}  # fmt: skip


def test_the_p_value_of_a_correlation_is_fishers():
    from scipy import stats

    a, b = made_up(200, 0)["number"].values, made_up(200, 1)["number"].values + 0.1
    r, p = stats.pearsonr(a, b)
    assert of_correlation(float(r), 200) == pytest.approx(float(p), abs=5e-3)
    assert of_correlation(0.5, 28) == pytest.approx(2 * stats.norm.sf(5 * math.atanh(0.5)))
    assert of_correlation(1.0, 200) == 0


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_read_as_they_are_written(tmp_path):
    path = written(tmp_path / "a.csv", 'a;b c;"d"\n1;x;2.5\n2;y;3\n3;x;1e3\n4;y;-1\n\n')
    table = read_table(path)
    assert table["a"].values.tolist() == [1, 2, 3, 4]
    assert (table["b c"].values.tolist(), table["b c"].words) == ([0, 1, 0, 1], True)
    assert table["d"].values.tolist() == [2.5, 3, 1000, -1]
    assert list(read_table(path, ("d", "a"))) == ["d", "a"]
    long = written(tmp_path / "l.csv", "a,b\n" + "\n".join(f"{i},{i % 7}" for i in range(50)))
    assert read_table(long, rows=10, in_order=True)["a"].values.tolist() == [*range(10)]
    drawn = read_table(long, rows=10, seed=3)
    assert len(set(drawn["a"].values.tolist())) == 10
    assert drawn["a"].values.max() > 10
    assert drawn["a"].values.remainder(7).tolist() == drawn["b"].values.tolist()


def test_rows_that_lack_a_value_are_left_out_only_if_told(tmp_path, capsys):
    path = written(tmp_path / "a.csv", "a,b\n1,2\n2,\n3,5\n4,1\n5,NA\n6,3\n")
    assert read_table(path, missing="drop")["a"].values.tolist() == [1, 3, 4, 6]
    assert capsys.readouterr().err == f"{path}: 2 of 6 rows lack a value, left out\n"
    with pytest.raises(ValueError, match=r"every row of a series; got 2 rows of .* that lack"):
        read_table(path, in_order=True, missing="drop")


def test_pairs_whose_names_read_alike_have_a_metric_each():
    table = made_up(40, 0)
    alike = dict(zip(("a", "b_c", "a_b", "c"), table.values(), strict=False))
    found, pairs = of_table(alike, replace(hsic_test.SMOKE, permutations=199))
    wanted = {(p["first"], p["second"]): p["adjusted"] for p in pairs}
    assert found["p_a|b_c"] == wanted["a", "b_c"]
    assert found["p_a_b|c"] == wanted["a_b", "c"]
    assert sum(name.startswith("p_") for name in found) == 6


def test_the_command_takes_a_table_with_decimal_commas(tmp_path, capsys):
    rows = "".join(f"{i},{i % 10};{i * i};{'uv'[i % 2]}\n" for i in range(40))
    path = written(tmp_path / "a.csv", f"a (x; y);b;c\n{rows}")
    out = tmp_path / "out"
    words = ["--preset", "smoke", "--csv", str(path), "--permutations", "99", "--out", str(out)]
    assert main(["run", "hsic_test", *words]) == 0
    pairs = list(csv.DictReader((out / "pairs.csv").read_text().splitlines()))
    assert {pairs[0]["first"], pairs[0]["second"]} == {"a (x; y)", "b"}
    assert float(pairs[0]["p"]) < 0.05


@pytest.mark.parametrize(("text", "message"), [
    ("a,b\n1,2\n", "needs two columns and four rows; got 2 and 1 in"),
    ("a\n1\n2\n3\n4\n", "needs two columns and four rows; got 1 and 4 in"),
    ("", "needs names in its first line; got none in"),
    ("a,a\n1,2\n", r"a different one for each column; got \['a', 'a'\]"),
    ("a,b\n1,2\n3\n4,5\n6,7\n", "needs 2 fields in each line; got 1 in line 3 of"),
    ("a,b\n1,2\n3,\n4,5\n6,7\n", "a value in each row; got '' for b in line 3 of"),
    ("a,b\n1,2\n3,inf\n4,5\n6,7\n", "plain numbers, .*; got 'inf' for b in line 3 of"),
    ("a,b\n1,1_0\n3,1_0\n4,5\n6,7\n", "plain numbers, .*; got '1_0' for b in line 2 of"),
    ("a,b\n1,2\n3,2\n4,2.0\n6,2\n", "columns that vary; got 2.0 in every row of b in"),
    ("a,b\n1,u\n3,v\n4,w\n6,x\n", "words that come back; got 4 different ones in 4 rows of b"),
])  # fmt: skip
def test_a_bad_table_gets_one_line(tmp_path, capsys, text, message):
    path = written(tmp_path / "bad.csv", text)
    with pytest.raises(ValueError, match=message):
        read_table(path)
    status = main(["run", "hsic_test", "--csv", str(path), "--out", str(tmp_path / "out")])
    printed = capsys.readouterr()
    assert (status, printed.out, printed.err.count("\n")) == (2, "", 1)
    with pytest.raises(ValueError, match=r"needs a file to read; got .*none.csv: No such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"its columns by name; got 'z', and .* has a, b;"):
        read_table(written(path, "a,b\n1,2\n2,3\n3,4\n4,6\n"), ("z",))


# -- the bottleneck


def net(backprop):
    torch.manual_seed(0)
    config = replace(hsic_bottleneck.SMOKE, hidden=8, layers=2)
    return config, bottleneck.Bottleneck(config, 10, 3, 0.1, backprop).double()


def test_no_gradient_reaches_another_layer():
    config, model = net(backprop=False)
    x, y = torch.randn(30, 10).double(), torch.eye(3).double()[torch.arange(30) % 3]
    found = bottleneck.losses(model(x), x, y, config)
    assert len(found) == len(model.blocks) == 3
    for i, loss in enumerate(found):
        for j, block in enumerate(model.blocks):
            weights = list(block.parameters())
            grads = torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
            if i == j:
                assert any(float(g.norm()) > 0 for g in grads)
            else:
                assert grads == (None, None)


def test_with_back_propagation_gradients_reach_every_layer():
    _, model = net(backprop=True)
    batch = torch.randn(30, 10).double(), torch.arange(30) % 3
    model.training_step(batch, 0).backward()
    assert all(float(p.grad.norm()) > 0 for p in model.parameters())


def test_a_layers_loss_is_nhsic_with_the_input_less_that_with_the_labels():
    from swiftrnn.analysis.samples.hsic import normalised_hsic
    from swiftrnn.analysis.samples.kernels import Gaussian

    config, model = net(backprop=False)
    x, y = torch.randn(20, 10).double(), torch.eye(3).double()[torch.arange(20) % 3]
    hidden = model(x)
    for z, loss in zip(hidden, bottleneck.losses(hidden, x, y, config), strict=True):
        g, gx, gy = (Gaussian(config.sigma * math.sqrt(v.shape[1])) for v in (z, x, y))
        wanted = normalised_hsic(z, x, g, gx, config.epsilon)
        wanted = wanted - config.beta * normalised_hsic(z, y, g, gy, config.epsilon)
        torch.testing.assert_close(loss, wanted, rtol=1e-7, atol=1e-9)


def test_layers_that_learn_alone_beat_those_that_do_not_learn_and_the_control(smoke):
    found = results.read(smoke("hsic_bottleneck"))
    assert found["accuracy_hsic_class_mean"] > found["baseline_random_class_mean"] + 12
    assert found["accuracy_hsic_class_mean"] > 90
    assert found["control_random_labels"] < 50


def test_readouts_pair_units_and_classes_on_train_alone():
    z = torch.eye(3)[torch.tensor([2, 2, 0, 0, 1, 1])] + 0.1
    y = torch.tensor([0, 0, 1, 1, 2, 2])
    found = accuracies((z, y), (z, y), ("class_mean", "argmax", "format"))
    assert found == {"class_mean": 100, "argmax": 100, "format": 100}
    moved = accuracies((z, y), (z, y.roll(2)), ("argmax", "class_mean"))
    assert moved == {"argmax": 0, "class_mean": 0}
    shared = torch.tensor([[0.9, 0.1, 0.0]] * 6)  # one unit cannot stand for all classes
    assert accuracies((shared, y), (shared, y), ("argmax",))["argmax"] == pytest.approx(100 / 3)
