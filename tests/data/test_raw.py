"""Corpora as raw text."""

import pytest

from swiftrnn.data.segmentation.cutting import STYLES, Cut
from swiftrnn.data.segmentation.cutting_learnt import learnt
from swiftrnn.data.segmentation.raw import Place, joined
from swiftrnn.data.segmentation.tokens import sentences
from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.tagged.tags import Span


def part(*rows):
    return Columns(tuple(Sentence(tuple(w.split()), tuple(s)) for w, s in rows), "IOB2")


def test_spans_lie_where_their_words_do():
    pytest.importorskip("sacremoses")
    corpus = part(("`` Bonn 's -LRB- old -RRB- town , '' he said .", [Span("x", 1, 3)]),
                  ("U.S. Army , 5 % !", [Span("y", 0, 2)]))  # fmt: skip
    text, places = joined(corpus, STYLES["words"])
    assert text == '"Bonn\'s (old) town," he said. U.S. Army, 5%!\n'
    assert places == {Place("x", 1, 7), Place("y", 30, 39)}
    assert joined(corpus, Cut(messages=True))[0].count("\n") == 2
    headings = part(*[("Bonn wins", [])] * 2, *[("He won .", [])] * 9)
    assert [line.count("won") for line in joined(headings, Cut())[0].splitlines()] == [0, 0, 8, 1]


def test_characters_are_joined_without_blanks():
    text, places = joined(part(("我 在 北 京 。", [Span("x", 2, 4)])), STYLES["characters"])
    assert (text, places) == ("我在北京。\n", {Place("x", 2, 4)})


def test_what_is_joined_is_cut_again():
    pytest.importorskip("sacremoses")
    rows = ["Mr. Bush did n't see the U.S. Senate 's John D. Rockefeller .",
            "It cost $ 5 ( or 5 % ) .",
            '" AT&T , " said J.P. Morgan & Co. , " fell 3,000.5 points . "']  # fmt: skip
    corpus = part(*((row, []) for row in rows))
    cut = learnt([s.words for s in corpus.sentences] * 3)
    again = [tuple(t.text for t in s) for s in sentences(joined(corpus, cut)[0], cut)]
    assert again == [s.words for s in corpus.sentences]
