"""Raw text to words."""

import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.segmentation.cutting import STYLES
from swiftrnn.data.segmentation.cutting_learnt import learnt, style_of
from swiftrnn.data.segmentation.tokens import sentences

each_style = pytest.mark.parametrize("style", STYLES)
UNSEEN = regex.compile(r"[\s\p{Cc}\p{Cf}]*")  # white space, and what has no picture


@each_style
def test_every_visible_character_is_in_one_word(style):
    pieces = st.sampled_from(["Mr.", "U.S.", "'s", "n't", "\u0301", "\u200d", "👩", "\ufe0f", "。"])

    @given(st.lists(st.text() | pieces).map("".join))
    def check(text):
        at = 0
        for token in (t for s in sentences(text, style) for t in s):
            assert text[token.start : token.end] == token.text
            assert token.text
            assert UNSEEN.fullmatch(text[at : token.start])
            at = token.end
        assert UNSEEN.fullmatch(text[at:])

    check()


def words(text, cut="words"):
    return [[t.text for t in s] for s in sentences(text, cut)]


def test_words_of_posts():
    assert words("@you: it's at http://a.bc/d?e=1, 3,000.5 m #fun... T-shirts! Ok") == [
        ["@you", ":", "it", "'s", "at", "http://a.bc/d?e=1", ",", "3,000.5", "m", "#fun", "..."],
        ["T-shirts", "!"],
        ["Ok"],
    ]  # fmt: skip
    assert words("don't we'll") == [["don't", "we", "'ll"]]
    assert words("It costs $5.50 (U.S.).") == [["It", "costs", "$", "5.50", "(", "U.S.", ")", "."]]


def test_words_of_papers_and_chinese():
    assert words("5-HT(2A) at 0.5 mg/kg.", "punctuation") == [
        ["5", "-", "HT", "(", "2A", ")", "at", "0.5", "mg", "/", "kg", "."]
    ]
    assert words("我在北京。你 呢", "characters") == [list("我在北京。"), list("你呢")]
    assert words("他说：“好！”她走了。", "characters") == [list("他说：“好！”"), list("她走了。")]


def test_an_initial_and_an_abbreviation_end_no_sentence():
    assert words("George W. Bush met J. R. R. Tolkien. He left the U.S. in May.") == [
        ["George", "W.", "Bush", "met", "J.", "R.", "R.", "Tolkien", "."],
        ["He", "left", "the", "U.S.", "in", "May", "."],
    ]


def test_sentences_end_where_a_line_does_or_a_capital_follows():
    assert len(words("He saw Dr. who left. Then (he) slept.\nand woke")) == 3
    assert words("a\r\nb\u2028c\x85d") == [["a"], ["b"], ["c"], ["d"]]
    assert words(" \n\t ") == []
    assert words("No blank here.Yes EE.UU. too") == words("No blank here.Yes EE.UU. too\n")
    assert len(words("No blank here.Yes EE.UU. too")) == 1


@pytest.mark.parametrize("style", ["words", "punctuation"])
@pytest.mark.parametrize(
    "word",
    ["हिन्दी", "Mu\u0308ller", "Gro\u0308\u00dfe", "می\u200cخواهم", "ก็", "co\u00adope"],
)
def test_marks_and_joiners_stay_with_their_letters(word, style):
    assert words(f"{word}, {word}", style) == [[word, ",", word]]


@pytest.mark.parametrize("style", STYLES)
def test_an_emoji_is_a_word_of_its_own(style):
    for emoji in ("👨\u200d👩\u200d👧", "❤\ufe0f", "👍🏽", "🇩🇪"):
        assert words(f"我{emoji}我", "characters") == [["我", emoji, "我"]]
        assert words(f"Bonn{emoji}Ulm", style)[0][-4:][-3:][1] in (emoji, "l")
    assert words("Bonn👍🏽 Ulm❤\ufe0f") == [["Bonn", "👍🏽", "Ulm", "❤\ufe0f"]]


