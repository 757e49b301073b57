"""Reading and writing words with their tags."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.tagged import columns
from swiftrnn.data.tagged.columns import Sentence, parse, read, write
from swiftrnn.data.tagged.lines import Layout
from swiftrnn.data.tagged.tags import SCHEMES, Span, to_tags

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


GERMEVAL = """\
#\thttp://de.wikipedia.org/wiki/x [2009-10-17]
1\tAufgrund\tO\tO
2\tder\tO\tO
3\tFC\tB-ORG\tO
4\tBonn\tI-ORG\tB-LOC
#\thttp://n-tv.de [2010]
1\t#\tO\tO

1\tUlm\tB-LOC\tO
"""
CONLLU = """\
# global.columns = ID FORM LEMMA NER
# text = Er ging zum FC . O
1\tEr\t_\tO
2\tging\t_\tO
3-4\tzum\t_\t_
3\tzu\t_\tO
4\tdem\t_\tO
4.1\tging\t_\t_
5\tFC\t_\tB-ORG

"""


def test_a_column_that_counts_is_no_column_of_words():
    for content in (GERMEVAL, CONLLU, "1 a O\n2 b O\n\n1 c O\n", "0 a O\n0 b B-x\n1 c O\n"):
        with pytest.raises(ValueError, match=r"x:\d needs words in its first column; got numbers, "
                                             r"which count them; .* --word-column 2"):  # fmt: skip
            parse(content.encode(), "x")
    assert parse(b"1 NN O\n2 NN O\nBonn NN B-x\n", "x").sentences[0].words == ("1", "2", "Bonn")


def test_columns_are_chosen_by_number_and_by_name():
    found = parse(GERMEVAL.encode(), "x", Layout("2", "3"))
    assert [s.words for s in found.sentences] == [
        ("Aufgrund", "der", "FC", "Bonn", "#"), ("Ulm",),
    ]  # fmt: skip
    assert found.sentences[0].spans == (Span("ORG", 2, 4),)
    inner = parse(GERMEVAL.encode(), "x", Layout("2"))
    assert inner.sentences[0].spans == (Span("LOC", 3, 4),)
    wanted = Sentence(("Er", "ging", "zu", "dem", "FC"), (Span("ORG", 4, 5),))
    for layout in (Layout("2", "4"), Layout("FORM", "NER"), Layout("-3", "-1"), Layout("2")):
        assert parse(CONLLU.encode(), "x", layout).sentences == (wanted,)
    table = b"tag word\nB-x Bonn\nO is\n"
    assert parse(table, "x", Layout("word", "tag")).sentences[0].words == ("Bonn", "is")
    assert parse(b"B-x Bonn\nO is\n", "x", Layout("2", "1")).types == ["x"]


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout("5"), r"x:2 needs a column 5 for --word-column; got 4 columns"),
        (Layout("0"), r"needs a column 0 for --word-column; got 4 columns"),
        (Layout("2", "-5"), r"needs a column -5 for --tag-column"),
        (Layout("4"), r"needs words and tags in two columns; got column 4 for both"),
        (Layout("2", "NER"), r"needs a column NER for --tag-column; got the columns 1, Aufgrund"),
        (Layout(encoding="utf8x"), r"--encoding needs a name that Python knows; got 'utf8x'"),
    ],
)
def test_columns_that_are_not_there_get_one_line(layout, message):
    with pytest.raises(ValueError, match=message):
        parse(GERMEVAL.encode(), "x", layout)


def test_lines_end_in_a_line_feed_and_nothing_else():
    words = ("a\u2028b", "c\x85d", "e\x0bf", "g\u2029h", "\x1ci")
    content = "\r\n".join(f"{word} B-x" for word in words) + "\r\n\r\nj O\r\n"
    found = parse(content.encode(), "x")
    assert [s.words for s in found.sentences] == [words, ("j",)]
    assert found.types == ["x"]
    with pytest.raises(ValueError, match=r"x:1 needs lines that end in a line feed; got carriage"):
        parse(b"a O\rb O\r", "x")


def test_blanks_are_blank_and_tab_and_are_no_part_of_fields():
    found = parse("10\u00a0000 O\n\u3000 O\n  Bonn  \t B-PER \t\n \t \nUlm\tB-PER\n".encode(), "x")
    assert [s.words for s in found.sentences] == [("10\u00a0000", "\u3000", "Bonn"), ("Ulm",)]
    assert found.types == ["PER"]
    tabs = parse(b"New York \t B-LOC \n", "x")
    assert tabs.sentences[0] == Sentence(("New York",), (Span("LOC", 0, 1),))
    with pytest.raises(ValueError, match=r"x:1: a tag needs to be O, .*; got 'B-PER\\xa0'"):
        parse("a\tB-PER\u00a0\n".encode(), "x")


def test_a_document_begins_whatever_the_columns():
    for line in ("-DOCSTART- O", "-DOCSTART- -X- -X- O", "-DOCSTART-", "-DOCSTART- -X- -X- -X- O O",
                 "-DOCSTART-\tO"):  # fmt: skip
        found = parse(f"{line}\n\nBonn NNP B-NP B-LOC\n{line}\nUlm NNP B-NP O\n".encode(), "x")
        assert (found.documents, len(found.sentences)) == (2, 2)
        assert found.sentences[0] == Sentence(("Bonn",), (Span("LOC", 0, 1),))


def test_tags_without_a_type_get_one_if_all_are():
    found = parse(b"New B\nYork I\nis O\n# B\n", "x")
    assert found.sentences[0].spans == (Span("entity", 0, 2), Span("entity", 3, 4))
    with pytest.raises(ValueError, match=r"x:2: a tag needs to be O, .*; got 'B'"):
        parse(b"New B-x\nYork B\n", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tO\n\tO\n", r"x:2 needs a word and a tag in columns 1 and 2; got '\\tO'"),
        (b"a\tN\tO\nb\t\tO\nc\tN\n", r"x:3 needs 3 columns"),
        (b"a N O\nb O\n", r"x:2 needs 3 columns, a word first and its tag last; got 'b O'"),
        (b"a B-x\nb I-\n", r"x:2: a tag needs .* got 'I-'"),
        (b"a O\n\nb _\n", r"x:3: a tag needs .* got '_'; is that the column of the tags"),
        ("a O\n".encode("utf-16"), r"x:1 needs UTF-8; got UTF-16; add --encoding utf-16"),
        ("a O\nb O\n".encode("utf-16-le"), r"x:1 needs text; got a zero character"),
        ("a O\nb O\nñ O\n".encode("latin-1"), r"x:3 needs UTF-8; .* --encoding latin-1"),
    ],
)
def test_each_message_names_the_line(content, message):
    with pytest.raises(ValueError, match=message):
        parse(content, "x")


def test_other_encodings_are_read_where_they_are_named():
    for encoding in ("latin-1", "utf-16", "utf-8-sig", "utf-16-le"):
        content = "España B-LOC\n".encode(encoding)
        assert parse(content, "x", Layout(encoding=encoding)).sentences[0].words == ("España",)
    with pytest.raises(ValueError, match="x:1 needs latin-1; got UTF-8; leave --encoding out"):
        parse("España B-LOC\n".encode(), "x", Layout(encoding="latin-1"))


def test_what_was_read_is_told():
    found = parse(b"-DOCSTART- O\n\nNew B-LOC\nYork I-LOC\n\nand O\nBonn I-ORG\nUlm B-LOC\n", "x")
    assert found.about() == {
        "scheme": "IOB2", "sentences": 2, "words": 5, "types": {"LOC": 2, "ORG": 1},
        "first": {"words": "New York", "type": "LOC"}, "irregular": 1, "documents": 1,
    }  # fmt: skip
    assert str(found) == (
        "2 sentences, 5 words, IOB2: LOC 2, ORG 1; first LOC: New York; 1 against the rules of IOB2"
    )
