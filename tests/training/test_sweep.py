"""Sweeps: every point once, whoever is killed; real processes, real databases."""

import collections
import contextlib
import gc
import itertools
import math
import os
import pickle
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import processes

from swiftrnn.training.sweep import failed, finished, liveness, work
from swiftrnn.training.sweep import study as study_module
from swiftrnn.training.sweep.axes import axes
from swiftrnn.training.sweep.liveness import where
from swiftrnn.training.sweep.study import Study

pytest.importorskip("optuna", reason="Optuna is not installed (extra sweep)")

WORKER = """
import gc, os, time
from pathlib import Path
from swiftrnn.training import sweep

folder, storage, seconds, size, grace = words
os.chdir(folder)
gc.freeze()

def objective(point, out):
    with open("calls", "a") as calls:
        calls.write(f"{out.name} {os.getpid()}\\n")
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until and not Path("hurry").exists():
        time.sleep(0.01)
    return {"loss": point["a"] + point["b"] / 10}

storage = storage if "://" in storage else Path(storage)
Path(f"ready-{os.getpid()}").touch()
while not Path("go").exists():
    time.sleep(0.001)
grid = {"a": list(range(int(size))), "b": [1, 2]}
options = dict(out=Path.cwd(), metric="loss", grace=float(grace), progress=False)
sweep.work(objective, grid, storage, "points", **options)
"""


@pytest.fixture(autouse=True)
def _little_garbage():
    """Trials look for garbage among their own objects, not among all that the tests have loaded."""
    gc.freeze()
    yield
    gc.unfreeze()


@dataclass(frozen=True)
class Config:
    rate: float = 0.1
    steps: int = 3
    layer: str = "sru"
    dropout: float | None = None
    crf: bool = False
    text: Path | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    layers: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ("rate=1e-4..1e-1:log:4", [1e-4, 1e-3, 1e-2, 1e-1]),
        ("rate=1e-1..1e-4:log:4", [1e-1, 1e-2, 1e-3, 1e-4]),
        ("rate=1e-4..1e-1:log:2", [1e-4, 1e-1]),
        ("rate=1..16:log:3", [1.0, 4.0, 16.0]),
        ("rate=0..0.1:lin:5", [0.0, 0.025, 0.05, 0.075, 0.1]),
        ("rate=-1..1:lin:3", [-1.0, 0.0, 1.0]),
        ("rate=0,1e-4,1e-3", [0.0, 1e-4, 1e-3]),
        ("rate = 3", [3.0]),
        ("steps=1..10:lin:4", [1, 4, 7, 10]),
        ("steps=64..1024:log:5", [64, 128, 256, 512, 1024]),
        ("steps=1..100:log:4", [1, 5, 22, 100]),  # 4.64 and 21.5
        ("steps=5,2", [5, 2]),
        ("layer=lstm,sru", ["lstm", "sru"]),
        ("layer=1..3:lin:3", ["1..3:lin:3"]),  # a word like any other
        ("dropout=none,0.5", [None, 0.5]),
        ("dropout=0..1:lin:3", [0.0, 0.5, 1.0]),
        ("crf=true,False", [True, False]),
        ("text=../a.txt,none", [Path("../a.txt"), None]),
        ("dtype=bfloat16,float32", ["bfloat16", "float32"]),
    ],
)
def test_values_worked_out_by_hand(spec, values):
    ((_, found),) = axes([spec], Config).items()
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_axes_keep_their_order_and_words_may_have_dashes():
    assert list(axes(["steps=1", "rate=1", "layer=a"], Config)) == ["steps", "rate", "layer"]

    @dataclass
    class Other:
        learning_rate: float = 0.1

    assert axes(["learning-rate=1,2"], Other) == {"learning_rate": [1.0, 2.0]}


POSITIVE = st.floats(1e-6, 1e6)


