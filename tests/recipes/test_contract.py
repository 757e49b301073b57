"""What every recipe has to be, held by one test of all of them."""

import ast
import html
import json
import math
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image as Files
from tests.programs import COMMAND, run_here

import swiftrnn
from swiftrnn import cli, recipes
from swiftrnn.deploy import trained
from swiftrnn.runs import claims, record, results
from swiftrnn.runs.claims import NOT_TESTED, Claim
from swiftrnn.runs.folder import METRICS, REPORT
from swiftrnn.runs.limits import Checked
from swiftrnn.tasks import OfFiles, Task

NAMES = recipes.names()
USED = [name for name in NAMES if recipes.find(name).parts.TASK is not None]
PARTS = {"Config", "SMOKE", "CLAIMS", "TASK", "run"}
TIMES = ("seconds", "per_second", "peak_memory")  # in names of metrics that differ from run to run
SIMPLE = "In Rimonaville , Lututo met a friend ."
every = pytest.mark.parametrize("name", NAMES)
each_used = pytest.mark.parametrize("name", USED)


def steady(metrics):
    """Metrics without times and memory."""
    return {k: v for k, v in metrics.items() if not any(word in k for word in TIMES)}


@every
def test_its_parts_are_declared(name):
    found = recipes.find(name)
    parts, source = found.parts, ast.parse((found.folder / "__init__.py").read_text())
    assert set(dir(parts)) >= PARTS | ({"build"} if parts.TASK else set())
    assert issubclass(parts.Config, Checked)
    assert parts.Config.__dataclass_params__.frozen
    assert isinstance(parts.Config().seed, int)
    assert set(found.presets) >= {"default", "smoke"}
    assert all(isinstance(each, Claim) for each in parts.CLAIMS)
    assert parts.TASK is None or isinstance(parts.TASK, Task)
    doc = ast.get_docstring(source)
    assert "\nPaper: " in doc
    assert "\nDiffers: " in doc


@every
def test_its_claims_are_sentences_that_can_be_false(name):
    told = recipes.find(name).parts.CLAIMS
    assert len(told) >= 3
    tested = [each for each in told if each.ours is not None]
    assert tested
    assert {each.preset for each in told} <= {None, *recipes.find(name).presets}
    for each in told:
        assert len(each.says) <= 110
        assert each.says[0].isupper() or each.says.startswith("mixup")
        assert not each.says.endswith(".")
        assert each.where
        assert "_" not in each.says + each.why, "the name of a metric is no sentence"
    assert len({(each.says, each.where, each.preset) for each in told}) == len(told)


@every
def test_its_recorded_verdicts_are_those_of_its_claims(name):
    found = recipes.find(name)
    recorded = record.recorded(found.folder)
    assert bool(recorded) == (name not in UNRECORDED)
    for preset, content in recorded:
        assert content == record.judged(content, found.parts.CLAIMS, preset)
        verdicts = record.verdicts(content)
        assert any(each.values for each in verdicts)
        tested = {c.says for c in found.parts.CLAIMS if c.ours and c.preset == preset}
        left_out = [v.says for v in verdicts if v.verdict == NOT_TESTED and v.says in tested]
        assert left_out == []  # a metric that is misspelt, or is measured no more
        assert "+changes" not in content["commit"]


UNRECORDED = {  # claims are set, and wait for the run
    "nonautoregressive_translation", "one_shot", "grid_cells", "enas",
}  # fmt: skip


def check_picture(figure):
    """Labels, a legend, and no empty panel."""
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    for axes in panels:
        assert axes.get_xlabel()
        shown = [line.get_xydata().size for line in axes.lines]
        shown += [image.get_array().size for image in axes.images]
        assert shown
        assert all(shown)
    assert panels[0].get_ylabel()
    legends = [*figure.legends, *(axes.get_legend() for axes in panels if axes.get_legend())]
    assert legends
    assert all(text.get_text() for legend in legends for text in legend.get_texts())


@every
def test_its_claims_are_about_what_it_measures(name, smoke):
    """Of a small run as of the recorded one, verdicts can be given."""
    told, found = recipes.find(name).parts.CLAIMS, results.read(smoke(name))
    verdicts = [
        v for preset in {c.preset for c in told} for v in claims.judge(told, [found], preset)
    ]
    assert any(each.values for each in verdicts)


@every
def test_a_finished_run_is_not_done_again(name, smoke, tmp_path, capsys):
    out = Path(shutil.copytree(smoke(name), tmp_path / "run"))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    words = ["run", name, "--preset", "smoke", "--resume", "--out", str(out)]
    assert cli.main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == f"The run is in {out}"


@every
def test_its_report_opens(name, smoke):
    out = smoke(name)
    page = (out / REPORT).read_text("utf-8")
    assert page.startswith("<!doctype html>")
    title = recipes.find(name).about.partition("\n")[0].rstrip(".")
    assert f"<title>{html.escape(title)}" in page
    text = re.sub(r"base64,[\w+/=]+", "", page)  # in which any letters may follow one another
    assert "http" not in text.replace("http://www.w3.org", "")  # nothing is fetched
    if "made_up" in json.loads((out / "config.json").read_text())["config"]:
        assert "synthetic" in page


def given(task, folder):
    """An input, as it is typed: a text, or the paths of files."""
    if not isinstance(task.takes, OfFiles):
        return (SIMPLE,)
    path = folder / "given.png"
    Files.fromarray(np.arange(28 * 84, dtype=np.uint8).reshape(28, 84)).save(path)
    return (str(path),) * task.takes.files


