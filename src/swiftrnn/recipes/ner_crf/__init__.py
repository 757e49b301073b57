"""A named-entity tagger: words and characters through a BiLSTM, or any layer, and a CRF.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition".
Differs: batches of 32 and AdamW for single sentences and SGD; free data; no pretrained vectors.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from lightning import seed_everything

from swiftrnn import __version__
from swiftrnn.data.corpus import Corpus, shuffled
from swiftrnn.data.sentences import Batcher, Batches, TagVocabulary
from swiftrnn.metrics.dictionary import baselines, unseen
from swiftrnn.metrics.spans import score
from swiftrnn.recipes.ner_crf import report
from swiftrnn.recipes.ner_crf.data import corpus_for, vectors_for
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.recipes.ner_crf.use import WEIGHTS, build, load, measure, tagged
from swiftrnn.recipes.ner_crf.use import exported as exported
from swiftrnn.recipes.ner_crf.use import predict as predict
from swiftrnn.recipes.ner_crf.use import readings as readings
from swiftrnn.training import folder, weights
from swiftrnn.training.fit import Fitted, fit


@dataclass(frozen=True)
class Config:
    """The paper's sizes; what is trained how is ours."""

    data: Literal["wnut17", "bc5cdr", "ncbi-disease", "weibo-ner"] = "wnut17"
    train: Path | None = None  # a file of yours in columns, as of CoNLL; then also the next two
    valid: Path | None = None  # the epoch is picked by it
    test: Path | None = None  # measured once
    vectors: Path | None = None  # of words, as of GloVe or word2vec; they go on learning
    least_coverage: float = 0.5  # part of train's words that has to have one
    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: int = 1  # layers of words on top of each other
    hidden: int = 100  # of the layer of words, in each direction
    word_size: int = 100  # of the vector of a word; with --vectors, that of theirs
    char_size: int = 25  # of the vector of a character; 0 leaves characters out
    char_hidden: int = 25  # of the layer of characters, in each direction
    char_depth: int = 1  # layers of characters on top of each other
    lower: bool = False  # words in lower case; their characters keep theirs
    bigrams: bool = False  # a word's vector also depends on the one before; for Chinese characters
    crf: bool = True  # score sequences of tags as a whole; else each tag by itself
    dropout: float = 0.5  # of the layer's input and, ours, its output; one choice for a sentence
    epochs: int = 12  # ours; theirs: 100
    batch_size: int = 32  # sentences; ours; theirs: 1
    learning_rate: float = 5e-3  # of AdamW; falls to 0 along a line
    average: bool = True  # measure and keep a moving average of the weights
    seed: int = 0
    threads: int = 0  # of torch; 0 leaves its setting alone
    made_up: bool = False  # learn to find made-up names in place of real ones
    control: bool = False  # also train on spans at random places, where nothing can be learnt


SMOKE = Config(made_up=True, epochs=3, hidden=32, word_size=32, batch_size=16)
BIOMEDICAL = Config(data="bc5cdr", learning_rate=1e-2, epochs=8)
CHINESE = Config(data="weibo-ner", char_size=0, bigrams=True, dropout=0.3, epochs=8)
SIZES = ("depth", "hidden", "word_size", "char_size", "char_hidden", "char_depth")  # of the model
CLAIMS = {"conll03_f1": 90.94, "conll03_f1_without_vectors": 83.63}  # theirs, on other data


def train(config: Config, out: Path, corpus: Corpus) -> Fitted:
    """Train one tagger; `out` gets the weights of the epoch that was best on valid."""
    seed_everything(config.seed, verbose=False)
    torch.set_num_threads(config.threads or torch.get_num_threads())
    out.mkdir(parents=True, exist_ok=True)
    vectors = vectors_for(config, corpus)
    config = replace(config, word_size=vectors.dim if vectors else config.word_size)
    about = {"recipe": "ner_crf", "swiftrnn": __version__, "config": asdict(config)}
    folder.write_json(out / "config.json", about)
    vocabulary = TagVocabulary.of(corpus.train, config.lower, vectors.of if vectors else ())
    folder.write_json(out / "vocabulary.json", asdict(vocabulary))
    batches = Batches(corpus.train.sentences, Batcher(vocabulary), config.batch_size)
    steps = config.epochs * len(batches)
    model = build(config, vocabulary, steps)
    if vectors:
        model.start_from(vectors)

    def valid(now: Tagger) -> dict[str, float]:
        f1 = 100 * measure(now, corpus.valid).all.f1
        best = folder.read_json(out / "best.json")["f1"] if (out / "best.json").exists() else -1
        if f1 > best:  # a run that goes on after a kill measures the same again
            weights.save(now, out / WEIGHTS)
            folder.write_json(out / "best.json", {"f1": f1})
        return {"f1": f1}

    return fit(
        model, batches, out=out, steps=steps, valid=valid, every=1 / config.epochs,
        average=config.average, clip=5.0, resume=True, name=config.layer,
    )  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    corpus = corpus_for(config)
    fitted = train(config, out, corpus)
    model = load(config, out)
    names = tagged(model, corpus.test.sentences)[0]
    test = score([s.tags() for s in corpus.test.sentences], names)
    found = {"f1": test.all.f1, "precision": test.all.precision, "recall": test.all.recall}
    found |= {f"f1_{kind}": each.f1 for kind, each in test.by_type.items()}
    found = {name: 100 * value for name, value in found.items()}
    found |= unseen(corpus.test, names, corpus.train) | baselines(corpus.train, corpus.test)
    found["valid_f1"] = max(row["f1"] for row in fitted.history)
    if config.control:
        mixed = corpus._replace(train=shuffled(corpus.train, config.seed))
        train(config, out / "control", mixed)
        control = load(config, out / "control")
        found["control_f1"] = 100 * measure(control, corpus.test).all.f1
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["seconds_per_epoch"] = fitted.seconds / config.epochs
    report.write(out / "report.html", corpus.test, names, found | asdict(fitted))
    folder.write_json(out / "metrics.json", found | asdict(fitted))
    return found