@given(POSITIVE, POSITIVE, st.integers(2, 30), st.sampled_from(["lin", "log"]))
def test_ranges_have_their_ends_their_count_and_even_steps(first, last, count, how):
    if abs(first / last - 1) < 1e-3:
        return
    found = axes([f"rate={first}..{last}:{how}:{count}"], Config)["rate"]
    assert (found[0], found[-1], len(found)) == (first, last, count)
    placed = [math.log(value) for value in found] if how == "log" else found
    steps = [b - a for a, b in itertools.pairwise(placed)]
    size = max(map(abs, placed)) * 1e-10 + 1e-10
    assert steps == pytest.approx([(placed[-1] - placed[0]) / (count - 1)] * (count - 1), abs=size)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (
            ["rat=1"],
            r"--grid needs FIELD=VALUES .* rate, steps, .*; got 'rat=1'; did you mean rate",
        ),
        (["nothing=1"], "got 'nothing=1'; write seed=0,1,2"),
        (["rate"], "got 'rate'; write seed=0,1,2"),
        (["rate="], "--grid rate needs numbers; got ''; write rate=VALUE,VALUE"),
        (["rate=1,,2"], "--grid rate needs numbers; got '';"),
        (["rate=fast"], "--grid rate needs numbers; got 'fast';"),
        (["rate=nan"], "--grid rate needs numbers; got 'nan';"),
        (["rate=1,inf"], "--grid rate needs numbers; got 'inf';"),
        (["steps=1.5"], "--grid steps needs whole numbers; got '1.5';"),
        (["steps=1e3"], "--grid steps needs whole numbers; got '1e3';"),
        (["crf=yes"], "--grid crf needs true or false; got 'yes';"),
        (["dropout=half"], "--grid dropout needs none, numbers; got 'half';"),
        (["dtype=half"], "--grid dtype needs float32, bfloat16; got 'half';"),
        (["layers=a"], r"--grid needs fields .* one word; got layers, a tuple\[str, ...\];"),
        (["rate=1", "steps=1", "rate=2"], "--grid needs each field once; got rate twice;"),
        (["rate=1,1.0"], "--grid rate needs different values; got 1.0, 1.0; give each"),
        (
            ["steps=1..3:lin:9"],
            "--grid steps needs different values; got 1, 1, 2, 2, 2, 2, 2, 3, 3",
        ),
        (["rate=0..1:log:3"], "--grid rate needs ends above 0 for log; got 0..1:log:3; use lin"),
        (["rate=-1..1:log:3"], "--grid rate needs ends above 0 for log; got -1..1:log:3;"),
        (["rate=0..1"], "--grid rate needs a range with two ends, lin or log, .*; got 0..1;"),
        (["rate=0..1:lin"], "got 0..1:lin; write 0..1:lin:5"),
        (["rate=0..1:3"], "from 2 up; got 0..1:3; write 0..1:lin:5"),
        (["rate=0..1:lin:1"], "a count from 2 up; got 0..1:lin:1;"),
        (["rate=1..1:lin:3"], "needs a range with two ends, .*; got 1..1:lin:3;"),
        (["rate=0..1:cubic:3"], "needs a range with two ends, lin or log, .*; got 0..1:cubic:3;"),
        (["steps=0..1.5:lin:3"], "--grid steps needs whole numbers; got '1.5';"),
    ],
)
def test_bad_grids_get_one_sentence(specs, message):
    with pytest.raises(ValueError, match=message) as caught:
        axes(specs, Config)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("; ") >= 2


def plane(point, out):
    return {"loss": point["x"] * 10.0 + point["y"], "size": 3}


def small(tmp_path, objective=plane, **options):
    grid = options.pop("grid", {"x": [1, 2], "y": [0.5, 0.25]})
    given = {"storage": tmp_path / "study.db", "name": "small", "metric": "loss", "out": tmp_path}
    return work(objective, grid, **{**given, "progress": False, **options})


def all_trials(storage, name="points"):
    """What the study holds, read by Optuna itself."""
    import optuna

    url = storage if isinstance(storage, str) else f"sqlite:///{storage}"
    rdb = optuna.storages.RDBStorage(url)
    trials = rdb.get_all_trials(rdb.get_study_id_from_name(name))
    rdb.engine.dispose()
    return trials


def test_every_point_runs_once_for_each_seed_in_its_own_folder(tmp_path):
    calls = []

    def objective(point, out):
        calls.append((point["x"], point["y"], point["seed"], out.name))
        assert out.is_dir()
        return plane(point, out)

    found = small(tmp_path, objective, seeds=range(3, 5))
    grid = list(itertools.product([1, 2], [0.5, 0.25], [3, 4]))
    assert calls == [(*point, f"trial-{i}") for i, point in enumerate(grid)]
    assert found == [
        ({"x": x, "y": y, "seed": seed}, {"loss": 10 * x + y, "size": 3}) for x, y, seed in grid
    ]
    assert small(tmp_path, objective, seeds=range(3, 5)) == found
    assert len(calls) == 8  # nothing was done again


