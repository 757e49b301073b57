"""Every command: its exit status, what it prints, and its one line for bad input."""

import ast
import dataclasses
import inspect
import itertools
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from swiftrnn import cli, commands, recipes
from swiftrnn.commands import parsing
from swiftrnn.runs.claims import Claim, below, judge, value
from swiftrnn.training.sweep.axes import axes

COMMANDS = (
    *("compare", "list", "info", "run", "sweep"),
    *("predict", "evaluate", "serve", "export", "compile", "bench", "data", "copy"),
)


@pytest.fixture
def swiftrnn(capsys, monkeypatch, tmp_path):
    """Runs a command in this process, in an empty folder; gives status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def refused(result, *parts):
    """Status 2, nothing on stdout, and exactly one line on stderr that holds all parts."""
    status, out, err = result
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("error: ")
    for part in parts:
        assert part in err
    return True


def in_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        *(["--help"], ["list"], ["compare", "--help"], ["predict", "--help"], ["sweep", "--help"]),
        ["--version"],
    ],
)
def test_light_commands_do_not_load_torch(words):
    code = (
        f"import sys; from swiftrnn import cli; cli.main({words!r}); print('torch' in sys.modules)"
    )
    assert in_new_process(code) == "False"


def test_help_names_every_command_and_shows_examples(swiftrnn):
    status, out, _ = swiftrnn("--help")
    assert status == 0
    assert commands.NAMES == COMMANDS
    files = {path.stem for path in Path(commands.__file__).parent.glob("*.py")}
    assert files == {*COMMANDS, "__init__", "parsing"}
    for name in COMMANDS:
        assert f"\n    {name} " in out
    assert "Examples:" in out
    assert max(map(len, out.splitlines())) <= 100
    assert swiftrnn()[1] == out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_examples(swiftrnn, name):
    status, out, err = swiftrnn(name, "--help")
    assert (status, err) == (0, "")
    assert all(f"    {example}" in out for example in commands.find(name).EXAMPLES)


def unexplained(kind):
    """The fields of a dataclass that have neither a comment above or beside them nor a text below.

    tyro shows these in its help; it misses a comment inside brackets that go over several lines.
    """
    found = []
    for owner in kind.__mro__[:-1]:
        lines = textwrap.dedent(inspect.getsource(owner)).splitlines()
        (tree,) = ast.parse("\n".join(lines)).body
        for node, after in itertools.pairwise([*tree.body, None]):
            if isinstance(node, ast.AnnAssign):
                text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                beside = "  # " in lines[node.end_lineno - 1]
                above = lines[node.lineno - 2].lstrip().startswith("# ")
                found += [] if text or beside or above else [node.target.id]
    return found


def test_what_has_no_explanation_is_found():
    from swiftrnn.training.fit import Fitted

    assert unexplained(commands.find("run").OPTIONS) == []
    assert unexplained(Fitted) == ["steps", "seconds", "history", "peak_memory"]


@pytest.mark.parametrize("name", [*COMMANDS, *recipes.names()])
def test_every_option_is_explained(name):
    kinds = [commands.find(name).OPTIONS] if name in COMMANDS else []
    if not kinds:
        parts = recipes.find(name).parts
        of_task = [parts.TASK.options, parts.TASK.scoring.options] if parts.TASK else []
        kinds = [parts.Config, *(kind for kind in of_task if kind.__module__ != "swiftrnn.tasks")]
    for kind in filter(dataclasses.is_dataclass, kinds):
        assert unexplained(kind) == []


@pytest.mark.parametrize("words", [*([name] for name in COMMANDS), ["run", "sgdr"]])
def test_groups_of_options_have_names(swiftrnn, words):
    _, out, _ = swiftrnn(*words, "--help")
    groups = {title.strip(" ─") for title in re.findall(r"╭─ (.*)╮", out)}
    assert groups <= {"options", "positional arguments", "recipe options"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_can_be_parsed(name):
    import shlex

    command = commands.find(name)
    for example in command.EXAMPLES:
        program, verb, *rest = shlex.split(example)
        assert (program, verb) == ("swiftrnn", name)
        if name in ("run", "sweep"):
            recipe, *rest = rest
            found = recipes.find(recipe)
            how, config = parsing.of_recipe(name, command.OPTIONS, found, rest)
            assert isinstance(how, command.OPTIONS)
            assert axes(getattr(how, "grid", ()), type(config)) is not None
            continue
        parts = [(command.OPTIONS, None)]
        if name == "predict" and "--length" in rest:  # an option of a language model
            parts.append((recipes.find("language_model").parts.TASK.options, None))
        assert isinstance(parsing.parse_all(parts, name, "", rest)[0], command.OPTIONS)


def test_version_and_list(swiftrnn):
    from swiftrnn import __version__

    assert swiftrnn("--version") == (0, f"swiftrnn {__version__}\n", "")
    status, out, _ = swiftrnn("list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == recipes.names()
    assert "language_model" in recipes.names()


def test_info_says_what_runs_here(swiftrnn):
    import torch

    status, out, _ = swiftrnn("info")
    assert status == 0
    assert torch.__version__ in out
    assert "cpu kernels" in out
    if not torch.cuda.is_available():
        assert "gpu kernels   do not run: torch sees no GPU" in out
    assert "extra report    installed" in out


def test_bad_words_get_one_line(swiftrnn):
    assert refused(swiftrnn("compar"), "'compar'", "did you mean compare?")
    assert refused(swiftrnn("compare", "--bogus", 3), "no such option; got --bogus;")
    assert refused(swiftrnn("compare", "--hiddem=3"), "--hiddem", "did you mean --hidden?")
    assert refused(swiftrnn("compare", "extra"), "no such argument; got extra")
    assert refused(
        swiftrnn("compare", "--hidden", "wide"), "--hidden needs a whole number", "got wide;"
    )
    assert refused(
        swiftrnn("compare", "--hidden", "1.5"), "--hidden needs a whole number", "got 1.5;"
    )
    assert refused(
        swiftrnn("compare", "--seconds", "long"), "--seconds needs a number", "got long;"
    )
    assert refused(
        swiftrnn("compare", "--dtype", "float16"),
        "--dtype needs one of float32, bfloat16; got float16;",
    )
    assert refused(swiftrnn("compare", "--hidden"), "--hidden needs a value; got none;")
    assert refused(swiftrnn("copy", "language_model"), "needs RECIPE and DIR; got language_model;")
    assert refused(swiftrnn("list", "--all"), "--all")


def test_bad_settings_get_one_line(swiftrnn, tmp_path):
    assert refused(swiftrnn("compare", "--seconds", 0), "--seconds needs", "got 0;")
    assert refused(swiftrnn("compare", "--seconds", "nan"), "--seconds needs", "got nan;")
    assert refused(swiftrnn("compare", "--seconds", "inf"), "--seconds needs", "got inf;")
    assert refused(swiftrnn("compare", "--hidden", -4), "--hidden needs", "got -4;")
    assert refused(swiftrnn("compare", "--depth", -1), "--depth needs", "got -1;")
    assert refused(swiftrnn("compare", "--batch-size", 0), "--batch-size needs", "got 0;")
    assert refused(swiftrnn("compare", "--threads", -1), "--threads needs", "got -1;")
    assert refused(swiftrnn("compare", "--learning-rate", -1), "--learning-rate needs", "got -1;")
    assert refused(swiftrnn("compare", "--layers", "lstn"), "'lstn'", "did you mean lstm?")
    assert refused(swiftrnn("compare", "--layers", "sru", "sru"), "got sru sru;")
    assert refused(swiftrnn("compare", "--layers"), "got none;")
    assert not list(tmp_path.iterdir())  # and nothing was written


def test_bad_texts_get_one_line(swiftrnn, tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_text("too short")
    assert refused(swiftrnn("compare", "--text", "none"), "--text", "none")
    assert refused(swiftrnn("compare", "--text", tmp_path), "--text", "directory")
    assert refused(swiftrnn("compare", "--text", "empty"), "--text", "empty")
    assert refused(swiftrnn("compare", "--text", "short"), "--text", "9 bytes")
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "short"}


def test_bad_folders_get_one_line(swiftrnn, tmp_path):
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    assert refused(swiftrnn("compare", "--out", full), "empty folder", str(full))
    assert refused(swiftrnn("compare", "--out", full / "mine"), str(full / "mine"))
    assert refused(swiftrnn("compare", "--out", full / "mine" / "under"), "written to", "--out")
    assert refused(swiftrnn("compare", "--out", "/proc/swiftrnn"), "written to", "--out")
    assert refused(swiftrnn("compare", "--resume"), "--resume needs a run")
    assert refused(swiftrnn("compare", "--resume", "--out", full), "config.json")
    assert [path.read_text() for path in full.iterdir()] == ["mine"]


def test_run_refuses_with_one_line(swiftrnn):
    assert refused(swiftrnn("run"), "recipe first")
    assert refused(swiftrnn("run", "languagemodel"), "did you mean language_model?")
    assert refused(swiftrnn("run", "language_model", "--preset", "smok"), "did you mean smoke?")
    assert refused(swiftrnn("run", "language_model", "--hiden", 3), "did you mean --hidden?")
    assert refused(swiftrnn("run", "language_model", "--seeds", 0), "--seeds needs", "got 0;")


def test_run_help_shows_the_options_of_the_recipe(swiftrnn):
    status, out, _ = swiftrnn("run", "language_model", "--help")
    assert status == 0
    assert "--preset" in out
    assert "--hidden" in out


def test_data_lists_and_refuses(swiftrnn):
    status, out, _ = swiftrnn("data")
    assert status == 0
    assert "wikitext-2" in out
    assert " MB " in out
    assert refused(swiftrnn("data", "frob"), "got frob;")
    assert refused(swiftrnn("data", "fetch"), "NAME")
    assert refused(swiftrnn("data", "fetch", "wikitext2"), "did you mean wikitext-2?")


def test_bench_refuses_an_unknown_op(swiftrnn):
    assert refused(swiftrnn("bench", "nosuch"), "'nosuch'")


def test_a_copied_recipe_is_a_package_of_its_own(swiftrnn, tmp_path):
    status, out, _ = swiftrnn("copy", "language_model", "mine")
    assert status == 0
    assert "swiftrnn run ./mine" in out
    sources = "".join(path.read_text() for path in (tmp_path / "mine").glob("*.py"))
    assert "swiftrnn.recipes.language_model" not in sources
    assert refused(swiftrnn("copy", "language_model", "mine"), "exists")
    assert refused(swiftrnn("copy", "language_model", "not-mine"), "'not-mine'")
    assert refused(swiftrnn("copy", "nosuch", "other"), "'nosuch'")
    mine = recipes.find("./mine").parts
    assert Path(mine.__file__).parent == tmp_path / "mine"
    assert repr(mine.Config()).startswith("Config(")
    parts = {name for name in sys.modules if name.startswith("mine.")}
    assert parts == {f"mine.{path.stem}" for path in (tmp_path / "mine").glob("[!_]*.py")}


def test_a_missing_extra_gets_one_line_that_names_it(swiftrnn, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    hidden = lambda name, *a: None if name == "lightning" else real(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    needed = "needs the extra", "lightning is missing; run pip install 'swiftrnn[train,report]'"
    assert refused(swiftrnn("compare"), "swiftrnn compare", *needed)


@pytest.mark.parametrize("recipe", ["random_angles", "hsic_bottleneck", "information_plane"])
def test_a_recipe_that_needs_scipy_says_so_before_it_begins(
    swiftrnn, recipe, tmp_path, monkeypatch
):
    import importlib.util

    parts = (f"swiftrnn.recipes.{recipe}", "swiftrnn.analysis")  # they are to be loaded anew
    for name in [name for name in sys.modules if name.startswith(parts)]:
        monkeypatch.delitem(sys.modules, name)
    real = importlib.util.find_spec
    hidden = lambda name, *a: None if name == "scipy" else real(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    needed = "needs the extra analysis", "scipy is missing; run pip install 'swiftrnn[analysis]'"
    words = ("run", recipe, "--preset", "smoke", "--out", tmp_path / "run")
    assert refused(swiftrnn(*words), *needed)
    assert not (tmp_path / "run").exists()


def test_an_interrupt_ends_with_130_and_one_line(swiftrnn, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt("go on with swiftrnn compare --resume")

    monkeypatch.setattr(commands.find("list"), "main", interrupted)
    status, out, err = swiftrnn("list")
    assert (status, out) == (130, "")
    assert err == "interrupted; go on with swiftrnn compare --resume\n"


def test_a_fault_of_ours_is_not_hidden(swiftrnn, monkeypatch):
    def broken(_):
        raise TypeError("ours")

    monkeypatch.setattr(commands.find("list"), "main", broken)
    with pytest.raises(TypeError, match="ours"):
        swiftrnn("list")


def test_the_module_runs_like_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "swiftrnn", "nosuch"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_verdicts_appear_in_the_list_and_in_the_table_of_a_recipe(swiftrnn, monkeypatch, tmp_path):
    recipe = tmp_path / "recipes" / "adder"
    recipe.mkdir(parents=True)
    (recipe / "__init__.py").write_text('"""Adds numbers.\n\nMore.\n"""\nimport nothing_there\n')
    claims = (
        Claim("Sums are small", "table 1", value("sum"), below(3.0), paper=1.0, after=True),
        Claim("Sums are fast", "section 2", value("seconds"), below(1.0), why="seconds a sum"),
        Claim("Sums are deep", "section 3", None, why="nobody knows how"),
    )
    metrics = [{"sum": 2.0, "seconds": 0.5}, {"sum": 2.5, "seconds": 1.5}]
    verdicts = [asdict(each) for each in judge(claims, metrics)]
    found = {"metrics": {}, "verdicts": verdicts, "seeds": 2, "commit": "abc"}
    (recipe / "results.json").write_text(json.dumps(found))
    monkeypatch.setattr(recipes, "HERE", tmp_path / "recipes")
    _, out, _ = swiftrnn("list")
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert lines == [["adder", "Adds numbers."], ["1", "seen, 1 not seen, 1 not tested"]]
    status, out, _ = swiftrnn("list", "adder")
    assert status == 0
    for part in (
        "Recorded with the default settings, 2 seeds, commit abc:",
        "Sums are small (table 1)\n  paper 1; ours 2.25 ± 0.35; seen if below 3\n"
        "  seen, 2 of 2 seeds *",
        "* condition set after the results were known",
        "ours 1 ± 0.71 (seconds a sum); seen if below 1\n  not seen, 1 of 2 seeds",
        "Sums are deep (section 3)\n  not tested: nobody knows how",
    ):
        assert part in out
    assert refused(
        swiftrnn("list", "addr"), "needs one of the recipes adder", "did you mean adder?"
    )


ADDER = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Literal

    from swiftrnn.runs.results import Result


    @dataclass(frozen=True)
    class Config:
        steps: int = 3
        rate: float = 0.5
        sign: Literal["plus", "minus"] = "plus"
        text: Path | None = None
        wait: float = 0.0
        seed: int = 0


    SMOKE = Config(steps=1)
    CLAIMS = ()
    TASK = None


    def run(config, out):
        out = out.path
        assert config.text is None or isinstance(config.text, Path)
        with (out.parent / "calls").open("a") as calls:
            calls.write(f"{out.name}\\n")
        until = time.monotonic() + config.wait
        try:
            while time.monotonic() < until and not (out.parent / "hurry").exists():
                time.sleep(0.01)
        except KeyboardInterrupt:
            time.sleep(0.5)  # a checkpoint; a second Ctrl-C would cut it short
            (out / "saved").touch()
            raise
        if config.rate > 5:
            raise FloatingPointError("loss is nan")
        if config.rate == 0.125:
            raise TypeError("ours")
        found = config.steps + config.rate + config.seed
        metrics = {"sum": found if config.sign == "plus" else -found, "other": 1}
        return Result(metrics, {"history": [1]})
"""


