"""The language model: equal sizes, exact measures, and a run from text to numbers."""

import contextlib
import json
import math
from dataclasses import replace

import pytest
import torch

from swiftrnn.data.text import Text
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes import language_model
from swiftrnn.recipes.language_model import SMOKE, Config, data
from swiftrnn.recipes.language_model.model import (
    LAYERS,
    LanguageModel,
    build_layer,
    check_lstm_in_bfloat16,
    detach,
)
from swiftrnn.recipes.language_model.sizes import hidden_for, parameters_of, untrained
from swiftrnn.recipes.language_model.train import load, train
from swiftrnn.runs import results
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.writing.measure import bits
from swiftrnn.tasks.writing.sample import Sampling, added, continued, tokens

TINY = replace(SMOKE, hidden=104, batch_size=4, time=8, steps=12)
each_layer = pytest.mark.parametrize("layer", LAYERS)


def here(path):
    return RunFolder(path, "language_model")


def sample(model, prompt, length=200, **how):
    return [token for (token,) in tokens(model, [prompt], Sampling(length=length, **how))]


def model_of(layer, dtype="float32"):
    torch.manual_seed(1)
    return untrained(replace(TINY, layer=layer, dtype=dtype), Vocabulary()).eval()


@each_layer
@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("vocabulary", [256, 33_278])
def test_sizes_are_equal_within_two_percent(layer, depth, vocabulary):
    for hidden in (96, 128, 200, 256, 512, 1024):
        wanted = parameters_of("sru", hidden, depth, vocabulary)
        width = hidden_for(layer, wanted, depth, vocabulary)
        with torch.device("meta"):
            model = LanguageModel(layer, width, depth, vocabulary)
        assert abs(sum(p.numel() for p in model.parameters()) / wanted - 1) <= 0.02
        if layer == "sru":
            assert width == hidden


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 12])
def test_the_convolution_sees_512_inputs_or_more(depth):
    layer = build_layer("conv", 4, depth)
    assert layer.receptive_field >= 512
    assert layer.num_layers >= depth


def test_wide_layers_have_widths_that_suit_the_machine():
    wanted = parameters_of("sru", 1024, 2)
    assert all(hidden_for(layer, wanted, 2) % 8 == 0 for layer in LAYERS)


def test_a_size_that_cannot_be_met_is_refused():
    with pytest.raises(ValueError, match=r"within 2 % of; got 38,560 .*, and width 23 is off by"):
        hidden_for("conv", parameters_of("sru", 56, 1), 1)
    with pytest.raises(ValueError, match=r"sru, qrnn, mingru, .*; got 'rnn'"):
        build_layer("rnn", 8, 1)


def test_the_read_out_sees_the_byte_beside_the_layer():
    class Silent(torch.nn.Module):
        def forward(self, x, state):
            return torch.zeros_like(x), state

    model = model_of("sru")
    model.layer = Silent()
    logits, _ = model(torch.tensor([[3, 7], [3, 3]]))
    assert (logits[0, 0] - logits[0, 1]).abs().max() > 1e-3


@each_layer
def test_streaming_equals_the_whole(layer):
    model, tokens = model_of(layer), torch.randint(0, 256, (7, 3))
    state, steps = None, []
    with torch.no_grad():
        whole, _ = model(tokens)
        for token in tokens:
            logits, state = model.step(token, state)
            steps.append(logits)
    torch.testing.assert_close(torch.stack(steps), whole)


@each_layer
def test_bits_are_those_of_each_lane_read_byte_by_byte(layer):
    model, tokens = model_of(layer), torch.randint(0, 256, (47,), dtype=torch.uint8)
    total = 0.0
    with torch.no_grad():
        for lane in tokens[:45].long().view(3, 15):
            logits, _ = model(lane[:-1, None])
            each = logits[:, 0].double().log_softmax(-1)[range(14), lane[1:]]
            total -= each.sum().item() / math.log(2)
    for chunk in (1, 5, 100):
        found, count = bits(model, tokens, lanes=3, chunk=chunk)
        assert count == 42
        assert found == pytest.approx(total / 42, rel=1e-5)


def test_too_short_a_text_cannot_be_measured():
    with pytest.raises(ValueError, match="at least 32 tokens; got 31"):
        bits(model_of("sru"), torch.zeros(31, dtype=torch.uint8))


def lstm_runs_in_bfloat16():
    with contextlib.suppress(ValueError):
        check_lstm_in_bfloat16()
        return True
    return False


@each_layer
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_layer_learns_in_either_precision(tmp_path, layer, dtype):
    if (layer, dtype) == ("lstm", "bfloat16") and not lstm_runs_in_bfloat16():
        needed = r"needs a processor with AVX-512; .*give --dtype float32, or another layer"
        with pytest.raises(ValueError, match=needed):
            train(replace(TINY, layer=layer, dtype=dtype, steps=2), here(tmp_path))
        return
    fitted = train(replace(TINY, layer=layer, dtype=dtype, steps=24), here(tmp_path))
    losses = [row["loss"] for row in fitted.history]
    assert losses[-1] < losses[0] - 0.5
    model = load(replace(TINY, layer=layer, dtype=dtype), tmp_path)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model(torch.zeros(2, 1, dtype=torch.int64))[0].dtype == torch.float32