def test_values_keep_their_types_in_the_study(tmp_path):
    seen = []
    grid = {"x": [1, 0], "y": [1.0, 1e-7 / 3], "b": [True, False], "p": [Path("a/b"), None]}
    small(tmp_path, lambda p, _: seen.append(p) or {"loss": 0}, grid=grid)
    plain = {**grid, "p": ["a/b", None]}
    expected = [dict(zip(plain, row, strict=True)) for row in itertools.product(*plain.values())]
    assert seen == expected == [point for point, _ in finished(tmp_path / "study.db", "small")]
    assert [[type(v) for v in p.values()] for p in seen] == [
        [type(v) for v in p.values()] for p in expected
    ]


def test_the_study_alone_tells_everything(tmp_path):
    found = small(tmp_path, maximize=True, out=tmp_path / "trials")
    shutil.rmtree(tmp_path / "trials")
    (tmp_path / "moved").mkdir()
    moved = (tmp_path / "study.db").rename(tmp_path / "moved" / "other.db")
    assert finished(moved, "small") == finished(f"sqlite:///{moved}", "small") == found
    assert finished(str(moved), "small") == found  # a path as text is a path
    trials = all_trials(moved, "small")
    assert [trial.value for trial in trials] == [10.5, 10.25, 20.5, 20.25]
    import optuna

    study = optuna.load_study(study_name="small", storage=f"sqlite:///{moved}")
    assert study.direction.name == "MAXIMIZE"
    assert study.best_params == {"x": 2, "y": 0.5}
    study._storage._backend.engine.dispose()


def test_paths_with_signs_that_mean_something_to_others(tmp_path):
    odd = tmp_path / "100% {odd} name#1"
    odd.mkdir()
    assert len(small(odd)) == 4
    assert (odd / "study.db").is_file()
    assert len(finished(odd / "study.db", "small")) == 4


def test_two_studies_share_a_database(tmp_path):
    small(tmp_path, name="one")
    assert len(small(tmp_path, name="two", grid={"x": [1], "y": [1, 2, 3]})) == 3
    assert len(finished(tmp_path / "study.db", "one")) == 4


def test_what_diverges_is_reported_and_not_tried_again(tmp_path):
    calls = []

    def objective(point, out):
        calls.append(point["x"])
        assert len(calls) < 20
        if point["x"] == 1:
            raise ValueError("two\nlines")
        if point["x"] == 2:
            raise FloatingPointError("loss is nan")
        if point["x"] == 3:
            return {"loss": math.exp(1000)}
        return {"loss": {4: math.nan, 5: math.inf}.get(point["x"], 0.0)}

    for _ in range(2):
        found = small(tmp_path, objective, grid={"x": list(range(7))})
        assert [point["x"] for point, _ in found] == [0, 6]
        assert failed(tmp_path / "study.db", "small") == [
            ({"x": 1}, "ValueError: two lines"),
            ({"x": 2}, "FloatingPointError: loss is nan"),
            ({"x": 3}, "OverflowError: math range error"),
            ({"x": 4}, "loss is nan"),
            ({"x": 5}, "loss is inf"),
        ]
    assert calls == list(range(7))


@pytest.mark.parametrize("fault", [TypeError("ours"), KeyboardInterrupt(), SystemExit(3)])
def test_any_other_fault_ends_the_worker_and_its_trial_waits(tmp_path, fault):
    def objective(point, out):
        if point["x"] == 2 and not list(tmp_path.glob("*/begun")):
            (out / "begun").touch()
            raise fault
        left.append((out / "begun").exists())  # a trial finds what was left in its folder
        return plane(point, out)

    left = []

    with pytest.raises(type(fault)):
        small(tmp_path, objective)
    states = [trial.state.name for trial in all_trials(tmp_path / "study.db", "small")]
    assert states == ["COMPLETE", "COMPLETE", "WAITING", "WAITING"]
    assert len(small(tmp_path, objective)) == 4
    assert len(all_trials(tmp_path / "study.db", "small")) == 4
    assert left == [False, False, True, False]


