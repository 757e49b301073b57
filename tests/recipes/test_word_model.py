"""The language model over words: vocabulary, dropout, tied weights, epochs, texts in parts."""

import json
import os
import signal
from collections import Counter
from dataclasses import replace

import pytest
import torch

from swiftrnn import recipes
from swiftrnn.data.text import read_parts
from swiftrnn.data.vocabulary import RARE, Vocabulary
from swiftrnn.recipes import language_model
from swiftrnn.recipes.language_model import WORD, Config
from swiftrnn.recipes.language_model.model import LAYERS, LanguageModel
from swiftrnn.recipes.language_model.sizes import parameters_of, untrained
from swiftrnn.recipes.language_model.train import load, train
from swiftrnn.report import run_page
from swiftrnn.runs import folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.writing.measure import bits, scored
from swiftrnn.tasks.writing.sample import Sampling, added, continued
from swiftrnn.training.best import Best
from swiftrnn.training.techniques.variational_dropout import locked

TINY = replace(
    WORD, hidden=16, depth=2, max_words=12, cutoffs=(4, 9), batch_size=4, time=8, epochs=3,
    warmup=5, learning_rate=0.02, rivals=(), dropout=0.1,
)  # fmt: skip


def here(path):
    return RunFolder(path, "language_model")


def written(folder, name, count, seed):
    """Lines of words, the frequent ones first in the alphabet; each line begins with its last."""
    draw = torch.Generator().manual_seed(seed)
    odds = 1 / torch.arange(1, 21)
    lines = []
    for row in odds.expand(count, 20).multinomial(6, generator=draw).tolist():
        words = [chr(ord("a") + each) for each in row]
        lines.append(" ".join([words[-1], *words]))
    path = folder / name
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def config(tmp_path):
    parts = {"train": 400, "valid": 60, "test": 60}
    files = {name: written(tmp_path, name, n, n) for name, n in parts.items()}
    return replace(TINY, **files)


def model_of(**options):
    torch.manual_seed(1)
    given = {"hidden": 12, "depth": 3, "vocabulary": 30, "cutoffs": (6, 15), "tied": True}
    return LanguageModel(**given | options)


# ---------------------------------------------------------------- vocabulary


def test_words_that_are_rare_or_too_many_become_one():
    text = b"a a a a b b b c c d e <rare> <unk>\n"
    by_count = Vocabulary.of_words(text, min_count=2)
    assert by_count.words == ["<unk>", "<eos>", "a", "b", "c", RARE]
    assert by_count.left_out == 2
    by_size = Vocabulary.of_words(text, most=4)
    assert by_size.words == ["<unk>", "<eos>", "a", "b", RARE]
    assert by_size.left_out == 3
    assert by_size.encode(b"a d z <unk>\n").tolist() == [2, 4, 4, 0, 1]
    whole = Vocabulary.of_words(text)
    assert whole.left_out == 0
    assert RARE not in whole.words
    assert whole.encode(b"z").tolist() == [0]


def test_a_vocabulary_is_read_as_it_was_saved_and_so_are_older_ones():
    words = Vocabulary.of_words(b"a a b", 2)
    again = Vocabulary.read(json.loads(json.dumps(words.saved())))
    assert (again.words, again.left_out) == (words.words, 1)
    assert Vocabulary.read({"words": ["<unk>", "<eos>", "a"]}).left_out == 0
    assert len(Vocabulary.read({})) == 256


@pytest.mark.parametrize(
    "saved",
    [
        {"words": ["<unk>", "<eos>", "a"], "left_out": 3},
        {"words": ["<unk>", "<eos>", RARE], "left_out": -1},
        {"words": ["<unk>", "<eos>", RARE], "left_out": True},
        {"words": ["<unk>", "<eos>", RARE], "left_out": 1.0},
    ],
)
def test_a_vocabulary_that_was_changed_is_refused(saved):
    with pytest.raises(ValueError, match=r"vocabulary\.json needs different words"):
        Vocabulary.read(saved)


def test_the_probabilities_of_all_words_of_train_add_up_to_one():
    text = b"a a a a b b b c c d e f g h\n"
    words = Vocabulary.of_words(text, 2)
    model = untrained(replace(TINY, cutoffs=(2,)), words).eval()
    prompt, total = words.encode(b"a b c a").tolist(), 0.0
    for each in [*b"abcdefgh\n".decode(), "<unk>"]:
        tokens = torch.tensor(prompt + words.encode(each.encode()).tolist())
        before = 0.0 if len(prompt) < 3 else bits(model, tokens[:-1], 1)[0] * (len(prompt) - 1)
        total += 2 ** -(bits(model, tokens, 1)[0] * len(prompt) - before)
    assert total == pytest.approx(1, rel=1e-5)


