"""Raw text to words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.tokens import MOST_WORDS, PATTERNS, sentences, style_of

each_style = pytest.mark.parametrize("style", PATTERNS)


@each_style
def test_every_visible_character_is_in_one_word(style):
    @given(st.text())
    def check(text):
        at = 0
        for token in (t for s in sentences(text, style) for t in s):
            assert text[token.start : token.end] == token.text
            assert not text[at : token.start].strip()
            at = token.end
        assert not text[at:].strip()

    check()


def words(text, style="words"):
    return [[t.text for t in s] for s in sentences(text, style)]


def test_words_of_posts():
    assert words("@you: it's at http://a.bc/d?e=1, 3,000.5 m #fun... T-shirts!") == [
        ["@you", ":", "it", "'s", "at", "http://a.bc/d?e=1", ",", "3,000.5", "m", "#fun", "..."],
        ["T-shirts", "!"],
    ]
    assert words("don't we'll") == [["don't", "we", "'ll"]]


def test_words_of_papers_and_chinese():
    assert words("5-HT(2A) at 0.5 mg/kg.", "punctuation") == [
        ["5", "-", "HT", "(", "2A", ")", "at", "0.5", "mg", "/", "kg", "."]
    ]
    assert words("我在北京。你 呢", "characters") == [list("我在北京。"), list("你呢")]


def test_sentences_end_where_a_capital_follows():
    assert len(words("He saw Dr. who left. Then (he) slept.\nand woke")) == 3
    assert [len(s) for s in sentences("a " * (MOST_WORDS + 1))] == [MOST_WORDS, 1]
    assert words(" \n\t ") == []


def test_the_style_of_a_corpus_is_seen():
    assert style_of(["the", "well-known", "word"]) == "words"
    assert style_of(["a", "-", "b"] * 500) == "punctuation"
    assert style_of([]) == "punctuation"