@pytest.fixture
def adder(tmp_path, monkeypatch):
    """A recipe that adds, as a folder of the user's."""
    pytest.importorskip("optuna", reason="Optuna is not installed (extra sweep)")
    (tmp_path / "adder").mkdir()
    (tmp_path / "adder" / "__init__.py").write_text(textwrap.dedent(ADDER))
    monkeypatch.delitem(sys.modules, "adder", raising=False)
    return ("sweep", "./adder")


def called(out):
    path = out / "calls"
    return path.read_text().split() if path.exists() else []


def read(path):
    return json.loads(path.read_text())


def test_a_sweep_prints_the_best_points_and_writes_all(swiftrnn, adder, tmp_path):
    words = ("--grid", "rate=1..4:log:3", "--grid", "sign=plus,minus", "--metric", "sum")
    status, out, err = swiftrnn(*adder, *words, "--preset", "smoke", "--out", "a")
    assert status == 0
    assert out.splitlines() == [
        "rate  sign   sum, lowest first",
        "4     minus  -5",
        "2     minus  -3",
        "1     minus  -2",
        "1     plus   2",
        "2     plus   3",
        "4     plus   5",
        "",
        "The sweep is in a",
    ]
    assert err.splitlines()[-1] == "sweep  100%  6 of 6 done  0:00 left"
    assert all(line.startswith("sweep ") for line in err.splitlines())  # trials have a log
    found = read(tmp_path / "a" / "sweep.json")
    assert (found["recipe"], found["metric"], found["maximize"]) == ("./adder", "sum", False)
    assert found["points"][0] == {
        "point": {"rate": 4.0, "sign": "minus"},
        "mean": -5.0,
        "sd": None,
        "values": [-5.0],
        "metrics": {"sum": -5.0, "other": 1},
    }
    assert found["failed"] == []
    assert sorted(called(tmp_path / "a")) == [f"trial-{i}" for i in range(6)]
    config = read(tmp_path / "a" / "trial-1" / "config.json")
    assert (config["recipe"], config["code"]) == ("adder", str(tmp_path / "adder"))
    settings = {"steps": 1, "rate": 1.0, "sign": "minus", "text": None, "wait": 0.0, "seed": 0}
    assert config["config"] == settings
    assert read(tmp_path / "a" / "trial-1" / "metrics.json")["sum"] == -2.0


