"""Texts: what is read, how it is split, and what is said where it cannot be."""

import hashlib
import os

import pytest

from swiftrnn.data import text
from swiftrnn.data.text import part_of, read_text, standard_library, wikitext_2


def library(root, count=400, size=4000):
    """Made-up sources: file `mod<i>.py` holds its own number, so that parts can be told apart."""
    for i in range(count):
        path = root / f"pack{i % 7}" / f"mod{i}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"# {i:06}\n".encode() * (size // 9))
    return root


def test_the_library_of_this_python_is_found():
    read = standard_library()
    assert len(read.train) > 20 * len(read.test) > 0
    assert b"".join(read.test_files) == read.test
    assert len(read.sha256) == 64
    assert int(read.facts["bytes"]) == len(read.train) + len(read.valid) + len(read.test)


def test_no_file_is_in_two_parts_and_none_is_lost(tmp_path):
    read = standard_library(library(tmp_path))
    lines = [set(part.split(b"\n")) - {b""} for part in (read.train, read.valid, read.test)]
    assert sum(map(len, lines)) == len(set.union(*lines)) == 400
    in_test = {
        f"# {i:06}".encode() for i in range(400) if part_of(f"pack{i % 7}/mod{i}.py") == "test"
    }
    assert lines[2] == in_test


def test_the_split_is_the_first_byte_of_the_hash_in_percent():
    name = "json/decoder.py"
    percent = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100
    assert (percent < 3, 6 <= percent < 9) == (part_of(name) == "valid", part_of(name) == "test")
    parts = [part_of(f"{i}.py") for i in range(5000)]
    assert 100 < parts.count("test") < 200
    assert 100 < parts.count("valid") < 200


@pytest.mark.parametrize("left_out", ["test", "tests", "site-packages", "encodings", "idlelib"])
def test_tests_tables_and_other_packages_are_left_out(tmp_path, left_out):
    before = standard_library(library(tmp_path))
    (tmp_path / "deep" / left_out).mkdir(parents=True)
    (tmp_path / "deep" / left_out / "x.py").write_text("never read")
    (tmp_path / "deep" / "x.txt").write_text("never read")
    assert standard_library(tmp_path) == before


def test_the_hash_sees_a_renamed_file_and_a_changed_byte(tmp_path):
    first = standard_library(library(tmp_path)).sha256
    (tmp_path / "pack1/mod1.py").rename(tmp_path / "pack1/mod1b.py")
    second = standard_library(tmp_path).sha256
    (tmp_path / "pack2/mod2.py").write_bytes(b"#")
    assert len({first, second, standard_library(tmp_path).sha256}) == 3


def test_a_stripped_library_points_to_a_text_of_ones_own(tmp_path):
    with pytest.raises(ValueError, match=r"at least 1,000,000 bytes.*got 0 in .*--text FILE"):
        standard_library(tmp_path)
    with pytest.raises(ValueError, match=r"got 400,\d+ in|got 39\d,\d+ in"):
        standard_library(library(tmp_path, size=1000))


def test_a_file_is_split_in_order_and_whole(tmp_path):
    content = os.urandom(30_001)
    (tmp_path / "any.bin").write_bytes(content)
    read = read_text(tmp_path / "any.bin")
    assert read.train + read.valid + read.test == content
    assert len(read.train) == 27_000
    assert read.sha256 == hashlib.sha256(content).hexdigest()


def test_files_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_bytes(b"x" * 19_999)
    with pytest.raises(ValueError, match=r"got an empty file in .*empty; give a longer text$"):
        read_text(tmp_path / "empty")
    with pytest.raises(ValueError, match="at least 20,000 bytes; got 19,999 bytes in"):
        read_text(tmp_path / "short")
    with pytest.raises(ValueError, match=r"got .*none \(No such file or directory\)"):
        read_text(tmp_path / "none")
    with pytest.raises(ValueError, match=r"Is a directory|Permission denied"):
        read_text(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_one_may_not_read_is_named(tmp_path):
    (tmp_path / "secret").write_bytes(b"x" * 30_000)
    (tmp_path / "secret").chmod(0)
    with pytest.raises(ValueError, match="Permission denied"):
        read_text(tmp_path / "secret")


def test_wikitext_has_three_parts(monkeypatch):
    monkeypatch.setattr(text, "read", lambda name, file: f"{name}/{file}".encode())
    read = wikitext_2()
    assert read.train == b"wikitext-2/wiki.train.tokens.gz"
    assert read.test_files == (b"wikitext-2/wiki.test.tokens.gz",)
