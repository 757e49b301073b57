"""Training and measuring what finds spans in sentences."""

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

from swiftrnn.data import vectors as vector_files
from swiftrnn.data.batches import Batches
from swiftrnn.data.segmentation.raw import Place, joined
from swiftrnn.data.segmentation.typography import own, plain
from swiftrnn.data.tagged import corpus as corpora
from swiftrnn.data.tagged.columns import Columns
from swiftrnn.data.tagged.corpus import Corpus, shuffled
from swiftrnn.data.tagged.lines import Layout
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary
from swiftrnn.data.vectors import Vectors
from swiftrnn.metrics.dictionary import baselines, unseen
from swiftrnn.metrics.spans import Found, score
from swiftrnn.runs import folder, limits, machine, settings
from swiftrnn.runs.extras import needs_extra
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks.tagging import evaluate, report
from swiftrnn.tasks.tagging.find import NBest, find, tagged
from swiftrnn.training import weights
from swiftrnn.training.best import Best
from swiftrnn.training.fit import Fitted, fit

PREDICTIONS = "test.conll"  # of a run folder: words of the test part, right tags and found ones


@dataclass(frozen=True)
class Settings(limits.Checked):
    """Where sentences come from, and how any model learns from them."""

    # data set
    data: Annotated[
        Literal["wnut17", "bc5cdr", "ncbi-disease", "weibo-ner"], limits.Without("made_up", "train")
    ] = "wnut17"
    # your training file, in columns as of CoNLL; together with --valid and --test
    train: limits.OwnFile = None
    valid: limits.OwnFile = None  # your validation file; the best epoch is chosen on it
    test: limits.OwnFile = None  # your test file, measured once
    # name or number of the word column; default: the first
    word_column: Annotated[str | None, limits.With("train"), limits.Added] = None
    # name or number of the tag column; default: the last
    tag_column: Annotated[str | None, limits.With("train"), limits.Added] = None
    encoding: Annotated[str, limits.Added] = "utf-8"  # encoding of your files
    made_up: bool = False  # synthetic names in place of a data set; nothing is downloaded
    # file of pretrained word vectors (GloVe, word2vec), fine-tuned in training
    vectors: Path | None = None
    # fraction of the training words that must have a vector
    least_coverage: Annotated[limits.Share, limits.With("vectors")] = 0.5
    lower: bool = False  # lower-case words; characters keep their case
    # probability that a character, or a word with all of its characters, is replaced by the unknown
    # one in training
    foreign: Annotated[limits.Share, limits.Added] = 0.02
    epochs: limits.Count = 12  # passes over the training data (paper: 100)
    batch_size: limits.Count = 32  # sentences in a batch, for each process (paper: 1)
    learning_rate: limits.Least0 = 5e-3  # learning rate of AdamW; linear decay to 0
    average: bool = True  # evaluate and keep a moving average of the weights
    control: bool = False  # also train on entities at random places, where nothing can be learnt
    double: bool = False  # float64 in place of float32
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is
    devices: limits.Processes = 1  # processes that train together on this machine
    nodes: limits.Processes = 1  # machines that train together
    strategy: str = "auto"  # strategy of Lightning for several processes: ddp
    accelerator: str = "cpu"  # accelerator of Lightning: cpu or gpu

    def __post_init__(self) -> None:
        super().__post_init__()
        if "spawn" in self.strategy or "fork" in self.strategy:
            raise ValueError(
                f"training needs a --strategy that starts the command anew; got {self.strategy}, "
                "which loses what was measured; use ddp"
            )


