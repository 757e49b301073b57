"""BLEU and chrF: against their definitions, and with the signature that says how."""

import math
from collections import Counter

import pytest

pytest.importorskip("sacrebleu", reason="the extra translate is not installed")

from swiftrnn.metrics.translation import bleu, by_length, chrf

RIGHT = ["The cat is on the mat today .", "There is a dog in the garden now ."]
FOUND = ["The cat sat on the mat today .", "There is a dog in the garden ."]


def by_definition(found, right):
    """BLEU of tokenized sentences, from counts."""
    logs, lengths = [], [sum(len(each.split()) for each in part) for part in (found, right)]
    for n in range(1, 5):
        hits = total = 0
        for mine, yours in zip(found, right, strict=True):
            counts = [
                Counter(zip(*(each.split()[i:] for i in range(n)), strict=False))
                for each in (mine, yours)
            ]
            hits += sum((counts[0] & counts[1]).values())
            total += sum(counts[0].values())
        logs.append(math.log(hits / total))
    brevity = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(sum(logs) / 4 + brevity)


def test_bleu_is_that_of_the_definition():
    found = bleu(FOUND, RIGHT)
    assert found.value == pytest.approx(by_definition(FOUND, RIGHT), abs=1e-5)
    assert "tok:13a" in found.signature
    assert "version:" in found.signature


def test_a_perfect_translation_has_100_and_a_wrong_one_less():
    assert bleu(RIGHT, RIGHT).value == chrf(RIGHT, RIGHT).value == 100
    assert 0 < chrf(FOUND, RIGHT).value < 100
    assert bleu(["x"], RIGHT[:1]).value == 0
    assert "nc:6" in chrf(FOUND, RIGHT).signature


def test_groups_of_lengths_have_their_own():
    found = by_length([*FOUND, *RIGHT], [*RIGHT, *RIGHT], [3, 4, 9, 9], [2, 4, 8])
    assert found == {"3-4": bleu(FOUND, RIGHT).value, "9-": 100.0}


@pytest.mark.parametrize("score", [bleu, chrf])
def test_other_numbers_of_sentences_are_refused(score):
    with pytest.raises(ValueError, match="as many references as there are, and some; got 1 and 2"):
        score(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="got 0 and 0"):
        score([], [])
