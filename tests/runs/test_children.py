"""Processes that end with the one that started them, however it ends; real ones, without torch."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from swiftrnn.runs import children

CHILD = """
import os, signal, sys, time
from swiftrnn.runs import children
if "saves" in sys.argv:
    def save(*_):
        print("saved", flush=True)
        sys.exit()
    signal.signal(signal.SIGTERM, save)
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
children.end_with_parent(children.closed(0), grace=0.5)
print(os.getpid(), flush=True)
while True:
    time.sleep(0.05)
"""
STARTS = """
import subprocess, sys
from swiftrnn.runs import children
command = children.python("-c", sys.argv[1], *sys.argv[2:])
child = subprocess.Popen(command, stdin=subprocess.PIPE)
child.wait()
"""
SPAWNS = """
import multiprocessing, os, time
from swiftrnn.runs import children
from swiftrnn.training.sweep import grid
def child(*given, **how):
    print(os.getpid(), flush=True)
    while True:
        time.sleep(0.05)
grid.work = child
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    process = context.Process(target=grid._help)
    process.start()
    process.join()
"""
LAUNCHES = """
import os, subprocess, sys, time
from swiftrnn.runs import children
children.launched_here()
if os.environ.get("LOCAL_RANK") == "1":
    print(os.getpid(), flush=True)
    while True:
        time.sleep(0.05)
os.environ["LOCAL_RANK"] = "1"
subprocess.call([sys.executable, *sys.argv])
"""


def alive(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] not in "ZX"
    if not os.path.isdir("/proc/self"):
        with contextlib.suppress(OSError):
            os.kill(pid, 0)
            return True
    return False


@pytest.mark.parametrize(
    ("code", "words", "number"),
    [
        (STARTS, [CHILD], signal.SIGTERM),
        (STARTS, [CHILD], signal.SIGHUP),
        (STARTS, [CHILD], signal.SIGINT),
        (STARTS, [CHILD], signal.SIGKILL),
        (STARTS, [CHILD, "saves"], signal.SIGKILL),
        (STARTS, [CHILD, "deaf"], signal.SIGKILL),
        (SPAWNS, [], signal.SIGKILL),
        (LAUNCHES, [], signal.SIGKILL),
    ],
    ids=["told", "hung up", "interrupted", "killed", "saves", "deaf", "helps", "lightning"],
)
def test_a_child_ends_with_its_parent(code, words, number, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(code)
    command = [sys.executable, str(script), *words]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    env.pop("LOCAL_RANK", None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env=env) as parent:  # fmt: skip
        pid = int(parent.stdout.readline())
        parent.send_signal(number)
        left = parent.stdout.read()  # until the child, which has it too, has ended
        parent.wait(20)
    assert ("saved" in left) == ("saves" in words)
    end = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_child_finds_modules_where_they_are_installed_and_by_pythonpath(tmp_path):
    (tmp_path / "statistics.py").write_text("print('ran')")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "wanted.py").write_text("print('found')")
    env = {**os.environ, "PYTHONPATH": "there"}
    command = children.python("-c", "import statistics, wanted")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("found\n", "")


def test_what_says_stop_is_raised_and_then_forgotten():
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(children.Stopped) as stop, children.stopped_by_signals():  # noqa: PT012
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        assert stop.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        told = children.again(stop.value, "go on")
        assert (told.number, str(told)) == (signal.SIGTERM, "go on")
        assert children.again(KeyboardInterrupt(), "").number == signal.SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_a_process_ignores_stays_ignored():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with children.stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_hears_no_signals():
    found = []

    def enter():
        with children.stopped_by_signals():
            found.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [True]
