"""Counts of spans, against the script conlleval and against seqeval."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2, IOBES

from swiftrnn.data.sources import fetch
from swiftrnn.metrics.spans import score

EXAMPLE = fetch.folder() / "conlleval-example"
PREFIXES = {"IOB2": "BI", "IOBES": "BIES"}


@pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the example of conlleval is not here")
@pytest.mark.parametrize(("raw", "file"), [(False, "conlleval.out.txt"),
                                           (True, "conlleval-r.out.txt")])  # fmt: skip
def test_prints_what_conlleval_prints(raw, file):
    gold, predicted = [[]], [[]]
    for line in (EXAMPLE / "ground_truth.txt").read_text().splitlines():
        if not line.strip():
            gold.append([])
            predicted.append([])
            continue
        for part, tag in zip((gold, predicted), line.split()[-2:], strict=True):
            part[-1].append(tag if tag == "O" or not raw else f"S-{tag}")
    text = re.sub(r"(?m)^ +(S-)?", "", str(score(gold, predicted)).replace("S-", ""))
    assert text == re.sub(r"(?m)^ +", "", (EXAMPLE / file).read_text().rstrip())


@st.composite
def pairs(draw, scheme):
    tag = st.sampled_from(["O", *(f"{p}-{t}" for p in PREFIXES[scheme] for t in "xy")])
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    return [
        [draw(st.lists(tag, min_size=n, max_size=n)) for n in sizes] for _ in ("gold", "predicted")
    ]


@pytest.mark.filterwarnings("ignore:.*:sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize(("scheme", "theirs"), [("IOB2", IOB2), ("IOBES", IOBES)])
def test_equals_seqeval_strict_and_lenient(scheme, theirs):
    @given(pairs(scheme))
    def check(both):
        gold, predicted = both
        strict = f1_score(gold, predicted, mode="strict", scheme=theirs, zero_division=0)
        assert score(gold, predicted, strict=scheme).all.f1 == pytest.approx(float(strict))
        lenient = f1_score(gold, predicted, zero_division=0)
        assert score(gold, predicted).all.f1 == pytest.approx(float(lenient))

    check()


def test_counts_by_hand():
    found = score([["B-x", "I-x", "O", "B-y"]], [["B-x", "O", "O", "B-y"]])
    assert (found.all.gold, found.all.predicted, found.all.correct) == (2, 2, 1)
    assert found.accuracy == 0.75
    assert found.by_type["y"].f1 == 1.0
    assert score([], []).all.f1 == score([[]], [[]]).accuracy == 0.0


def test_lengths_must_be_equal():
    with pytest.raises(ValueError, match="got 2 and 2 sentences; sentence 1 has 1 and 2 tags"):
        score([["O"], ["O"]], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="got 1 and 0 sentences"):
        score([["O"]], [])
