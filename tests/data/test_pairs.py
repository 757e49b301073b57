"""Pairs of sentences: what is read, what is refused, and parts without leaks."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.data.translation.pairs import Layout, Pairs, components, read, read_parallel, split

TWO = Pairs(("Hallo !", "Wo ist er?"), ("Hello!", "Where is he?"))
words = st.sampled_from("abcdefgh")


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("a.tsv", "Hallo !\tHello!\nWo  ist er?\tWhere is he?\n", None),
        ("a.txt", "Hello!\tHallo !\tCC\nWhere is he?\tWo ist er?\tCC", Layout("2", "1")),
        ("a.csv", "id,de,en\n1,Hallo !,Hello!\n2,Wo ist er?,Where is he?\n", Layout("de", "en")),
        ("a.jsonl", '{"source": "Hallo !", "target": "Hello!"}\n'
         '{"target": "Where is he?", "source": "Wo ist er?"}', None),
    ],
)  # fmt: skip
def test_pairs_are_read_from_every_kind_of_file(tmp_path, name, text, layout):
    (tmp_path / name).write_text(text)
    assert read(tmp_path / name, layout) == TWO


def test_two_files_are_paired_line_by_line(tmp_path):
    (tmp_path / "a.de").write_bytes(b"Hallo !\r\nWo ist er?")
    (tmp_path / "a.en").write_text("Hello!\nWhere is he?\n")
    assert read_parallel(tmp_path / "a.de", tmp_path / "a.en") == TWO
    assert read_parallel(tmp_path / "a.en", tmp_path / "a.de").swapped() == TWO


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tsv", b"a\tb\nc\n", r"a\.tsv:2 needs 2 cells parted by a tab, .*; got 1"),
        ("a.tsv", b"a\tb\nc\t \n", r"a\.tsv:2 needs a sentence on either side; got an empty one"),
        ("a.tsv", b"a\tb\nc\t" + b"d" * 1_000_000, r"a\.tsv:2 needs sentences of at most 10,000"),
        ("a.tsv", "a\tb\né\tc\n".encode("latin-1"), r"a\.tsv:2 needs UTF-8; got byte 0xe9"),
        ("a.tsv", b"", r"a\.tsv needs pairs of sentences; got none"),
        ("a.tsv", b"a\n", r"a sentence and its translation need; got 1"),
        ("a.doc", b"a\tb\n", r"pairs of sentences need a file that ends in .*\.parquet; got"),
        ("a.jsonl", b'{"source": "a", "target": 3}', r"a\.jsonl:1 needs two sentences; got 3"),
        ("a.jsonl", b'{"source": "a"}', r"keys source and target; .*--source-column and --target"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=said) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_files_of_different_lengths_are_refused(tmp_path):
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("eins\n")
    with pytest.raises(ValueError, match=r"as many lines as one another; got 2 in .*a and 1 in"):
        read_parallel(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b").write_text("eins\n\n")
    with pytest.raises(ValueError, match=r"b:2 needs a sentence on either side"):
        read_parallel(tmp_path / "a", tmp_path / "b")


def by_definition(pairs):
    """Components by merging sets until nothing changes."""
    groups = [{i} for i in range(len(pairs))]
    sides = [{("s", s.casefold()), ("t", t.casefold())}
             for s, t in zip(pairs.sources, pairs.targets, strict=True)]  # fmt: skip
    changed = True
    while changed:
        changed = False
        for a in groups:
            for b in groups:
                if a is not b and any(sides[i] & sides[j] for i in a for j in b):
                    a |= b
                    groups.remove(b)
                    changed = True
                    break
            if changed:
                break
    return {frozenset(group) for group in groups}


@given(st.lists(st.tuples(words, words), min_size=1, max_size=12))
def test_components_are_those_of_the_definition(rows):
    pairs = Pairs(*map(tuple, zip(*rows, strict=True)))
    of = components(pairs).tolist()
    found = {frozenset(i for i, each in enumerate(of) if each == number) for number in set(of)}
    assert found == by_definition(pairs)
    firsts = [of.index(number) for number in range(max(of) + 1)]
    assert firsts == sorted(firsts)  # numbered in the order in which they come


def chains(count):
    """Groups of pairs that share sentences: each sentence has two translations."""
    rows = []
    for i in range(count):
        rows += [(f"s{i}", f"t{i}"), (f"s{i}", f"u{i}"), (f"r{i}", f"u{i}")]
    return Pairs(*map(tuple, zip(*rows, strict=True)))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_sentence_is_in_two_parts(seed):
    pairs = chains(2000)
    parts = split(pairs, 0.1, 0.2, seed)
    assert sum(map(len, parts)) == len(pairs)
    for side in ("sources", "targets"):
        train, valid, test = ({*getattr(part, side)} for part in parts)
        assert not train & valid | train & test | valid & test
    shares = [len(part) / len(pairs) for part in parts]
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert split(pairs, 0.1, 0.2, seed) == parts
    assert split(pairs, 0.1, 0.2, seed + 1) != parts


def test_pairs_drawn_at_random_would_leak():
    """Why it is done: of pairs drawn one by one most share a sentence with the training part."""
    pairs = chains(2000)
    drawn = {i for i in range(len(pairs)) if hash((7, i)) % 10 == 0}
    train = {pairs.sources[i] for i in range(len(pairs)) if i not in drawn}
    train |= {pairs.targets[i] for i in range(len(pairs)) if i not in drawn}
    leaked = [i for i in drawn if {pairs.sources[i], pairs.targets[i]} & train]
    assert len(leaked) > 0.9 * len(drawn)


def test_a_component_stays_where_it_is_as_pairs_come():
    few, many = chains(500), chains(1000)
    for before, after in zip(split(few, 0.2, 0.2, 0), split(many, 0.2, 0.2, 0), strict=True):
        assert {*before.sources} <= {*after.sources}


def test_the_order_of_pairs_changes_nothing():
    pairs = chains(300)
    backwards = pairs.rows(range(len(pairs) - 1, -1, -1))
    for one, other in zip(split(pairs, 0.2, 0.2, 0), split(backwards, 0.2, 0.2, 0), strict=True):
        assert {*one.sources} == {*other.sources}


def test_the_largest_components_are_learnt_from():
    rows = [(f"s{i}", "yes") for i in range(150)] + [(f"a{i}", f"b{i}") for i in range(300)]
    pairs = Pairs(*map(tuple, zip(*rows, strict=True)))
    for seed in range(8):
        parts = split(pairs, 0.3, 0.3, seed)
        assert "yes" in parts.train.targets
        assert "yes" not in parts.valid.targets + parts.test.targets


@pytest.mark.parametrize(("valid", "test"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.1), (1, 0.1)])
def test_parts_that_make_no_sense_are_refused(valid, test):
    with pytest.raises(ValueError, match="split needs parts for valid and test above 0"):
        split(chains(10), valid, test, 0)


def test_too_few_pairs_for_three_parts_are_refused():
    with pytest.raises(ValueError, match=r"split needs a pair for each part; got .*; give more"):
        split(chains(1), 0.1, 0.1, 0)


def test_tatoeba_is_split_without_leaks():
    folder = Path(os.environ.get("SWIFTRNN_DATA", "")) / "tatoeba-deu-eng"
    if not (folder / "deu-eng.zip").exists():
        pytest.skip("the sentences of Tatoeba are not in the data folder")
    content = zipfile.ZipFile(io.BytesIO((folder / "deu-eng.zip").read_bytes())).read("deu.txt")
    rows = [line.split("\t")[:2] for line in content.decode().splitlines()]
    pairs = Pairs(*map(tuple, zip(*rows, strict=True)))
    parts = split(pairs, 0.01, 0.01, 0)
    told = json.dumps([len(part) for part in parts])
    for side in ("sources", "targets"):
        train, valid, test = ({*getattr(part, side)} for part in parts)
        assert not train & valid | train & test | valid & test, told
    assert all(len(part) > 1000 for part in parts), told
