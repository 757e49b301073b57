"""Tables as they lie on people's disks: each is read as it was meant, or refused in one line."""

import csv
import gzip
import math
from functools import partial

import pytest

from swiftrnn.data.tables import columns, read

packed = partial(gzip.compress, mtime=0)  # every process makes the same names of tests

ROWS = "1,2\n3,4\n5,6\n"


@pytest.fixture
def table(tmp_path):
    """Writes a text or bytes to a file and reads it."""

    def reads(content, name="t.csv", **how):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return columns(path, **how).values

    return reads


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a;b\n1,5;x\n-2,25e1;y\n", {"a": [1.5, -22.5], "b": ["x", "y"]}),
        ("a\tb\n1,5\t2\n2,5\t3\n", {"a": [1.5, 2.5], "b": [2, 3]}),
        ('a,b\n"1,5","2,5"\n"3","0,125"\n', {"a": [1.5, 3], "b": [2.5, 0.125]}),
        ('a,b\n"1,5",2.0e0x\n"3",x\n', {"a": [1.5, 3], "b": ["2.0e0x", "x"]}),
        ("weight (kg; dry),height\n1,2\n3,4\n", {"weight (kg; dry)": [1, 3], "height": [2, 4]}),
        ("weight (kg, dry),height\n1,2\n3,4\n", {"weight (kg, dry)": [1, 3], "height": [2, 4]}),
        ("w [a,b];h {c,d}\n1,5;2\n3,5;4\n", {"w [a,b]": [1.5, 3.5], "h {c,d}": [2, 4]}),
        ("weight (kg; dry)\n1\n2\n", {"weight (kg; dry)": [1, 2]}),
        ('"a,b";c\n1;2\n3;4\n', {"a,b": [1, 3], "c": [2, 4]}),
        ('"a;b;c;d",e\n1,2\n3,4\n', {"a;b;c;d": [1, 3], "e": [2, 4]}),
        ('"say ""a""",b\n1,2\n', {'say "a"': [1], "b": [2]}),
        ('a,b\n1,"u\nv"\n2,"w\r\nx"\n', {"a": [1, 2], "b": ["u\nv", "w\r\nx"]}),
        ('a, "b, c"\n1, 2\n', {"a": [1], "b, c": [2]}),
        ("a,b,\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\n1,2,\n3,4,\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b,,\n1,2,,\n3,4\n,,,\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\n1,2\n3,4\n\n  \n\n", {"a": [1, 3], "b": [2, 4]}),
        ("\n\na,b\n1,2\n\n3,4", {"a": [1, 3], "b": [2, 4]}),
        ("\ufeffa,b\r\n1,2\r\n3,4\r\n", {"a": [1, 3], "b": [2, 4]}),
        ("a,b\r1,2\r3,4\r", {"a": [1, 3], "b": [2, 4]}),
        ("sep=;\na;b\n1;2\n", {"a": [1], "b": [2]}),
        ("a|b\n1|x,y;z\n2|u,v;w\n", {"a": [1, 2], "b": ["x,y;z", "u,v;w"]}),
        ("a,b\nx\u2028y,1\nz\x85,2\n", {"a": ["x\u2028y", "z"], "b": [1, 2]}),
        ("größe,ж\n1,2\n", {"größe": [1], "ж": [2]}),
        ("value\n1,5\n2,5\n", {"value": [1.5, 2.5]}),
        ("country,1990\nx,1\ny,2\n", {"country": ["x", "y"], "1990": [1, 2]}),
        ("a,b\n+1,.5\n1.,1E-3\n", {"a": [1, 1], "b": [0.5, 1e-3]}),
        ("age,n\n20-29,1\n30-39,2\n", {"age": ["20-29", "30-39"], "n": [1, 2]}),
    ],
)
def test_a_table_is_read_as_it_was_meant(table, text, wanted):
    assert table(text) == wanted
    assert table(packed(text.encode()), "t.csv.gz") == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"names in its first line; got none in .*t.csv"),
        ("\n \n\n", r"names in its first line; got none in .*t.csv"),
        ("a,b\n", r"rows below its names; got none in .*t.csv"),
        ("1,2\n3,4\n", r"names in its first line; got only numbers, 1, 2, in .*t.csv"),
        ("x,1\ny,2\nx,3\n", r"names in its first line; got x, 1 in .*t.csv, like the rows below"),
        ("a,,c\n1,2,3\n", r"a name for each column in its first line; got none for column 2"),
        ("a,b\n1,2,3\n4,5,6\n", r"needs 2 fields in each line; got 3 in line 2 of .*t.csv"),
        ("a,b,a\n1,2,3\n", r"a different one for each column; got .*, with 'a' more than once"),
        ("a,b\n1,2\n3\n5,6\n", r"needs 2 fields in each line; got 1 in line 3 of .*t.csv"),
        ("a,b\n1,2\n3,4,5\n5,6\n", r"needs 2 fields in each line; got 3 in line 3 of .*t.csv"),
        ('a,b\n1,"x\ny"\n3,4,5\n5,6\n6,7\n', r"got 3 in line 4 of .*t.csv"),
        ("a,b\n1,2\n,\n5,6\n", r"a value in each row; got '' for a in line 3 of .*t.csv"),
        ("a,b\n1,2\n3,\n5,6\n", r"a value in each row; got '' for b in line 3 of .*t.csv"),
        ("a\n1\n\n3\n", r"a value in each row; got '' for a in line 3 of .*t.csv"),
        ("a,b\n1,NA\n3,4\n", r"got 'NA' for b in line 2 of .*; fill it, .*--missing drop"),
        ("a,b\n1,2\n3,nan\n", r"got 'nan' for b in line 3"),
        ("a,b\n1,2\n3,?\n", r"got '\?' for b in line 3"),
        ("a,b\n1,2\n3,inf\n", r"plain numbers, such as -1.5e3; got 'inf' for b in line 3"),
        ("a,b\n1,2\n3,1e999\n", r"plain numbers.*; got '1e999' for b in line 3"),
        ("a,b\n1,2\n3,1_0\n", r"plain numbers.*; got '1_0' for b in line 3 .*--words 'b'"),
        ("a,b\n1,1_0\n3,1_0\n", r"plain numbers.*; got '1_0' for b in line 2"),
        ("a,b\n1,0x1F\n3,0x1F\n", r"plain numbers.*; got '0x1F' for b in line 2"),
        ("a,b\n1,１２\n3,１２\n", r"plain numbers.*; got '１２' for b in line 2"),
        ("a,b\n1,\u22125\n3,4\n", r"plain numbers.*; got '\u22125' for b in line 2"),
        ("a,b\n1,1 234\n3,1 234\n", r"plain numbers.*; got '1 234' for b in line 2"),
        ("a,b\n1,12 %\n3,12 %\n", r"plain numbers.*; got '12 %' for b in line 2"),
        ('a,b\n1,"1,234.5"\n3,"1,234.5"\n', r"plain numbers.*; got '1,234.5' for b in line 2"),
        ("a;b\n1;1.234,5\n3;2,5\n", r"plain numbers.*; got '1.234,5' for b in line 2"),
        ('a,b\n1,"1,234"\n3,5\n', r"read in one way; got .1,234. for b in line 2 "),
        ("a;b\n1,5;2.5\n3;4\n", r"one decimal sign; got '1,5' for a in line 2 .*'2.5' for b"),
        ("a,b\n1,2\n3,crew\n", r"numbers or words in a column; got '2' for b in line 2 .*'crew'"),
        ("a;b,c\nx;y,z\nu;v,w\n", r"parted in one way; got .,. and .;., which both fit"),
        ('a,b\n1,"2\n3,4\n', r"quoted fields that end; got .* begins in line 2 of .*t.csv"),
        ('a,b\n1,"x"y\n3,4\n', r"quoted fields that end; got .* begins in line 2 of .*t.csv"),
        ("a,b\n1,2\n3,\0\n", r"text in UTF-8; got the byte 0x00 in line 3 of .*t.csv"),
        ("a,b\nx,1\nß,2\n".encode("latin-1"), r"got the byte 0xdf in line 3 of .*t.csv"),
        ("a,b\n1,2\n".encode("utf-16"), r"text in UTF-8; got UTF-16 in .*t.csv"),
        (packed(b"a,b\n1,2\n" * 99)[:-9], r"gzip file needs to be whole; got .*t.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_in_one_way_gets_one_line(table, text, said):
    with pytest.raises(ValueError, match=said) as error:
        table(text)
    assert "\n" not in str(error.value)


def test_what_is_told_decides(table):
    thousands = 'a,b\n1,"1,234"\n3,"2,500"\n'
    assert table(thousands, decimal="comma") == {"a": [1, 3], "b": [1.234, 2.5]}
    with pytest.raises(ValueError, match=r"plain numbers.*; got '1,234' for b in line 2"):
        table(thousands, decimal="point")
    either = "a;b,c\nx;y,z\nu;v,w\n"
    assert table(either, delimiter="comma") == {"a;b": ["x;y", "u;v"], "c": ["z", "w"]}
    assert table(either, delimiter="semicolon") == {"a": ["x", "u"], "b,c": ["y,z", "v,w"]}
    mixed = "a,b\n1,2\n3,crew\n1_0,4\n"
    assert table(mixed, words=("b", "a")) == {"a": ["1", "3", "1_0"], "b": ["2", "crew", "4"]}
    gaps = "a,b,c\n1,2,\n3,NA,4\n5,6,7\n"
    assert table(gaps, missing="drop") == {"a": [5], "b": [6], "c": [7]}
    assert table(gaps, names=("b", "a"), missing="drop") == {"b": [2, 6], "a": [1, 5]}
    with pytest.raises(ValueError, match="without missing values; got none of 1 in"):
        table("a,b\n1,NA\n", missing="drop")
    for name in ("names", "words"):
        with pytest.raises(ValueError, match=r"by name; got 'z', and .*t.csv has a, b;"):
            table("a,b\n" + ROWS, **{name: ("z",)})


def test_a_cell_may_be_as_wide_as_the_file_and_other_readers_keep_their_limit(table):
    before = csv.field_size_limit()
    wide = "x" * 200_000
    assert table(f'a,b\n1,{wide}\n2,"{wide}\n{wide}"\n')["b"] == [wide, f"{wide}\n{wide}"]
    assert csv.field_size_limit() == before


def test_a_packed_table_cannot_fill_the_memory(table, monkeypatch):
    monkeypatch.setattr("swiftrnn.data.tables.MOST", 10_000)
    with pytest.raises(ValueError, match=r"at most 10,000 bytes in it; got more from .*t.csv"):
        table(packed(b"a,b\n" + b"1,2\n" * 9999))
    with pytest.raises(ValueError, match=r"at most 10,000 bytes; got more in .*t.csv"):
        table("a,b\n" + "1,2\n" * 9999)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a file to read; got .*none.csv: No such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"a file to read; got .*: Is a directory"):
        read(tmp_path)


def test_each_cell_knows_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n\n"1\n",2\n3,4\n')
    assert [(cell.text, cell.line) for cell in read(path)["b"]] == [("2", 3), ("4", 5)]


def test_numbers_are_those_of_pythons_csv_and_float(table):
    import random

    draw = random.Random(0)
    numbers = [[draw.gauss(0, 10 ** draw.uniform(-9, 9)) for _ in range(3)] for _ in range(50)]
    text = "x,y,z\n" + "".join(",".join(map(repr, row)) + "\n" for row in numbers)
    assert [*zip(*table(text).values(), strict=True)] == [tuple(row) for row in numbers]
    assert all(map(math.isfinite, table(text)["x"]))
