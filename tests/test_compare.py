"""The main job, small: three layers, one second each, a text of 100 kB."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import astuple, fields
from pathlib import Path

import pytest
import torch

from swiftrnn import cli
from swiftrnn.commands import parsing
from swiftrnn.compare import LAYERS, TUNED, Compare, Tuned, show
from swiftrnn.runs import folder

SMALL = ["--hidden", 64, "--depth", 2, "--batch-size", 4, "--time", 32, "--threads", 1]
CHOSEN = ("sru", "lstm", "conv")
PLANTED = ("statistics", "lightning", "queue", "tyro")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "some text.py"
    lines = [f"def f{i}(x):\n    return x + {i % 7}\n\n" for i in range(3_000)]
    path.write_text("".join(lines))
    return path


def call(capsys, *words):
    status = cli.main([str(word) for word in words])
    return status, *capsys.readouterr()


@pytest.fixture(scope="module")
def finished(text, tmp_path_factory):
    """The folder and what was printed of one whole comparison in a process of its own.

    The folder it works in has files named as modules, each of which would tell that it ran.
    """
    here = tmp_path_factory.mktemp("runs")
    out = here / "small"
    for name in PLANTED:
        (here / f"{name}.py").write_text(f"open('{name} ran', 'w').close()\n")
    words = ["compare", "--seconds", "1", "--layers", *CHOSEN, "--text", text, "--out", out, *SMALL]
    done = start(words, cwd=here).communicate(timeout=240)
    assert (out / "metrics.json").exists(), done[1]
    return out, *done


def start(words, **how):
    """The command, in a process of its own.

    It hears Ctrl-C even where the tests do not: a shell's background jobs ignore it.
    """

    def listen():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    command = [sys.executable, "-m", "swiftrnn", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=listen, **{**pipes, **how})


def metrics_of(out):
    return json.loads((out / "metrics.json").read_text())


def test_defaults_are_those_of_the_recipe():
    from swiftrnn.recipes.language_model import Config

    recipe = {each.name: each.default for each in fields(Config)}
    own = {each.name for each in fields(Tuned)}
    for each in fields(Compare):
        if each.name in recipe and each.name not in own:
            assert each.default == recipe[each.name], each.name
    assert {"hidden", "batch_size", "time"} <= set(recipe)
    tuned = astuple(TUNED["sru"])
    assert (recipe["optimizer"], recipe["learning_rate"], recipe["depth"]) == tuned


def test_it_writes_all_that_is_promised(finished):
    out = finished[0]
    for name in ("config.json", "metrics.json", "report.html"):
        assert (out / name).stat().st_size > 0
    for layer in CHOSEN:
        assert {path.name for path in (out / layer).iterdir()} == {
            "config.json",
            "metrics.json",
            "model.safetensors",
        }


def test_the_layers_are_of_equal_size_and_get_equal_time(finished):
    layers = metrics_of(finished[0])["layers"]
    assert tuple(layers) == CHOSEN
    for values in layers.values():
        assert values["parameters"] == pytest.approx(layers["sru"]["parameters"], rel=0.02)
        assert 1.0 <= values["seconds"] < 2
        assert values["tokens"] == values["steps"] * 4 * 32
        assert values["train_tokens_per_s"] == values["tokens"] / values["seconds"]


def test_every_number_is_there_and_possible(finished):
    metrics = metrics_of(finished[0])
    for values in metrics["layers"].values():
        assert 0 < values["equal_time"] < 10
        assert min(*values["inference_tokens_per_s"].values(), values["stream_us"]) > 0
        assert values["peak_mb"] is None or 100 < values["peak_mb"] < 10_000
        assert [point["bits_per_byte"] for point in values["valid"]]
    assert set(metrics["baselines"]) == {"counts", "xz_files", "xz_stream"}
    assert all(0 < bits < 8 for bits in metrics["baselines"].values())
    assert metrics["best"] == min(CHOSEN, key=lambda name: metrics["layers"][name]["equal_time"])
    assert set(metrics["load"]) == {"start", "end"}


def test_equal_tokens_is_the_last_snapshot_that_all_reached(finished):
    metrics = metrics_of(finished[0])
    common = metrics["equal_tokens"]
    fewest = min(values["steps"] for values in metrics["layers"].values())
    if fewest < 100:
        assert common is None
        return
    assert common["steps"] % 100 == 0
    assert common["steps"] <= fewest
    assert common["tokens"] == common["steps"] * 4 * 32
    assert all(0 < values["equal_tokens"] < 10 for values in metrics["layers"].values())


def test_equal_tokens_measures_the_snapshot_and_equal_time_the_end(tmp_path, text):
    from swiftrnn.compare import measure
    from swiftrnn.data.text import read_text
    from swiftrnn.data.vocabulary import Vocabulary
    from swiftrnn.deploy import trained
    from swiftrnn.recipes.language_model import Config
    from swiftrnn.recipes.language_model.sizes import untrained
    from swiftrnn.runs.folder import RunFolder
    from swiftrnn.tasks.writing.measure import bits
    from swiftrnn.training import weights

    kept = {"gru": (100, 200, 400), "lstm": (100, 200, 300)}
    tokens, expected = Vocabulary().encode(read_text(text).test), {}
    for layer, steps in kept.items():
        out = tmp_path / layer
        (out / "snapshots").mkdir(parents=True)
        config = Config(layer=layer, hidden=64, batch_size=4, time=32)
        RunFolder(out, "language_model").begin(config)
        for step in (*steps, 0):  # each with weights of its own; 0 is the end
            model = untrained(config, Vocabulary())
            path = out / "snapshots" / f"{step:08}.safetensors"
            weights.save(model, path if step else out / "model.safetensors")
            expected[layer, step] = bits(model, tokens)[0]
    models = {layer: trained.load(tmp_path / layer) for layer in kept}
    rows = {layer: {} for layer in kept}
    common = measure._test(rows, models, tmp_path, read_text(text))
    assert common == {"steps": 200, "tokens": 200 * 4 * 32}
    for layer, row in rows.items():
        assert row["equal_time"] == pytest.approx(expected[layer, 0])
        assert row["equal_tokens"] == pytest.approx(expected[layer, 200])
    (tmp_path / "gru" / "snapshots" / "00000200.safetensors").unlink()
    (tmp_path / "gru" / "snapshots" / "00000100.safetensors").unlink()
    assert measure._test(rows, models, tmp_path, read_text(text)) is None
    assert rows["gru"]["equal_tokens"] is None


def test_the_test_bits_are_those_of_the_saved_weights(finished, text):
    from swiftrnn.data.text import read_text
    from swiftrnn.data.vocabulary import Vocabulary
    from swiftrnn.deploy import trained
    from swiftrnn.tasks.writing.measure import bits

    metrics = metrics_of(finished[0])
    for layer in CHOSEN:
        model = trained.load(finished[0] / layer).model
        found = bits(model, Vocabulary().encode(read_text(text).test))[0]
        assert found == pytest.approx(metrics["layers"][layer]["equal_time"], rel=1e-5)


def test_the_terminal_gets_a_table_a_sample_and_the_way_on(finished):
    out, printed, errors = finished
    start = next(i for i, line in enumerate(printed.splitlines()) if "bits/byte" in line)
    lines = printed.splitlines()[start - 1 :]
    assert f"run folder {out}" in printed.splitlines()[0]
    table = lines[1 : 4 + len(CHOSEN) + 3]
    assert [line.split("  ")[0] for line in table[3:]] == [
        "SRU",
        "LSTM",
        "causal conv",
        "order-2 counts",
        "xz -9 by file",
        "xz -9 at once",
    ]
    assert len({line.index(".") for line in table[3:]}) == 1
    assert max(map(len, lines[: len(table) + 6])) <= 100
    assert printed.count("*") >= 6  # at least one in each column with a direction
    assert f"Report:  {out / 'report.html'}" in printed
    assert f'swiftrnn predict {out} "def "' in printed
    assert "load at the start: " in printed
    assert re.search(r"goes on from 'def ':\n\n    def ", printed)
    for layer in CHOSEN:  # the progress line names the layer, the loss and the time left
        assert re.search(rf"{layer} .*loss \d\.\d+ .*\d left", errors)


def test_a_busy_machine_gets_a_warning(finished):
    metrics = metrics_of(finished[0])
    note = "the machine is busy, so the times are too high: others"
    for idle in (True, False):
        end = {"idle": idle, "note": note}
        metrics["load"] = {"start": {"idle": True, "note": "fine"}, "end": end}
        assert ("WARNING, load at the end" in show.closing(metrics, Path("x"))) != idle
        assert bool(show.page(metrics).warning) != idle


def test_a_baseline_that_no_layer_beats_is_named(finished):
    metrics = metrics_of(finished[0])
    metrics["baselines"] = {"counts": 9.0, "xz_files": 9.0, "xz_stream": 9.0}
    assert "Better without" not in show.closing(metrics, Path("x"))
    metrics["baselines"]["xz_files"] = 0.001
    assert "Better without any network: xz -9 by file (0.001)." in show.page(metrics).summary[0]
    assert "xz -9 by file (0.001)." in " ".join(show.closing(metrics, Path("x")).split())
    assert (4, "equal_time") not in show.table(metrics).best()


def test_the_report_needs_nothing_from_outside(finished):
    html = (finished[0] / "report.html").read_text()
    asked = re.findall(r"(?:src|href|action|data|poster)\s*=\s*[\"']?([^\"'\s>]+)", html)
    assert asked
    assert all(address.startswith(("data:", "#")) for address in asked)
    assert not re.search(r"@import|url\((?!#)|<script|<iframe", html)


def test_every_plot_has_labelled_axes_names_and_no_empty_panel(finished):
    html = (finished[0] / "report.html").read_text()
    plots = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)[::2]  # each is there twice
    assert len(plots) == 3
    named = {show.NAMES[layer] for layer in CHOSEN}
    labels = ("training time (seconds)", "training text read (bytes)")
    for plot, label in zip(plots, labels, strict=False):
        shown = [re.sub("<.*?>", "", text).strip() for text in re.findall(r"<text.*?</text>", plot)]
        assert {label, "bits per byte, validation text", "order-2 counts", "xz -9 at once"} <= set(
            shown
        )
        assert {" ".join(text.split()[:-1]) for text in shown if text[-4:-3] == "."} >= named
    shown = [re.sub("<.*?>", "", text).strip() for text in re.findall(r"<text.*?</text>", plots[2])]
    for panel in ("Training", "Inference, batch 1", "Inference, batch 32"):
        assert panel in shown
    assert shown.count("bytes per second (more is better)") == 3
    assert shown.count("microseconds per byte (less is better)") == 1
    assert all(shown.count(name) == 4 for name in named)


def test_the_report_says_what_ran_where(finished, text):
    html = (finished[0] / "report.html").read_text()
    command = metrics_of(finished[0])["command"]
    assert command.startswith("swiftrnn compare --seconds 1.0 --layers sru lstm conv --hidden 64")
    assert text.name in command
    for shown in (
        "Machine",
        "Versions",
        command.split(" --text")[0],
        "torch",
        "sha256",
    ):
        assert shown in html


def test_the_command_it_prints_means_the_same(finished):
    import shlex

    chosen = {"layers": ("sru", "conv"), "text": Path("a b"), "dtype": "bfloat16"}
    options = Compare(seconds=3, hidden=8, **chosen)
    words = shlex.split(options.command())[2:]
    assert parsing.parse(Compare, "compare", "", words) == options
    assert Compare().command() == "swiftrnn compare"
    assert Compare(out=Path("x"), resume=True).command() == "swiftrnn compare"


def test_each_layer_keeps_its_colour():
    assert [show.STYLE[layer] for layer in LAYERS] == [0, 1, 2, 3, 4, 5]


def test_it_predicts_from_the_best_and_from_each(finished, capsys):
    out, best = finished[0], metrics_of(finished[0])["best"]
    how = ("def f", "--length", 20, "--seed", 3)
    status, first, errors = call(capsys, "predict", out, *how)
    assert (status, errors) == (0, "")
    assert first.startswith("def f")
    assert call(capsys, "predict", out / best, *how)[1] == first
    for layer in CHOSEN:
        assert call(capsys, "predict", out / layer, *how)[0] == 0


def test_a_finished_run_is_neither_resumed_nor_overwritten(finished, text, capsys):
    out = finished[0]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    status, _, errors = call(capsys, "compare", "--resume", "--out", out)
    assert status == 2
    assert "which is complete; open" in errors
    status, _, errors = call(capsys, "compare", "--out", out, "--text", text)
    assert status == 2
    assert "which holds something" in errors
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_sizes_that_cannot_be_equal_are_refused_and_leave_nothing(text, tmp_path, capfd):
    out = tmp_path / "run"
    words = ["compare", "--hidden", 1, "--depth", 2, "--layers", "sru", "lstm", "--text", text]
    words += ["--out", out]
    status, _, errors = call(capfd, *words)
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("error: ")
    assert "within 2 %" in errors
    assert not out.exists()


@pytest.fixture
def interrupted(tmp_path):
    """Starts or resumes a comparison and, once its second layer trains, sends it a signal."""
    out, processes = tmp_path / "run", []

    def send(number, *words):
        file = tmp_path / f"errors of {number.name}"
        with file.open("w") as errors:
            words = ("compare", *words, "--out", out)
            process = start(words, stderr=errors, start_new_session=True)
        processes.append(process)
        end = time.monotonic() + 200
        while not re.search(r"lstm +\d+%", file.read_text()):
            assert process.poll() is None, file.read_text()
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.02)
        with pytest.raises(BlockingIOError, match=f"got {out}, where process {process.pid} trains"):
            folder.held(out).__enter__()
        os.killpg(process.pid, number)  # to its whole group, as the terminal does
        printed, _ = process.communicate(timeout=60)
        if number == signal.SIGKILL:
            wait_until_nothing_trains(out)
        return out, process.returncode, printed, file.read_text()

    yield send
    for process in processes:
        process.kill()
        process.communicate()


def test_interruptions_lose_nothing_and_leave_nothing_behind(interrupted, text, capfd):
    """Three of one comparison, which goes on after each; SIGTERM goes the way of SIGHUP."""
    seconds = 6  # each signal comes within a tenth of them, or two where the machine is busy
    words = ("--seconds", seconds, "--layers", "sru", "lstm", "--text", text, *SMALL)
    steps, done = 0, None
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        out, status, printed, errors = interrupted(number, *words)
        words = ("--resume",)
        assert processes_on(out) == []  # whatever ended the parent, its children have ended too
        assert "bits/byte" not in printed
        assert status == (-number if number == signal.SIGKILL else 128 + number)
        if number != signal.SIGKILL:
            again = f"go on with swiftrnn compare --resume --out {out}"
            last = errors.rstrip().splitlines()[-1]
            assert last == f"interrupted; what is done is kept; {again}"
        assert not (out / "lstm" / "metrics.json").exists()
        assert not (out / "metrics.json").exists()
        assert ("sru " in errors) == (done is None)  # trained once
        done = done or (out / "sru" / "model.safetensors").read_bytes()
        checkpoint = out / "lstm" / "checkpoints" / "last.ckpt"
        saved = torch.load(checkpoint, weights_only=True)["global_step"]
        assert saved > steps  # it went on from there
        steps = saved

    status, printed, errors = call(capfd, "compare", "--resume", "--out", out)
    assert status == 0, errors
    assert "LSTM" in printed
    assert "sru " not in errors  # not trained again
    assert (out / "sru" / "model.safetensors").read_bytes() == done
    lstm = metrics_of(out)["layers"]["lstm"]
    assert lstm["steps"] >= steps  # it went on, in what was left of its time
    assert seconds <= lstm["seconds"] < seconds + 3
    assert (out / "report.html").exists()


def test_a_layer_is_told_to_stop_once(monkeypatch):
    from swiftrnn.compare import train

    sent, stop = [], train._Stop()
    monkeypatch.setattr(os, "kill", lambda *to: sent.append(to))
    stop.trains(4711)
    stop(signal.SIGINT, None)  # its group hears of that by itself
    assert (stop.told, sent) == (True, [])
    for _ in range(3):
        stop(signal.SIGTERM, None)
    assert sent == [(4711, signal.SIGTERM)]


def test_a_layer_that_begins_just_then_is_told_too(monkeypatch):
    from swiftrnn.compare import train

    sent, stop = [], train._Stop()
    monkeypatch.setattr(os, "kill", lambda *to: sent.append(to))
    stop(signal.SIGTERM, None)
    assert (stop.told, sent) == (True, [])
    stop.trains(4711)
    assert sent == [(4711, signal.SIGTERM)]


def test_a_layer_that_another_process_trains_is_left_alone(text, tmp_path, capfd):
    from swiftrnn.compare import train

    out = tmp_path / "run"
    config = {"compare": vars(Compare(layers=("sru",), hidden=8, ngrams=1, text=text))}
    out.mkdir()
    (out / "config.json").write_text(json.dumps(config, default=str))
    (layer,) = train.plan(out)
    code = (
        f"from swiftrnn.runs import lock; import pathlib, sys, time\n"
        f"with lock.held(pathlib.Path({str(layer)!r})): print(1, flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"1\n"
        assert train._status(lambda: train.train(layer, None), "sru: ") == train.REFUSED
        other.kill()
    assert f"got {layer}, where process {other.pid} trains" in capfd.readouterr().err
    assert {path.name for path in layer.iterdir()} == {"config.json", ".lock"}


def test_a_report_says_what_its_count_of_parameters_leaves_out(finished):
    metrics = metrics_of(finished[0])
    assert f"without the {65536 * 32:,} of n-grams" in show.table(metrics).note
    for values in metrics["layers"].values():
        values["ngram_parameters"] = 0
    assert "n-grams" not in show.table(metrics).note


def processes_on(out):
    """The processes of this machine that train in a folder."""
    shown = subprocess.run(["ps", "-A", "-o", "args"], capture_output=True, text=True, check=True)
    return [line for line in shown.stdout.splitlines() if f"swiftrnn.compare {out}" in line]


def wait_until_nothing_trains(out, seconds=30):
    end = time.monotonic() + seconds
    while found := processes_on(out):
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_no_file_of_the_working_folder_runs(finished):
    """Children of Python look for modules in the working folder first, unless they are told not."""
    here = finished[0].parent
    assert {path.stem for path in here.glob("*.py")} == {*PLANTED}
    assert [path.name for path in here.glob("* ran")] == [], finished[2]


def test_resume_refuses_other_settings_and_another_text(text, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    saved = vars(Compare()) | {"text": str(text)}
    whole = {"compare": saved, "text_sha256": "other"}
    (out / "config.json").write_text(json.dumps(whole))
    _, _, errors = call(capsys, "compare", "--resume", "--out", out)
    assert "which has changed since" in errors
    _, _, errors = call(capsys, "compare", "--resume", "--out", out, "--hidden", 8)
    assert f"goes on with --hidden {Compare().hidden}; got 8" in errors
    (out / "config.json").write_text(json.dumps({**whole, "compare": {**saved, "hidden": -1}}))
    _, _, errors = call(capsys, "compare", "--resume", "--out", out)
    assert "--hidden needs a whole number from 1 to 65,536; got -1" in errors
