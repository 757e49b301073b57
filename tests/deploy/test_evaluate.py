"""`swiftrnn evaluate`: the numbers of a run again, from files, and what is refused."""

import csv
import json

import pytest
from seqeval.metrics import f1_score

from swiftrnn import cli, recipes
from swiftrnn.data.tagged import columns, corpus
from swiftrnn.recipes.language_model.data import made_up as sums
from swiftrnn.recipes.sentence_classification.data import Source
from swiftrnn.recipes.sentence_classification.synthetic import made_up
from swiftrnn.runs.results import read

TAGGERS = pytest.mark.parametrize("name", ["ner_crf", "ner_stack_lstm"])


def evaluated(capsys, *words):
    assert cli.main(["evaluate", *map(str, words), "--format", "jsonl"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def refused(capsys, *words):
    assert cli.main(["evaluate", *map(str, words)]) == 2
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    return errors


@TAGGERS
def test_a_tagger_has_the_scores_of_its_run_on_the_same_file(name, smoke, tmp_path, capsys):
    out, path = smoke(name), tmp_path / "test.conll"
    path.write_text(columns.write(list(corpus.made_up(0).test.sentences)))
    (found,) = evaluated(capsys, out, path)
    there = read(out)
    kept = {k: v for k, v in found.items() if k not in ("file", "read")}
    assert kept == pytest.approx({k: there[k] for k in kept})
    assert {"f1", "precision", "recall", "f1_person", "recall_of_place"} <= kept.keys()
    assert found["read"].startswith("60 sentences, ")


@TAGGERS
def test_tags_are_written_beside_the_right_ones(name, smoke, tmp_path, capsys):
    path, output = tmp_path / "test.conll", tmp_path / "found.conll"
    path.write_text(columns.write(list(corpus.made_up(0).test.sentences)))
    (found,) = evaluated(capsys, smoke(name), path, "--output", output)
    blocks = [[line.split("\t") for line in block.splitlines()]
              for block in output.read_text().strip().split("\n\n")]  # fmt: skip
    right, said = ([[row[i] for row in block] for block in blocks] for i in (1, 2))
    assert 100 * f1_score(right, said) == pytest.approx(found["f1"])
    assert output.read_text() == (smoke(name) / "test.conll").read_text()
    assert "which exists; choose another name" in refused(
        capsys, smoke(name), path, "--output", output
    )


def test_columns_are_named(smoke, tmp_path, capsys):
    path = tmp_path / "a.tsv"
    path.write_text("id\ttag\tword\n1\tB-person\tBokima\n2\tO\tslept\n")
    words = (smoke("ner_crf"), path, "--word-column", "word", "--tag-column", "tag")
    (found,) = evaluated(capsys, *words)
    assert "1 sentences, 2 words" in found["read"]


def test_a_classifier_is_right_as_often_as_its_table_says(smoke, tmp_path, capsys):
    out = smoke("sentence_classification")
    test = Source(made_up(0)).parts(0, 0).test
    path, output = tmp_path / "test.csv", tmp_path / "found.csv"
    with path.open("w", newline="") as file:
        rows = [*zip(test.texts, test.labels, strict=True)]
        csv.writer(file).writerows([("text", "label"), *rows])
    (found,) = evaluated(capsys, out, path, "--tokenized", "--output", output)
    assert output.read_text() == (out / "test.csv").read_text()
    with output.open(newline="") as file:
        table = [*csv.DictReader(file)]
    assert [(row["text"], row["label"]) for row in table] == rows
    hits = sum(row["label"] == row["predicted"] for row in table)
    assert found["accuracy"] == pytest.approx(100 * hits / len(rows))
    path.write_text("a film,positive\na plot,puzzling\n")  # what train lacks is a mistake, and said
    (found,) = evaluated(capsys, out, path)
    assert found["accuracy"] in (0, 50)
    assert found["read"].endswith("; 1 of classes that the model does not know (puzzling)")


def test_a_language_model_has_the_bits_of_its_run_on_the_same_text(smoke, tmp_path, capsys):
    path = tmp_path / "test.txt"
    path.write_bytes(sums(0).test)
    (found,) = evaluated(capsys, smoke("language_model"), path)
    there = read(smoke("language_model"))
    assert found["bits_per_byte"] == pytest.approx(there["bits_per_byte"])
    assert found["bytes"] == there["bytes"]
    error = refused(capsys, smoke("language_model"), path, "--output", tmp_path / "a.txt")
    assert "needs a run with answers to write" in error


def test_several_files_are_measured_one_by_one(smoke, tmp_path, capsys):
    for name, n in (("a.txt", 200), ("b.txt", 300)):
        (tmp_path / name).write_bytes(sums(0).test[:n])
    words = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    assert cli.main(["evaluate", str(smoke("language_model")), *words]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if not line.startswith(" ")] == [
        f"{words[0]}: 200 bytes", f"{words[1]}: 300 bytes",
    ]  # fmt: skip
    assert printed.count("  bits per byte  ") == 2
    assert "needs one FILE; got 2" in refused(
        capsys, smoke("language_model"), *words, "--output", tmp_path / "x.csv"
    )


def test_what_cannot_be_measured_is_refused_in_a_line(smoke, tmp_path, capsys):
    out = smoke("ner_crf")
    assert "needs a RUN first; got none" in refused(capsys)
    assert "needs a FILE; got none" in refused(capsys, out)
    assert "needs a file that can be read; got " in refused(capsys, out, tmp_path / "none.conll")
    assert "--format needs one of text, jsonl; got xml" in refused(
        capsys, out, "a", "--format", "xml"
    )
    assert "needs a name that ends in .conll; got a.csv" in refused(
        capsys, out, "a", "--output", "a.csv"
    )
    assert "which only measures" in refused(capsys, smoke("hsic_test"), "a")
    assert "no such option; got --n-best" in refused(capsys, out, "a", "--n-best", "2")


def test_every_recipe_that_can_be_used_is_measured_on_files():
    for name in recipes.names():
        task = recipes.find(name).parts.TASK
        assert task is None or task.scoring is not None
