"""`swiftrnn run`: one recipe, its seeds, its interruptions, its record."""

import json
import subprocess
import sys
import textwrap

import pytest

from swiftrnn import cli, recipes
from swiftrnn.recipes import Found
from swiftrnn.runs import folder, machine, record, results

RECIPE = '''
    """Adds numbers."""

    from dataclasses import dataclass, replace
    from pathlib import Path

    from swiftrnn.runs.claims import Claim, below, value
    from swiftrnn.runs.results import Result


    @dataclass(frozen=True)
    class Config:
        steps: int = 3  # how often
        seed: int = 0
        text: Path | None = None
        rate: float = 0.5


    SMOKE = Config(steps=1)
    CLAIMS = (Claim("Sums are small", "table 1", value("sum"), below(5.0), paper=4.0),)
    TASK = None


    def run(config, out):
        out.begin(replace(config, rate=0.0))  # as where one model of several lies in the folder
        out.part("other").begin(replace(config, steps=9))
        out = out.path
        with (out.parent / "calls").open("a") as calls:
            calls.write(f"{out.name} {config.seed}\\n")
        if config.seed == 1 and not (out.parent / "go").exists():
            raise KeyboardInterrupt
        (out / "plot.png").write_bytes(b"drawn")
        metrics = {"sum": config.steps + config.seed * 1.0, "baseline_sum": 0}
        return Result(metrics, {"history": [1]}, picture="plot.png")
'''


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adder").mkdir()
    (tmp_path / "adder" / "__init__.py").write_text(textwrap.dedent(RECIPE))
    monkeypatch.delitem(__import__("sys").modules, "adder", raising=False)
    return tmp_path


def call(capsys, *words):
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


def read(path):
    return json.loads(path.read_text())


def test_a_run_writes_its_folder(recipe, capsys):
    status, printed, errors = call(capsys, "run", "./adder", "--steps", 5, "--out", "one")
    assert (status, errors) == (0, "")
    assert "Sums are small" in printed
    assert "not seen, 0 of 1 seed: paper 4, ours 5" in printed
    assert printed.splitlines()[-2:] == ["", "The run is in one"]
    assert read(recipe / "one" / "metrics.json")["sum"] == 5
    config = read(recipe / "one" / "config.json")
    assert (config["recipe"], config["code"]) == ("adder", str(recipe / "adder"))
    assert config["config"] == {"steps": 5, "seed": 0, "text": None, "rate": 0.5}


def test_without_out_it_goes_to_runs(recipe, capsys):
    assert call(capsys, "run", "./adder")[0] == 0
    assert len(list((recipe / "runs").glob("adder-*/metrics.json"))) == 1


def test_presets_are_the_constants_and_options_change_them(recipe, capsys):
    assert call(capsys, "run", "./adder", "--preset", "smoke", "--out", "a")[0] == 0
    assert read(recipe / "a" / "metrics.json")["sum"] == 1
    printed = call(capsys, "run", "./adder", "--preset=smoke", "--steps", 7, "--out", "b")[1]
    assert "sum" in printed  # no claim is about this preset
    assert read(recipe / "b" / "metrics.json")["sum"] == 7
    assert "'fast'" in call(capsys, "run", "./adder", "--preset", "fast")[2]


def test_seeds_give_mean_and_sd(recipe, capsys):
    (recipe / "three").mkdir()
    words = ("run", "./adder", "--seeds", 3, "--seed", 2, "--out", "three")
    status, printed, errors = call(capsys, *words)
    assert (status, errors) == (0, "")
    assert "not seen, 0 of 3 seeds: paper 4, ours 6 ± 1" in printed
    assert read(recipe / "three" / "metrics.json")["sum"] == {
        "mean": 6.0,
        "sd": 1.0,
        "values": [5.0, 6.0, 7.0],
    }
    assert {path.name for path in (recipe / "three").glob("seed-*")} == {
        "seed-2",
        "seed-3",
        "seed-4",
    }


def test_an_interrupted_run_goes_on_with_the_seeds_that_are_missing(recipe, capsys):
    words = ("run", "./adder", "--seeds", 3, "--steps", 5, "--out", "three")
    status, printed, errors = call(capsys, *words)
    assert (status, printed) == (130, "")
    again = "swiftrnn run ./adder --resume --out three --seeds 3"
    assert errors == f"interrupted; go on with {again}\n"
    (recipe / "three" / "go").touch()
    status, printed, errors = call(capsys, *again.split()[1:])
    assert (status, errors) == (0, "")
    assert "ours 6 ± 1" in printed  # with --steps 5, as it began
    calls = (recipe / "three" / "calls").read_text().split("\n")
    assert calls == ["seed-0 0", "seed-1 1", "seed-1 1", "seed-2 2", ""]


