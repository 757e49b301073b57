"""How much of the past helps: against counting, sources whose entropy is known, and plain loops."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from swiftrnn import cli
from swiftrnn.data.text import shuffled
from swiftrnn.recipes.markov_order import Config, text_for
from swiftrnn.recipes.markov_order.config import SMOKE
from swiftrnn.recipes.markov_order.evaluate import SCORING
from swiftrnn.recipes.markov_order.measure import (
    STREAMS,
    Places,
    after_all,
    after_last,
    ladder,
    measure,
    of_text,
)
from swiftrnn.recipes.markov_order.model import LAYERS, ByteModel, width_for
from swiftrnn.recipes.markov_order.source import LETTERS, ORDER, Source
from swiftrnn.runs import results
from swiftrnn.runs.limits import Unfit


def small(layer="sru", seed=0):
    torch.manual_seed(seed)
    return ByteModel(layer, size=8, hidden=12, depth=2).eval()


def slowly(model, content):
    """Bits of the last of some bytes, one step after the other, from an empty state."""
    state, logits = None, None
    for byte in content[:-1]:
        logits, state = model(torch.tensor([[byte]]), state)
    return -logits.double().log_softmax(-1)[0, 0, content[-1]].item() / math.log(2)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_history_is_an_empty_state_and_its_bytes(layer):
    model, draw = small(layer), np.random.default_rng(0)
    rows = torch.from_numpy(draw.integers(0, 256, (5, 8)))
    expected = [slowly(model, row) for row in rows.tolist()]
    assert after_last(model, rows).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_state_says_what_all_bytes_before_say(layer):
    """However a text is cut, handing over the state alone changes nothing."""
    model = small(layer).double()
    streams = torch.randint(0, 256, (50, 3))
    whole = after_all(model, streams, 49)
    for chunk in (1, 7, 48):
        assert torch.allclose(after_all(model, streams, chunk), whole, rtol=1e-12)
    last = torch.stack([after_last(model, streams[: t + 1].t()) for t in (1, 20, 49)])
    assert torch.allclose(whole[[0, 19, 48]], last, rtol=1e-12)


def test_places_have_the_bytes_before_them():
    content = bytes(np.random.default_rng(0).integers(0, 256, 16 * 100, np.uint8))
    test = Places(content, 64, 10)
    assert len(test.places) == 64
    rows = test.histories(10)
    for place, row in zip(test.places.tolist(), rows.tolist(), strict=True):
        assert bytes(row) == content[place - 10 : place + 1]
        assert place % 100 > 50
    for stream in range(STREAMS):
        assert bytes(test.streams[:, stream].tolist()) == content[stream * 100 : stream * 100 + 100]
    assert rows[:, -1].view(STREAMS, -1).t().tolist() == test.streams[test.rows].tolist()
    with pytest.raises(ValueError, match=r"test part of at least 352 bytes; got 351"):
        Places(content[:351], 64, 10)


def test_measuring_is_the_mean_over_places():
    model, content = small(), bytes(range(256)) * 8
    test = Places(content, 32, 4)
    found = measure(model, test, 4)
    per_stream = len(content) // STREAMS
    for order in ladder(4):
        bits = [slowly(model, content[p - order : p + 1]) for p in test.places.tolist()]
        assert found[f"bits_{order}"] == pytest.approx(np.mean(bits), rel=1e-5)
    bits = [slowly(model, content[p - p % per_stream : p + 1]) for p in test.places.tolist()]
    assert found["bits_full"] == pytest.approx(np.mean(bits), rel=1e-5)
    assert found["state_error"] < 1e-5


def test_a_text_is_measured_from_its_first_bytes_on():
    model, content = small(), b"to be or not to be"
    found = dict(of_text(model, content, [1, 2, 4, 8, 16, 32]))
    assert list(found) == [1, 2, 4, 8, 16, 17]
    for order, bits in found.items():
        each = [slowly(model, content[max(0, t - order) : t + 1]) for t in range(1, len(content))]
        assert bits == pytest.approx(np.mean(each), rel=1e-5)
    assert of_text(model, b"", [1]) == of_text(model, b"a", [1]) == []
    assert [k for k, _ in of_text(model, b"ab", [1, 2])] == [1]


def test_entropies_of_a_source_are_those_of_its_letters():
    """Exact ones against counts of a long text, and against closed forms."""
    source = Source.drawn(3)
    content = source.text(0, 400_000).train
    found = source.entropies()
    assert list(found) == [*range(ORDER + 1)]
    for k, bits in found.items():
        after = Counter(content[i - k : i + 1] for i in range(k, len(content)))
        before = Counter()
        for gram, count in after.items():
            before[gram[:-1]] += count
        n = sum(after.values())
        counted = -sum(c / n * math.log2(c / before[g[:-1]]) for g, c in after.items())
        assert bits == pytest.approx(counted, abs=0.01)
    uniform = Source(np.full((len(LETTERS) ** ORDER, len(LETTERS)), 0.25))
    assert [*uniform.entropies().values()] == pytest.approx([2, 2, 2, 2])
    letters = np.arange(len(LETTERS) ** ORDER)
    copies = np.eye(len(LETTERS))[letters // len(LETTERS) ** (ORDER - 1)] * 0.9 + 0.025
    exact = -(0.925 * math.log2(0.925) + 3 * 0.025 * math.log2(0.025))
    assert [*Source(copies).entropies().values()] == pytest.approx([2, 2, 2, exact])


def test_a_small_model_finds_the_order_of_a_source(smoke):
    found = results.read(smoke("markov_order"))
    assert found["bits_2_sru"] > found["bits_4_sru"] + 0.1  # the third letter counts
    assert abs(found["bits_4_sru"] - found["bits_8_sru"]) < 0.05  # a fifth does not
    assert found["entropy_3"] < found["bits_full_sru"] < found["counts_0"]
    for order in (1, 2):
        assert found[f"counts_{order}"] == pytest.approx(found[f"entropy_{order}"], abs=0.05)
    assert abs(found["control_bits_1"] - found["control_bits_full"]) < 0.05


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_are_equally_large(layer):
    config = Config()
    sizes = [
        sum(
            p.numel()
            for p in ByteModel(name, config.size, config.hidden, config.depth).parameters()
        )
        for name in ("sru", layer)
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)
    assert width_for("sru", 8, 12, 2) == 12


def test_streams_forget_as_often_as_they_are_told():
    torch.manual_seed(0)
    batch = torch.randint(0, 256, (9, 2000))
    for forget, low, high in ((0.0, 0, 0), (1.0, 2000, 2000), (0.5, 900, 1100)):
        model = ByteModel("sru", size=4, hidden=4, depth=1, forget=forget)
        model.carried, seen = torch.ones(1, 2000, 4), []
        model.layer.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[1]))
        model.training_step(batch, 0)
        assert low <= int((seen[0] == 0).all(2).sum()) <= high
        assert int((seen[0] == 1).all(2).sum()) == 2000 - int((seen[0] == 0).all(2).sum())


def test_shuffled_bytes_are_the_same_bytes():
    text = text_for(SMOKE)
    mixed = shuffled(text, 0)
    for part in ("train", "valid", "test"):
        before, after = getattr(text, part), getattr(mixed, part)
        assert before != after
        assert Counter(before) == Counter(after)


def test_a_text_of_ones_own(tmp_path, capsys):
    own = tmp_path / "mine.txt"
    own.write_bytes(b"the quick brown fox jumps over the lazy dog. " * 2000)
    words = ["--layers", "sru", "--steps", "3", "--seconds", "None", "--size", "8", "--hidden", "8"]
    words += ["--longest", "16", "--no-control", "--out", str(tmp_path / "run")]
    assert cli.main(["run", "markov_order", "--train", str(own), *words]) == 0
    assert {"bits_16_sru", "counts_16"} <= set(results.read(tmp_path / "run"))
    own.write_bytes(b"too short")
    assert cli.main(["run", "markov_order", "--train", str(own), *words[:-2]]) == 2
    assert "--train needs at least 20,000 bytes; got 9 bytes" in capsys.readouterr().err


def test_a_file_is_scored(tmp_path):
    model = small()
    short, long = tmp_path / "short", tmp_path / "long"
    short.write_bytes(b"to be or not to be")
    found = SCORING.score(model, short, None).metrics
    expected = dict(of_text(model, b"to be or not to be", ladder(256)))
    assert found == {"bits_full": expected.pop(17), **{f"bits_{k}": v for k, v in expected.items()}}
    long.write_bytes(bytes(range(256)) * 40)
    found = SCORING.score(model, long, None)
    assert found.read == "10,240 bytes"
    assert {"bits_1", "bits_256", "bits_full"} <= set(found.metrics)
    short.write_bytes(b"a")
    with pytest.raises(ValueError, match="needs at least two bytes; got 1 bytes in"):
        SCORING.score(model, short, None)
    with pytest.raises(ValueError, match="needs a file that can be read"):
        SCORING.score(model, tmp_path, None)


def test_layers_are_given_once():
    with pytest.raises(Unfit, match="--layers"):
        replace(SMOKE, layers=("sru", "sru"))


def test_the_read_out_has_all_bytes():
    assert isinstance(small().readout, nn.Linear)
    assert small()(torch.zeros(3, 2, dtype=torch.long))[0].shape == (3, 2, 256)
