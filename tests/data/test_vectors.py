"""Vectors of words, in each form of file."""

import gzip
from functools import partial

import numpy as np
import pytest

from swiftrnn.data.vectors import read

packed = partial(gzip.compress, mtime=0)  # every process makes the same names of tests

TABLE = {
    "the": [1.5, -2.0, 3e-3],
    "bonn": [0.0, 1.0, 2.0],
    "b00": [4.0, 5.0, 6.0],
    "new york": [7.0, 8.0, 9.0],
}
ROWS = [(w, np.array(v, dtype=np.float32)) for w, v in TABLE.items()]
TEXT = "".join(f"{w} {' '.join(map(repr, map(float, v)))}\n" for w, v in TABLE.items()).encode()
BINARY = b"4 3\n" + b"".join(w.encode() + b" " + v.tobytes() + b"\n" for w, v in ROWS[:3])
FORMS = {
    "glove.txt": TEXT,
    "word2vec.txt": b"4 3\n" + TEXT,
    "word2vec.bin": BINARY.replace(b"4 3", b"3 3", 1),
    "glove.txt.gz": packed(TEXT),
    "word2vec.bin.gz": packed(BINARY.replace(b"4 3", b"3 3", 1)),
}


@pytest.mark.parametrize("name", FORMS)
def test_words_are_found_in_three_ways(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    found = read(path, ["the", "Bonn", "B12", "zzz", "the"])
    assert found.dim == 3
    assert found.found == {"exact": 1, "lower": 1, "digits": 1, "none": 1}
    assert found.coverage == 0.75
    assert str(found) == "4 words: exact 25.0 %, lower 25.0 %, digits 25.0 %, none 25.0 %"
    for word, form in (("the", "the"), ("Bonn", "bonn"), ("B12", "b00")):
        np.testing.assert_allclose(found.of[word], TABLE[form])


def test_a_word_may_have_a_blank(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(TEXT)
    assert read(path, ["new york"]).coverage == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT + b"cut 1.0\n", r":5 needs a word and 3 numbers; got b'cut 1.0\\n'"),
        (BINARY, r"need 4 words, as the first line of .* says; got 3; it was cut short"),
        (b"the 1.0 x 2.0\n", r":1 needs a word and 1 numbers"),
        (b"", r"need lines of a word and its numbers; got b''"),
        (b"other 1.0 2.0\n", r"got none of 1 in .*; is it of this language"),
    ],
)
def test_bad_files_get_one_clear_line(content, message, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(path, ["the"] if b"the" in content or not content else ["zzz"])


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"a file that can be read; got .*none \(No such file"):
        read(tmp_path / "none", ["the"])
    broken = tmp_path / "x.gz"
    broken.write_bytes(packed(TEXT * 999)[:-9])
    with pytest.raises(ValueError, match="a file that can be read"):
        read(broken, ["the"])


def lines(*rows):
    return b"".join(row + b"\n" for row in rows)


ABC = lines(b"a 1.5 2 3", b"b 4 -5e-1 6", b"c 7 8 9.25")
BIN = b"".join(w + b" " + np.array(v, "<f4").tobytes() for w, v in
               ((b"a", [1.5, 2, 3]), (b"b", [4, -0.5, 6]), (b"c", [7, 8, 9.25])))  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        ABC,
        b"3 3\n" + ABC,
        b"3 3\n" + BIN,
        b"3\t3\r\n" + ABC.replace(b" ", b"\t").replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + ABC,
        b"\xef\xbb\xbf3 3\n" + ABC,
        ABC.replace(b"\n", b" \n") + b"\n\n",
        ABC[:-1],
        ABC.replace(b" ", b"  "),
        b"# vectors of ours\n" + ABC,
        b"3 3\n" + ABC.replace(b"a 1.5", b"nan 1.5\na 1.5".replace(b"nan 1.5", b"x nan 2 3"), 1),
        packed(ABC),
        packed(b"3 3\n" + BIN),
        ABC + b"1984 1 2 3\n95 95 1 2 3\nwindows 95 1 2 3\n. . . 1 2 3\n",
    ],
)
def test_each_form_of_file_gives_the_same_vectors(content, tmp_path):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    found = read(path, ["a", "b", "c"])
    assert (found.dim, found.coverage) == (3, 1)
    for word, row in zip("abc", ([1.5, 2, 3], [4, -0.5, 6], [7, 8, 9.25]), strict=True):
        assert found.of[word].dtype == np.float32
        assert found.of[word].tolist() == row


