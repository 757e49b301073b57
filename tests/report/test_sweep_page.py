"""The report of a sweep: best points, plots along numeric axes, what failed."""

import itertools
import math
import re
import textwrap

import pytest
from tests.report.reading import Read

from swiftrnn import cli
from swiftrnn.report import facts, sweep_page


def found(grid, maximize=False, seeds=1, failed=()):
    """What sweep.json holds, of a metric that is best where numbers are smallest."""
    points = []
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        mean = sum(v for v in values if isinstance(v, int | float))
        sd = 0.25 if seeds > 1 else None
        points.append({"point": point, "mean": mean, "sd": sd, "values": [mean] * seeds})
    points.sort(key=lambda each: each["mean"], reverse=maximize)
    about = {"recipe": "adder", "metric": "test_error", "maximize": maximize}
    return {**about, "points": points, "failed": list(failed)}


def html_of(content, tmp_path, config=None, seeds=1):
    sweep_page.write(content, config or {}, seeds, "swiftrnn sweep adder", tmp_path)
    return (tmp_path / "report.html").read_text("utf-8")


def test_the_best_point_is_said_first_and_stands_first(tmp_path):
    content = found({"layer": ["sru", "lstm"], "hidden_size": [8, 16]}, seeds=3)
    html = html_of(content, tmp_path, {"epochs": 3}, 3)
    html = html[html.index("<main>") :]
    assert "<h1>adder: test error over layer and hidden size</h1>" in html
    best = "Best: layer sru, hidden size 8, with the lowest test error, 8, mean of 3 seeds."
    assert f"{best} 4 points were trained and measured." in html
    rows = [Read(row).texts for row in html.split("<tr>")[1:]]
    assert [t for t in rows[0] if t] == ["layer", "hidden size", "test error ↓", "sd", "seeds"]
    assert [t for t in rows[1] if t][:5] == ["sru", "8", "8.00", "0.25", "3"]
    assert html.index("<h2>Best points") < html.index("<h2>Test error along hidden size")
    assert html.index("</svg>") < html.index("<details>") < html.index("epochs")
    assert "swiftrnn sweep adder" in html
    assert "Lower is better." in html


def test_each_numeric_axis_has_a_plot_and_no_other(tmp_path):
    grid = {"layer": ["sru", "lstm"], "hidden": [8, 16], "rate": [1e-3, 1e-2, 1e-1], "crf": [True]}
    html = html_of(found(grid), tmp_path)
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles[:3] == [
        "Best points", "Test error along hidden", "Test error along rate",
    ]  # fmt: skip
    assert "along layer" not in html
    assert "along crf" not in html


def test_few_other_points_have_a_line_each_and_many_share_one():
    few = sweep_page.curves(found({"layer": ["sru", "lstm"], "hidden": [8, 16]}))
    ((_, plot),) = few
    assert "layer lstm" in plot.svg
    assert "layer sru" in plot.svg
    ((_, plot), _) = sweep_page.curves(found({"hidden": [8, 16], "steps": [*range(9)]}, True))
    assert "each point" in plot.svg
    assert "steps 3" not in plot.svg
    assert "The line goes through the best" in plot.caption
    assert plot.caption.startswith("Higher is better.")


def test_lines_are_named_in_the_order_of_their_numbers():
    _, (_, plot) = sweep_page.curves(found({"hidden": [16, 8, 128], "rate": [0.1, 0.2]}))
    names = re.findall(r"hidden \d+", re.sub(r"<!--.*?-->", "", plot.svg))
    assert names == ["hidden 8", "hidden 16", "hidden 128"]


def test_an_axis_over_orders_of_magnitude_is_logarithmic(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        sweep_page.plots, "lines", lambda *args, **how: drawn.append(how["log_x"]) or "<svg/>"
    )
    for values in ([1e-4, 1e-1], [1.0, 2.0], [0.0, 100.0]):
        sweep_page.curves(found({"rate": values}))
    assert drawn == [True, True, False, False, False, False]


def test_the_line_goes_through_the_best_of_each_value(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        sweep_page.plots, "lines", lambda lines, *args, **how: drawn.append(lines) or "<svg/>"
    )
    grid = {"hidden": [8, 16], "steps": [*range(9)]}
    for maximize, best in ((False, [8, 16]), (True, [16, 24])):
        sweep_page.curves(found(grid, maximize))
        every, line = drawn[0]
        assert (len(every.x), every.joined) == (18, False)
        assert (list(line.x), list(line.y)) == ([8, 16], best)
        drawn.clear()


def test_a_long_table_is_cut_and_says_where_the_rest_is(tmp_path):
    html = html_of(found({"hidden": [*range(1, 31)]}), tmp_path)
    assert "The 20 best of 30 points; all are in sweep.json." in html
    assert len(Read(html).attributes("tr")) == 21


def test_failures_are_shown_with_their_reason(tmp_path):
    failed = [{"point": {"rate": 9.0}, "why": "<loss> is nan"}]
    html = html_of(found({"rate": [1.0, 2.0]}, failed=failed), tmp_path, {"made_up": True})
    assert "One trial failed." in html
    assert "&lt;loss&gt; is nan" in html
    assert html.index(facts.SYNTHETIC.split("'")[0]) < html.index("<h1>")


@pytest.mark.parametrize(
    ("mean", "shown"),
    [(12345.6, "12,346"), (1.2345678, "1.235"), (0.0012345678, "0.001235"), (0, "0.000")],
)
def test_the_metric_has_four_digits(mean, shown):
    content = found({"rate": [1.0]})
    content["points"][0]["mean"] = mean
    table = sweep_page.table(content, 1)
    assert table.columns[1].show(table.rows[0][" mean"]) == shown
    assert math.isfinite(table.columns[1].digits)


RECIPE = '''
    """Adds numbers."""

    from dataclasses import dataclass

    from swiftrnn.runs.results import Result


    @dataclass(frozen=True)
    class Config:
        steps: int = 3
        rate: float = 0.5
        seed: int = 0


    SMOKE = Config(steps=1)
    CLAIMS = ()
    TASK = None


    def run(config, out):
        return Result({"sum": config.steps + config.rate + config.seed})
'''


def test_the_command_leaves_a_page(tmp_path, monkeypatch, capsys):
    pytest.importorskip("optuna", reason="Optuna is not installed (extra sweep)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "adder").mkdir()
    (tmp_path / "adder" / "__init__.py").write_text(textwrap.dedent(RECIPE))
    monkeypatch.delitem(__import__("sys").modules, "adder", raising=False)
    words = ("--grid", "rate=0.25,0.5", "--metric", "sum", "--seeds", "2", "--out", "a")
    assert cli.main(["sweep", "./adder", *words]) == 0, capsys.readouterr().err
    html = (tmp_path / "a" / "report.html").read_text("utf-8")
    assert "swiftrnn sweep ./adder --grid rate=0.25,0.5 --metric sum --seeds 2" in html
    assert "Best: rate 0.25, with the lowest sum, 3.75, mean of 2 seeds." in html
    assert "<h2>Sum along rate</h2>" in html
    assert "steps" in html[html.index("<h2>Settings at all points") :]
