"""A cluster gives the same rows in the same order as one machine, whatever dies in it."""

import subprocess
import sys
import time

import pytest
from tests.deploy import loud

from swiftrnn import cli

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray", exc_type=ImportError)
ROWS = 240
SAID = f"1 with an error (the first: row {ROWS}, nobody answers that)"


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine with a processor each; gives their address."""
    from ray.cluster_utils import Cluster

    one = {"num_cpus": 1, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=one)
    found.add_node(num_cpus=1)
    yield found.address
    found.shutdown()


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "in.txt").write_text("".join(f"line {i}\n" for i in range(ROWS)) + "no answer\n")
    return [*loud.made(tmp_path), "--input", "in.txt", "--batch", "7"]


def command(*words):
    """In a process of its own: a cluster is joined once, and its noise is seen."""
    return subprocess.Popen(
        [sys.executable, "-m", "swiftrnn", "predict", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    """What it printed, its errors, and its exit status."""
    printed, errors = process.communicate()
    return printed, errors, process.returncode


@pytest.fixture
def whole(run, tmp_path):
    """The rows as this machine gives them."""
    assert cli.main(["predict", *run, "--output", "one.jsonl"]) == 0
    return (tmp_path / "one.jsonl").read_bytes()


def test_a_cluster_gives_the_same_rows_without_noise(run, whole, cluster, tmp_path):
    printed, errors, status = ended(command(*run, "--output", "two.jsonl", "--ray", cluster))
    assert status == 0, errors
    assert printed == f"two.jsonl: {ROWS + 1} rows, {SAID}\n"
    assert all(line.startswith("predict ") for line in errors.splitlines()), errors
    assert (tmp_path / "two.jsonl").read_bytes() == whole


def test_what_is_killed_in_the_middle_is_answered_by_another(run, whole, cluster, tmp_path):
    """First an actor dies at one of its rows, then the command in the middle of all."""
    with (tmp_path / "in.txt").open("a") as file:
        file.write("die\n" + "last\n" * 20)
    (tmp_path / "seconds").write_text("0.1")
    process = command(*run, "--output", "two.jsonl", "--ray", cluster, "--processes", "2")
    kept = tmp_path / ".two.jsonl.journal"
    while process.poll() is None and not (kept.exists() and kept.read_bytes().count(b"\n") > 50):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    done = kept.read_bytes().count(b"\n") - 1
    assert done >= 49
    _, errors, status = ended(command(*run, "--output", "two.jsonl", "--ray", cluster))
    assert status == 0, errors
    assert (tmp_path / "died").exists()
    found = loud.rows(tmp_path / "two.jsonl")
    assert [each["row"] for each in found] == list(range(ROWS + 22))
    assert (tmp_path / "two.jsonl").read_bytes().startswith(whole)
    assert [each["loud"] for each in found[ROWS + 1 :]] == ["DIE", *["LAST"] * 20]


def test_a_fault_of_ours_is_raised_and_a_missing_cluster_is_one_line(run, cluster, tmp_path):
    with (tmp_path / "in.txt").open("a") as file:
        file.write("a fault\n")
    _, errors, status = ended(command(*run, "--output", "o.csv", "--ray", cluster))
    assert status == 1
    assert "TypeError: a fault of ours" in errors
    words = ("--output", "p.csv", "--ray", "127.0.0.1:1")
    _, errors, status = ended(command(*run, *words))
    assert status == 2
    assert "--ray needs the address of a running cluster, or local; got 127.0.0.1:1" in errors
    assert errors.count("\n") == 1
    _, errors, status = ended(command(*run, *words[:2], "--ray", f"ray://{cluster}"))
    assert "a client, which is no part of the cluster; run this on one of its nodes" in errors
    _, errors, status = ended(command(*run, *words[:2], "--ray", cluster, "--processes", "3"))
    assert errors.splitlines()[-1].startswith("error: swiftrnn predict --processes needs at most 2")