def test_a_metric_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"one of the metrics loss, size .*; got none; name it"):
        small(tmp_path, metric=None)
    assert len(small(tmp_path, metric="size")) == 4  # named later, nothing is lost
    with pytest.raises(ValueError, match=r"one of the metrics loss, size .*; got speed; name it"):
        small(tmp_path, name="other", metric="speed")


def test_others_must_have_begun_with_the_same(tmp_path):
    small(tmp_path, about={"text": "a"})
    with pytest.raises(ValueError, match=r"study small needs the axes .*; got .*'x': \[1\]"):
        small(tmp_path, about={"text": "a"}, grid={"x": [1], "y": [1]})
    with pytest.raises(ValueError, match="needs the metric it began with, loss; got size;"):
        small(tmp_path, about={"text": "a"}, metric="size")
    with pytest.raises(ValueError, match="needs the maximize it began with, False; got True;"):
        small(tmp_path, about={"text": "a"}, maximize=True)
    with pytest.raises(ValueError, match="needs the text it began with, a; got b; give that"):
        small(tmp_path, about={"text": "b"})
    assert len(all_trials(tmp_path / "study.db", "small")) == 4


def test_what_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(ValueError, match=r"a sweep needs its database; got no .*/none\.db;"):
        finished(tmp_path / "none.db", "small")
    assert not (tmp_path / "none.db").exists()
    small(tmp_path)
    with pytest.raises(ValueError, match=r"needs a study; got no 'other' in .*study\.db; name"):
        failed(tmp_path / "study.db", "other")


def test_a_database_that_does_not_answer_ends_with_one_line_without_password(monkeypatch):
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    monkeypatch.setattr(study_module, "PATIENCE", 6)
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/base"
    with pytest.raises(OSError, match=r"got no answer from .*127\.0\.0\.1:1.*; what is") as caught:
        finished(url, "small")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    with pytest.raises(ModuleNotFoundError, match=r"optuna is missing; .*swiftrnn\[sweep\]"):
        small(tmp_path)


def test_progress_is_one_line_with_what_is_left(tmp_path, capsys):
    def objective(point, out):
        if point["x"] == 3:
            raise ValueError
        return {"loss": 0}

    small(tmp_path, objective, grid={"x": list(range(10))}, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10  # a file gets a line for each tenth
    assert lines[0].startswith("sweep   10%  1 of 10 done  0:")
    assert lines[0].endswith(" left")
    assert lines[-1] == "sweep  100%  10 of 10 done, 1 failed  0:00 left"


def start(tmp_path, storage, seconds=0.0, size=3, grace=90):
    """A worker in a process of its own, which begins when there is a file `go`.

    It is the fork of a process that has loaded Optuna: a new Python takes a second for that.
    """
    words = [str(word) for word in (tmp_path, storage, seconds, size, grace)]
    process = processes.context().Process(target=exec, args=(WORKER, {"words": words}))
    process.start()
    return process


def start_python(tmp_path, *words):
    """The same as a child of this process: once killed, it is a zombie until it is waited for."""
    words = [str(word) for word in (tmp_path, *words)]
    return subprocess.Popen([sys.executable, "-c", f"words = {words!r}\n{WORKER}"])


def ended(process, seconds=60):
    """The exit status of a worker, once it has ended."""
    if isinstance(process, subprocess.Popen):
        return process.wait(seconds)
    process.join(seconds)
    return process.exitcode


@contextlib.contextmanager
def workers(tmp_path, count, *words, start=start, **options):
    """Workers that begin at the same moment; none is left running."""
    staff = [start(tmp_path, *words, **options) for _ in range(count)]
    try:
        until(lambda: all((tmp_path / f"ready-{each.pid}").exists() for each in staff))
        (tmp_path / "go").touch()
        yield staff
    finally:
        for each in staff:
            each.kill()
            ended(each)


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
    return found


def calls(tmp_path):
    """Which trials ran, and in which process: (name, pid), as often as they ran."""
    path = tmp_path / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(line.split()[0], int(line.split()[1])) for line in lines]


