"""What a run is shown as: claims first, verdicts over all seeds, numbers where none is tested."""

import dataclasses
import json
import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.report.reading import PNG, Read

from swiftrnn import cli, recipes
from swiftrnn.report import facts, run_page
from swiftrnn.runs import claims, record
from swiftrnn.runs.claims import Claim, below, value
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

ABOUT = """Adds <numbers>.

Paper: Someone (2020), "Sums & more", which is
long.
Differs: smaller.
"""


@dataclasses.dataclass(frozen=True)
class Config:
    made_up: bool = False
    data: str = "ours"
    sizes: tuple[int, ...] = (1, 2)
    learning_rate: float = 0.5
    seed: int = 0


CLAIMS = (
    Claim("Sums are small", "table 1", value("sum"), below(5.0), paper=4.0, why="the sum"),
    Claim("Others are smaller", "table 2", value("other"), below(2.0), after=True),
    Claim("It scales", "section 3", None, why="no such machine"),
    Claim("Large sums are small", "table 3", value("sum"), below(9.0), preset="large"),
)


def recipe(of=CLAIMS):
    presets = {"default": Config(), "smoke": Config(made_up=True), "large": Config(sizes=(9,))}
    return SimpleNamespace(
        typed="adder", about=ABOUT, parts=SimpleNamespace(CLAIMS=of), presets=presets
    )


def html_of(page, tmp_path):
    run_page.report.write(page, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text("utf-8")


def order(html, *shown):
    """Each stands after the one before."""
    place = 0
    for each in shown:
        assert each in html[place:], each
        place = html.index(each, place) + len(each)


def test_claims_come_first_then_the_picture_curves_and_all_else_folded(tmp_path):
    (tmp_path / "sum.png").write_bytes(PNG)
    history = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.5}, 7]
    result = Result({"sum": 4.5, "other": 3.0}, {"history": history}, "sum.png")
    out = RunFolder(tmp_path, "adder")
    run_page.write(recipe(), Config(learning_rate=0.25), None, out, result)
    html = (tmp_path / "report.html").read_text("utf-8")
    html = html[html.index("<main>") :]
    order(
        html, "swiftrnn run adder --learning-rate 0.25<", "<h1>Adds &lt;numbers&gt;</h1>",
        "Of 2 claims tested with one seed, 1 is seen and 1 not; 1 more is not tested.",
        "&#34;Sums &amp; more&#34;, which is long.", "<dd>smaller.</dd>",
        "<h2>What the paper claims, and what we see", "<h2>In one picture", "data:image/png",
        "<h2>Loss while training", "Lower is better.",
        "<details>", "<h2>Claims that are not tested", "no such machine", "<h2>All numbers",
        "<h2>Settings", ">1 2<", "0.25 (preset: 0.5)", "<h2>Machine", "<h2>Versions", "torch",
    )  # fmt: skip
    assert facts.SYNTHETIC not in html


def test_the_table_has_each_claim_with_the_papers_number_ours_and_the_verdict(tmp_path):
    metrics = [{"sum": 4.0, "other": 1.0}, {"sum": 4.5, "other": 3.0}, {"sum": 4.25, "other": 1.5}]
    html = html_of(run_page.page(recipe(), Config(), None, metrics), tmp_path)
    html = html[html.index("<tbody") : html.index("</tbody>")]
    rows = [Read(row).texts for row in html.split("<tr")[1:]]
    seen, unseen = ([text for text in row if text and text[0] != ">"] for row in rows)
    assert [t for t in seen if 'role="row"' not in t] == [
        "Sums are small", "table 1; the sum", "4", "4.25 ± 0.25", "seen if below 5",
        "✓", "seen, 3 of 3 seeds",
    ]  # fmt: skip
    assert [t for t in unseen if 'role="row"' not in t] == [
        "Others are smaller", "table 2", "–", "1.833 ± 1", "seen if below 2",
        "✗", "not seen, 2 of 3 seeds *",
    ]  # fmt: skip


def test_a_condition_that_was_set_late_has_a_star_and_one_note(tmp_path):
    metrics = [{"sum": 4.0, "other": 1.0}]
    html = html_of(run_page.page(recipe(), Config(), None, metrics), tmp_path)
    assert html.count("set after the results were known") == 1
    assert html.count("seen, 1 of 1 seed *") == 1
    said = run_page.text(recipe(), metrics, None, Config(), Path("x"))
    assert said.splitlines()[-2] == "* condition set after the results were known"
    early = [dataclasses.replace(each, after=False) for each in CLAIMS]
    html = html_of(run_page.page(recipe(early), Config(), None, metrics), tmp_path)
    assert "set after" not in html


