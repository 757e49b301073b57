"""Characters that stand for the same, and those that nobody has met."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.segmentation.cutting import Cut
from swiftrnn.data.segmentation.cutting_learnt import learnt
from swiftrnn.data.segmentation.typography import KINDS, OFTEN, SIGN, kind, plain
from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary


def vocabulary(*words):
    return TagVocabulary.of_columns(Columns((Sentence(words),), "IOB2"))


def test_what_looks_alike_is_the_same_word():
    known = vocabulary("O'Brien", "-", '"', "(", "Müller", "10 000", "...", "O'Brien")
    number, spelling = known.numbers[0], known.spelling
    for word, same in (("O’Brien", "O'Brien"), ("—", "-"), ("“", '"'), ("``", '"'), ("''", '"'),
                       ("-LRB-", "("), ("Mu\u0308ller", "Müller"), ("Mül\u00adler", "Müller"),
                       ("10\u00a0000", "10 000"), ("…", "...")):  # fmt: skip
        assert number[known.folded(word)] == number[known.folded(same)] > 0
        assert spelling(word) == spelling(same)


def test_quotes_that_train_has_often_keep_what_they_tell():
    known = vocabulary(*"“”" * OFTEN, *'"' * 3, *"‘" * (OFTEN - 1), "O’Brien", "O'Brien", "…")
    words = [known.number(word) for word in '“”"']
    assert len({*words}) == 3
    assert 0 not in words
    assert known.words[known.number("‘")] == "'"  # too few to be learnt from
    assert known.number("‟") == known.number('"')  # never met
    assert known.number("O’Brien") == known.number("O'Brien")  # no word of its own
    assert known.spelling("“") != known.spelling("”") != known.spelling('"')
    assert known.spelling("O’Brien") == known.spelling("O'Brien")
    again = TagVocabulary(**json.loads(json.dumps(asdict(known))))
    assert [again.number(word) for word in '“”"'] == words
    only_curly = vocabulary(*"“”" * OFTEN)
    assert only_curly.words[only_curly.number('"')] == KINDS[SIGN]


def test_an_unknown_character_is_spelt_as_its_kind_and_not_as_another():
    known = vocabulary("ab!A1", "ab!A1", "!")
    assert known.chars[: len(KINDS)] == [*KINDS]
    assert [KINDS[i] for i in known.spelling("čÄ५😀")] == [*KINDS]
    assert known.spelling("a😀") == [known.chars.index("a"), KINDS.index("<sign>")]
    assert known.spelling("👍🏽") == known.spelling("!😀") == [SIGN]
    assert (
        known.number("👍🏽") == known.words.index("<sign>") == known.unknown[known.number("!")] == 1
    )
    assert known.number("č") == 0 == known.unknown[known.number("ab!A1")]
    assert known.spelling("!") == [known.chars.index("!")]
    assert known.char_kinds == [0, 1, 2, 3, *map(kind, known.chars[4:])]


def test_a_character_seen_once_is_unknown_so_that_training_meets_some():
    known = vocabulary("abba", "x")
    assert known.chars == [*KINDS, "a", "b"]
    assert known.spelling("x") == [KINDS.index("<letter>")]


def test_older_vocabularies_are_read_as_they_were():
    old = TagVocabulary(["<unk>", "“", "Bonn"], ["!", "B", "n", "o"], [], "words", tags=["O"])
    assert old.char_kinds == []
    assert old.folded("“") == "“"
    assert old.spelling("Bonné") == [1, 3, 2, 2]
    assert old.spelling("😀") == [0]
    assert old.unknown == [0, 0, 0]
    assert old.number("😀") == 0
    assert old.how == Cut("words", endings=old.how.endings)
    assert Batcher(old).encode(Sentence(("“", "x")))[0].tolist() == [1, 0]


odd = st.sampled_from(["U.S.", "'s", "n't", "...", "C++", "."])
word = st.text(st.characters(codec="utf-8"), min_size=1) | odd


@given(st.lists(st.lists(word, min_size=1)))
def test_what_is_learnt_survives_its_file(sentences):
    known = TagVocabulary.of_columns(Columns(tuple(Sentence(tuple(s)) for s in sentences), "IOB2"))
    assert known.cut == learnt(sentences)
    again = TagVocabulary(**json.loads(json.dumps(asdict(known))))
    assert again == known
    assert again.how == known.how


@pytest.mark.parametrize(
    "change",
    [{"style": "x"}, {"style": []}, {"joints": [1]}, {"joints": {"a-a": 1}}, {"whole": [1]},
     {"whole": "U.S."}, {"endings": [""]}, {"messages": 1}, {"unknown": True}, {"breaks": None}],
    ids=str,
)  # fmt: skip
def test_a_changed_cut_gets_one_line(change):
    saved = json.loads(json.dumps(asdict(vocabulary("a", "b"))))
    saved["cut"] |= change
    with pytest.raises(ValueError, match=r"needs under cut how train was cut into words; got "):
        TagVocabulary(**saved)


@given(st.text())
def test_a_plain_word_stays_as_it_is(word):
    assert plain(plain(word)) == plain(word)
    assert plain(word) or not word
