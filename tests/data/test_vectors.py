"""Vectors of words, in each form of file."""

import gzip

import numpy as np
import pytest

from swiftrnn.data.vectors import read

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
    "glove.txt.gz": gzip.compress(TEXT),
    "word2vec.bin.gz": gzip.compress(BINARY.replace(b"4 3", b"3 3", 1)),
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
        (BINARY, r"needs 4 words; got 3; it was cut short"),
        (b"the 1.0 x 2.0\n", r":1 needs numbers behind its word"),
        (b"", r"needs? .*(words|numbers)"),
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
    broken.write_bytes(gzip.compress(TEXT * 999)[:-9])
    with pytest.raises(ValueError, match="a file that can be read"):
        read(broken, ["the"])
