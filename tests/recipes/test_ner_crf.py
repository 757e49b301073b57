"""The tagger: from made-up sentences to numbers, and from raw text to names."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import swiftrnn
from swiftrnn import cli
from swiftrnn.data.tagged import columns
from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.tagged.corpus import made_up, shuffled
from swiftrnn.data.tagged.tags import Span
from swiftrnn.data.words import folded
from swiftrnn.deploy import trained
from swiftrnn.metrics.dictionary import baselines, unseen
from swiftrnn.metrics.mistakes import MISSED, SPURIOUS, by_length, confusion, worst
from swiftrnn.recipes.ner_crf import SMOKE, run
from swiftrnn.runs.folder import RunFolder

TEXT = "\u202eIn Rimonaville , Lututo met 😀 a friend .\n\nBokima lives in Sotataville"


@pytest.fixture(scope="module")
def done(smoke, tmp_path_factory):
    """The folder of a small run, and its metrics with those of the control."""
    out = tmp_path_factory.mktemp("controlled") / "run"
    shutil.copytree(smoke("ner_crf"), out)  # only the control is left to be trained
    return out, run(replace(SMOKE, control=True), RunFolder(out, "ner_crf")).metrics


def names_in(model, text):
    """What is found in a text."""
    return model.answer([text])[0][0].found


def test_learns_and_beats_what_learns_nothing(done):
    _, found = done
    assert found["f1"] > 85
    assert found["f1"] > found["baseline_dictionary"] + 10
    assert found["f1"] > found["baseline_capitals"] + 10
    assert found["control_f1"] < 20
    assert found["recall_unseen"] > 70  # spelling tells what a dictionary cannot


def test_raw_text_is_measured_and_what_was_read_is_kept(done):
    out, found = done
    assert found["f1_raw"] == pytest.approx(found["f1"], abs=0.5)
    saved = json.loads((out / "metrics.json").read_text())
    assert saved["f1_raw"] == found["f1_raw"]
    assert [each["part"] for each in saved["read"]] == ["train", "valid", "test"]
    assert saved["read"][0]["sentences"] == 400
    assert saved["read"][0]["scheme"] == "IOB2"
    assert [*saved["read"][0]["types"]] == ["person", "place"]
    assert saved["read"][0]["first"]["type"] in ("person", "place")


def test_names_are_found_beside_typographic_signs_and_emoji(done):
    model = trained.load(done[0])
    for text in ("“Bokima” lives in Sotataville…", "👍🏽 Bokima lives in Sotataville ❤️ .",
                 "Bo\u200dkima lives in Sotataville — good"):  # fmt: skip
        names = [e.text.replace("\u200d", "") for e in names_in(model, text)]
        assert names == ["Bokima", "Sotataville"], text


def test_a_run_folder_of_before_is_still_read(done, tmp_path):
    for name in ("config.json", "vocabulary.json", "model.safetensors"):
        (tmp_path / name).write_bytes((done[0] / name).read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    for name in ("word_column", "tag_column", "encoding", "foreign"):
        del config["config"][name]
    del config["checksum"]  # as older versions had none
    (tmp_path / "config.json").write_text(json.dumps(config))
    vocabulary = json.loads((tmp_path / "vocabulary.json").read_text())
    del vocabulary["cut"], vocabulary["checksum"]
    (tmp_path / "vocabulary.json").write_text(json.dumps(vocabulary))
    old = trained.load(tmp_path)
    assert (old.config.word_column, old.config.encoding) == (None, "utf-8")
    found = names_in(old, "Bokima lives in Sotataville .")
    assert [e.text for e in found] == ["Bokima", "Sotataville"]


def test_names_are_found_in_raw_text(done):
    model = trained.load(done[0])
    found = names_in(model, TEXT)
    assert found
    for entity in found:
        assert TEXT[entity.start : entity.end] == entity.text
        assert 0 < entity.confidence <= 1
    assert {"Rimonaville", "Lututo", "Bokima", "Sotataville"} <= {e.text for e in found}
    for nothing in ("", " \n", "\0"):
        assert all(e.text for e in names_in(model, nothing))


def test_the_command_prints_names_in_three_forms(done, capsys):
    words = ["predict", str(done[0]), "Bokima lives in Sotataville ."]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["0-6", "16-27"]
    assert cli.main([*words, "--format", "jsonl"]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [e["type"] for e in read["entities"]] == ["person", "place"]
    assert cli.main([*words, "--format", "conll"]) == 0
    parsed = columns.parse(capsys.readouterr().out.encode(), "out").sentences[0]
    assert parsed.words == ("Bokima", "lives", "in", "Sotataville", ".")
    assert parsed.spans == (Span("person", 0, 1), Span("place", 3, 4))


@pytest.mark.parametrize(
    ("file", "content"),
    [("vocabulary.json", b"{}"), ("vocabulary.json", b'{"words": ['), ("model.safetensors", b"x")],
)
def test_a_damaged_folder_gets_one_line(done, tmp_path, capsys, file, content):
    for name in ("config.json", "vocabulary.json", "model.safetensors"):
        (tmp_path / name).write_bytes((done[0] / name).read_bytes())
    (tmp_path / file).write_bytes(content)
    assert cli.main(["predict", str(tmp_path), "x"]) == 2
    printed, errors = capsys.readouterr()
    assert (printed, errors.count("\n")) == ("", 1)
    assert file in errors


def test_files_of_yours_are_learnt(tmp_path, capsys):
    corpus = made_up(3)
    words = ["--epochs", "1", "--hidden", "8", "--out", str(tmp_path / "run")]
    for name, part in zip(("train", "valid", "test"), corpus, strict=True):
        (tmp_path / name).write_text(columns.write(list(part.sentences), "BMES"))
        words += [f"--{name}", str(tmp_path / name)]
    assert cli.main(["run", "ner_crf", *words]) == 0
    assert "The run is in" in capsys.readouterr().out
    assert swiftrnn.load(tmp_path / "run").config.hidden == 8
    assert cli.main(["run", "ner_crf", *words[:-2], "--out", str(tmp_path / "other")]) == 2
    assert "needs --train, --valid and --test together; got only --train, --valid" in (
        capsys.readouterr().err
    )


def test_columns_of_yours_are_chosen_and_said(tmp_path, capsys):
    words = ["--epochs", "1", "--hidden", "8", "--word-column", "2", "--tag-column", "FORM"]
    for name, part in zip(("train", "valid", "test"), made_up(3), strict=True):
        text = ""
        for sentence in part.sentences:
            pairs = zip(sentence.words, sentence.tags(), strict=True)
            text += "".join(f"{i}\t{w}\t{t}\n" for i, (w, t) in enumerate(pairs, 1)) + "\n"
        (tmp_path / name).write_text(text)
        words += [f"--{name}", str(tmp_path / name)]
    plain = words[:4] + words[8:]
    assert cli.main(["run", "ner_crf", *plain, "--out", str(tmp_path / "a")]) == 2
    assert f"{tmp_path / 'train'}:1 needs words in its first column" in capsys.readouterr().err
    assert cli.main(["run", "ner_crf", *words, "--out", str(tmp_path / "b")]) == 2
    assert "needs a column FORM for --tag-column" in capsys.readouterr().err
    words[7] = "3"
    assert cli.main(["run", "ner_crf", *words, "--out", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr().out
    assert "train: 400 sentences, " in printed
    assert "IOBES: person 400, place 400; first " in printed


def part(*sentences):
    return Columns(tuple(Sentence(tuple(w.split()), tuple(s)) for w, s in sentences), "IOB2")


def test_baselines_and_recall_by_hand():
    train = part(
        ("we saw Bonn", [Span("x", 2, 3)]), ("New York , Bonn", [Span("y", 0, 2), Span("x", 3, 4)])
    )
    test = part(("in New York , Bonn and Ulm", [Span("y", 1, 3), Span("x", 4, 5), Span("x", 6, 7)]))
    found = baselines(train, test)
    assert found["baseline_dictionary"] == pytest.approx(80.0)  # 2 of 3, nothing wrong
    assert found["baseline_capitals"] == pytest.approx(100 * 2 / 3)  # New York is no x
    tags = [["O", "B-y", "E-y", "O", "S-x", "O", "O"]]
    assert unseen(test, tags, train) == {"recall_seen": 100.0, "recall_unseen": 0.0}


def test_the_control_keeps_words_and_counts():
    corpus = made_up(0).train
    mixed = shuffled(corpus, 1)
    assert [s.words for s in mixed.sentences] == [s.words for s in corpus.sentences]
    for a, b in zip(mixed.sentences, corpus.sentences, strict=True):
        sizes = [sorted((s.type, s.end - s.first) for s in each.spans) for each in (a, b)]
        assert sizes[0] == sizes[1]
    assert mixed != corpus


def test_vectors_are_taken_and_counted(tmp_path, capsys):
    corpus = made_up(0)
    words = sorted({w for s in corpus.train.sentences for w in s.words})
    rows = {word: torch.randn(7) for word in words[: len(words) * 3 // 4]}
    file = tmp_path / "vectors.txt"
    file.write_text("".join(f"{w} {' '.join(map(str, v.tolist()))}\n" for w, v in rows.items()))
    config = replace(SMOKE, vectors=file, epochs=1, learning_rate=0.0)
    found = run(config, RunFolder(tmp_path / "run", "ner_crf")).metrics
    assert "exact 7" in capsys.readouterr().err
    known = trained.load(tmp_path / "run")
    assert known.config.word_size == 7
    model = known.model
    for word, vector in list(rows.items())[:9]:
        here = model.embedding.word.tokens.weight[model.vocabulary.words.index(folded(word))]
        torch.testing.assert_close(here, vector)
    assert found["parameters"] == sum(p.numel() for p in model.parameters())
    with pytest.raises(ValueError, match=r"vectors for 90% of the words in train; got 7\d\.\d%"):
        run(replace(config, least_coverage=0.9), RunFolder(tmp_path / "other", "ner_crf"))


def test_the_report_shows_what_is_wrong(done):
    page = (done[0] / "report.html").read_text("utf-8")
    for text in (
        "Test data, by type of entity",
        "Test data, by number of words",
        "Which types are confused",
        "recall of names not seen in train",
        "<svg",
        "F1 on",
    ):
        assert text in page


def test_mistakes_are_counted_by_hand():
    there = [Span("x", 0, 2), Span("y", 3, 4), Span("x", 5, 6)]
    gold = part(("a b c d e f g", there), ("h", []))
    tags = [["B-y", "E-y", "O", "S-y", "O", "O", "S-x"], ["O"]]
    rows = confusion(gold, tags)
    assert rows["x"] == {"y": 1, MISSED: 1}
    assert rows["y"] == {"y": 1}
    assert rows[SPURIOUS] == {"x": 1}
    sizes = by_length(gold, tags)
    assert [(k, f.gold, f.predicted, f.correct) for k, f in sizes.items()] == [
        ("1", 2, 2, 1), ("2", 1, 1, 0),
    ]  # fmt: skip
    assert worst(gold, tags) == [
        "right: [a b]x c [d]y e [f]x g", "found: [a b]y c [d]y e f [g]x\n",
    ]  # fmt: skip


def test_a_training_that_is_killed_twice_ends_the_same(tmp_path):
    script = Path(__file__).parent.parent / "kill.py"
    out = tmp_path / "kill.json"
    command = [sys.executable, str(script), "--kills", "2", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(out.read_text())["kills"] >= 1
