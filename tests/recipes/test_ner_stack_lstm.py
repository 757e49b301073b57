"""The chunker: from made-up sentences to spans, and from raw text to names."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from swiftrnn import cli
from swiftrnn.data.tagged.corpus import made_up
from swiftrnn.data.tagged.sentences import Batcher
from swiftrnn.data.tagged.tags import Span, spans, to_tags
from swiftrnn.deploy import trained
from swiftrnn.recipes.ner_stack_lstm import SMOKE, run
from swiftrnn.recipes.ner_stack_lstm.model import spans_of
from swiftrnn.runs.folder import RunFolder

TEXT = "\u202eIn Rimonaville , Lututo met 😀 a friend .\n\nBokima lives in Sotataville"


@pytest.fixture(scope="module")
def done(smoke, tmp_path_factory):
    """The folder of a small run, and its metrics with those of the control."""
    out = tmp_path_factory.mktemp("controlled") / "run"
    shutil.copytree(smoke("ner_stack_lstm"), out)  # only the control is left to be trained
    return out, run(replace(SMOKE, control=True), RunFolder(out, "ner_stack_lstm")).metrics


def test_learns_and_beats_what_learns_nothing(done):
    _, found = done
    assert found["f1"] > 85
    assert found["f1"] > found["baseline_dictionary"] + 10
    assert found["f1"] > found["baseline_capitals"] + 10
    assert found["control_f1"] < 40  # two spans in so few words: some of the guesses are right
    assert found["recall_unseen"] > 70  # spelling tells what a dictionary cannot


def test_names_are_found_in_raw_text(done, capsys):
    model = trained.load(done[0])
    found = model.answer([TEXT])[0][0].found
    for entity in found:
        assert TEXT[entity.start : entity.end] == entity.text
        assert 0 < entity.confidence <= 1
    assert {"Rimonaville", "Lututo", "Bokima", "Sotataville"} <= {e.text for e in found}
    assert cli.main(["predict", str(done[0]), "Bokima lives in Sotataville ."]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["0-6", "person"], ["16-27", "place"]]


def test_other_readings_are_less_likely_and_no_more_than_all(done):
    model = trained.load(done[0])
    ((_, (first, second)),) = model.answer([TEXT], n_best=5)
    for sentence in (first, second):
        odds = [each.probability for each in sentence]
        assert len(odds) == 5
        assert odds == sorted(odds, reverse=True)
        assert sum(odds) <= 1 + 1e-6
        assert len({tuple(e.start for e in each.entities) for each in sentence}) > 1


def test_confidence_is_the_part_of_the_beam_that_agrees(done):
    model = trained.load(done[0]).model
    batcher, sentence = Batcher(model.vocabulary), made_up(1).test.sentences[0]
    batch = batcher.collate([batcher.encode(sentence)])
    with torch.no_grad():
        (found,) = model.found(batch)
        (ways,) = model.chunker.n_best(model(batch), batch["lengths"], model.beam)
    total = sum(math.exp(p) for p, _ in ways)
    for span, confidence in found.spans.items():
        place = (model.types.index(span.type), span.first, span.end)
        assert confidence == pytest.approx(sum(math.exp(p) for p, s in ways if place in s) / total)


def test_spans_come_back_from_numbers_of_tags():
    known = [[Span("y", 0, 1), Span("x", 1, 4)], [], [Span("x", 2, 4), Span("x", 4, 5)]]
    names = ["O", *(f"{p}-{kind}" for kind in "xy" for p in "BIES")]
    rows = [to_tags(each, 5) for each in known]
    assert [spans(row) for row in rows] == known
    numbers = np.array([[names.index(tag) for tag in row] for row in rows]).T
    assert spans_of(numbers) == [[(1, 0, 1), (0, 1, 4)], [], [(0, 2, 4), (0, 4, 5)]]
