"""Subwords, words and characters: what goes in comes out, also where training did not have it."""

import json

import pytest

pytest.importorskip("tokenizers", reason="the extra translate is not installed")

from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.translation.tokenizer import (
    BYTES,
    END,
    KINDS,
    PAD,
    SPECIAL,
    START,
    UNKNOWN,
    Tokenizer,
)

SENTENCES = ["Wo ist der Bahnhof?", "Der Bahnhof ist dort.", "Ist das dein Hof? Nein!"] * 4
OTHER = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
each_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind, **options):
    return Tokenizer.learn(SENTENCES, kind, **({"size": 300} | options))


@each_kind
def test_sentences_of_training_come_back(kind):
    tokenizer = made(kind)
    for sentence in SENTENCES:
        numbers = tokenizer.encode(sentence)
        assert UNKNOWN not in numbers
        assert tokenizer.decode(numbers) == sentence
        assert tokenizer.decode([START, *numbers, END, PAD]) == sentence


SUBWORDS = made("subwords")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_subwords_spell_any_text(text):
    import unicodedata

    sentence = " ".join(unicodedata.normalize("NFC", text).split()).replace("▁", "")
    sentence = " ".join(sentence.split())
    numbers = SUBWORDS.encode(sentence)
    assert not {PAD, START, END, UNKNOWN} & set(numbers)
    assert SUBWORDS.decode(numbers) == sentence


@pytest.mark.parametrize("special", SPECIAL)
@each_kind
def test_what_looks_like_a_special_token_is_text(kind, special):
    numbers = made(kind).encode(f"Der {special} Hof")
    assert not {PAD, START, END} & set(numbers)


def test_frequent_pairs_become_one_and_words_are_never_joined():
    pieces = SUBWORDS.pieces(SUBWORDS.encode("Wo ist der Bahnhof?"))
    assert len(pieces) < len("Wo ist der Bahnhof?")
    assert all("▁" not in piece[1:] for piece in pieces)
    assert pieces[-1] == "?"


def test_the_unknown_word_has_a_place_of_its_own():
    words = made("words")
    assert words.decode(words.encode("Wo ist der Zug?")) == "Wo ist der <unk>?"


def test_rare_tokens_are_left_out_and_the_size_is_kept():
    words = Tokenizer.learn(["a a a b b c"], "words", min_count=2)
    assert words.pieces(range(len(words))) == [*SPECIAL, "▁a", "▁b"]
    assert len(Tokenizer.learn(["a a a b b c"], "words", size=5)) == 5
    assert len(made("subwords", size=270)) == 270


@each_kind
def test_it_is_read_as_it_was_saved_and_learnt_alike_each_time(kind):
    tokenizer = made(kind)
    saved = json.loads(json.dumps(tokenizer.saved()))
    again = Tokenizer.read(saved)
    assert again.saved() == saved == made(kind).saved()
    assert (again.kind, len(again)) == (kind, len(tokenizer))
    for sentence in SENTENCES:
        assert again.encode(sentence) == tokenizer.encode(sentence)
    assert again.encode_all(SENTENCES) == [tokenizer.encode(each) for each in SENTENCES]


@pytest.mark.parametrize(
    "damage",
    [
        lambda saved: None,
        lambda saved: {"kind": "words"},
        lambda saved: saved | {"kind": "letters"},
        lambda saved: saved | {"tokenizer": {"model": {}}},
        lambda saved: saved | {"tokenizer": saved["tokenizer"] | {"model": OTHER}},
    ],
)  # fmt: skip
def test_a_vocabulary_that_was_changed_is_refused(damage):
    with pytest.raises(ValueError, match=r"vocabulary\.json needs a tokenizer"):
        Tokenizer.read(damage(made("words").saved()))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "letters"}, "a kind of subwords, words, characters; got 'letters'"),
        ({"kind": "subwords", "size": len(SPECIAL) + len(BYTES)}, "a size above 260"),
        ({"kind": "words", "size": 4}, "a size above 4"),
        ({"kind": "words", "min_count": 0}, "a least count above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Tokenizer.learn(SENTENCES, **options)
    with pytest.raises(ValueError, match="needs sentences"):
        Tokenizer.learn([])