def check_all_done_once(storage, size):
    trials = all_trials(storage)
    points = [(trial.params["a"], trial.params["b"]) for trial in trials]
    assert points == list(itertools.product(range(size), [1, 2]))  # enqueued once, in order
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    found = finished(storage, "points")
    assert [tuple(point.values()) for point, _ in found] == points
    assert [metrics["loss"] for _, metrics in found] == [a + b / 10 for a, b in points]


def test_two_workers_that_start_together_run_every_point_once(tmp_path):
    storage, size = tmp_path / "study.db", 15
    with workers(tmp_path, 2, storage, seconds=0.02, size=size) as staff:
        assert [ended(each, 120) for each in staff] == [0, 0]
    check_all_done_once(storage, size)
    ran = calls(tmp_path)
    assert sorted(name for name, _ in ran) == sorted(f"trial-{i}" for i in range(2 * size))
    assert {pid for _, pid in ran} == {each.pid for each in staff}  # both had a part


def test_one_killed_while_it_makes_the_trials_leaves_none_out(tmp_path):
    storage, size = tmp_path / "study.db", 75

    def made():
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{storage}?mode=ro", uri=True)) as base,
        ):
            return base.execute("SELECT COUNT(*) FROM trials").fetchone()[0]

    with workers(tmp_path, 1, storage, seconds=100, size=size) as staff:
        until(lambda: (made() or 0) >= 10)
        staff[0].kill()
        ended(staff[0])
    assert 10 <= made() < 2 * size
    with contextlib.closing(Study(storage, "points", maximize=False)) as study:
        study.begin({"a": list(range(size)), "b": [1, 2]}, "loss", {})
    points = [(trial.params["a"], trial.params["b"]) for trial in all_trials(storage)]
    assert points == list(itertools.product(range(size), [1, 2]))


def test_the_trial_of_a_killed_worker_is_run_by_the_living(tmp_path):
    storage = tmp_path / "study.db"
    with workers(tmp_path, 2, storage, 0.3, 3, 90, start=start_python) as staff:
        until(lambda: len({pid for _, pid in calls(tmp_path)}) == 2)
        (lost,) = [name for name, pid in calls(tmp_path) if pid == staff[0].pid][-1:]
        staff[0].kill()  # and not waited for: it stays as a zombie
        assert ended(staff[1]) == 0
    check_all_done_once(storage, 3)
    ran = collections.Counter(name for name, _ in calls(tmp_path))
    assert ran == {f"trial-{i}": 1 + (f"trial-{i}" == lost) for i in range(6)}
    assert (lost, staff[1].pid) in calls(tmp_path)


def test_after_all_were_killed_a_new_one_goes_on(tmp_path):
    storage = tmp_path / "study.db"
    with workers(tmp_path, 2, storage, seconds=100) as staff:
        until(lambda: len(calls(tmp_path)) == 2)
    states = [trial.state.name for trial in all_trials(storage)]
    assert states == ["RUNNING"] * 2 + ["WAITING"] * 4
    (tmp_path / "hurry").touch()
    with workers(tmp_path, 1, storage) as fresh:
        assert ended(fresh[0]) == 0
    check_all_done_once(storage, 3)
    ran = collections.Counter(name for name, _ in calls(tmp_path))
    assert ran == {f"trial-{i}": 1 + (i < 2) for i in range(6)}
    assert len(staff) == 2


def test_kills_at_random_moments_lose_and_double_nothing(tmp_path):
    storage, kills, dead = tmp_path / "study.db", 0, []
    (tmp_path / "go").touch()
    staff = [start(tmp_path, storage, seconds=0.02, size=20) for _ in range(2)]
    until(lambda: calls(tmp_path))
    try:
        while kills < 6 and any(each.is_alive() for each in staff):
            time.sleep(0.037 * (1 + kills % 4))
            staff[kills % 2].kill()
            dead.append(staff[kills % 2])
            staff[kills % 2] = start(tmp_path, storage, seconds=0.02, size=20)
            kills += 1
            seen = len(calls(tmp_path))
            until(lambda seen=seen: len(calls(tmp_path)) > seen + 2 or staff[0].exitcode == 0)
        assert [ended(each) for each in staff] == [0, 0]
    finally:
        for each in [*staff, *dead]:
            each.kill()
            ended(each)
    check_all_done_once(storage, 20)
    assert kills >= 3