def test_seeds_workers_and_failures_of_a_sweep(swiftrnn, adder, tmp_path):
    words = ("--grid", "rate=1,9,2", "--grid", "text=none,b", "--seed", 3, "--seeds", 2)
    words = (*words, "--workers", 2, "--metric", "sum", "--maximize", "--out", "a")
    status, out, _ = swiftrnn(*adder, *words)
    assert status == 0
    assert out.splitlines() == [
        "rate  text  sum, highest first",
        "2     None  8.5 ± 0.71",
        "2     b     8.5 ± 0.71",
        "1     None  7.5 ± 0.71",
        "1     b     7.5 ± 0.71",
        "",
        "Of 12 trials, 4 failed, the first at rate 9, text None, seed 3 with FloatingPointError: "
        "loss is nan",
        "",
        "The sweep is in a",
    ]
    found = read(tmp_path / "a" / "sweep.json")
    assert found["points"][0]["metrics"]["sum"] == {
        "mean": 8.5,
        "sd": pytest.approx(0.5**0.5),
        "values": [8.0, 9.0],
    }
    assert found["failed"][0] == {
        "point": {"rate": 9.0, "text": None, "seed": 3},
        "why": "FloatingPointError: loss is nan",
    }
    logs = {*(tmp_path / "a").glob("worker-*.log")}
    again = swiftrnn(*adder, "--resume", "--out", "a")
    assert again == (0, out, "sweep  100%  12 of 12 done, 4 failed\n")
    assert len(called(tmp_path / "a")) == 12
    assert {*(tmp_path / "a").glob("worker-*.log")} == logs  # nobody started with nothing to do