@every
def test_a_copy_gives_the_same_resumes_and_predicts_as_itself(name, smoke, tmp_path, monkeypatch):
    """Two small runs are equal, finite, offline and drawn; the second is that of a copy."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first, copy = results.read(smoke(name)), f"my_{name}"
    assert first
    assert all(math.isfinite(value) for value in first.values())

    def call(*words):
        done = run_here(COMMAND, *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call("copy", name, copy)
    sources = "".join(path.read_text() for path in (tmp_path / copy).glob("*.py"))
    assert f"swiftrnn.recipes.{name}" not in sources
    drawn, save = [], Figure.savefig

    def saved(figure, *where, **how):
        drawn.append((figure, how))
        save(figure, *where, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", saved)
        call("run", f"./{copy}", "--preset", "smoke", "--out", "r")
    assert steady(results.read(tmp_path / "r")) == steady(first)
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    assert (config["recipe"], config["code"]) == (copy, str(tmp_path / copy))
    if picture := json.loads((tmp_path / "r" / METRICS).read_text()).get("picture"):
        assert (tmp_path / "r" / picture).read_bytes()[:4] == b"\x89PNG"
        (figure,) = [figure for figure, how in drawn if how.get("format") == "png"]
        check_picture(figure)
    (tmp_path / "r" / METRICS).unlink()
    call("run", f"./{copy}", "--resume", "--out", "r")
    assert steady(results.read(tmp_path / "r")) == steady(first)
    if task := recipes.find(name).parts.TASK:
        check_predictions(copy, given(task, tmp_path), tmp_path, call, monkeypatch)


def check_predictions(copy, words, folder, call, monkeypatch):
    """A run of a copy answers by the copy's code, and by nothing once that is gone."""
    first = call("predict", "r", *words, "--format", "jsonl")
    with (folder / copy / "__init__.py").open("a") as code:
        code.write("\nprint('the copy speaks')\n")
    forget(copy, monkeypatch)
    assert call("predict", "r", *words, "--format", "jsonl") == "the copy speaks\n" + first
    (folder / copy).rename(folder / "elsewhere")
    forget(copy, monkeypatch)
    done = run_here(COMMAND, "predict", "r", *words, folder=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "whose recipe is no longer in" in done.stderr


def forget(package, monkeypatch):
    """As in a new process."""
    for module in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)


@each_used
def test_code_that_never_ran_here_is_not_executed_for_a_run(
    name, smoke, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    out = Path(shutil.copytree(smoke(name), tmp_path / "run"))
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / "__init__.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    config = json.loads((out / "config.json").read_text())
    del config["checksum"]
    config |= {"recipe": "trap", "code": str(tmp_path / "trap")}
    (out / "config.json").write_text(json.dumps(config))
    assert cli.main(["predict", str(out), "x"]) == 2
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    assert f"give --recipe {tmp_path / 'trap'}" in errors
    assert not (tmp_path / "sprung").exists()


@each_used
def test_it_answers_in_python_as_on_the_command_line(name, smoke, tmp_path, capsys):
    known = swiftrnn.load(smoke(name))
    task = known.task
    words, files = given(task, tmp_path), isinstance(task.takes, OfFiles)
    one = [Path(word) if files else word for word in words]
    found = known.answer([one[0] if len(one) == 1 else one] * 2)
    assert len(found) == 2
    outputs = found[0] if task.shows else (found[0],)
    assert cli.main(["predict", str(smoke(name)), *words, "--format", "jsonl"]) == 0
    read = json.loads(capsys.readouterr().out)
    key = task.takes.name if not files else "file" if len(words) == 1 else "files"
    told = words[0] if len(words) == 1 else [*words]
    assert read == {key: told} | json.loads(json.dumps(task.json(outputs)))
    for form in task.gives.forms:
        assert cli.main(["predict", str(smoke(name)), *words, "--format", form]) == 0
        assert capsys.readouterr().out
    assert cli.main(["predict", str(smoke(name)), "x", "--format", "nosuch"]) == 2
    assert f"needs one of {', '.join(task.forms)}; got nosuch" in capsys.readouterr().err
    with pytest.raises(TypeError, match="needs a list of inputs; got one text"):
        known.answer(words[0])


@each_used
def test_options_of_other_tasks_are_refused(name, smoke, capsys):
    mine = set(recipes.find(name).parts.TASK.options.__dataclass_fields__)
    for other in USED:
        for field in recipes.find(other).parts.TASK.options.__dataclass_fields__:
            if field not in mine:
                word = f"--{field.replace('_', '-')}"
                assert cli.main(["predict", str(smoke(name)), "x", word, "2"]) == 2
                assert f"no such option; got {word};" in capsys.readouterr().err


@each_used
def test_a_task_that_streams_gives_the_same_piece_by_piece(name, smoke):
    known = trained.load(smoke(name))
    if known.task.stream is None:
        pytest.skip("its task does not stream")
    with torch.no_grad():
        pieces = [*known.task.stream(known.model, "3+4=", known.task.options())]
    assert len(pieces) > 10
    assert "".join(pieces) == known.answer(["3+4="])[0]


@each_used
def test_devices_are_those_of_the_machine(name, smoke, capsys):
    assert cli.main(["predict", str(smoke(name)), "x", "--device", "cpu:7x"]) == 2
    assert "needs a --device of this machine; got cpu:7x" in capsys.readouterr().err


def test_a_recipe_that_only_measures_says_so(smoke, capsys):
    assert cli.main(["predict", str(smoke("hsic_test")), "x"]) == 2
    assert "one of hsic_test, which only measures; see its report.html" in capsys.readouterr().err