def test_claims_of_another_preset_are_not_judged(tmp_path):
    page = run_page.page(recipe(), Config(sizes=(9,)), "large", [{"sum": 8.0, "other": 1.0}])
    html = html_of(page, tmp_path)
    assert "Of one claim tested with one seed, 1 is seen and 0 not;" in html
    assert "swiftrnn run adder --preset large<" in html
    assert "Large sums are small" in html
    assert "Sums are small" not in html


def test_synthetic_data_are_told_first_and_judge_no_claim(tmp_path):
    config = Config(made_up=True)
    page = run_page.page(recipe(), config, None, [{"sum": 4.0, "other": 1.0}])
    html = html_of(page, tmp_path)
    body = html[html.index("<main>") :]
    assert body.split(">", 3)[2].startswith("The data of this run are synthetic")
    order(body, facts.SYNTHETIC.split("'")[0], "swiftrnn run adder --made-up", "<h1>")
    order(body, "<h2>All numbers", "<details>", "Sums are small", "the data are synthetic")
    assert "✓" not in body
    said = run_page.text(recipe(), [{"sum": 4.0}], None, config, Path("x"))
    assert said.splitlines()[0] == facts.SYNTHETIC
    assert "seen" not in said
    verdicts = run_page.judge(recipe(), [{"sum": 4.0, "other": 1.0}], None, config)
    assert {each.verdict for each in verdicts} == {claims.NOT_TESTED}


def test_other_data_than_the_claims_are_about_judge_no_claim(tmp_path):
    config, metrics = Config(data="theirs"), [{"sum": 4.0, "other": 1.0}]
    verdicts = run_page.judge(recipe(), metrics, None, config)
    assert {each.verdict for each in verdicts} == {claims.NOT_TESTED}
    assert verdicts[0].why == "the data are others: --data theirs"
    html = html_of(run_page.page(recipe(), config, None, metrics), tmp_path)
    assert "the data are others: --data theirs" in html
    assert "✓" not in html
    assert run_page.judge(recipe(), metrics, None, Config(learning_rate=1.0))[0].verdict == "seen"


def test_settings_that_no_claim_is_about_print_numbers_for_people():
    metrics = {"sum_of_all": 123456, "error": 0.123456, "largest": 54321.5}
    said = run_page.text(recipe(), [metrics], "smoke", Config(), Path("runs/x"))
    assert said.splitlines() == [
        "No claim of the paper is tested with these settings; swiftrnn run adder or swiftrnn run "
        "adder --preset large tests them.",
        "sum of all  123,456",
        "error       0.1235",
        "largest     54,322",
    ]


def test_a_terminal_gets_at_most_twenty_lines_and_where_the_rest_is():
    metrics = {f"number_{i}": i for i in range(70)}
    config = Config(made_up=True)
    lines = run_page.text(recipe(), [metrics] * 2, "smoke", config, Path("runs/x")).splitlines()
    assert len(lines) <= 21
    assert lines[-1] == "and 52 more in runs/x/report.html"
    assert lines[-2] == "number 17  17 ± 0"


def test_verdict_lines_name_claim_verdict_and_both_numbers():
    metrics = [{"sum": 6.0, "other": 1.0}, {"sum": 4.0, "other": 1.5}]
    said = run_page.text(recipe(), metrics, None, Config(), Path("x"))
    assert said.splitlines() == [
        "- Sums are small (table 1)",
        "  not seen, 1 of 2 seeds: paper 4, ours 5 ± 1.4; seen if below 5 (the sum)",
        "+ Others are smaller (table 2)",
        "  seen, 2 of 2 seeds *: ours 1.25 ± 0.35; seen if below 2",
        "",
        "* condition set after the results were known",
        "Of 2 claims tested with 2 seeds, 1 is seen and 1 not; 1 more is not tested.",
    ]


def test_several_seeds_have_one_page_with_links_to_each(tmp_path):
    metrics = [{"sum": 4.0, "other": 1.0}, {"sum": 4.5, "other": 1.0}]
    for seed, each in zip((3, 4), metrics, strict=True):
        out = RunFolder(tmp_path / f"seed-{seed}", "adder")
        out.path.mkdir()
        (out / "sum.png").write_bytes(PNG + bytes([seed]))
        history = [{"step": s, "f1": seed + s} for s in (1, 2)]
        result = Result(each, {"history": history}, "sum.png")
        result.write(out.path)
        if seed == 3:
            run_page.write(recipe(), Config(seed=seed), None, out, result)
    run_page.write_seeds(recipe(), Config(seed=3), None, tmp_path, metrics)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "seen, 2 of 2 seeds" in html
    assert "swiftrnn run adder --seed 3 --seeds 2" in html
    read = Read(html)
    assert [a["href"] for a in read.attributes("a")] == ["seed-3/report.html"]  # 4 has none
    assert run_page.Picture("", tmp_path / "seed-3" / "sum.png").data() in html
    order(html[html.index("<main>") :], "<h2>In one picture, seed 3", "<h2>F1 while", "Each seed")
    svg = re.findall(r"<svg role.*?</svg>", html, re.DOTALL)[0]
    assert "seed 3" in svg
    assert "seed 4" in svg
    order(html[html.index("<h2>All") :], "mean ± sd", ">seed 3<", ">seed 4<", "4.25 ± 0.35")