def test_a_word_that_stands_for_many_is_never_drawn():
    words = Vocabulary.of_words(b"a a b c d", 2)
    model = untrained(replace(TINY, cutoffs=()), words)
    with torch.no_grad():
        model.readout.bias[words.other] = 50
    for temperature in (0, 1):
        assert RARE not in "".join(added(model, "a", Sampling(50, temperature)))


@pytest.mark.parametrize("more", [{}, {"dropout": 0.3}])  # dropout makes a stack of layers
def test_texts_of_words_are_continued_together_as_each_is_alone(more):
    words = Vocabulary.of_words(b"a a b b c d\n" * 3, 2)
    model = untrained(replace(TINY, cutoffs=(2,), **more), words).eval().double()
    with torch.no_grad():
        model.readout.weight *= 30  # what is drawn depends on the text, not on the noise alone
    texts, how = ["", "a b c", "a", "never seen"], Sampling(9)
    together = continued(model, texts, how)
    assert together == [continued(model, [each], how)[0] for each in texts]
    assert len({each.removeprefix(text) for each, text in zip(together, texts, strict=True)}) > 1


# --------------------------------------------------------------------- model


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"dropout": 0.3, "tied": False}])
def test_streams_losses_and_logits_agree(layer, options):
    model = model_of(layer=layer, **options).eval()
    tokens = torch.randint(0, 30, (8, 3))
    with torch.no_grad():
        whole, _ = model(tokens[:-1])
        state, steps = None, []
        for token in tokens[:-1]:
            logits, state = model.step(token, state)
            steps.append(logits)
        losses, _ = model.losses(tokens[:-1], tokens[1:])
    torch.testing.assert_close(torch.stack(steps), whole)
    wanted = torch.nn.functional.cross_entropy(whole.flatten(0, 1), tokens[1:].flatten())
    torch.testing.assert_close(losses.mean(), wanted)


def test_tied_weights_are_one_and_count_once():
    model = model_of()
    assert model.readout.weight is model.embedding.tokens.weight
    counted = sum(p.numel() for p in model.parameters())
    clusters = sum(p.numel() for n, p in model.named_parameters() if "cluster" in n)
    assert counted - clusters == parameters_of("sru", 12, 3, 30, 1, True)
    assert parameters_of("sru", 12, 3, 30) - parameters_of("sru", 12, 3, 30, 1, True) == 30 * 12


def test_dropout_has_one_mask_for_all_steps_of_a_sequence():
    x = torch.ones(9, 4, 50)
    found = locked(x, 0.4)
    assert found.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert (found == found[:1]).all()
    assert not (found[0] == found[0, :1]).all()
    assert locked(x, 0.0) is x


def test_a_word_that_is_left_out_is_so_wherever_it_occurs():
    model, tokens = model_of(word_dropout=0.5), torch.randint(0, 30, (40, 5))
    kept = model._kept(tokens, torch.ones(()))[..., 0]
    for each in tokens.unique():
        assert len(kept[tokens == each].unique()) == 1
    assert set(kept.unique().tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("option", ["dropout", "word_dropout", "weight_drop"])
@pytest.mark.parametrize("layer", ["sru", "lstm", "qrnn", "gru"])
def test_what_is_dropped_changes_training_and_nothing_else(layer, option):
    model, batch = model_of(layer=layer, **{option: 0.5}), torch.randint(0, 30, (6, 2))

    def loss():
        return model.losses(batch[:-1], batch[1:])[0].mean()

    assert loss() != loss()
    assert model.eval()
    assert loss() == loss()
    plain = model_of(layer=layer, dropout=1e-9).eval()  # the same layers, one by one
    names = [n for n, _ in plain.named_parameters()]
    assert len(names) == len([*model.parameters()])


def test_weights_of_a_convolution_cannot_be_dropped():
    with pytest.raises(ValueError, match=r"--weight-drop needs a recurrent layer; got CausalConv"):
        model_of(layer="conv", weight_drop=0.5)


def test_the_rate_falls_to_zero():
    model = model_of(warmup=10, steps=100)
    assert model.rate(0) == pytest.approx(0.1)
    assert model.rate(50) == pytest.approx(0.5)
    assert model.rate(99) == pytest.approx(0.01)
    assert model.rate(100) == model.rate(150) == 0


# ----------------------------------------------------------------- training


def test_the_epoch_that_was_best_on_valid_is_kept(config, tmp_path):
    few = written(tmp_path, "few", 20, 1)
    config = replace(
        config, train=few, epochs=12, learning_rate=0.1, dropout=0.0, hidden=64, warmup=0
    )
    fitted = train(config, here(tmp_path / "run"))
    seen = [row["perplexity"] for row in fitted.history]
    assert len(seen) == 12
    assert 1.2 * min(seen) < seen[-1]  # it overfits
    model = load(config, tmp_path / "run")
    found = bits(model, model.vocabulary.encode(config.valid.read_bytes()))[0]
    assert 2**found == pytest.approx(min(seen), rel=1e-6)


@pytest.mark.parametrize("layer", ["sru", "lstm"])
def test_a_run_that_is_cut_ends_at_the_same_weights(config, tmp_path, layer, monkeypatch):
    config = replace(config, layer=layer, dropout=0.2, word_dropout=0.1, weight_drop=0.2)
    train(config, here(tmp_path / "whole"))
    keep, calls = Best.offer, []

    def stop(*told):
        calls.append(keep(*told))
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Best, "offer", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config, here(tmp_path / "cut"))
    assert len(calls) == 2
    train(config, here(tmp_path / "cut"), resume=True)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


