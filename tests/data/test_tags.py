"""Spans and tags, in every scheme."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.tagged.tags import (
    SCHEMES,
    Span,
    may_follow,
    scheme_of,
    spans,
    split,
    strict_spans,
    to_tags,
)


@st.composite
def sentences(draw):
    """A length, and spans that do not overlap."""
    found, at = [], 0
    for _ in range(draw(st.integers(0, 5))):
        first = at + draw(st.integers(0, 2))
        at = first + draw(st.integers(1, 3))
        found.append(Span(draw(st.sampled_from(["x", "y", "creative-work"])), first, at))
    return at + draw(st.integers(0, 2)), found


@given(sentence=sentences(), scheme=st.sampled_from(SCHEMES))
def test_tags_and_spans_are_the_same_thing(sentence, scheme):
    length, found = sentence
    tags = to_tags(found, length, scheme)
    assert len(tags) == length
    assert spans(tags) == found
    assert strict_spans(tags, scheme) == found


@given(sentence=sentences(), scheme=st.sampled_from(["IOBES", "BMES", "BILOU"]))
def test_the_scheme_is_seen_where_tags_tell(sentence, scheme):
    length, found = sentence
    whole = [Span("x", 0, 3), Span("x", 3, 4)]
    assert scheme_of([to_tags(found, length, scheme), to_tags(whole, 4, scheme)]) == scheme


def test_the_two_iob_schemes_are_told_apart_by_what_begins_a_span():
    assert scheme_of([["I-x", "I-x"]]) == "IOB1"
    assert scheme_of([["B-x", "I-y"]]) == "IOB1"
    assert scheme_of([["B-x", "I-x", "B-x"], ["O"]]) == "IOB2"
    with pytest.raises(ValueError, match=r"one scheme of .*; got the prefixes B E L in one file"):
        scheme_of([["B-x", "E-x"], ["B-x", "L-x"]])


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["B-x", "B-x"], [Span("x", 0, 1), Span("x", 1, 2)]),  # neighbours of one type
        (["O", "I-x", "I-x"], [Span("x", 1, 3)]),  # I after O begins one
        (["B-x", "I-y"], [Span("x", 0, 1), Span("y", 1, 2)]),  # the type changes
        (["B-x", "E-x", "B-x"], [Span("x", 0, 2), Span("x", 2, 3)]),  # B after E
        (["E-x", "E-x"], [Span("x", 0, 1), Span("x", 1, 2)]),
        (["S-x", "I-x"], [Span("x", 0, 1), Span("x", 1, 2)]),
        ([], []),
    ],
)
def test_broken_rules_still_give_spans(tags, found):
    assert spans(tags) == found


def test_strict_spans_keep_every_rule():
    assert strict_spans(["I-x", "B-x", "I-y"], "IOB2") == [Span("x", 1, 2)]
    assert strict_spans(["B-x", "I-x", "S-x", "B-y", "E-y"], "IOBES") == [
        Span("x", 2, 3), Span("y", 3, 5),
    ]  # fmt: skip


def test_strict_iob1_has_a_b_only_between_two_of_a_type():
    assert strict_spans(["I-x", "B-x", "O", "B-x", "I-y", "B-y"], "IOB1") == [
        Span("x", 0, 1), Span("x", 1, 2), Span("y", 4, 5), Span("y", 5, 6),
    ]  # fmt: skip
    assert strict_spans(["O", "B-x", "I-x"], "IOB1") == []
    assert strict_spans(["E-x", "S-x"], "IOB1") == []


def test_strict_spans_are_written_in_the_prefixes_of_their_scheme():
    bilou = ["B-x", "L-x", "U-y"]
    assert strict_spans(bilou, "BILOU") == [Span("x", 0, 2), Span("y", 2, 3)]
    assert strict_spans(bilou, "IOBES") == strict_spans(bilou, "BMES") == []


def test_a_stray_tag_does_not_make_another_scheme():
    assert scheme_of([["B-x", "I-x", "O", "B-x"], ["I-y"]]) == "IOB2"
    assert scheme_of([["I-x", "O", "I-x"], ["B-y"]]) == "IOB1"


@given(st.lists(st.sampled_from(["O", *(f"{p}-{t}" for p in "BIES" for t in "xy")]), max_size=6))
def test_what_may_follow_is_what_is_strict_throughout(tags):
    steps = zip([None, *tags], [*tags, None], strict=True)
    allowed = all(may_follow(a, b) for a, b in steps if tags)
    assert allowed == (to_tags(strict_spans(tags, "IOBES"), len(tags)) == tags)


@pytest.mark.parametrize(
    "tag", ["", "x", "B", "O-x", "Q-x", "NNP", "B-", "B- x", "B-x\u00a0", "B-x\u200by", "b-x"]
)
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(
        ValueError, match=r"a tag needs to be O, or .*; got " + re.escape(repr(tag))
    ):
        split(tag)


def test_spans_may_not_overlap_or_lie_outside():
    for wrong in ([Span("x", 0, 2), Span("y", 1, 3)], [Span("x", 2, 5)], [Span("x", 1, 1)]):
        with pytest.raises(ValueError, match="spans need to lie one after the other in 4 words"):
            to_tags(wrong, 4)