def test_a_worker_that_only_sleeps_keeps_its_trial(tmp_path):
    storage = tmp_path / "study.db"
    with workers(tmp_path, 2, storage, seconds=100, size=2, grace=3.6) as staff:
        until(lambda: len({pid for _, pid in calls(tmp_path)}) == 2)
        os.kill(staff[0].pid, signal.SIGSTOP)
        held = [name for name, pid in calls(tmp_path) if pid == staff[0].pid][-1]
        (tmp_path / "hurry").touch()
        until(lambda: len(calls(tmp_path)) == 4)
        time.sleep(4.5)  # more than the grace
        assert staff[1].is_alive()  # it waits for the other
        os.kill(staff[0].pid, signal.SIGCONT)
        assert [ended(each) for each in staff] == [0, 0]
    check_all_done_once(storage, 2)
    ran = calls(tmp_path)
    assert collections.Counter(name for name, _ in ran)[held] == 1
    assert len(ran) == 4


@pytest.fixture
def afar(tmp_path, monkeypatch):
    """A study with one trial, taken by a worker of another machine, and a worker of this one."""
    storage, grace = tmp_path / "study.db", 0.6
    far, near = (Study(storage, "small", False, grace) for _ in range(2))
    far.begin({"x": [1]}, "loss", {})

    def stand(place):
        for module in (study_module, liveness):
            monkeypatch.setattr(module, "where", lambda: place)

    stand("far")
    trial = far.claim()
    stand("near")
    yield far, near, trial
    far.close()
    near.close()


def test_a_worker_on_another_machine_lives_as_long_as_it_gives_signs(afar):
    far, near, trial = afar
    with far.living(trial):
        end = time.monotonic() + 4 * near.watch.grace
        while time.monotonic() < end:
            assert near.claim() is None
            assert near.others == 1
            time.sleep(0.05)
    since = time.monotonic()
    taken = until(near.claim, 10)
    assert time.monotonic() - since > near.watch.grace / 2
    assert (taken.number, taken.params) == (0, {"x": 1})


def test_the_result_of_one_that_came_back_from_the_dead_does_not_count(afar, tmp_path):
    far, near, trial = afar
    taken = until(near.claim, 10)
    far.end(trial, "COMPLETE", [1.0], metrics={"loss": 1.0})
    far.end(trial, "FAIL", error="late")
    far.leave()
    assert [each.state.name for each in near.trials()] == ["RUNNING"]
    near.end(taken, "COMPLETE", [2.0], metrics={"loss": 2.0})
    far.end(trial, "COMPLETE", [1.0], metrics={"loss": 1.0})
    assert finished(tmp_path / "study.db", "small") == [({"x": 1}, {"loss": 2.0})]


def test_a_process_that_took_the_number_of_a_dead_one_is_another(tmp_path):
    with contextlib.closing(Study(tmp_path / "study.db", "small", False)) as study:
        study.begin({"x": [1, 2]}, "loss", {})
        trial = study.claim()
        with contextlib.closing(Study(tmp_path / "study.db", "small", False)) as other:
            assert other.claim().number == 1  # ours lives
            owner = {"worker": "w", "where": where(), "pid": os.getpid(), "started": "1"}
            study.storage.set_trial_user_attr(study._key(trial), "owner", owner)
            assert other.trials("RUNNING")[0].user_attrs["owner"]["started"] == "1"
            other.leave()
            assert other.claim().number == 0


def test_a_claim_whose_answer_was_lost_is_found_again(tmp_path):
    with contextlib.closing(Study(tmp_path / "study.db", "small", False)) as study:
        study.begin({"x": [1, 2]}, "loss", {})
        assert [study.claim().number, study.claim().number] == [0, 0]


def test_a_lock_ends_with_the_process_that_held_it(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from swiftrnn.training.sweep.study import Study\n"
        "study = Study(Path(sys.argv[1]), 'small', False)\n"
        "with study._lock(): print('locked', flush=True); time.sleep(100)"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "study.db")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        lock = sqlite3.connect(tmp_path / "study.db.lock", 0.1, isolation_level=None)
        with contextlib.closing(lock), pytest.raises(sqlite3.OperationalError, match="locked"):
            lock.execute("BEGIN EXCLUSIVE")
        holder.kill()
    assert len(small(tmp_path)) == 4


