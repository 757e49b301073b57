"""Training and measuring what finds spans in sentences: all that its recipes share."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from lightning import LightningModule, seed_everything
from torch import Tensor, distributed

from swiftrnn import __version__, limits
from swiftrnn.data import corpus as corpora
from swiftrnn.data import vectors as vector_files
from swiftrnn.data.columns import Columns
from swiftrnn.data.corpus import Corpus, shuffled
from swiftrnn.data.entities import predict, tagged
from swiftrnn.data.lines import Layout
from swiftrnn.data.raw import Place, joined
from swiftrnn.data.sentences import Batcher, Batches, TagVocabulary
from swiftrnn.data.typography import own, plain
from swiftrnn.data.vectors import Vectors
from swiftrnn.extras import needs_extra
from swiftrnn.metrics.dictionary import baselines, unseen
from swiftrnn.metrics.spans import Found, score
from swiftrnn.training import entities_report, folder, resources, weights
from swiftrnn.training.fit import Fitted, fit

WEIGHTS = "model.safetensors"
VOCABULARY = ("words", "chars", "tags", "rare", "style", "lower")  # and, but for older ones, "cut"
ADDED = ("word_column", "tag_column", "encoding", "foreign")  # settings that older run folders lack


@dataclass(frozen=True)
class Settings(limits.Checked):
    """Where sentences come from, and how any model learns from them."""

    data: Annotated[
        Literal["wnut17", "bc5cdr", "ncbi-disease", "weibo-ner"], limits.Without("made_up", "train")
    ] = "wnut17"
    # a file of yours in columns, as of CoNLL; then also the next two
    train: limits.OwnFile = None
    valid: limits.OwnFile = None  # the epoch is picked by it
    test: limits.OwnFile = None  # measured once
    # of your files: its number from 1, or its name; first if unset
    word_column: Annotated[str | None, limits.With("train")] = None
    # the same; -1 is the last, as if unset
    tag_column: Annotated[str | None, limits.With("train")] = None
    encoding: str = "utf-8"  # of your files
    made_up: bool = False  # learn to find made-up names in place of real ones
    vectors: Path | None = None  # of words, as of GloVe or word2vec; they go on learning
    # part of train's words that has to have one
    least_coverage: Annotated[limits.Share, limits.With("vectors")] = 0.5
    lower: bool = False  # words in lower case; their characters keep theirs
    # how often characters, and words with all of theirs, stand for unknown ones while training
    foreign: limits.Share = 0.02
    epochs: limits.Count = 12  # ours; theirs: 100
    batch_size: limits.Count = 32  # sentences, for each process; ours; theirs: 1
    learning_rate: limits.Least0 = 5e-3  # of AdamW; falls to 0 along a line
    average: bool = True  # measure and keep a moving average of the weights
    control: bool = False  # also train on spans at random places, where nothing can be learnt
    double: bool = False  # float64 in place of float32
    seed: limits.Seed = 0  # of all that is drawn
    threads: limits.Threads = 0  # of torch; 0 leaves its setting alone
    devices: limits.Processes = 1  # processes that train together on this machine
    nodes: limits.Processes = 1  # machines that train together
    strategy: str = "auto"  # how: "ddp" for several devices; as Lightning's
    accelerator: str = "cpu"  # or "gpu"; as Lightning's

    def __post_init__(self) -> None:
        super().__post_init__()
        if "spawn" in self.strategy or "fork" in self.strategy:
            raise ValueError(
                f"training needs a --strategy that starts the command anew; got {self.strategy}, "
                "which loses what was measured; use ddp"
            )


def run(name: str, kind: type[LightningModule], config: Any, out: Path) -> dict[str, float]:
    """Train, then measure the epoch that was best on valid on the test part, once.

    Args:
        name: of the recipe.
        kind: the model, a `data.entities.Finder`; it takes the vocabulary, `steps`, and those
            fields of the configuration that are among its parameters.
        config: a `Settings`, with more.
        out: the run folder.
    """
    needs_extra(f"swiftrnn run {name}", "train", "sacremoses")
    corpus = corpus_for(config)
    for part, each in corpus._asdict().items():
        print(f"{part}: {each}")
    fitted = train(name, kind, config, out, corpus)
    model = load(kind, config, out)
    names = [each.tags for each in tagged(model, corpus.test.sentences)]
    test = score([s.tags() for s in corpus.test.sentences], names)
    found = {"f1": test.all.f1, "precision": test.all.precision, "recall": test.all.recall}
    for each_type, each in test.by_type.items():
        found |= {f"f1_{each_type}": each.f1, f"recall_of_{each_type}": each.recall}
    found = {name: 100 * value for name, value in found.items()}
    found |= unseen(corpus.test, names, corpus.train) | baselines(corpus.train, corpus.test)
    found["f1_raw"] = f1_raw(model, corpus.test)
    found["valid_f1"] = max(row["f1"] for row in fitted.history)
    if config.control:
        train_part, valid_part = (shuffled(part, config.seed) for part in corpus[:2])
        mixed = Corpus(train_part, valid_part, corpus.test)
        train(name, kind, config, out / "control", mixed)
        found["control_f1"] = f1(load(kind, config, out / "control"), corpus.test)
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["seconds_per_epoch"] = fitted.seconds / config.epochs
    entities_report.write(out / "report.html", name, corpus.test, names, found | asdict(fitted))
    read = [{"part": part} | each.about() for part, each in corpus._asdict().items()]
    folder.write_json(out / "metrics.json", found | asdict(fitted) | {"read": read})
    return found


def train(name: str, kind: type[LightningModule], config: Any, out: Path, corpus: Corpus) -> Fitted:
    """Train one model; `out` gets the weights of the epoch that was best on valid."""
    seed_everything(config.seed, verbose=False)
    resources.use_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    vectors = vectors_for(name, config, corpus)
    config = replace(config, word_size=vectors.dim if vectors else config.word_size)
    about = {"recipe": name, "swiftrnn": __version__, "config": asdict(config)}
    folder.write_json(out / "config.json", about)
    vocabulary = TagVocabulary.of(corpus.train, config.lower, vectors.of if vectors else ())
    folder.write_json(out / "vocabulary.json", asdict(vocabulary))
    processes = config.devices * config.nodes
    batches = Batches(corpus.train.sentences, Batcher(vocabulary), config.batch_size, processes)
    steps = config.epochs * len(batches)
    resources.check_memory(lambda: build(kind, config, vocabulary, steps))
    model: Any = build(kind, config, vocabulary, steps)
    if vectors:
        start_from(vectors, vocabulary, model.embedding.word.tokens.weight)
    seed_everything(config.seed, verbose=False)  # as Lightning does where processes train together

    def valid(now: Any) -> dict[str, float]:
        found = f1(now, corpus.valid)
        best = folder.number(out / "best.json", "f1") if (out / "best.json").exists() else -1
        if found > best:  # a run that goes on after a kill measures the same again
            weights.save(now, out / WEIGHTS)
            folder.write_json(out / "best.json", {"f1": found})
        return {"f1": found}

    return fit(
        model, batches, out=out, steps=steps, valid=valid, every=1 / config.epochs,
        average=config.average, clip=5.0, resume=True, name=name, devices=config.devices,
        nodes=config.nodes, strategy=config.strategy, accelerator=config.accelerator,
        precision="64-true" if config.double else "32-true",
    )  # fmt: skip


def build(kind: type[Any], config: Any, vocabulary: TagVocabulary, steps: int = 1) -> Any:
    """An untrained model."""
    names = signature(kind).parameters
    given = {k: v for k, v in asdict(config).items() if k in names}
    model = kind(vocabulary=vocabulary, steps=steps, **given)
    return model.double() if config.double else model


def load(kind: type[Any], config: Any, out: Path) -> Any:
    """Read a trained model; nothing in the files can run.

    Raises:
        ValueError: a file is missing, was cut short or changed.
    """
    path = out / "vocabulary.json"
    vocabulary = folder.typed(TagVocabulary, folder.read_json(path, VOCABULARY), path)
    _check(vocabulary, path)
    saved = folder.read_json(out / "config.json", ("config",))["config"]
    config = replace(config, word_size=saved["word_size"])  # as --vectors made it
    return weights.built(lambda: build(kind, config, vocabulary), out / WEIGHTS)


def _check(vocabulary: TagVocabulary, path: Path) -> None:
    """ValueError for a vocabulary in which numbers and words do not belong together."""
    for name in ("words", "chars", "tags"):
        if len(set(part := getattr(vocabulary, name))) < len(part):
            raise ValueError(
                f"vocabulary.json needs different {name}; got some twice in {path}; it was "
                "damaged or changed, so train again"
            )
    if any(not 0 <= each < len(vocabulary.words) for each in vocabulary.rare):
        raise ValueError(
            f"vocabulary.json needs numbers of words as rare; got others in {path}; it was "
            "damaged or changed, so train again"
        )


def f1(model: Any, part: Columns) -> float:
    """Of the spans found in a part of the corpus, percent, as conlleval has it."""
    names = [each.tags for each in tagged(model, part.sentences)]
    return 100 * score([s.tags() for s in part.sentences], names).all.f1


def f1_raw(model: Any, part: Columns) -> float:
    """The same from raw text: words are joined as people write them, and cut again by the model.

    A span is right where it has the same type and the same characters.
    """
    text, there = joined(part, model.vocabulary.how)
    said = {Place(e.type, e.start, e.end) for e in predict(model, text)}
    return 100 * Found(len(there), len(said), len(there & said)).f1


def corpus_for(config: Any) -> Corpus:
    """What a configuration asks for.

    Raises:
        ValueError: a file does not fit, or only some of the three were given.
        ConnectionError: a data set could not be downloaded.
    """
    if config.made_up:
        return corpora.made_up(config.seed)
    layout = Layout(config.word_column, config.tag_column, config.encoding)
    own = corpora.own(config.train, config.valid, config.test, layout)
    return own or corpora.known(config.data)


def vectors_for(name: str, config: Any, known: Corpus) -> Vectors | None:
    """The vectors of the corpus' words, if the configuration names a file; says how many have one.

    Raises:
        ValueError: the file does not fit, or too few words of train are in it.
    """
    if config.vectors is None:
        return None
    in_train = vector_files.read(config.vectors, words_of([known.train]))
    print(f"{config.vectors} and train: {in_train}", file=sys.stderr)
    if in_train.coverage < config.least_coverage:
        raise ValueError(
            f"{name} needs vectors for {config.least_coverage:.0%} of the words in train; got "
            f"{in_train.coverage:.1%} in {config.vectors}; are they of this language? a smaller "
            "--least-coverage takes them all the same"
        )
    return vector_files.read(config.vectors, words_of(known))


def words_of(parts: Sequence[Columns]) -> list[str]:
    """Every word, as the vocabulary writes it, as often as it is there."""
    words = [word for part in parts for s in part.sentences for word in s.words]
    kept = own(word for s in parts[0].sentences for word in s.words)  # of train, the first
    return [plain(word, kept) for word in words]


@torch.no_grad()
def start_from(vectors: Vectors, vocabulary: TagVocabulary, table: Tensor) -> None:
    """Give words the vectors that they have elsewhere."""
    known: dict[str, np.ndarray] = {}
    for word, vector in vectors.of.items():
        known.setdefault(vocabulary.folded(word), vector)
    known |= {word: v for word, v in vectors.of.items() if vocabulary.folded(word) == word}
    for i, word in enumerate(vocabulary.words):
        if word in known:
            table[i] = torch.from_numpy(known[word])


def mean_over_words(nats: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """The loss of a batch: its nats in all over its words.

    Where several processes train, whose gradients are averaged, over the words of all of them and
    times their number: so words count the same wherever they are, and the mean over processes is
    the loss of one process with all of the sentences.
    """
    words = batch["lengths"].sum()
    if not (distributed.is_available() and distributed.is_initialized()):
        return nats / words
    distributed.all_reduce(words)
    return nats * distributed.get_world_size() / words


def falling_adamw(model: LightningModule, learning_rate: float, steps: int) -> Any:
    """AdamW, whose rate falls to 0 along a line; what `configure_optimizers` returns."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: max(0.0, 1 - n / steps))
    return [optimizer], [{"scheduler": schedule, "interval": "step"}]
