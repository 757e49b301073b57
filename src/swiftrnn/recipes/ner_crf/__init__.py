"""A named-entity tagger: words and characters through a BiLSTM, or any layer, and a CRF.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition".
Differs: batches of 32 and AdamW for single sentences and SGD; free data; no pretrained vectors.
"""

from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Literal

import torch
from lightning import seed_everything

from swiftrnn import __version__
from swiftrnn.recipes.ner_crf.batches import Batcher, Batches, Vocabulary
from swiftrnn.recipes.ner_crf.data import Corpus, corpus_for, shuffled
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.recipes.ner_crf.use import baselines, measure, percent, tagged, unseen
from swiftrnn.training import folder, weights
from swiftrnn.training.fit import Fitted, fit

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Config:
    """The paper's sizes; what is trained how is ours."""

    data: Literal["wnut17", "bc5cdr", "ncbi-disease", "weibo-ner"] = "wnut17"
    train: Path | None = None  # a file of yours in columns, as of CoNLL; then also the next two
    valid: Path | None = None  # the epoch is picked by it
    test: Path | None = None  # measured once
    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: int = 1  # layers of words on top of each other
    hidden: int = 100  # of the layer of words, in each direction
    word_size: int = 100  # of the vector of a word
    char_size: int = 25  # of the vector of a character; 0 leaves characters out
    char_hidden: int = 25  # of the layer of characters, in each direction
    bigrams: bool = False  # a word's vector also depends on the one before; for Chinese characters
    crf: bool = True  # score sequences of tags as a whole; else each tag by itself
    dropout: float = 0.5  # of the layer's input and, ours, its output; one choice for a sentence
    epochs: int = 20  # ours; theirs: 100
    batch_size: int = 32  # sentences; ours; theirs: 1
    learning_rate: float = 5e-3  # of AdamW; falls to 0 along a line
    seed: int = 0
    threads: int = 0  # of torch; 0 leaves its setting alone
    made_up: bool = False  # learn to find made-up names in place of real ones
    control: bool = False  # also train on spans at random places, where nothing can be learnt


SMOKE = Config(made_up=True, epochs=3, hidden=32, word_size=32, batch_size=16)
CHINESE = Config(data="weibo-ner", char_size=0, bigrams=True)
CLAIMS = {"conll03_f1": 90.94, "conll03_f1_without_vectors": 83.63}  # theirs, on other data


def build(config: Config, vocabulary: Vocabulary, steps: int = 1) -> Tagger:
    """An untrained tagger."""
    names = signature(Tagger).parameters
    given: dict[str, Any] = {k: v for k, v in asdict(config).items() if k in names}
    return Tagger(**given | {"vocabulary": vocabulary, "steps": steps})


def train(config: Config, out: Path, corpus: Corpus) -> Fitted:
    """Train one tagger; `out` gets the weights of the epoch that was best on valid."""
    seed_everything(config.seed, verbose=False)
    if config.threads:
        torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    about = {"recipe": "ner_crf", "swiftrnn": __version__, "config": asdict(config)}
    folder.write_json(out / "config.json", about)
    vocabulary = Vocabulary.of(corpus.train)
    folder.write_json(out / "vocabulary.json", asdict(vocabulary))
    batches = Batches(corpus.train.sentences, Batcher(vocabulary), config.batch_size)
    steps, best = config.epochs * len(batches), -1.0
    model = build(config, vocabulary, steps)

    def valid(now: Tagger) -> dict[str, float]:
        f1 = 100 * measure(now, corpus.valid).all.f1
        marks = folder.read_json(out / "best.json") if (out / "best.json").exists() else {}
        if f1 > marks.get("f1", best):
            weights.save(now, out / WEIGHTS)
            folder.write_json(out / "best.json", {"f1": f1})
        return {"f1": f1}

    return fit(
        model, batches, out=out, steps=steps, valid=valid, every=1 / config.epochs, average=True,
        clip=5.0, resume=True, name=config.layer,
    )  # fmt: skip


def load(config: Config, out: Path) -> Tagger:
    """Read a trained tagger; nothing in the files can run."""
    read = folder.read_json(out / "vocabulary.json", ("words", "chars", "tags", "rare"))
    model = build(config, Vocabulary(**read))
    weights.load(model, out / WEIGHTS)
    return model.eval()


def run(config: Config, out: Path) -> dict[str, float]:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    corpus = corpus_for(config)
    fitted = train(config, out, corpus)
    model = load(config, out)
    test = measure(model, corpus.test)
    found = percent(test) | {"precision": 100 * test.all.precision, "recall": 100 * test.all.recall}
    found |= unseen(corpus.test, tagged(model, corpus.test.sentences), corpus.train)
    found |= baselines(corpus.train, corpus.test)
    found["valid_f1"] = max(row["f1"] for row in fitted.history)
    if config.control:
        mixed = corpus._replace(train=shuffled(corpus.train, config.seed))
        train(config, out / "control", mixed)
        found["control_f1"] = 100 * measure(load(config, out / "control"), corpus.test).all.f1
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["seconds_per_epoch"] = fitted.seconds / config.epochs
    folder.write_json(out / "metrics.json", found | asdict(fitted))
    return found