def test_a_busy_database_is_waited_for(tmp_path):
    small(tmp_path, grid={"x": [1], "y": [1]})
    with contextlib.closing(Study(tmp_path / "study.db", "other", False)) as study:
        tries = []

        def step():
            tries.append(1)
            if len(tries) < 3:
                raise sqlite3.OperationalError("database is locked")
            return "done"

        assert study._alone(step) == "done"
        assert len(tries) == 3


def test_an_objective_can_travel():
    assert pickle.loads(pickle.dumps(plane)) is plane


def programs():
    """Where a PostgreSQL server is, or None."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "pg_ctl").exists() and (f / "initdb").exists()), None)


@pytest.fixture(scope="module")
def postgres():
    """A server of its own, without durability; gives the URL and a function that calls pg_ctl."""
    pytest.importorskip("psycopg", reason="the driver psycopg is not installed")
    where = programs()
    if where is None:
        pytest.skip("no PostgreSQL server: no initdb and pg_ctl on PATH or in /usr/lib/postgresql")
    who = {}
    if os.getuid() == 0:  # a server refuses to be root
        import pwd

        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL needs a user that is not root; there is none called postgres")
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    base = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if who:
        os.chown(base, who["user"], who["group"])

    def program(name, *words):
        log = (base.parent / f"{base.name}.log").open("a")
        with log:
            return subprocess.run(
                [str(where / name), *words], cwd=base, stdout=log, stderr=log, check=True, **who
            )

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(base / "data")
    program("initdb", "-D", data, "-A", "trust", "-U", "me", "-E", "UTF8", "--no-sync")
    how = f"-p {port} -k {base} -c listen_addresses=127.0.0.1 -c fsync=off"

    def control(verb):
        program("pg_ctl", "-D", data, "-w", "-m", "immediate", "-o", how, verb)

    control("start")
    yield f"postgresql+psycopg://me@127.0.0.1:{port}/postgres", control
    program("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    shutil.rmtree(base)
    (base.parent / f"{base.name}.log").unlink()


@pytest.fixture
def base(postgres):
    """The URL of a database in which nothing is."""
    import psycopg

    url, _ = postgres
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS fresh WITH (FORCE)")
        connection.execute("CREATE DATABASE fresh")
    return url.removesuffix("/postgres") + "/fresh"


def test_postgresql_two_workers_that_start_together(base, tmp_path):
    size = 15  # tables, study and trials are all made by both
    with workers(tmp_path, 2, base, seconds=0.02, size=size) as staff:
        assert [ended(each, 120) for each in staff] == [0, 0]
    check_all_done_once(base, size)
    ran = calls(tmp_path)
    assert sorted(name for name, _ in ran) == sorted(f"trial-{i}" for i in range(2 * size))
    assert {pid for _, pid in ran} == {each.pid for each in staff}
    assert not (tmp_path / "study.db").exists()


def test_postgresql_the_trial_of_a_killed_worker_is_run_by_the_living(base, tmp_path):
    with workers(tmp_path, 2, base, seconds=100) as staff:
        until(lambda: len({pid for _, pid in calls(tmp_path)}) == 2)
        lost = [name for name, pid in calls(tmp_path) if pid == staff[0].pid][-1]
        staff[0].kill()
        Path(tmp_path, "hurry").touch()
        assert ended(staff[1]) == 0
    check_all_done_once(base, 3)
    ran = collections.Counter(name for name, _ in calls(tmp_path))
    assert ran == {f"trial-{i}": 1 + (f"trial-{i}" == lost) for i in range(6)}


def test_postgresql_a_worker_outlives_a_restart_of_the_server(base, postgres, tmp_path):
    with workers(tmp_path, 1, base, seconds=100) as staff:
        until(lambda: calls(tmp_path))
        postgres[1]("restart")
        (tmp_path / "hurry").touch()
        assert ended(staff[0]) == 0
    check_all_done_once(base, 3)


def test_postgresql_a_lock_ends_with_its_connection(base, tmp_path):
    one, two = (Study(base, "points", False) for _ in range(2))
    order = []
    thread = threading.Thread(target=lambda: two._alone(lambda: order.append("two")))
    with contextlib.closing(one), contextlib.closing(two):
        with one._lock():
            thread.start()
            time.sleep(0.3)
            order.append("one")
        thread.join(30)
    assert order == ["one", "two"]