def test_a_run_reports_words_and_rivals_and_is_used(config, tmp_path):
    config = replace(config, rivals=("lstm", "gru"), epochs=8, hidden=64)
    out = here(tmp_path / "run")
    result = language_model.run(config, out)
    ((title, table),), found = result.sections, result.metrics
    assert title == "Layers of equal size"
    run_page.write(recipes.find("language_model"), config, None, out, result)
    page = (out / folder.REPORT).read_text()
    for plot in ("Perplexity while training", "Loss while training"):
        _, _, after = page.partition(f"<h2>{plot}")
        assert all(layer in after.partition("<h2>")[0] for layer in ("sru", "lstm", "gru"))
    assert {row["name"] for row in table.rows} == {"SRU", "LSTM", "GRU"}
    scores = [row["perplexity"] for row in table.rows]
    assert scores == sorted(scores)
    assert found["perplexity"] in scores
    counts = Counter(config.train.read_text().split())
    assert found["vocabulary"] == 13
    assert found["words_left_out"] == len(counts) - 10
    assert found["perplexity"] < found["baseline_unigram"] < len(counts) + 2
    sizes = [found["parameters"], found["parameters_lstm"], found["parameters_gru"]]
    assert max(sizes) / min(sizes) < 1.06
    assert found["perplexity_lstm"] < found["baseline_unigram"]
    model = load(config, out.path)
    assert len("".join(added(model, "a b", Sampling(length=7))).split()) <= 7
    told = scored(model, config.test, None)
    assert told.metrics["perplexity"] == pytest.approx(found["perplexity"], rel=1e-6)
    assert (out.path / "lstm" / folder.WEIGHTS).exists()
    kept = folder.read_json(out.path / folder.CONFIG)["config"]
    assert kept["rivals"] == ["lstm", "gru"]  # so that a resume knows of them


def test_texts_in_parts_are_read_as_they_are(config):
    text = read_parts(config.train, config.valid, config.test)
    assert text.train == config.train.read_bytes()
    assert text.valid == config.valid.read_bytes()
    assert text.test == config.test.read_bytes()
    assert text.name == "train"


def test_texts_that_cannot_be_used_are_refused(config, tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match=r"--valid needs a text; got an empty file, .*empty"):
        read_parts(config.train, tmp_path / "empty", config.test)
    with pytest.raises(ValueError, match=r"--test needs a file that can be read; got .*none"):
        read_parts(config.train, config.valid, tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"train": "a"}, r"needs --train, --valid, --test; got --train; give all three"),
        ({"valid": "a"}, r"--valid"),
        ({"train": "a", "text": "b"}, r"--text"),
        ({"epochs": 3, "steps": 9}, r"--epochs needs no other budget beside it; got --steps 9"),
        ({"epochs": 3, "seconds": 9.0}, r"--epochs needs no other budget .*--seconds 9\.0"),
        ({"cutoffs": (500, 300)}, r"--cutoffs needs ranks that rise; got 500 300"),
        ({"cutoffs": (500, 500)}, r"--cutoffs needs ranks that rise; got 500 500"),
        ({"max_words": 9}, r"--max-words needs --level word; got 9"),
        ({"rivals": ("sru",)}, r"--rivals needs layers other than --layer, each once; got sru"),
        ({"rivals": ("gru", "gru")}, r"--rivals needs layers other than"),
        ({"dropout": 1.0}, r"--dropout needs a number from 0 to below 1; got 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said, tmp_path):
    paths = {k: tmp_path / v for k, v in options.items() if k in ("train", "valid", "text")}
    with pytest.raises(ValueError, match=said):
        Config(**options | paths)