def test_a_long_table_is_cut_and_a_short_of_seeds_is_told(swiftrnn, adder, tmp_path):
    words = (*adder, "--grid", "rate=0..5:lin:22", "--metric", "sum", "--out", "a")
    status, out, _ = swiftrnn(*words)
    assert status == 0
    assert len(out.splitlines()) == 1 + 20 + 3
    assert "and 2 more in a/sweep.json" in out
    assert len(read(tmp_path / "a" / "sweep.json")["points"]) == 22
    (tmp_path / "adder" / "__init__.py").write_text(
        textwrap.dedent(ADDER).replace("config.rate > 5", "config.seed == 1")
    )
    words = (*adder, "--grid", "steps=1", "--seeds", 3, "--metric", "sum", "--out", "b")
    status, out, _ = swiftrnn(*words)
    assert status == 0
    assert out.splitlines()[1] == "1      2.5 ± 1.4 (2 of 3 seeds)"


def test_a_sweep_refuses_with_one_line(swiftrnn, adder, tmp_path):
    grid, metric = ("--grid", "rate=1,2"), ("--metric", "sum")
    assert refused(swiftrnn("sweep"), "swiftrnn sweep needs a recipe first; got none;")
    assert refused(swiftrnn("sweep", "addr", *grid), "needs one of the recipes", "got 'addr'")
    assert refused(swiftrnn(*adder, *metric), "needs a grid; got none; give --grid FIELD=")
    assert refused(swiftrnn(*adder, "--grid", "rat=1"), "got 'rat=1'; did you mean rate?")
    assert refused(swiftrnn(*adder, *grid, "--seeds", 0), "--seeds needs", "1 up; got 0;")
    assert refused(swiftrnn(*adder, *grid, "--workers", -1), "--workers needs", "to 1,024; got -1;")
    assert refused(swiftrnn(*adder, *grid, "--rate", 3), "got --rate 3.0 and --grid rate=")
    assert refused(swiftrnn(*adder, "--grid", "seed=1,2", "--seeds", 2), "got --seeds 2 and --grid")
    assert refused(swiftrnn(*adder, *grid, "--grids", 3), "did you mean --grid?")
    assert refused(swiftrnn(*adder, *grid, "--preset", "smok"), "did you mean smoke?")
    assert refused(swiftrnn(*adder, *grid, "--resume"), "--resume needs a run")
    for storage in ("study.db", "nosuch://host/base", "sqlite://", "sqlite:///none/study.db"):
        storing = ("--storage", storage, "--out", "a")
        assert refused(swiftrnn(*adder, *grid, *storing), "--storage needs", f"got {storage};")
    secret = ("--storage", "postgresql+nosuch://me:secret@host/base")
    _, _, err = swiftrnn(*adder, *grid, *secret)
    assert "secret" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"adder"}  # and nothing was written