def test_numbers_are_a_table_only_of_several_seeds():
    assert run_page.numbers([{"a_b": 2.0}], 0) == {"a b": "2"}
    table = run_page.numbers([{"a_b": 2.0}, {"a_b": 3.0}], 5)
    assert [column.title for column in table.columns] == ["number", "mean ± sd", "seed 5", "seed 6"]
    assert list(table.rows) == [{"name": "a b", "mean": "2.5 ± 0.71", "0": "2", "1": "3"}]


def test_recorded_results_make_a_page_with_what_is_seen_and_what_is_not(tmp_path):
    found = recipes.find("mixup_robustness")
    ((_, content),) = record.recorded(found.folder)
    metrics = claims.per_seed(content["metrics"], content["seeds"])
    html = html_of(run_page.page(found, found.presets["default"], None, metrics), tmp_path)
    verdicts = record.verdicts(content)
    for each in verdicts:
        assert each.says in html
    kinds = [each.verdict for each in verdicts]
    assert html.count('<span class="good">seen, 3 of 3 seeds *</span>') == kinds.count("seen")
    assert html.count('<span class="bad">not seen') == kinds.count("not seen") > 0


RECIPE = '''
    """Adds numbers."""

    from dataclasses import dataclass

    from swiftrnn.runs.claims import Claim, below, value
    from swiftrnn.runs.results import Result


    @dataclass(frozen=True)
    class Config:
        steps: int = 3
        made_up: bool = False
        seed: int = 0


    SMOKE = Config(steps=1, made_up=True)
    CLAIMS = (Claim("Sums are small", "table 1", value("sum"), below(5.0)),)
    TASK = None


    def run(config, out):
        (out.path.parent / "began").touch()
        return Result({"sum": config.steps + config.seed * 1.0})
'''


@pytest.fixture
def adder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "adder").mkdir()
    (tmp_path / "adder" / "__init__.py").write_text(textwrap.dedent(RECIPE))
    monkeypatch.delitem(__import__("sys").modules, "adder", raising=False)
    return tmp_path


def call(capsys, *words):
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


def test_a_run_with_seeds_leaves_a_page_over_all_of_them(adder, capsys):
    status, printed, _ = call(capsys, "run", "./adder", "--seeds", 3, "--out", "three")
    assert status == 0
    assert "not seen, 2 of 3 seeds: ours 4 ± 1" in printed
    html = (adder / "three" / "report.html").read_text("utf-8")
    assert "not seen, 2 of 3 seeds" in html
    pages = [a["href"] for a in Read(html).attributes("a")]
    assert pages == [f"seed-{i}/report.html" for i in range(3)]
    for page in pages:
        assert "1 seed" in (adder / "three" / page).read_text("utf-8")
    (adder / "three" / "report.html").unlink()
    words = ("run", "./adder", "--resume", "--seeds", 3, "--out", "three")
    assert call(capsys, *words)[:2] == (0, printed)
    assert "not seen, 2 of 3 seeds" in (adder / "three" / "report.html").read_text("utf-8")


def test_a_resumed_run_is_judged_by_the_preset_it_began_with(adder, capsys):
    words = ("run", "./adder", "--preset", "smoke", "--out", "one")
    status, printed, _ = call(capsys, *words)
    assert status == 0
    assert printed.startswith(facts.SYNTHETIC)
    assert "seen" not in printed
    (adder / "one" / "metrics.json").unlink()
    assert call(capsys, "run", "./adder", "--resume", "--out", "one")[:2] == (0, printed)
    html = (adder / "one" / "report.html").read_text("utf-8")
    assert "swiftrnn run ./adder --preset smoke" in html
    assert json.loads((adder / "one" / "metrics.json").read_text())["sum"] == 1.0


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
@pytest.mark.parametrize("words", [("run", "./adder"), ("sweep", "./adder", "--grid", "steps=1,2")])
def test_without_the_extra_one_line_says_so_before_training(
    adder, capsys, monkeypatch, missing, words
):
    import importlib.util

    real = importlib.util.find_spec
    hidden = lambda name, *a: None if name == missing else real(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    status, printed, errors = call(capsys, *words, "--out", "one")
    assert (status, printed, errors.count("\n")) == (2, "", 1)
    extras = {"run": "train,report", "sweep": "train,sweep,report"}[words[0]]
    assert f"swiftrnn {words[0]} needs the extra {extras}; {missing} is missing" in errors
    assert f"run pip install 'swiftrnn[{extras}]'" in errors
    assert not (adder / "began").exists()
    assert not (adder / "one").exists()