def test_a_run_of_several_models_goes_on_with_its_own_settings(recipe, capsys):
    words = ("run", "./adder", "--seed", 1, "--rate", 0.25, "--out", "r")
    assert call(capsys, *words)[0] == 130
    (recipe / "go").touch()
    assert call(capsys, "run", "./adder", "--resume", "--out", "r")[0] == 0
    saved = json.loads((recipe / "r" / "config.json").read_text())
    assert (saved["config"]["rate"], saved["model"]["rate"]) == (0.25, 0.0)
    assert folder.settings_of(recipe / "r") == {**saved["config"], "rate": 0.0}
    part = json.loads((recipe / "r" / "other" / "config.json").read_text())
    assert part["config"] == {**saved["config"], "steps": 9}
    assert "model" not in part


def test_a_refused_run_leaves_no_folder(recipe, capsys, monkeypatch):
    source = (recipe / "adder" / "__init__.py").read_text()
    refusing = source.replace("with (out.parent", "raise ValueError('no such text')\n    with (out")
    (recipe / "adder" / "__init__.py").write_text(refusing)
    for words in ((), ("--out", "one"), ("--seeds", 2)):
        status, printed, errors = call(capsys, "run", "./adder", *words)
        assert (status, printed, errors) == (2, "", "error: no such text\n")
        assert [path.name for path in recipe.iterdir()] == ["adder"]


