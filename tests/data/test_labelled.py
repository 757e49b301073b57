"""Files of texts and classes: what is read, and what is refused by line."""

import gzip
import json
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.labelled import Labelled, Layout, folds, read

TWO = Labelled(("good film", 'a "bad, dull" film'), ("pos", "neg"))


def file(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("a.csv", 'text,kind\ngood film,pos\n"a ""bad, dull"" film",neg\n', None),
        ("a.csv", 'kind,text\npos,good film\nneg,"a ""bad, dull"" film"\n', Layout("text", "kind")),
        ("a.csv", 'i,t,k\n1,good film,pos\n2,"a ""bad, dull"" film",neg\n', Layout("2", "-1")),
        ("a.tsv", 'text\tkind\ngood film\tpos\n\na "bad, dull" film\tneg\n', None),
        ("a.txt", 'text\tkind\r\ngood film\tpos\r\na "bad, dull" film\tneg', None),
        ("a.txt.gz", 'text\tkind\ngood film\tpos\na "bad, dull" film\tneg\n', None),
        ("a.jsonl", '{"text": "good film", "label": "pos"}\n\n'
         '{"label": "neg", "text": "a \\"bad, dull\\" film", "more": 1}\n', None),
        ("a.jsonl", '{"b": "good film", "k": "pos"}\n{"b": "a \\"bad, dull\\" film", "k": "neg"}',
         Layout("b", "k")),
    ],
)  # fmt: skip
def test_texts_and_classes_are_read_from_every_kind_of_file(tmp_path, name, text, layout):
    assert read(file(tmp_path, name, text), layout) == TWO


def test_a_first_row_is_data_where_its_class_is_another_rows_or_known(tmp_path):
    path = file(tmp_path, "a.txt", "so so\t1\nbad\t0\nfine\t1\n")
    assert read(path).labels == ("1", "0", "1")
    path = file(tmp_path, "b.txt", "fine\t1\nbad\t0\n")
    assert read(path).labels == ("0",)  # as if "1" named the column
    assert read(path, known=("0", "1")).labels == ("1", "0")


def test_columns_of_a_parquet_file_are_read_by_name(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow
    from pyarrow import parquet

    table = {"label": [1, 0], "body": ["good film", "bad film"], "text": ["a", "b"]}
    parquet.write_table(pyarrow.table(table), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", Layout("body")) == Labelled(
        ("good film", "bad film"), ("1", "0")
    )
    with pytest.raises(ValueError, match=r"got 'kind'; choose one of label, body, text"):
        read(tmp_path / "a.parquet", Layout(label="kind"))
    (tmp_path / "b.parquet").write_text("text")
    with pytest.raises(ValueError, match=r"b\.parquet needs to be a Parquet file; got"):
        read(tmp_path / "b.parquet")


def test_a_parquet_file_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"a\.parquet needs the extra parquet; pyarrow"):
        read(tmp_path / "a.parquet")


def test_lines_end_at_line_feeds_only(tmp_path):
    assert read(file(tmp_path, "a.txt", "x\t0\none\x85two\u2028three\t0\n")).texts[1] == (
        "one\x85two\u2028three"
    )


@pytest.mark.parametrize(
    ("name", "text", "layout", "message"),
    [
        ("a.csv", "good,pos\nbad\n", None, "a.csv:2 needs 2 cells parted by a comma, .*got 1"),
        ("a.csv", "good\nbad\n", None, "a.csv:1 needs 2 cells"),
        ("a.csv", 'good,pos\n"bad"ly,neg\n', None, "a.csv:2 needs cells as RFC 4180 has them"),
        ("a.csv", "good,pos\nbad,\n", None, "a.csv:2 needs a text and a class; got no class"),
        ("a.csv", "x,y\ngood,pos\n ,neg\n", None, "a.csv:3 needs a text and a class; got no text"),
        ("a.csv", "", None, "needs texts with a class each; got none"),
        ("a.csv", "a,b\nc,d\n", Layout("1", "1"), "got column 1 for both"),
        ("a.csv", "a,b\nc,d\n", Layout("3"), "got 3; choose one of 1 to 2"),
        ("a.csv", "a,b\nc,d\n", Layout("z"), "got 'z'; choose one of a, b"),
        (
            "a.doc",
            "a,b\n",
            None,
            r"need a file that ends in \.csv, .*, \.jsonl or \.parquet; got",
        ),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text": "a"}\n', None, "a.jsonl:2 needs a JSON"),
        ("a.jsonl", '{"text": 1, "label": "b"}\n', None, "a.jsonl:1 needs a text and a word"),
        ("a.jsonl", "[1]\n", None, "a.jsonl:1 needs a JSON object with the keys text and label"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_line(tmp_path, name, text, layout, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(file(tmp_path, name, text), layout)
    assert "\n" not in str(caught.value)


def test_another_encoding_is_said_or_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes("été,x\nfin,x\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"needs UTF-8; got byte 0xe9"):
        read(tmp_path / "a.csv")
    assert read(tmp_path / "a.csv", Layout(encoding="latin-1")).texts[0] == "été"


@given(st.lists(st.sampled_from("abc"), min_size=10, max_size=60), st.integers(2, 10))
def test_folds_are_equal_parts_with_their_share_of_every_class(labels, count):
    parts = folds(labels, count, seed=1)
    assert sorted(i for part in parts for i in part) == list(range(len(labels)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for name, n in Counter(labels).items():
        shares = [sum(labels[i] == name for i in part) for part in parts]
        assert max(shares) - min(shares) <= 2, json.dumps([n, shares])
    assert folds(labels, count, seed=1) == parts


def test_quotes_are_letters_where_tabs_part_cells(tmp_path):
    found = read(file(tmp_path, "a.tsv", '"bad" film\tneg\n"good\tpos\nso\tneg\nand so\tpos\n'))
    assert found.texts == ('"bad" film', '"good', "so", "and so")


def test_too_few_texts_for_folds():
    with pytest.raises(ValueError, match="got 3 folds and 2 texts"):
        folds(["a", "b"], 3, 0)
