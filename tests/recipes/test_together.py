"""Processes that train together: what one alone would have done, and one of them writes it."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from swiftrnn import cli
from swiftrnn.data.batches import Batches
from swiftrnn.data.tagged.corpus import made_up
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary
from swiftrnn.runs import folder

EXACT = (
    "--preset",
    "smoke",
    "--double",
    "--dropout",
    "0",
    "--replaced",
    "0",
    "--foreign",
    "0",
    "--threads",
    "1",
    "--epochs",
    "2",
)


LAUNCH = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


def swiftrnn(*words, launch=()):
    command = [sys.executable, "-m", *launch, "swiftrnn", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # torchrun would say that it sets it
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("recipe", "launch"),
    [("ner_crf", LAUNCH), ("ner_stack_lstm", ())],  # torchrun starts the two, or Lightning
    ids=["torchrun", "ner_stack_lstm"],
)
def test_two_processes_do_what_one_does_with_twice_the_batch(recipe, launch, tmp_path):
    both, one = tmp_path / "both", tmp_path / "one"
    together = ("--batch-size", "16", "--devices", "2", "--strategy", "ddp", "--control")
    said = swiftrnn("run", recipe, *EXACT, *together, "--out", str(both), launch=launch)
    assert said.count("The run is in") == 1  # one of them speaks
    alone = ("--batch-size", "32", "--out", str(one), "--control")
    assert cli.main(["run", recipe, *EXACT, *alone]) == 0
    for part in (".", "control"):
        found, right = (load_file(run / part / "model.safetensors") for run in (both, one))
        for name, value in right.items():
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-10)
            assert not value.is_floating_point() or value.dtype == torch.float64
    histories = [json.loads((r / "metrics.json").read_text())["history"] for r in (both, one)]
    for found, right in zip(*histories, strict=True):
        assert found["loss"] == pytest.approx(right["loss"], rel=0, abs=1e-10)
        assert found["f1"] == right["f1"]
    left = {p.name for p in both.rglob("*") if p.is_file()}
    assert left == {p.name for p in one.rglob("*") if p.is_file()}  # nothing half-written


def test_batches_are_about_equal_and_hold_everything():
    corpus = made_up(0)
    batcher = Batcher(TagVocabulary.of_columns(corpus.train))
    batches = Batches(corpus.train.sentences[:161], batcher, 16)
    sizes = [len(batch["lengths"]) for batch in batches]
    assert len(sizes) == len(batches) == 11
    assert set(sizes) == {14, 15}
    assert sum(sizes) == 161
    words = sum(int(batch["lengths"].sum()) for batch in batches)
    assert words == sum(len(s.words) for s in corpus.train.sentences[:161])


def test_batches_are_of_about_equal_lengths_in_an_order_that_is_drawn():
    corpus = made_up(0)
    batches = Batches(
        corpus.train.sentences[:161], Batcher(TagVocabulary.of_columns(corpus.train)), 16
    )
    epochs = [batches.epoch(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    found = [[batch.tolist() for batch in epoch] for epoch in epochs]
    assert found[0] == found[1] != found[2]
    for epoch in found:
        assert sorted(i for batch in epoch for i in batch) == list(range(161))  # each of them once
        lengths = [[batches.rows[i].shape[1] for i in batch] for batch in epoch]
        assert lengths != sorted(lengths)
        lengths.sort()  # all lie in one pool: no batch reaches into the next
        assert all(max(a) <= min(b) for a, b in pairwise(lengths))


def test_each_process_gets_its_own_part_of_every_batch(monkeypatch):
    corpus = made_up(0)
    batcher = Batcher(TagVocabulary.of_columns(corpus.train))
    parts = []
    for process in (0, 1, 2):
        batches = Batches(corpus.train.sentences[:77], batcher, 4, 3)
        draw = np.random.default_rng(5)
        monkeypatch.setattr(batches, "_together", lambda p=process, d=draw: (p, d))
        parts.append([batch["words"].t().tolist() for batch in batches])
    whole = Batches(corpus.train.sentences[:77], batcher, 12)
    monkeypatch.setattr(whole, "_together", lambda: (0, np.random.default_rng(5)))
    for *some, batch in zip(*parts, whole, strict=True):
        rows = [str([w for w in row if w]) for part in some for row in part]
        assert sorted(rows) == sorted(str([w for w in r if w]) for r in batch["words"].t().tolist())
        assert max(map(len, some)) - min(map(len, some)) <= 1


def test_fewer_sentences_than_processes_get_one_line():
    corpus = made_up(0)
    batcher = Batcher(TagVocabulary.of_columns(corpus.train))
    with pytest.raises(ValueError, match="got 2 sentences and 3 processes; use fewer --devices"):
        Batches(corpus.train.sentences[:2], batcher, 16, 3)


@pytest.mark.parametrize(
    ("given", "leads"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "RANK": "2"}, False),
        ({"LOCAL_RANK": "1", "RANK": "0"}, True),
        ({"SLURM_PROCID": "3"}, False),
    ],
    ids=str,
)
def test_who_leads(given, leads, monkeypatch, tmp_path):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert folder.leads() == leads
    folder.write_text(tmp_path / "file", "x")
    assert (tmp_path / "file").exists() == leads
    assert not [p for p in os.listdir(tmp_path) if p.endswith(".part")]


def test_those_that_follow_take_the_folder_of_the_first(monkeypatch, tmp_path):
    (tmp_path / "config.json").touch()
    monkeypatch.setenv("RANK", "1")
    monkeypatch.delenv(folder.TOGETHER, raising=False)
    assert folder.create(tmp_path, "x") == tmp_path
    with pytest.raises(ValueError, match="need one --out; got none"):
        folder.create(None, "x")
    monkeypatch.setenv(folder.TOGETHER, str(tmp_path))
    assert folder.create(None, "x") == tmp_path
    monkeypatch.setattr(folder, "PATIENCE", 0)
    with pytest.raises(TimeoutError, match="need the first to begin; got nothing"):
        folder.create(tmp_path / "other", "x")