def run(kind: type[LightningModule], config: Any, out: RunFolder) -> Result:
    """Train, then measure the epoch that was best on valid on the test part, once.

    Args:
        kind: the model, a `find.Finder`; it takes the vocabulary, `steps`, and those fields of the
            configuration that are among its parameters.
        config: a `Settings`, with more.
        out: the run folder.
    """
    needs_extra(f"swiftrnn run {out.recipe}", "train", "sacremoses")
    corpus = corpus_for(config)
    for part, each in corpus._asdict().items():
        print(f"{part}: {each}")
    fitted = train(kind, config, out, corpus)
    model = load(kind, config, out.path)
    names = [each.tags for each in tagged(model, corpus.test.sentences)]
    test = score([s.tags() for s in corpus.test.sentences], names)
    folder.write_text(out / PREDICTIONS, evaluate.side_by_side(corpus.test, names))
    found = evaluate.percent(test)
    found |= unseen(corpus.test, names, corpus.train) | baselines(corpus.train, corpus.test)
    found["f1_raw"] = f1_raw(model, corpus.test)
    found["valid_f1"] = max(row["f1"] for row in fitted.history)
    if config.control:
        train_part, valid_part = (shuffled(part, config.seed) for part in corpus[:2])
        mixed, apart = Corpus(train_part, valid_part, corpus.test), out.part("control")
        train(kind, config, apart, mixed)
        found["control_f1"] = f1(load(kind, config, apart.path), corpus.test)
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["seconds_per_epoch"] = fitted.seconds / config.epochs
    read = [{"part": part} | each.about() for part, each in corpus._asdict().items()]
    shown = report.sections(corpus.test, names, found)
    did = asdict(fitted)  # steps, seconds, peak_memory and the history of measurements
    details = {"history": did.pop("history"), "read": read}
    return Result(found | did, details, sections=shown)


def train(kind: type[LightningModule], config: Any, out: RunFolder, corpus: Corpus) -> Fitted:
    """Train one model; `out` gets the weights of the epoch that was best on valid."""
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    vectors = vectors_for(out.recipe, config, corpus)
    config = replace(config, word_size=vectors.dim if vectors else config.word_size)
    vocabulary = TagVocabulary.of_columns(corpus.train, config.lower, vectors.of if vectors else ())
    out.begin(config, asdict(vocabulary))
    processes = config.devices * config.nodes
    batches = Batches(corpus.train.sentences, Batcher(vocabulary), config.batch_size, processes)
    steps = config.epochs * len(batches)
    machine.check_memory(lambda: build(kind, config, vocabulary, steps))
    model: Any = build(kind, config, vocabulary, steps)
    if vectors:
        start_from(vectors, vocabulary, model.embedding.word.tokens.weight)
    seed_everything(config.seed, verbose=False)  # as Lightning does where processes train together

    best = Best(out / folder.WEIGHTS, "f1")

    def valid(now: Any) -> dict[str, float]:
        found = f1(now, corpus.valid)
        best.offer(now, found)
        return {"f1": found}

    return fit(
        model, batches, out=out.path, steps=steps, valid=valid, every=1 / config.epochs,
        average=config.average, clip=5.0, resume=True, name=out.recipe, devices=config.devices,
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
    """Read back what `train` wrote into a folder."""
    word_size = folder.settings_of(out)["word_size"]  # as --vectors made it
    config = replace(config, word_size=word_size)
    vocabulary = vocabulary_of(folder.read_json(out / folder.VOCABULARY))
    return weights.built(lambda: build(kind, config, vocabulary), out / folder.WEIGHTS)


def vocabulary_of(saved: Any) -> TagVocabulary:
    """The vocabulary that a run folder holds.

    Raises:
        ValueError: it lacks something, or numbers and words in it do not belong together.
    """
    path = Path(folder.VOCABULARY)
    vocabulary = settings.read(TagVocabulary, saved, path, partly=True)
    for name in ("words", "chars", "tags"):
        if len(set(part := getattr(vocabulary, name))) < len(part):
            raise ValueError(
                f"vocabulary.json needs different {name}; got some twice; it was damaged or "
                "changed, so train again"
            )
    if any(not 0 <= each < len(vocabulary.words) for each in vocabulary.rare):
        raise ValueError(
            "vocabulary.json needs numbers of words as rare; got others; it was damaged or "
            "changed, so train again"
        )
    return vocabulary


def f1(model: Any, part: Columns) -> float:
    """Of the spans found in a part of the corpus, percent, as conlleval has it."""
    names = [each.tags for each in tagged(model, part.sentences)]
    return 100 * score([s.tags() for s in part.sentences], names).all.f1


def f1_raw(model: Any, part: Columns) -> float:
    """The same from raw text: words are joined as people write them, and cut again by the model.

    A span is right where it has the same type and the same characters.
    """
    text, there = joined(part, model.vocabulary.how)
    (found, _), *_ = find(model, [text], NBest())
    said = {Place(e.type, e.start, e.end) for e in found.found}
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