@each_layer
def test_muon_gets_the_matrices_of_the_layer_and_nothing_else(layer):
    model = untrained(replace(TINY, layer=layer, optimizer="muon"), Vocabulary())
    (optimizer,), _ = model.configure_optimizers()
    kinds = {id(p): "momentum" in g for g in optimizer.param_groups for p in g["params"]}
    for name, p in model.named_parameters():
        wanted = name.startswith("layer.") and p.dim() > 1 and "weight_c" not in name
        assert kinds[id(p)] == wanted, name
    assert any(kinds.values())


def test_bfloat16_is_close_to_float32_and_not_the_same():
    tokens = torch.randint(0, 256, (20, 2))
    with torch.no_grad():
        single, half = (model_of("sru", kind)(tokens)[0] for kind in ("float32", "bfloat16"))
    assert 0 < (single - half).abs().max() < 0.05


@each_layer
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_goes_on_to_the_same_weights(tmp_path, layer, optimizer):
    config = replace(TINY, layer=layer, optimizer=optimizer)
    train(config, here(tmp_path / "whole"))
    train(replace(config, steps=5), here(tmp_path / "cut"))
    train(config, here(tmp_path / "cut"), resume=True)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert files[0] == files[1]


def test_the_state_is_carried_from_batch_to_batch():
    model = model_of("sru")
    batch = torch.randint(0, 256, (6, 2))
    first, second = model.training_step(batch, 0), model.training_step(batch, 1)
    assert first != second
    past, state = model.carried
    assert torch.equal(past, batch[-5:-1])
    assert not state.requires_grad


def test_a_detached_part_of_a_tensor_does_not_hold_the_whole():
    whole = torch.randn(5, 3, requires_grad=True) * 2
    part, same, nothing = detach((whole[1], whole, None))
    assert torch.equal(part, whole[1])
    assert part.untyped_storage().nbytes() == part.nbytes
    assert same.data_ptr() == whole.data_ptr()  # nothing to copy
    assert not any(each.requires_grad for each in (part, same))
    assert nothing is None


def test_the_learning_rate_depends_on_the_update_only():
    model = LanguageModel("sru", 8, 1, warmup=10, knee=40)
    rates = [model.rate(step) for step in (0, 4, 9, 39, 159)]
    assert rates == pytest.approx([0.1, 0.5, 1.0, 1.0, 0.5])


def test_smoke_beats_counting_bytes_and_pairs(smoke):
    metrics = results.read(smoke("language_model"))
    assert metrics["bits_per_byte"] < metrics["baseline_order_2"] < metrics["baseline_order_0"]
    assert metrics["seconds"] < 10
    assert metrics["steps"] == SMOKE.steps


def test_the_run_folder_holds_what_is_needed_later(smoke):
    out = smoke("language_model")
    metrics = results.read(out)
    saved = json.loads((out / "metrics.json").read_text())
    history = saved.pop("history")
    assert saved.pop("checksum")
    assert saved == metrics
    assert history[-1]["tokens"] == metrics["tokens"] == SMOKE.steps * SMOKE.batch_size * SMOKE.time
    assert [row["step"] for row in history] == sorted(row["step"] for row in history)
    config = json.loads((out / "config.json").read_text())
    assert config["recipe"] == "language_model"
    assert config["config"]["steps"] == SMOKE.steps
    model = load(SMOKE, out)
    text = data.made_up(SMOKE.seed)
    assert bits(model, model.vocabulary.encode(text.test))[0] == metrics["bits_per_byte"]


def test_the_snapshot_is_what_was_measured_at_that_update(tmp_path):
    config = replace(TINY, steps=100, hidden=32)
    fitted = train(replace(config, steps=200), here(tmp_path / "long"))
    early = load(config, tmp_path / "long", tmp_path / "long/snapshots/00000100.safetensors")
    valid = early.vocabulary.encode(data.made_up(0).valid)
    row = next(row for row in fitted.history if row["step"] == 100)
    assert bits(early, valid)[0] == row["bits"]
    train(config, here(tmp_path / "short"))
    assert bits(load(config, tmp_path / "short"), valid)[0] == row["bits"]


def test_shuffled_bytes_cannot_be_learnt(tmp_path):
    config = replace(SMOKE, control=True, hidden=48, steps=60)
    metrics = language_model.run(config, here(tmp_path)).metrics
    assert metrics["control_bits_per_byte"] > metrics["control_baseline_order_0"] - 0.02
    assert metrics["bits_per_byte"] < metrics["control_baseline_order_0"] - 0.5