def test_a_first_line_whose_numbers_look_odd_does_not_make_a_text_binary(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"4 3\nx nan inf NaN\n" + ABC)
    assert read(path, ["a"]).of["a"].tolist() == [1.5, 2, 3]
    with pytest.raises(ValueError, match=r"x:2 needs finite numbers behind its word 'x'; got nan"):
        read(path, ["x"])


def test_the_first_vector_of_a_word_is_taken_and_others_are_counted(tmp_path, capsys):
    path = tmp_path / "x"
    path.write_bytes(ABC + b"a 0 0 0\nb 0 0 0\na 9 9 9\n")
    assert read(path, ["a", "c"]).of["a"].tolist() == [1.5, 2, 3]
    said = f"{path}: 2 of the words are there again; their first vectors are taken\n"
    assert capsys.readouterr().err == said


def test_what_is_left_out_is_said(tmp_path, capsys):
    path = tmp_path / "x"
    path.write_bytes(b"# ours\n" + ABC + b"\xfc 1 2 3\n")
    assert read(path, ["a"]).coverage == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path}: the first line, b'# ours', is no vector, left out",
        f"{path}: 1 of 4 words are no UTF-8, left out",
    ]


HUGE = b"1000000000000 300\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a 1 2 nan\n" + ABC, r"x:1 needs finite numbers behind its word 'a'; got nan"),
        (b"a 1 2 -inf\n" + ABC, r"x:1 needs finite numbers behind its word 'a'; got -inf"),
        (b"a 1 2 1e39\n" + ABC, r"x:1 needs finite numbers behind its word 'a'; got inf"),
        (b"3 3\n" + BIN.replace(np.float32(2).tobytes(), np.float32("nan").tobytes()),
         r"word 1 of .*x needs finite numbers behind its word 'a'; got nan"),
        (ABC + b"d 1 2\n" + ABC, r"x:4 needs a word and 3 numbers; got b'd 1 2"),
        (ABC + b"d 1.5 2 3.5 4\n", r"x:4 needs a word and 3 numbers"),
        (ABC + b"\n" + ABC, r"x:4 needs a word and 3 numbers; got b''"),
        (ABC + b"1 2 3\n", r"x:4 needs a word and 3 numbers"),
        (ABC.replace(b"1.5", b"1_5"), r"x:1 needs numbers behind its word; got b'1_5 2 3'"),
        (ABC.replace(b"1.5", b"1,5"), r"x:1 needs numbers behind its word; got b'1,5 2 3'"),
        (ABC.replace(b"1.5", b"0x1"), r"x:1 needs numbers behind its word; got b'0x1 2 3'"),
        (b"5 3\n" + ABC, r"need 5 words, as the first line of .*x says; got 3; it was cut short"),
        (b"3 4\n" + ABC, r"need lines of 4 numbers, as the first line of .* got 3 in most lines"),
        (b"3 3\n" + BIN[:-1], r"need .* as the first line of .*x says|; got 2; it was cut short"),
        (b"4 3\n" + BIN + b"d ", r"; it was cut short"),
        (b"2 3\n" + BIN, r"need 2 words of 3 numbers, as .* says; got more bytes behind them"),
        (HUGE + BIN, r"bytes or more for the 1,000,000,000,000 words that the first line of"),
        (HUGE, r"bytes or more for the 1,000,000,000,000 words that the first line of"),
        (packed(HUGE + BIN), r"bytes or more for the 1,000,000,000,000 words"),
        (b"3 99999999999\n" + BIN, r"need 1 to 65,536 numbers each; got 99,999,999,999 in"),
        (b"3 0\n" + BIN, r"need 1 to 65,536 numbers each; got 0 in the first line"),
        (b"9" * 5000 + b" 3\n" + BIN, r"x"),
        (b"PK\x03\x04" + ABC, r"a file of their own; got the archive .*x; unpack it"),
        (ABC.decode().encode("utf-16"), r"lines of a word and its numbers; got b"),
        (ABC + lines(*(b"\xfc%d 1 2 3" % i for i in range(9))), r"words in UTF-8; got 9 of 12"),
        (ABC + b"d" * (1 << 20) + b" 1 2 3\n", r"x:4 needs a line of at most 1,048,576 bytes"),
        (packed(ABC * 99)[:-9], r"a file that can be read; got .*x \("),
        (packed(ABC * 99)[:30] + b"junk" * 9, r"a file that can be read; got .*x \("),
        (packed(ABC) + b"junk", r"a file that can be read; got .*x \("),
    ],
)  # fmt: skip
def test_a_damaged_file_gets_one_line(content, said, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        read(path, ["a"])
    assert "\n" not in str(error.value)
