"""Reading and writing words with their tags."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data import columns
from swiftrnn.data.columns import Sentence, parse, read, write
from swiftrnn.data.tags import SCHEMES, Span, to_tags

TEXT = """\
# id = 1
-DOCSTART- -X- O O

Bonn NNP B-NP I-LOC
# NN B-NP O

U.N. NNP I-NP I-ORG
\t
official NN I-NP O
"""


def test_every_habit_of_these_files_is_understood():
    found = parse(TEXT.encode(), "x")
    assert [s.words for s in found.sentences] == [("Bonn", "#"), ("U.N.",), ("official",)]
    assert found.sentences[0].spans == (Span("LOC", 0, 1),)
    assert (found.scheme, found.documents, found.types) == ("IOB1", 1, ["LOC", "ORG"])


def test_tabs_part_columns_where_there_are_any():
    found = parse("New York\tB-x\n of\tO\r\n".encode("utf-8-sig"), "x")
    assert found.sentences[0].words == ("New York", "of")


word = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=5)


@given(st.lists(st.lists(word, min_size=3, max_size=5), min_size=1, max_size=4),
       st.sampled_from(SCHEMES))  # fmt: skip
def test_what_is_written_is_read_again(texts, scheme):
    whole = Span("a", 0, 3)
    sentences = [Sentence(tuple(words), (whole,)) for words in texts]
    found = parse(write(sentences, scheme).encode(), "x")
    assert found.sentences == tuple(sentences)
    assert found.scheme in (scheme, "IOBES") if scheme != "IOB1" else found.scheme == "IOB1"


def test_packed_files_are_unpacked(tmp_path):
    path = tmp_path / "x.conll.gz"
    path.write_bytes(gzip.compress(b"a\tO\n"))
    assert read(path).sentences == (Sentence(("a",)),)
    assert Sentence(("a", "b"), (Span("x", 0, 2),)).tags() == to_tags([Span("x", 0, 2)], 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a O\nb\n", r"x:2 needs 2 columns, a word first and its tag last; got 'b'"),
        (b"a\nb\n", r"x:1 needs 2 columns"),
        (b"a NN\n", r"x:1: a tag needs to be O, .*; got 'NN'"),
        (b"a B-x\nb E-x\n\na U-x\n", r"x:4: tags need to be in one scheme"),
        (b"\n\n", "needs at least one word; got none in x"),
        (b"a O\n\xff O\n", "x:2 needs UTF-8; got byte 0xff at byte 4 of x; convert the file"),
    ],
)
def test_bad_files_get_one_clear_line(content, message):
    with pytest.raises(ValueError, match=message):
        parse(content, "x")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a file that can be read; got .*none \(No such file"):
        columns.read(tmp_path / "none")
    broken = tmp_path / "x.gz"
    broken.write_bytes(gzip.compress(b"a O\n" * 99)[:-5])
    with pytest.raises(ValueError, match="a file that can be read"):
        columns.read(broken)
