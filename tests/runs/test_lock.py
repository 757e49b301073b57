"""The lock of a run folder: one process at a time, free again however that one ends."""

import os
import signal
import subprocess
import sys

import pytest

from swiftrnn.runs.folder import held
from swiftrnn.runs.lock import LOCK

HOLDS = """
import sys, time
from pathlib import Path
from swiftrnn.runs.folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_refused_with_the_number_of_the_first(tmp_path, other):
    wanted = f"one process at a time; got {tmp_path}, where process {other.pid} trains; wait"
    with pytest.raises(BlockingIOError, match=wanted), held(tmp_path):
        pass
    other.communicate()
    with held(tmp_path):  # it ended well
        pass
    assert not list(tmp_path.iterdir())


def test_a_killed_process_holds_nothing(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    with held(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_had_begun_to_write_is_removed(tmp_path, other):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    out = tmp_path / "run"
    (out / "checkpoints").mkdir(parents=True)
    gone = out / "checkpoints" / f".last.ckpt.{ended.pid}.part"
    stay = [
        out / f".model.onnx.{other.pid}.part",  # a living process writes it
        *(out / name for name in (".mine.part", "a.1.part", ".hidden", f".x.{ended.pid}")),
    ]
    for path in (gone, *stay):
        path.touch()
    with held(out):
        assert {path for path in out.rglob("*") if path.is_file()} == {*stay, out / LOCK}


def test_a_process_may_hold_a_folder_twice(tmp_path):
    with held(tmp_path), held(tmp_path / "."):
        assert (tmp_path / LOCK).exists()
    with pytest.raises(KeyError), held(tmp_path):
        raise KeyError
    assert not (tmp_path / LOCK).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_fork_holds_on_when_its_parent_is_killed(tmp_path):
    code = HOLDS.replace(
        "    print", "    import os; os.fork() and os.kill(os.getpid(), 9)\n    print"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        assert process.wait() == -signal.SIGKILL
        with pytest.raises(BlockingIOError), held(tmp_path):
            pass
        process.stdin.close()
        assert process.stdout.read() == b""  # the fork has ended
    with held(tmp_path):
        pass


def test_waiting_processes_get_it_one_at_a_time(tmp_path):
    """Removing the lock while others open it must not let two of them in."""
    code = """
import sys, time
from pathlib import Path
from swiftrnn.runs.folder import held
out, got = Path(sys.argv[1]), 0
while got < 60:
    try:
        with held(out):
            (out / "one").mkdir()
            (out / "one").rmdir()
            got += 1
    except BlockingIOError:
        pass
"""
    run = [sys.executable, "-c", code, str(tmp_path)]
    three = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in three:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), held(tmp_path / "none"):
        pass
