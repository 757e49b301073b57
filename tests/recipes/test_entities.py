"""What both recipes that find names share: each layer, each sentence by itself, bad settings."""

from dataclasses import replace

import pytest
import torch

from swiftrnn import cli
from swiftrnn.data.batches import Batches
from swiftrnn.data.tagged.corpus import made_up
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary
from swiftrnn.nn.encoder import KINDS
from swiftrnn.recipes import ner_crf, ner_stack_lstm
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.recipes.ner_stack_lstm.model import Chunker
from swiftrnn.tasks.tagging.find import tagged
from swiftrnn.tasks.tagging.train import build

TAGGER, CHUNKER = (ner_crf, Tagger), (ner_stack_lstm, Chunker)
BOTH = pytest.mark.parametrize("known", [TAGGER, CHUNKER], ids=["ner_crf", "ner_stack_lstm"])
RUNS = {"crf": False, "char_depth": 2, "char_ngrams": 3}
PAIRS = {"char_size": 0, "bigrams": True}
CASES = [
    *((known, kind, {}) for known in (TAGGER, CHUNKER) for kind in KINDS),
    *((TAGGER, kind, changes) for kind in ("sru", "lstm") for changes in (RUNS, PAIRS)),
]


def made(known, **changes):
    """A corpus, and an untrained model for it."""
    torch.manual_seed(0)
    (recipe, kind), corpus = known, made_up(0)
    vocabulary = TagVocabulary.of_columns(corpus.train)
    return corpus, build(kind, replace(recipe.SMOKE, **changes), vocabulary, 100)


@pytest.mark.parametrize(("known", "layer", "changes"), CASES, ids=lambda x: str(x)[-40:])
def test_every_layer_trains(known, layer, changes):
    corpus, model = made(known, layer=layer, **changes)
    (optimizer,), _ = model.configure_optimizers()
    losses = []
    for batch in Batches(corpus.train.sentences, Batcher(model.vocabulary), 16):
        loss = model.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < losses[0] * 0.7


@BOTH
@pytest.mark.parametrize("layer", ["sru", "lstm", "qrnn"])
def test_a_sentence_is_read_as_if_alone(known, layer):
    corpus, model = made(known, layer=layer)
    few = corpus.test.sentences[:7]
    together = tagged(model.eval(), few)
    for i, sentence in enumerate(few):
        (alone,) = tagged(model, [sentence])
        assert alone.tags == together[i].tags
        assert alone.spans == pytest.approx(together[i].spans, abs=1e-5)


@BOTH
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--devices", "0"), "--devices needs a whole number from 1 to 1,024; got 0"),
        (("--nodes", "-1"), "--nodes needs a whole number from 1 to 1,024; got -1"),
        (("--batch-size", "0"), "--batch-size needs a whole number from 1 up; got 0"),
        (("--epochs", "0"), "--epochs needs a whole number from 1 up; got 0"),
        (("--strategy", "ddp_spawn"), "starts the command anew; got ddp_spawn"),
        (("--char-ngrams", "0"), "--char-ngrams needs a whole number from 1 to 64; got 0"),
    ],
)
def test_bad_settings_get_one_line(known, words, message, tmp_path, capsys):
    name = known[0].__name__.rpartition(".")[2]
    out = ("--preset", "smoke", "--out", str(tmp_path / "run"))
    assert cli.main(["run", name, *out, *words]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