def test_shuffled_words_cannot_be_learnt_either(tmp_path):
    (tmp_path / "text").write_text("one two three four five six seven\n" * 3000)
    config = replace(
        SMOKE, made_up=False, text=tmp_path / "text", level="word", ngrams=1, control=True, steps=60
    )
    metrics = language_model.run(config, here(tmp_path / "run")).metrics
    assert metrics["perplexity"] < 1.5
    assert metrics["control_perplexity"] > 0.98 * metrics["control_baseline_unigram"] > 7


def test_shuffling_keeps_the_words_and_nothing_else():
    text = data.made_up(0)
    mixed = data.shuffled(text, 0, "word")
    assert sorted(mixed.train.split()) == sorted(text.train.split())
    assert mixed.train.split() != text.train.split()
    assert mixed.train.count(b"\n") == text.train.count(b"\n")


def test_shuffling_keeps_the_counts_and_nothing_else():
    text = data.made_up(0)
    mixed = data.shuffled(text, 0)
    assert sorted(mixed.train) == sorted(text.train)
    assert mixed.train != text.train
    assert b"".join(mixed.test_files) == mixed.test


def test_words_are_learnt_and_loaded(tmp_path):
    draw = torch.Generator().manual_seed(0)
    says = ("the cat says meow", "the dog says woof")
    lines = [says[i] for i in torch.randint(0, 2, (1200,), generator=draw)]
    (tmp_path / "animals.txt").write_text("\n".join(lines))
    config = replace(TINY, made_up=False, text=tmp_path / "animals.txt", level="word", steps=60)
    (tmp_path / "run").mkdir()
    metrics = language_model.run(config, here(tmp_path / "run")).metrics
    assert metrics["perplexity"] < 1.5 < 4 < metrics["baseline_unigram"]
    model = load(config, tmp_path / "run")
    assert "".join(added(model, "the dog says", Sampling())).split()[0] == "woof"
    (tmp_path / "run/vocabulary.json").write_text("{")
    with pytest.raises(ValueError, match=r"vocabulary\.json"):
        load(config, tmp_path / "run")


def test_a_sample_depends_on_the_seed_only(smoke):
    model = load(SMOKE, smoke("language_model"))
    prompt = model.vocabulary.encode(b"3+4=")
    first, again, other = (sample(model, prompt, 40, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 40
    assert sample(model, prompt, 9, temperature=0) == sample(model, prompt, 9, top_k=1, seed=5)
    assert set(sample(model, prompt, 60)) <= set(b"0123456789+=\n")
    assert len(sample(model, prompt[:0], 3)) == 3


@each_layer
@pytest.mark.parametrize("how", [{}, {"temperature": 0.0}, {"top_k": 9, "top_p": 0.8}])
def test_texts_are_continued_together_as_each_is_alone(layer, how):
    model, texts = model_of(layer).double(), ["", "a", "3+4=", "naïve", "12\n" * 50] * 14
    together = continued(model, texts, Sampling(12, seed=3, **how))
    assert together == [continued(model, [each], Sampling(12, seed=3, **how))[0] for each in texts]
    assert all(got.startswith(each) for got, each in zip(together, texts, strict=True))
    assert len({got.removeprefix(each) for got, each in zip(together, texts, strict=True)}) > 1


def test_any_bytes_become_text():
    text = "".join(
        added(model_of("sru"), "naïve \N{PILE OF POO}", Sampling())
    )  # untrained: all bytes are likely
    assert "\N{REPLACEMENT CHARACTER}" in text


@pytest.mark.parametrize("wrong", [{"length": -1}, {"temperature": -0.1}, {"top_k": -2}])
def test_samples_are_refused_where_they_make_no_sense(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=rf"--{name.replace('_', '-')} needs a .*; got {value:g}"):
        Sampling(**wrong)


def test_weights_that_do_not_fit_are_refused(smoke, tmp_path):
    config = replace(SMOKE, hidden=48)
    with pytest.raises(ValueError, match=r"needs the weights that its config.json describes"):
        load(config, smoke("language_model"))
    (tmp_path / "model.safetensors").write_bytes(
        (smoke("language_model") / "model.safetensors").read_bytes()[:-100]
    )
    with pytest.raises(ValueError, match=r"needs a whole model.safetensors"):
        load(SMOKE, tmp_path)


def test_a_text_shorter_than_a_batch_is_refused(tmp_path):
    text = Text(b"x" * 20, b"x" * 100, b"x" * 100, "short", "")
    with pytest.raises(ValueError, match=r"more than 4 x 8 tokens for one batch; got 20"):
        train(TINY, here(tmp_path), text=text)


def test_the_text_is_what_the_config_names(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "standard_library", lambda: "library")
    monkeypatch.setattr(data, "wikitext_2", lambda: "words")
    (tmp_path / "mine").write_bytes(b"mine " * 5000)
    assert data.text_for(Config()) == "library"
    assert data.text_for(language_model.WORD) == "words"
    assert data.text_for(Config(text=tmp_path / "mine")).name == "mine"
    assert data.text_for(SMOKE).name == "sums"