def test_a_run_that_another_process_trains_is_left_alone(recipe, capsys):
    assert call(capsys, "run", "./adder", "--seed", 1, "--out", "one")[0] == 130
    code = (
        "import sys; from pathlib import Path; from swiftrnn.runs.folder import held\n"
        "with held(Path('one')): print('held', flush=True), sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        other.stdout.readline()
        status, _, errors = call(capsys, "run", "./adder", "--resume", "--out", "one")
        assert (status, errors.count("\n")) == (2, 1)
        assert f"one process at a time; got one, where process {other.pid} trains;" in errors
    (recipe / "go").touch()
    assert call(capsys, "run", "./adder", "--resume", "--out", "one")[0] == 0


def test_resume_refuses_what_does_not_fit(recipe, capsys):
    assert call(capsys, "run", "./adder", "--out", "one")[0] == 0
    _, _, errors = call(capsys, "run", "./adder", "--resume", "--out", "one", "--steps", 9)
    assert "goes on with --steps 3; got 9" in errors
    _, _, errors = call(capsys, "run", "language_model", "--resume", "--out", "one")
    assert "needs a run of language_model; got one, a run of adder" in errors
    _, _, errors = call(capsys, "run", "./adder", "--resume", "--out", "nosuch")
    assert "needs config.json; got none" in errors


def test_results_are_recorded_for_recipes_of_a_clean_checkout_only(recipe, capsys, monkeypatch):
    words = ("run", "adder", "--steps", 4, "--record", "--out", "out", "--seeds", 2, "--seed", 2)
    status, _, errors = call(capsys, "run", "./adder", "--record")
    assert (status, errors.count("\n")) == (2, 1)
    assert f"needs a recipe of a source checkout; got {recipe / 'adder'}" in errors

    where = recipe / "adder"
    adder = Found("adder", "adder", where)
    monkeypatch.syspath_prepend(str(recipe))
    adder.__dict__["parts"] = __import__("adder")
    monkeypatch.setattr(recipes, "find", lambda _: adder)
    monkeypatch.setattr(record, "CHECKOUT", recipe)
    assert "source checkout" in call(capsys, *words)[2]
    (recipe / "pyproject.toml").touch()
    monkeypatch.setattr(machine, "commit", lambda: "abc+changes")
    _, _, errors = call(capsys, *words)
    assert "needs code that is committed; got abc+changes" in errors
    assert not (recipe / "out").exists()
    monkeypatch.setattr(machine, "commit", lambda: "abc")
    monkeypatch.setattr(record, "PICTURES", recipe)
    status, printed, errors = call(capsys, *words)
    assert (status, errors) == (0, "")
    assert f"Recorded in {where / 'results.json'}" in printed
    written = read(where / "results.json")
    order = ("config", "metrics", "verdicts", "seeds", "seconds", "machine", "torch", "commit")
    assert tuple(written) == order
    assert written["metrics"]["sum"] == {"mean": 6.5, "sd": 0.5**0.5, "values": [6.0, 7.0]}
    assert written["config"]["steps"] == 4
    assert (written["seeds"], written["commit"]) == (2, "abc")
    (verdict,) = record.verdicts(written)
    assert (verdict.verdict, verdict.values, verdict.held) == ("not seen", (6.0, 7.0), 0)
    assert (recipe / "adder.png").read_bytes() == b"drawn"

    ((preset, content),) = record.recorded(where)
    assert preset is None
    assert record.judged(content, adder.parts.CLAIMS, None) == written
    words = ("run", "adder", "--preset", "smoke", "--record", "--out", "small")
    assert call(capsys, *words)[0] == 0
    small = read(where / "results-smoke.json")
    assert (small["metrics"]["sum"], small["verdicts"]) == (1, [])  # no claim is about it
    assert read(where / "results.json") == written
    assert (recipe / "adder-smoke.png").exists()


def test_seeds_are_joined_to_those_recorded_before(recipe, capsys, monkeypatch):
    """A long training is recorded seed by seed, by one commit or several."""
    where = recipe / "adder"
    adder = Found("adder", "adder", where)
    monkeypatch.syspath_prepend(str(recipe))
    adder.__dict__["parts"] = __import__("adder")
    monkeypatch.setattr(recipes, "find", lambda _: adder)
    monkeypatch.setattr(record, "CHECKOUT", recipe)
    monkeypatch.setattr(record, "PICTURES", recipe)
    (recipe / "pyproject.toml").touch()

    def run(commit, out, *more):
        monkeypatch.setattr(machine, "commit", lambda: commit)
        words = ("run", "adder", "--steps", 4, "--record", "--out", out, *more)
        return call(capsys, *words)

    _, _, errors = run("abc", "none", "--seed", 2, "--join")
    assert "--join needs recorded results to join; got no" in errors
    assert run("abc", "whole", "--seed", 2, "--seeds", 3)[0] == 0
    whole = read(where / "results.json")
    assert run("abc", "first", "--seed", 2)[0] == 0
    first = read(where / "results.json")
    (recipe / "adder.png").write_bytes(b"of the first")
    _, _, errors = run("abc", "again", "--seed", 2, "--join")
    assert "the settings that were recorded, and --seed 3; got --seed 2" in errors
    _, _, errors = run("abc", "other", "--seed", 3, "--join", "--steps", 5)
    assert "got other steps for results.json" in errors
    assert not (recipe / "other").exists()
    assert read(where / "results.json") == first
    assert run("def", "second", "--seed", 3, "--join")[0] == 0
    assert run("abc", "third", "--seed", 4, "--join")[0] == 0
    joined = read(where / "results.json")
    for name in ("config", "metrics", "verdicts", "seeds"):
        assert joined[name] == whole[name]
    assert joined["commit"] == "abc, def"
    parts = [(each["seeds"], each["commit"]) for each in joined["parts"]]
    assert parts == [(1, "abc"), (1, "def"), (1, "abc")]
    assert (recipe / "adder.png").read_bytes() == b"of the first"
    assert record.judged(joined, adder.parts.CLAIMS, None) == joined
    assert "--join" in call(capsys, "run", "adder", "--join")[2]


def test_seeds_of_another_commit_are_not_recorded(recipe, capsys, monkeypatch):
    adder = Found("adder", "adder", recipe / "adder")
    monkeypatch.syspath_prepend(str(recipe))
    adder.__dict__["parts"] = __import__("adder")
    monkeypatch.setattr(recipes, "find", lambda _: adder)
    monkeypatch.setattr(record, "CHECKOUT", recipe)
    (recipe / "pyproject.toml").touch()
    monkeypatch.setattr(machine, "commit", lambda: "abc")
    assert call(capsys, "run", "adder", "--out", "out", "--seeds", 2)[0] == 130
    (recipe / "out" / "go").touch()
    monkeypatch.setattr(machine, "commit", lambda: "def")
    words = ("run", "adder", "--resume", "--out", "out", "--seeds", 2, "--record")
    status, _, errors = call(capsys, *words)
    assert (status, errors.count("\n")) == (2, 1)
    assert "needs all seeds of one commit; got out/seed-0, trained by abc, and def now" in errors
    assert not (recipe / "adder" / "results.json").exists()


def test_the_language_model_runs_and_predicts_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "run"
    words = ("run", "language_model", "--preset", "smoke", "--steps", 20, "--out", out)
    status, printed, errors = call(capsys, *words)
    assert status == 0, errors
    assert "synthetic" in printed
    status, printed, errors = call(capsys, "predict", out, "1+1=", "--length", 8)
    assert (status, errors) == (0, "")
    assert printed.startswith("1+1=")


def test_numbers_that_only_some_seeds_have_are_in_no_mean():
    found = results.spread([{"a": 1.0, "b": 2.0}, {"a": 3.0}])
    assert found == {"a": {"mean": 2.0, "sd": pytest.approx(2**0.5), "values": [1.0, 3.0]}}
    assert results.spread([{"a": 3.0}, {"a": 1.0, "b": 2.0}]).keys() == {"a"}