def test_typographic_signs_part_words_as_plain_ones_do():
    plain = words("\"Hello\", she said - it's Ray's, isn't it? 'No.'")
    typographic = words("“Hello”, she said – it’s Ray’s, isn’t it? ‘No.’")
    assert [len(s) for s in plain] == [len(s) for s in typographic]
    assert words("Bonn\u2014Ulm \u201eKöln\u201c") == [["Bonn—Ulm", "„", "Köln", "“"]]
    assert words("a\u200bb \ufeffBonn\u200e c\u00a0d") == [["a", "b", "Bonn", "c", "d"]]


CONLL = [
    ["Mr.", "Bush", "did", "n't", "go", "to", "the", "U.S.", "Senate", "."],
    ["St.", "Louis-based", "Inc.", "said", "it", "'s", "AT&T", "'s", "No.", "1", "."],
    ["Profit", "fell", "5", "%", "to", "$", "3,000", "at", "Corp", "."],
    ["Yahoo!", "and", "Corp.", "paid", "6-4", "."],
]


def test_text_is_cut_as_the_training_text_was():
    cut = learnt(CONLL)
    for sentence in CONLL:
        raw = " ".join(sentence).replace(" .", ".").replace(" n't", "n't").replace(" '", "'")
        assert words(raw.replace("$ ", "$").replace(" %", "%"), cut) == [sentence]
    assert words("Mr. Ho of Louis-based Corp. didn't. It's the U.S. Corp.", cut) == [
        ["Mr.", "Ho", "of", "Louis-based", "Corp.", "did", "n't", "."],
        ["It", "'s", "the", "U.S.", "Corp", "."],
    ]
    assert words("the U.S.-led Senate of the U.S..", cut) == [
        ["the", "U.S.-led", "Senate", "of", "the", "U.S.", "."]
    ]


def test_what_training_text_kept_whole_is_kept_and_what_it_cut_is_cut():
    german = learnt([["Am", "3.", "Oktober", "kam", "Dr.", "Ho", "z.B.", "per", "S-Bahn", "."]] * 3)
    assert words("Am 13. Mai kam z.B. Dr. Ho. Er ging.", german) == [
        ["Am", "13.", "Mai", "kam", "z.B.", "Dr.", "Ho", "."], ["Er", "ging", "."],
    ]  # fmt: skip
    papers = learnt([["non", "-", "small", "0", ".", "5", "mg", "/", "kg", "."]] * 30)
    assert words("non-small 0.5 mg/kg. Then 0. 5", papers) == [
        ["non", "-", "small", "0", ".", "5", "mg", "/", "kg", "."], ["Then", "0", ".", "5"],
    ]  # fmt: skip
    posts = learnt([["don't", "!", "we'll", "go", "...", "@you", "it's"]] * 30)
    assert words("don't! it's... He said. @you", posts) == [
        ["don't", "!", "it's", "...", "He", "said", ".", "@you"]
    ]
    assert posts.messages
    assert not papers.messages
    chinese = learnt([[*"我在北京。你呢。他好"]] * 30)
    assert words("我在北京。你呢。 a\n好", chinese) == [list("我在北京。你呢。a"), ["好"]]


def test_a_line_of_any_length_takes_time_in_proportion():
    for piece in ("George W. Bush met her. ", "a.", "“a. ", "...", "_", "x@", "http://", "a'"):
        start = time.process_time()
        sentences(piece * (20_000 // len(piece)))
        assert time.process_time() - start < 2  # quadratic ones took 17 s


def test_a_sentence_is_as_long_as_it_is():
    assert [len(s) for s in sentences("a " * 1000)] == [1000]
    assert len(sentences("He left Bonn. " * 2000)) == 2000  # more than a window of characters


def test_the_style_of_a_corpus_is_seen():
    assert style_of(["the", "well-known", "word"]) == "words"
    assert style_of(["a", "-", "b"] * 500) == "punctuation"
    assert style_of([]) == "punctuation"
