"""The translator: one pass equals one step at a time, and nothing beside a sentence changes it."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch

pytest.importorskip("tokenizers", reason="the extra translate is not installed")
pytest.importorskip("sacrebleu", reason="the extra translate is not installed")

from tests.programs import COMMAND, run_here

from swiftrnn.data.translation import corpora
from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.data.translation.tokenizer import END, PAD, START, UNKNOWN
from swiftrnn.deploy import trained
from swiftrnn.nn.attention import SCORES
from swiftrnn.nn.encoder import KINDS
from swiftrnn.recipes.sequence_to_sequence import SMOKE, TASK, measure, variant
from swiftrnn.recipes.sequence_to_sequence.config import Config
from swiftrnn.recipes.sequence_to_sequence.model import Translator, width_for
from swiftrnn.recipes.sequence_to_sequence.train import train
from swiftrnn.recipes.sequence_to_sequence.translate import Options, aligned, answer
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.limits import Unfit
from swiftrnn.tasks.translating import evaluate
from swiftrnn.tasks.translating.search import Search, Written, searched, translated
from swiftrnn.tasks.translating.sentences import LAST
from swiftrnn.tasks.translating.train import batches_of, perplexity

PAIRS = corpora.made_up(0, 500).train
LANGUAGES = Languages.of(PAIRS, "words", 100)
each_kind = pytest.mark.parametrize("kind", KINDS)
each_attention = pytest.mark.parametrize("attention", [*SCORES, "none"])


def model(kind="sru", **options):
    torch.manual_seed(3)
    given = {"size": 6, "hidden": 8, "depth": 2, "dropout": 0.0} | options
    return Translator(LANGUAGES, kind, **given).double().eval()


def batch(count=6):
    return TokenBatches(*LANGUAGES.encoded(PAIRS.rows(range(count))), 10_000).batch(range(count))


# -------------------------------------------------------------------------------- model


def one_by_one(translator, given):
    """Scores of each target token but the first, a step at a time."""
    state = translator.start(given["sources"], given["source_lengths"])
    found = []
    for tokens in given["targets"][:-1]:
        scores, state = translator.step(tokens, state)
        found.append(scores)
    return torch.stack(found)


@each_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_all_steps_at_once_are_those_one_by_one(kind, bidirectional):
    translator, given = model(kind, bidirectional=bidirectional), batch()
    check_steps(translator, given)


@each_attention
def test_so_they_are_with_any_attention(attention):
    check_steps(model(attention=attention), batch())


def check_steps(translator, given):
    with torch.no_grad():
        whole = translator.logits(translator._decoded(given)[0])
        steps = one_by_one(translator, given)
    for i, length in enumerate(given["target_lengths"].tolist()):
        torch.testing.assert_close(steps[: length - 1, i], whole[: length - 1, i])


@each_attention
def test_what_comes_later_in_a_target_changes_no_score_before(attention):
    translator, given = model(attention=attention), batch(1)
    with torch.no_grad():
        before = translator.logits(translator._decoded(given)[0])
        given["targets"][-2] = 7
        after = translator.logits(translator._decoded(given)[0])
    assert torch.equal(before[:-1], after[:-1])
    assert not torch.equal(before[-1], after[-1])


@each_kind
def test_padding_and_neighbours_change_no_loss(kind):
    translator, given = model(kind), batch()
    sums = translator.losses(given).split((given["target_lengths"] - 1).tolist())
    assert len(sums) == 6
    rows = LANGUAGES.encoded(PAIRS.rows(range(6)))
    alone = [
        translator.losses(TokenBatches([s], [t], 1).batch([0])) for s, t in zip(*rows, strict=True)
    ]
    total = translator.losses(given).sum()
    torch.testing.assert_close(total, torch.cat(alone).sum())
    more = {name: torch.cat([x, x.new_full((3, 6), PAD)]) if x.dim() == 2 else x
            for name, x in given.items()}  # fmt: skip
    torch.testing.assert_close(translator.losses(more).sum(), total)


@each_attention
def test_gradients_are_those_of_finite_differences(attention):
    translator, given = model(attention=attention, depth=1), batch(2)
    weight = translator.recurrent.encoder.whole.weight_ih_l0

    def loss(values):
        with torch.no_grad():
            weight.copy_(values)
        return translator.losses(given).sum()

    start = weight.detach().clone()
    (slope,) = torch.autograd.grad(loss(start), weight)
    for place in ((0, 0), (3, 2), (10, 5)):
        step = torch.zeros_like(start)
        step[place] = 1e-6
        with torch.no_grad():
            about = (loss(start + step) - loss(start - step)) / 2e-6
        torch.testing.assert_close(slope[place], about, rtol=1e-5, atol=1e-8)


@each_kind
def test_layers_are_as_large_as_sru(kind):
    def size(name):
        found = Translator(LANGUAGES, name, size=64, hidden=96, attention="none")
        return sum(p.numel() for p in found.recurrent.parameters())

    assert size(kind) == pytest.approx(size("sru"), rel=0.02)
    assert width_for("sru", 64, 96, 2, True) == 96


# ------------------------------------------------------------------------------- search


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("kind", ["sru", "lstm", "qrnn"])
def test_a_sentence_is_translated_as_if_alone(kind, beam):
    translator = model(kind)
    sources = LANGUAGES.source.encode_all([*PAIRS.sources[:20], ""])
    together = searched(translator, sources, Search(beam, n_best=min(2, beam)))
    for source, best in zip(sources, together, strict=True):
        (alone,) = searched(translator, [source], Search(beam, n_best=min(2, beam)))
        assert [each.tokens for each in alone] == [each.tokens for each in best]
        assert [o.score for o in alone] == pytest.approx([o.score for o in best])


def test_scores_are_those_of_teacher_forcing():
    translator = model()
    sources = LANGUAGES.source.encode_all(PAIRS.sources[:5])
    for source, best in zip(sources, searched(translator, sources, Search(4, 0.0, 4)), strict=True):
        for each in best:
            given = TokenBatches([source], [each.tokens], 1).batch([0])
            total = -translator.losses(given).sum().item()
            assert each.log_probability == pytest.approx(total)
            assert each.score == pytest.approx(total)


def test_only_text_is_written_and_never_without_end():
    translator = model()
    with torch.no_grad():
        translator.bias[[PAD, START, UNKNOWN]] = 50.0
        translator.bias[END] = -50.0
    sources = LANGUAGES.source.encode_all(PAIRS.sources[:5])
    for beam in (1, 3):
        for source, best in zip(sources, searched(translator, sources, Search(beam)), strict=True):
            assert not {PAD, START, END, UNKNOWN} & {*best[0].tokens}
            assert len(best[0].tokens) == 2 * (len(source) + 1) + 10


def test_each_input_has_its_own_limit():
    written = Written(6, torch.tensor([0, 2]))
    states = written.start(2)
    assert written.allowed(states).tolist() == [
        [False, False, True, False, False, False], [False, False, True, False, True, True],
    ]  # fmt: skip
    assert written.next(states, torch.tensor([END, 5])).tolist() == [0, 1]


# ----------------------------------------------------------------------------- training


def here(path):
    return RunFolder(path, "sequence_to_sequence")


def test_a_training_that_was_stopped_ends_at_the_same_weights(tmp_path, monkeypatch):
    config = replace(SMOKE, steps=24, size=8, hidden=8)
    parts = corpora.parts_for(config)

    train(config, here(tmp_path / "whole"), parts.train, parts.valid, LANGUAGES)
    step, seen = Translator.training_step, []

    def stopped(self, *given):
        seen.append(1)
        if len(seen) == 11:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Translator, "training_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(config, here(tmp_path / "cut"), parts.train, parts.valid, LANGUAGES)
    assert len(seen) == 11
    train(config, here(tmp_path / "cut"), parts.train, parts.valid, LANGUAGES)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


def test_perplexity_is_that_of_its_definition():
    translator = model()
    batches = batches_of(PAIRS, LANGUAGES, 100)
    losses = [translator.losses(batches.batch([i])) for i in range(len(PAIRS))]
    assert perplexity(translator, batches) == pytest.approx(torch.cat(losses).mean().exp().item())


def test_the_control_keeps_all_sentences_and_no_pair():
    part = corpora.made_up(0).train
    mixed = corpora.shuffled(part, 0)
    assert mixed.sources == part.sources
    assert sorted(mixed.targets) == sorted(part.targets)
    same = sum(a == b for a, b in zip(mixed.targets, part.targets, strict=True))
    assert same < 0.02 * len(part)
    lengths = [[len(t) for t in each.targets] for each in (mixed, part)]
    assert sum(abs(a - b) for a, b in zip(*lengths, strict=True)) < 0.5 * len(part)


def test_too_long_pairs_are_left_out_and_none_is_an_error():
    long = Pairs(("one " * 200, "one"), ("1", "1"))
    assert len(batches_of(long, LANGUAGES, 100, longest=100).sources) == 1
    with pytest.raises(ValueError, match="pairs of at most 100 tokens; got none among 1"):
        batches_of(long.rows([0]), LANGUAGES, 100, longest=100)


def test_variants_differ_from_the_model():
    config = Config(variants=("lstm", "no_attention", "one_direction", "additive"))
    found = [variant(replace(config, variants=()), name) for name in config.variants]
    assert [c.layer for c in found] == ["lstm", "sru", "sru", "sru"]
    assert [c.attention for c in found] == ["general", "none", "general", "additive"]
    assert [c.bidirectional for c in found] == [True, True, False, True]
    for wrong in (("sru",), ("lstm", "lstm")):
        with pytest.raises(Unfit, match="--variants needs what differs from the model itself"):
            Config(variants=wrong)


# ------------------------------------------------------------------------------- in use


@pytest.fixture(scope="module")
def run(smoke):
    return smoke("sequence_to_sequence")


def test_smoke_translates(run):
    found = json.loads((run / "metrics.json").read_text())
    assert found["bleu"] > 80
    assert found["bleu"] >= found["bleu_greedy"]
    assert found["layer_share_of_seconds"] < 1
    assert found["sentences_per_second"] > 1


def test_a_text_is_translated_line_by_line_with_what_is_asked_for(run):
    translator = trained.load(run).model
    texts = ["two five", "two five\n\nseven one nine", "", "two five"]
    plain = answer(translator, texts, Options())
    assert [each[0] for each in plain] == ["5 2", "5 2\n\n9 1 7", "", "5 2"]
    assert all(each[1:] == (None, None) for each in plain)
    text, listed, attended = answer(translator, ["two five"], Options(n_best=3, attention=True))[0]
    assert listed[0].text == text == "5 2"
    assert [o.score for o in listed] == sorted((o.score for o in listed), reverse=True)
    assert attended.source == ("two", "five", LAST)
    assert attended.target == ("5", "2", LAST)
    assert [sum(row) for row in attended.weights] == pytest.approx([1, 1, 1], abs=1e-5)
    assert attended.weights[0][1] > 0.5  # 5 comes from five
    for value, each in zip((TASK.gives, *TASK.shows), (text, listed, attended), strict=True):
        assert value.write(value.read(json.loads(json.dumps(value.write(each, "json")))), "text")


def test_without_attention_there_is_none_to_show():
    assert aligned(model(attention="none"), [5], [6]) is None


def test_beams_and_lengths_are_measured_apart(run):
    translator, test = trained.load(run).model, corpora.parts_for(SMOKE).test.rows(range(40))
    found = measure.by_beam(translator, test, 0.6)
    best = translated(translator, test.sources, Search(5, 0.6))
    assert found["bleu_beam_5"] == measure.bleu(best, test.targets).value
    assert len(found) == 2 * len(measure.BEAMS)
    before = translator.recurrent.decoder.step
    measure.speed(translator, test)
    assert translator.recurrent.decoder.step == before


def test_a_model_of_own_pairs_is_trained_and_used(tmp_path):
    rows = [f"{s}\t{t}" for s, t in zip(PAIRS.sources, PAIRS.targets, strict=True)]
    file = tmp_path / "pairs.tsv"
    file.write_text("\n".join(rows))
    words = ("run", "sequence_to_sequence", "--train", str(file), "--tokens", "characters",
             "--size", "8", "--hidden", "8", "--depth", "1", "--steps", "3", "--back",
             "--out", str(tmp_path / "out"))  # fmt: skip
    done = run_here(COMMAND, *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "train: " in done.stdout
    said = run_here(COMMAND, "predict", str(tmp_path / "out"), "5 2", folder=tmp_path)
    assert said.returncode == 0, said.stderr


def test_parallel_files_and_parts_of_ones_own_are_read(tmp_path):
    files = {}
    for name, part in (("train", PAIRS), ("test", PAIRS.rows(range(3)))):
        for side, rows in (("", part.sources), ("_targets", part.targets)):
            files[name + side] = tmp_path / f"{name}{side}.txt"
            files[name + side].write_text("\n".join(rows) + "\n")
    found = corpora.parts_for(Config(**files))
    assert found.test == PAIRS.rows(range(3))
    assert not {*found.valid.sources} & {*found.train.sources}
    with pytest.raises(Unfit, match="--test-targets needs a --test"):
        Config(train=files["train"], test_targets=files["test_targets"])
    short = tmp_path / "short.txt"
    short.write_text("1\n")
    with pytest.raises(ValueError, match="as many lines as one another; got 100 in"):
        corpora.parts_for(Config(train=files["train"], train_targets=short))


def test_a_file_is_scored_as_the_test_part_was(run, tmp_path):
    test = corpora.parts_for(SMOKE).test
    rows = [f"{s}\t{t}" for s, t in zip(test.sources, test.targets, strict=True)]
    (tmp_path / "test.tsv").write_text("\n".join(rows))
    found = evaluate.SCORING.score(
        trained.load(run).model, tmp_path / "test.tsv", evaluate.Places(beam=3)
    )
    metrics = json.loads((run / "metrics.json").read_text())
    assert found.metrics == {"bleu": metrics["bleu"], "chrf": metrics["chrf"]}
    assert found.predictions == (run / "test.csv").read_text()
    (tmp_path / "sources").write_text("\n".join(test.sources))
    (tmp_path / "targets").write_text("\n".join(test.targets))
    places = evaluate.Places(targets=tmp_path / "targets", beam=3)
    assert evaluate.SCORING.score(trained.load(run).model, tmp_path / "sources", places) == found
