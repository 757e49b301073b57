"""Every command: its exit status, what it prints, and its one line for bad input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swiftrnn import cli, run

COMMANDS = ("compare", "list", "info", "run", "predict", "serve", "export", "bench", "data", "copy")


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
    "words", [["--help"], ["list"], ["compare", "--help"], ["predict", "--help"], ["--version"]]
)
def test_light_commands_do_not_load_torch(words):
    code = (
        f"import sys; from swiftrnn import cli; cli.main({words!r}); print('torch' in sys.modules)"
    )
    assert in_new_process(code) == "False"


def test_help_names_every_command_and_shows_examples(swiftrnn):
    status, out, _ = swiftrnn("--help")
    assert status == 0
    assert tuple(cli.COMMANDS) == COMMANDS
    for name in COMMANDS:
        assert f"\n    {name} " in out
    assert "Examples:" in out
    assert max(map(len, out.splitlines())) <= 100
    assert swiftrnn()[1] == out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_has_examples(swiftrnn, name):
    status, out, err = swiftrnn(name, "--help")
    assert (status, err) == (0, "")
    assert all(f"    {example}" in out for example in cli.COMMANDS[name].examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_example_can_be_parsed(name):
    import shlex

    command = cli.COMMANDS[name]
    for example in command.examples:
        program, verb, *rest = shlex.split(example)
        assert (program, verb) == ("swiftrnn", name)
        if name == "run":
            recipe, *rest = rest
            assert recipe in run.names()
            continue
        assert isinstance(cli._parse(command.options, name, "", rest), command.options)


def test_version_and_list(swiftrnn):
    from swiftrnn import __version__

    assert swiftrnn("--version") == (0, f"swiftrnn {__version__}\n", "")
    status, out, _ = swiftrnn("list")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if line[0] != " "] == run.names()
    assert "language_model" in run.names()


def test_info_says_what_runs_here(swiftrnn):
    import torch

    status, out, _ = swiftrnn("info")
    assert status == 0
    assert torch.__version__ in out
    assert "cpu kernels" in out
    if not torch.cuda.is_available():
        assert "gpu kernels   do not run: torch sees no GPU" in out
    assert "extra report  installed" in out


def test_bad_words_get_one_line(swiftrnn):
    assert refused(swiftrnn("compar"), "'compar'", "did you mean compare?")
    assert refused(swiftrnn("compare", "--bogus", 3), "no such option; got --bogus;")
    assert refused(swiftrnn("compare", "--hiddem=3"), "--hiddem", "did you mean --hidden?")
    assert refused(swiftrnn("compare", "extra"), "no such argument; got extra")
    assert refused(swiftrnn("compare", "--hidden", "wide"), "--hidden", "whole number; got 'wide'")
    assert refused(swiftrnn("compare", "--hidden", "1.5"), "--hidden", "whole number; got '1.5'")
    assert refused(swiftrnn("compare", "--seconds", "long"), "--seconds", "number; got 'long'")
    assert refused(swiftrnn("compare", "--dtype", "float16"), "'float16'", "bfloat16")
    assert refused(swiftrnn("compare", "--hidden"), "--hidden")
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
    assert refused(swiftrnn("run", "language_model", "--seeds", 0), "got --seeds 0;")


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
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import mine; print(mine.Config())"
    assert in_new_process(code).startswith("Config(")


def test_a_missing_extra_gets_one_line_that_names_it(swiftrnn, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    hidden = lambda name, *a: None if name == "lightning" else real(name, *a)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", hidden)
    needed = "needs the extra", "lightning is missing; run pip install 'swiftrnn[train,report]'"
    assert refused(swiftrnn("compare"), "swiftrnn compare", *needed)


def test_an_interrupt_ends_with_130_and_one_line(swiftrnn, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt("go on with swiftrnn compare --resume")

    command = cli.COMMANDS["list"]
    monkeypatch.setitem(
        cli.COMMANDS, "list", cli.Command(command.options, interrupted, command.examples)
    )
    status, out, err = swiftrnn("list")
    assert (status, out) == (130, "")
    assert err == "interrupted; go on with swiftrnn compare --resume\n"


def test_a_fault_of_ours_is_not_hidden(swiftrnn, monkeypatch):
    def broken(_):
        raise TypeError("ours")

    command = cli.COMMANDS["list"]
    monkeypatch.setitem(
        cli.COMMANDS, "list", cli.Command(command.options, broken, command.examples)
    )
    with pytest.raises(TypeError, match="ours"):
        swiftrnn("list")


def test_the_module_runs_like_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "swiftrnn", "nosuch"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_recorded_results_appear_in_the_list(swiftrnn, monkeypatch, tmp_path):
    recipe = tmp_path / "recipes" / "adder"
    recipe.mkdir(parents=True)
    (recipe / "__init__.py").write_text('"""Adds numbers.\n\nMore.\n"""\nimport nothing_there\n')
    metrics = {"error": 0.125, "spread": {"mean": 2.0, "sd": 0.5, "values": [1.5, 2.5]}}
    (recipe / "results.json").write_text(json.dumps({"metrics": metrics}))
    monkeypatch.setattr(run, "RECIPES", Path(tmp_path / "recipes"))
    _, out, _ = swiftrnn("list")
    assert out.split("\n")[0].split(maxsplit=1) == ["adder", "Adds numbers."]
    assert "error 0.125, spread 2 ± 0.5" in out
