"""The classifier of sentences: its parts against loops, its data, and what it learns."""

import json
import math
from dataclasses import replace

import pytest
import torch
from tests.programs import COMMAND, run_here

import swiftrnn
from swiftrnn.data.labelled import Labelled
from swiftrnn.recipes.sentence_classification import SMOKE, Config, baseline, build, folds, train
from swiftrnn.recipes.sentence_classification.data import Parts, Source, own, source_for
from swiftrnn.recipes.sentence_classification.model import (
    Convolution,
    Vocabulary,
    numbers,
    reader,
    sentences,
    size_of,
    width_for,
    words_of,
)
from swiftrnn.recipes.sentence_classification.synthetic import made_up, permuted
from swiftrnn.runs.files import read_json
from swiftrnn.runs.folder import RunFolder

LAYERS = ("sru", "lstm", "gru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "cnn")


@torch.no_grad()
def test_a_convolution_is_the_largest_value_of_each_filter_over_time():
    net, T = Convolution(3, 2).double(), 4
    x = torch.randn(T, 1, 3, dtype=torch.float64)
    found = net(x, torch.tensor([T]))[0]
    expected = []
    for convolve in net.filters:
        width = convolve.kernel_size[0]
        zeros = x.new_zeros(width - 1, 3)
        rows = torch.cat([zeros, x[:, 0], zeros])
        for weight, bias in zip(convolve.weight, convolve.bias, strict=True):
            sums = [
                (rows[t : t + width].T * weight).sum() + bias for t in range(len(rows) - width + 1)
            ]
            expected.append(max(0.0, max(map(float, sums))))
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("layer", [*LAYERS, "lstm_packed", "gru_packed"])
def test_padding_and_neighbours_change_nothing(layer):
    torch.manual_seed(1)
    read = reader(layer, 5, 6, 2, 0.5).double().eval()
    x, lengths = torch.randn(9, 3, 5, dtype=torch.float64), torch.tensor([4, 7, 1])
    whole = read(x, lengths)
    changed = torch.where(torch.arange(9)[:, None, None] < lengths[:, None], x, 1e9)
    assert torch.equal(read(changed, lengths), whole)
    for b, n in enumerate(lengths.tolist()):
        alone = read(x[:n, b : b + 1], lengths[b : b + 1])[0]
        assert torch.allclose(alone, whole[b], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_as_large_as_sru(layer):
    wanted = size_of(reader("sru", 100, 128, 2, 0.0))
    width = width_for(layer, 100, 128, 2)
    sizes = {n: size_of(reader(layer, 100, n, 2, 0.0)) for n in (width - 1, width, width + 1)}
    assert min(sizes, key=lambda n: abs(sizes[n] - wanted)) == width
    assert sizes[width] == pytest.approx(wanted, rel=0.01)


def texts(count, kinds=("a", "b")):
    return Labelled(
        tuple(f"text {i}" for i in range(count)), tuple(kinds[i % len(kinds)] for i in range(count))
    )


def test_parts_share_no_text_and_every_text_is_tested_once():
    source, tested = Source(texts(101)), []
    for fold in range(10):
        parts = [set(part.texts) for part in source.parts(fold, seed=3)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 101
        assert 10 <= len(parts[1]) <= 11
        tested += source.parts(fold, seed=3).test.texts
    assert sorted(tested) == sorted(source.train.texts)


def test_parts_that_are_given_stay_as_they_are():
    train_part, valid, test = texts(40), texts(12), texts(9)
    assert Source(train_part, valid, test).parts(0, 0) == (train_part, valid, test)
    found = Source(train_part, None, test).parts(2, 0)
    assert found.test == test
    assert {*found.train.texts}.isdisjoint(found.valid.texts)
    assert len(found.train) + len(found.valid) == 40
    found = Source(train_part, valid, None).parts(2, 0)
    assert found.valid == valid
    assert {*found.train.texts}.isdisjoint(found.test.texts)
    assert Source(train_part, valid, test).folds(10) == 1  # others would all be the same
    assert Source(train_part, None, test).folds(10) == 10


def test_the_control_keeps_texts_and_how_many_of_each_class_there_are():
    part = made_up(0)
    mixed = permuted(part, 1)
    assert mixed.texts == part.texts
    assert sorted(mixed.labels) == sorted(part.labels)
    assert sum(a == b for a, b in zip(mixed.labels, part.labels, strict=True)) < 0.65 * len(part)


def test_words_alone_do_not_tell_the_made_up_opinions():
    counts = {"positive": {}, "negative": {}}
    for text, label in zip(*(getattr(made_up(0), n) for n in ("texts", "labels")), strict=True):
        bag = " ".join(sorted({"good", "bright", "moving"} & {*text.split()}))
        counts[label][bag] = counts[label].get(bag, 0) + 1
    assert counts["positive"].keys() == counts["negative"].keys()


@pytest.mark.parametrize("layer", ["sru", "lstm", "cnn"])
def test_it_learns_the_order_of_words(layer, tmp_path):
    parts = Source(made_up(0)).parts(0, 0)
    config = replace(SMOKE, layers=(layer,), epochs=6)
    found = folds.one(config, parts, layer, tmp_path, 1e-2)
    assert found["accuracy"] > 95
    mixed = Parts(*(permuted(part, 0) for part in parts[:2]), parts.test)
    found = folds.one(config, mixed, layer, tmp_path / "control", 1e-2)
    assert 20 < found["accuracy"] < 80


def test_the_best_of_the_first_epochs_is_kept_apart(tmp_path):
    parts = Source(made_up(0)).parts(0, 0)
    fitted = train.train(SMOKE, parts, "sru", tmp_path, 3e-3, early=1)
    assert fitted.steps == SMOKE.epochs * math.ceil(len(parts.train) / SMOKE.batch_size)
    scores = [row["accuracy"] for row in fitted.history]
    assert len(scores) == SMOKE.epochs
    assert max(scores[:1]) < max(scores)
    for name, best in ((train.WEIGHTS, max(scores)), (train.EARLY, max(scores[:1]))):
        model = train.read(SMOKE, tmp_path, name)
        right = numbers(parts.valid, model.vocabulary.labels)
        assert train.accuracy(model, sentences(parts.valid, model.vocabulary.how), right) == best


def test_what_is_out_of_scope_is_scored_apart(tmp_path):
    kinds = ("pay", "call", "out of scope")
    train_part = Labelled(
        ("pay the bill", "call my mother", "what is a lake") * 30, kinds * 30, tokenized=True
    )
    test = Labelled(
        ("pay the bill", "call my mother", "what is a lake", "pay the bill"),
        ("pay", "call", "out of scope", "out of scope"), tokenized=True,
    )  # fmt: skip
    parts = Parts(train_part, train_part, test)
    found = folds.one(SMOKE, parts, "sru", tmp_path, 1e-2)
    assert (found["accuracy"], found["recall_outside"]) == (100, 50)
    assert baseline.scores(parts, sentences)["baseline_bag_of_words"] == 100
    assert baseline.scores(parts, sentences)["baseline_most_frequent"] == 50


def test_answers_do_not_depend_on_what_else_is_asked():
    known = Vocabulary.of([["good", "film"], ["bad"]] * 3, labels=["x", "y"], layer="sru")
    model = train.build(SMOKE, known).eval()
    asked = [["good"], ["bad", "film", "good"] * 40, ["film"] * 5, ["nothing"]] * 40
    together = model.odds(asked)
    for i in (0, 1, 2, 3, 159):
        assert torch.allclose(model.odds([asked[i]])[0], together[i], atol=1e-6)
    assert together.sum(1).tolist() == pytest.approx([1.0] * 160)


def test_a_text_without_words_is_one_unknown_word():
    assert words_of(" \n", Vocabulary.of([["a"]], labels=["x"], layer="sru").how) == ["<unk>"]


def test_tokenized_words_are_found_again_in_raw_text():
    part = Labelled(("it 's not good , is it ?", "mr . smith 's film"), ("a", "b"), tokenized=True)
    known = train.vocabulary_for(SMOKE, part, "sru")
    assert [words_of(text, known.how) for text in part.texts] == sentences(part, known.how)


def test_vectors_of_words_stay_as_they_are(tmp_path):
    part = made_up(0)
    words = sorted({w for text in part.texts for w in text.split()})
    rows = [f"{w} {i} 0.5 {-i}" for i, w in enumerate(words)]
    (tmp_path / "v.txt").write_text("\n".join(rows) + "\n")
    config = train.sized(replace(SMOKE, vectors=tmp_path / "v.txt"))
    assert config.word_size == 3
    train.train(config, Source(part).parts(0, 0), "sru", tmp_path / "run", 1e-2)
    model = train.read(config, tmp_path / "run")
    table = model.embedding.word.tokens.weight
    for i, w in enumerate(words):
        assert table[model.vocabulary.words.index(w)].tolist() == [i, 0.5, -i]


def test_own_files_are_read_and_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,kind\n" + "good,pos\nbad,neg\n" * 30)
    (tmp_path / "b.csv").write_text("good,pos\nbad,neg\n")
    (tmp_path / "c.csv").write_text("good,pos\nbad,odd\n")
    (tmp_path / "d.csv").write_text("good,pos\nfine,pos\n")
    config = Config(train=tmp_path / "a.csv", test=tmp_path / "b.csv")
    found = source_for(config)
    assert (len(found.train), found.valid, found.test.labels) == (60, None, ("pos", "neg"))
    with pytest.raises(ValueError, match=r"got 'odd' in .*c.csv, which .*a.csv lacks"):
        source_for(replace(config, test=tmp_path / "c.csv"))
    with pytest.raises(ValueError, match=r"two classes or more; got only 'pos'"):
        own(tmp_path / "d.csv", None, None, None)
    with pytest.raises(ValueError, match=r"--test needs a --train"):
        Config(test=tmp_path / "b.csv")


@pytest.mark.parametrize(
    "change", [{"labels": ["a", "a"]}, {"words": []}, {"layer": 3}, {"labels": None}], ids=str
)
def test_a_changed_vocabulary_gets_one_line(change):
    known = Vocabulary.of([["a", "b"]], labels=["x", "y"], layer="sru")
    saved = json.loads(json.dumps(known.__dict__ | {"cut": None})) | change
    with pytest.raises(ValueError, match=r"vocabulary.json needs") as caught:
        build(SMOKE, saved)
    assert "\n" not in str(caught.value)


def test_a_run_keeps_the_layer_that_was_best_on_valid(smoke):
    out = smoke("sentence_classification")
    kept = read_json(out / "metrics.json")["kept"]
    assert kept in SMOKE.layers
    assert read_json(out / "vocabulary.json")["layer"] == kept
    assert (out / "model.safetensors").read_bytes() == (
        out / "trial-0" / kept / "model.safetensors"
    ).read_bytes()
    rows = [{"valid_sru": 1.0, "valid_cnn": 2.0}, {"valid_sru": 2.5, "valid_cnn": 1.0}]
    assert folds.best_layer(SMOKE.layers, rows) == "sru"


def test_classes_come_with_probabilities(smoke):
    known = swiftrnn.load(smoke("sentence_classification"))
    good, bad = known.answer(
        ["the film is not bad , it is good .", "the film is not good , it is bad ."]
    )
    assert good["positive"] > 0.6 > 0.4 > bad["positive"]
    assert sum(good.values()) == pytest.approx(1)


def test_rates_are_chosen_on_valid_and_a_run_goes_on(tmp_path):
    folder = RunFolder(tmp_path, "sentence_classification")
    config = replace(SMOKE, rates=(1e-6, 1e-2), layers=("sru",), folds=1, control=False)
    assert folds.rates_of(config, folder, {}, 1) == {"sru": 1e-2}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("best.json")}
    assert len(before) == 2
    assert folds.rates_of(config, folder, {}, 1) == {"sru": 1e-2}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("best.json")} == before


def test_own_classes_from_the_command_line(tmp_path):
    rows = "".join(
        f"{a} {b},{'pos' if a == 'very' else 'neg'}\n"
        for a in ("very", "hardly") for b in ("good", "nice", "fine", "fun", "kind")
    )  # fmt: skip
    (tmp_path / "a.csv").write_text("text,kind\n" + rows * 8)
    words = "--train a.csv --layers sru --folds 1 --epochs 8 --rates 0.01 --hidden 16 --no-control"
    done = run_here(COMMAND, "run", "sentence_classification", *words.split(), "--out", "r",
                    folder=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train: 80 texts, 2 classes (40 pos, 40 neg)" in done.stdout
    done = run_here(COMMAND, "predict", "r", "very odd", "hardly odd", folder=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["pos", "neg"]