def test_a_driver_that_is_missing_is_named(swiftrnn, adder, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    storage = ("--storage", "postgresql+psycopg2://me:secret@host/base")
    result = swiftrnn(*adder, "--grid", "rate=1,2", *storage, "--out", "a")
    assert refused(result, "got postgresql+psycopg2://***@host/base, and psycopg2 is missing;")
    assert not (tmp_path / "a").exists()


def test_a_metric_that_is_missing_is_told_with_those_that_are_there(swiftrnn, adder, tmp_path):
    words = (*adder, "--grid", "rate=1,2", "--out", "a")
    status, _, err = swiftrnn(*words)
    assert status == 2
    assert err.splitlines() == [
        "error: a sweep needs one of the metrics other, sum to compare by; got none; name it, on "
        "the command line by --metric; go on with swiftrnn sweep ./adder --resume --out a"
    ]
    assert swiftrnn(*adder, "--resume", "--out", "a", "--metric", "sum")[0] == 0
    assert called(tmp_path / "a") == ["trial-0", "trial-1"]  # the first was not run again
    result = swiftrnn(*adder, "--resume", "--out", "a", "--metric", "other")
    assert refused(result, "goes on with --metric sum; got other;")


def test_a_sweep_that_only_failed_ends_with_one_line(swiftrnn, adder):
    words = ("--grid", "rate=7,8", "--metric", "sum", "--out", "a")
    status, out, err = swiftrnn(*adder, *words)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == (
        "error: swiftrnn sweep ./adder needs a trial that ends well; got none: 2 failed, the first "
        "at rate 7, seed 0 with FloatingPointError: loss is nan; start over with other values"
    )


def test_workers_that_break_are_told_with_their_log(swiftrnn, adder, tmp_path):
    words = ("--grid", "rate=0.125,1", "--metric", "sum", "--out", "a")
    status, out, err = swiftrnn(*adder, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "needs workers that end well; got exit status 1; look at a/worker-*.log; go on" in err
    (log,) = (tmp_path / "a").glob("worker-*.log")
    assert "TypeError: ours" in log.read_text()


def test_resuming_a_sweep_refuses_what_does_not_fit(swiftrnn, adder, tmp_path):
    words = ("--grid", "rate=1,2", "--metric", "sum", "--steps", 4)
    assert swiftrnn(*adder, *words, "--out", "a")[0] == 0
    assert refused(swiftrnn(*adder, *words, "--out", "a"), "empty folder; got a", "--resume")
    resumed = (*adder, "--resume", "--out", "a")
    assert refused(swiftrnn(*resumed, "--grid", "rate=1"), "goes on with --grid rate=1,2; got rate")
    assert refused(swiftrnn(*resumed, "--steps", 5), "goes on with --steps 4; got 5; leave it out")
    assert refused(swiftrnn(*resumed, "--seeds", 2), "goes on with --seeds 1; got 2;")
    assert refused(swiftrnn(*resumed, "--maximize"), "goes on with --maximize False; got True;")
    assert swiftrnn(*resumed, *words)[0] == 0  # the same again is no other
    other = swiftrnn("sweep", "language_model", "--resume", "--out", "a")
    assert refused(other, "needs a sweep of language_model; got a, a sweep of adder;")
    assert swiftrnn("run", "./adder", "--out", "b")[0] == 0
    assert refused(swiftrnn(*adder, "--resume", "--out", "b"), "got b, a run of adder;")


def test_without_out_a_sweep_goes_to_runs_and_is_found_again(swiftrnn, adder, tmp_path):
    assert swiftrnn(*adder, "--grid", "rate=1,2", "--metric", "sum")[0] == 0
    assert len(list((tmp_path / "runs").glob("sweep-adder-*/sweep.json"))) == 1
    assert swiftrnn(*adder, "--resume")[0] == 0


def test_commands_with_one_storage_and_study_share_the_work(swiftrnn, adder, tmp_path):
    words = (*adder, "--grid", "rate=1,2", "--metric", "sum", "--study", "shared")
    words = (*words, "--storage", "sqlite:///shared.db")
    _, first, _ = swiftrnn(*words, "--out", "a")
    status, second, _ = swiftrnn(*words, "--out", "b")
    assert status == 0
    assert first.replace("in a", "in b") == second
    assert (called(tmp_path / "a"), called(tmp_path / "b")) == (["trial-0", "trial-1"], [])
    assert not (tmp_path / "a" / "study.db").exists()
    other = swiftrnn(*words, "--out", "c", "--steps", 9)
    assert refused(other, "the study shared needs the steps it began with, 3; got 9; give that")
    assert not (tmp_path / "c").exists()
    assert swiftrnn(*adder, "--resume", "--out", "b")[:2] == (0, second)


def test_a_password_is_not_saved(swiftrnn, adder, tmp_path, monkeypatch):
    from swiftrnn.training.sweep import study

    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    seen = []

    class Study:
        def __init__(self, storage, *_):
            seen.append(storage)

        def begin(self, *_):
            raise KeyboardInterrupt

        def close(self):
            pass

    monkeypatch.setattr(study, "Study", Study)
    url = "postgresql+psycopg://me:secret@host/base"
    words = (*adder, "--grid", "rate=1,2", "--metric", "sum", "--storage", url, "--out", "a")
    again = "swiftrnn sweep ./adder --resume --out a --storage URL"
    interrupted = (130, "", f"interrupted; what is done is kept; go on with {again}\n")
    assert swiftrnn(*words) == interrupted
    assert "secret" not in (tmp_path / "a" / "config.json").read_text()
    resumed = (*adder, "--resume", "--out", "a")
    assert refused(swiftrnn(*resumed), "needs the password of", "me:***@host", "give the URL again")
    assert refused(swiftrnn(*resumed, "--storage", "sqlite:///x.db"), "goes on with --storage")
    assert swiftrnn(*resumed, "--storage", url) == interrupted
    assert seen == [url, url]


def started(*words):
    """The command in a group of its own, which hears Ctrl-C even where the tests do not."""

    def listen():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "swiftrnn", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=listen, start_new_session=True, **pipes)


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


def states(out):
    with sqlite3.connect(out / "study.db") as base:
        rows = base.execute("SELECT state FROM trials ORDER BY trial_id").fetchall()
    base.close()
    return [state for (state,) in rows]


def alive(pid):
    """Whether a process runs; init may not have waited for one that does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def workers_of(out):
    return [int(path.stem.removeprefix("worker-")) for path in out.glob("worker-*.log")]


LONG = ("--grid", "steps=1..4:lin:4", "--metric", "sum", "--wait", 100, "--workers", 2)


def test_ctrl_c_leaves_a_sweep_that_goes_on(swiftrnn, adder, tmp_path):
    out = tmp_path / "a"
    with started(*adder, *LONG, "--out", out) as process:
        until(lambda: len(called(out)) == 2)
        assert process.pid not in map(os.getpgid, workers_of(out))  # they hear it only once
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        printed, errors = process.communicate(timeout=60)
    again = f"swiftrnn sweep ./adder --resume --out {out}"
    assert (process.returncode, printed) == (130, "")
    assert errors == f"interrupted; what is done is kept; go on with {again}\n"
    assert states(out) == ["WAITING"] * 4  # put back, not left as dead
    assert len(list(out.glob("trial-*/saved"))) == 2
    assert not any(map(alive, workers_of(out)))
    (out / "hurry").touch()
    status, printed, _ = swiftrnn(*again.split()[1:])
    assert status == 0
    assert [line.split() for line in printed.splitlines()[1:5]] == [
        ["1", "1.5"],
        ["2", "2.5"],
        ["3", "3.5"],
        ["4", "4.5"],
    ]
    assert sorted(called(out)) == ["trial-0", "trial-0", "trial-1", "trial-1", "trial-2", "trial-3"]


def test_a_killed_worker_of_a_sweep_is_replaced_by_the_other(adder, swiftrnn, tmp_path):
    out = tmp_path / "a"
    with started(*adder, *LONG, "--out", out) as process:
        until(lambda: len(called(out)) == 2)
        os.kill(workers_of(out)[0], signal.SIGKILL)
        (out / "hurry").touch()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert states(out) == ["COMPLETE"] * 4
    assert len(called(out)) == 5
    assert len(read(out / "sweep.json")["points"]) == 4


def test_when_all_workers_are_killed_the_sweep_says_how_to_go_on(adder, swiftrnn, tmp_path):
    out = tmp_path / "a"
    with started(*adder, *LONG, "--out", out) as process:
        until(lambda: len(called(out)) == 2)
        for pid in workers_of(out):
            os.kill(pid, signal.SIGKILL)
        printed, errors = process.communicate(timeout=60)
    assert (process.returncode, printed, errors.count("\n")) == (2, "", 1)
    assert "got exit status -9, -9, killed, often for lack of memory;" in errors
    assert errors.endswith(f"go on with swiftrnn sweep ./adder --resume --out {out}\n")
    (out / "hurry").touch()
    assert swiftrnn(*adder, "--resume", "--out", out)[0] == 0
    assert states(out) == ["COMPLETE"] * 4


def test_workers_end_with_their_command_and_their_trials_go_on(adder, swiftrnn, tmp_path):
    out = tmp_path / "a"
    with started(*adder, *LONG, "--out", out) as process:
        until(lambda: len(called(out)) == 2)
        process.kill()
        process.wait()
        (out / "hurry").touch()
        until(lambda: not any(map(alive, workers_of(out))))
    assert swiftrnn(*adder, "--resume", "--out", out)[0] == 0
    assert states(out) == ["COMPLETE"] * 4
    assert {*called(out)} == {f"trial-{i}" for i in range(4)}


def test_a_real_recipe_sweeps_from_the_command_line(swiftrnn, tmp_path):
    pytest.importorskip("optuna", reason="Optuna is not installed (extra sweep)")
    words = ("--preset", "smoke", "--steps", 10, "--threads", 1, "--metric", "bits_per_byte")
    words = ("language_model", "--grid", "hidden=8,16", *words, "--out", "a")
    status, out, err = swiftrnn("sweep", *words)
    assert status == 0, err
    assert {line.split()[0] for line in out.splitlines()[1:3]} == {"8", "16"}
    (best, other) = read(tmp_path / "a" / "sweep.json")["points"]
    assert best["mean"] <= other["mean"]
    assert best["metrics"]["steps"] == 10
    assert (tmp_path / "a" / "trial-0" / "model.safetensors").exists()
