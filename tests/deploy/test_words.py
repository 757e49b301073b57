"""Words that are cut already: as an option of a tagger, and in files of columns, in and out."""

import pytest
from seqeval.metrics import f1_score

import swiftrnn
from swiftrnn import cli
from swiftrnn.data.tagged import columns, corpus
from swiftrnn.deploy.batch.lines import Sentences
from swiftrnn.deploy.batch.rows import Unreadable
from swiftrnn.runs.results import read


def refused(capsys, *words):
    assert cli.main(["predict", *map(str, words)]) == 2
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    return errors


def test_blanks_part_words_and_lines_sentences(smoke):
    known = swiftrnn.load(smoke("ner_crf"))
    text = "Bokima\u00a0x lives in U.S.A. (Sotataville\r\n\n we saw Bokima near it . "
    ((entities, _),) = known.answer([text], tokenized=True)
    words = [[token.text for token in sentence] for sentence in entities.sentences]
    assert words == [
        ["Bokima\u00a0x", "lives", "in", "U.S.A.", "(Sotataville"],
        ["we", "saw", "Bokima", "near", "it", "."],
    ]
    for sentence in entities.sentences:
        assert all(text[token.start : token.end] == token.text for token in sentence)
    ((raw, _),) = known.answer([text])
    assert [token.text for token in raw.sentences[0]] != words[0]


def test_the_n_best_list_is_of_the_same_words(smoke):
    known = swiftrnn.load(smoke("ner_crf"))
    text = "Bokima lives in (Sotataville) ."
    ((_, more),) = known.answer([text], tokenized=True, n_best=2)
    ends = {(e.start, e.end) for way in more[0] for e in way.entities}
    starts = {0, 7, 13, 16, 30}  # of the words as blanks part them
    assert ends
    assert {start for start, _ in ends} <= starts


@pytest.mark.parametrize("name", ["ner_crf", "ner_stack_lstm"])
def test_columns_in_columns_out(name, smoke, tmp_path, capsys):
    test = corpus.made_up(0).test.sentences
    given, out = tmp_path / "given.conll", tmp_path / "found.conll"
    rows = ["\n".join(f"{word}\t_\tO" for word in s.words) for s in test]
    given.write_text("# a comment\n-DOCSTART- -X- O\n\n" + "\n\n\n".join(rows))
    assert cli.main(["predict", str(smoke(name)), "--input", str(given), "--output", str(out)]) == 0
    assert f"{len(test)} rows" in capsys.readouterr().out
    found = columns.read(out)
    assert [s.words for s in found.sentences] == [s.words for s in test]
    right, said = ([s.tags("IOB2") for s in part] for part in (test, found.sentences))
    assert 100 * f1_score(right, said) == pytest.approx(read(smoke(name))["f1"])
    out.unlink()
    lines = tmp_path / "lines.txt"  # the same from lines of text, to JSON
    lines.write_text("".join(" ".join(s.words) + "\n" for s in test))
    words = ["--input", str(lines), "--output", str(out), "--tokenized"]
    assert cli.main(["predict", str(smoke(name)), *words]) == 0
    assert columns.read(out) == found


@pytest.mark.parametrize(
    ("content", "column", "words"),
    [
        ("# O\nBonn B-x\n\n# a comment\nIt O\n", None, ["# Bonn", "It"]),  # a word, a comment
        ("#\nBonn\n", None, ["# Bonn"]),
        ("1\tIn\tO\n2\tBonn\tO\n\n1\tIt\tO\n", "2", ["In Bonn", "It"]),
        ("a\u00a0b\tO\n\tO\n", None, ["a\u00a0b O"]),
        ("one\r\ntwo\r\n\r\nthree", None, ["one two", "three"]),
        ("-DOCSTART- -X- O\n\nx O O\n\n\n\n", None, ["x"]),
    ],
)
def test_words_of_a_file_of_columns(tmp_path, content, column, words):
    path = tmp_path / "a.conll"
    path.write_bytes(content.encode())
    assert [row.given for row in Sentences(path, "text", column).rows()] == words


def test_columns_that_hold_no_words_are_refused(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("1\tIn\n2\tBonn\n")
    with pytest.raises(ValueError, match=r"whose first one counts them; give --column 2"):
        Sentences(path, "text")
    with pytest.raises(ValueError, match=r"a column of the .conll file; got 3; .* has 2"):
        Sentences(path, "text", "3")
    with pytest.raises(ValueError, match=r"the number of a column .*; got word;"):
        Sentences(path, "text", "word")
    path.write_text("a b\nc\n\nd e\n")
    rows = [row.given for row in Sentences(path, "text", "2").rows()]
    assert rows == [Unreadable("a line needs 2 columns; got 1"), "e"]


def test_a_sentence_without_an_answer_is_a_comment(smoke, tmp_path, capsys):
    given, out = tmp_path / "given.conll", tmp_path / "found.conll"
    given.write_bytes(b"Bokima\nslept\n\n\xff\n\nit\nends\n")
    assert cli.main(["predict", str(smoke("ner_crf")), "--input", str(given),
                     "--output", str(out)]) == 0  # fmt: skip
    assert "3 rows, 1 with an error" in capsys.readouterr().out
    blocks = out.read_text().split("\n\n")
    assert [block.split()[0] for block in blocks if block] == ["Bokima", "#", "it"]
    assert blocks[1].startswith("# error: a text needs UTF-8; got the byte 0xff")


def test_what_has_no_words_or_tags_is_refused(smoke, tmp_path, capsys):
    given, lines = tmp_path / "given.conll", tmp_path / "lines.txt"
    given.write_text("a\n")
    lines.write_text("a\n")
    run, tagger, out = smoke("language_model"), smoke("ner_crf"), tmp_path / "out.jsonl"
    words = ("--input", given, "--output", out)
    assert "needs a run that takes words for a .conll file" in refused(capsys, run, *words)
    words = ("--input", lines, "--output", tmp_path / "out.conll")
    assert "needs a run whose answers have tags for a .conll file" in refused(capsys, run, *words)
    assert "leave it out" in refused(capsys, tagger, *words, "--format", "text")
    error = refused(capsys, tagger, "a b", "--n-best", "2", "--format", "conll")
    assert "--format conll needs answers without n_best, which has no such form" in error
