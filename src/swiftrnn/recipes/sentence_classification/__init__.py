"""A classifier of sentences: any recurrent layer, or a convolutional net, beside a bag of words.

Paper: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence", table 1.
Differs: no pretrained vectors unless you give some; layers are as large as SRU; fewer epochs.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from swiftrnn.recipes.sentence_classification import folds, report, speed, train
from swiftrnn.recipes.sentence_classification.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.sentence_classification.data import FOLDS, source_for
from swiftrnn.recipes.sentence_classification.evaluate import SCORING
from swiftrnn.recipes.sentence_classification.model import Classifier, classify
from swiftrnn.runs import limits
from swiftrnn.runs.extras import needs_extra
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.label import Label
from swiftrnn.tasks.text import Text
from swiftrnn.training.sweep.grid import train_all

Layer = Literal["sru", "lstm", "gru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "cnn"]
Own = Annotated[Path | None, limits.With("train")]


@dataclass(frozen=True)
class Config(limits.Checked):
    """The paper's sizes, with as many epochs as pay without pretrained vectors."""

    # data set: film reviews (mr), subjectivity (subj), intents of requests to an assistant or a
    # bank
    data: Annotated[
        Literal["mr", "subj", "clinc150", "banking77"], limits.Without("made_up", "train")
    ] = "mr"
    # your training file, a text and its class in each row (.csv .tsv .txt .jsonl .parquet)
    train: limits.OwnFile = None
    # your validation file, by which the epoch is chosen; default: a tenth of --train
    valid: Own = None
    test: Own = None  # your test file, measured once; default: tenths of --train in turn
    # name or number of the text column; default: the first
    text_column: Annotated[str | None, limits.With("train")] = None
    # name or number of the class column; default: the last
    label_column: Annotated[str | None, limits.With("train")] = None
    encoding: Annotated[str, limits.With("train")] = "utf-8"  # encoding of your files
    # your texts are tokenized: words are separated by spaces
    tokenized: Annotated[bool, limits.With("train")] = False
    made_up: bool = False  # synthetic opinions in place of a data set; nothing is downloaded
    # layers to compare
    layers: Annotated[tuple[Layer, ...], limits.Different()] = (
        "sru",
        "lstm",
        "gru",
        "qrnn",
        "mingru",
        "cnn",
    )
    # folds of cross-validation; data with a test part rotate the validation part
    folds: Annotated[int, limits.Range(1, FOLDS)] = 10
    # file of pretrained word vectors (GloVe, word2vec); they stay fixed
    vectors: Path | None = None
    lower: bool = False  # lower-case all words
    # size of a word embedding (paper: 300)
    word_size: Annotated[limits.Size, limits.Without("vectors")] = 100
    hidden: limits.Size = 128  # hidden size of SRU; other layers get as many parameters
    depth: limits.Depth = 2  # stacked layers
    dropout: limits.Dropout = 0.5  # dropout probability
    # probability that a word seen once is replaced by the unknown word in training
    replaced: limits.Share = 0.5
    epochs: limits.Count = 5  # passes over the training data (paper: 100)
    batch_size: limits.Count = 32  # sentences in a batch
    # learning rates of Adam, linear decay; chosen for each layer on the first fold (paper: 0.001)
    rates: limits.Rates = (3e-3, 1e-2)
    control: bool = True  # also train on permuted labels, where nothing can be learnt
    processes: limits.Processes = 1  # trainings to run in parallel
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is
    seed: limits.Seed = 0  # random seed


SMOKE = Config(
    made_up=True, layers=("sru", "cnn"), folds=2, word_size=32, hidden=32, epochs=4, dropout=0.2,
    rates=(1e-2,),
)  # fmt: skip
SUBJ = Config(data="subj")
CLINC150 = Config(data="clinc150", folds=1, epochs=10, rates=(3e-3,))
BANKING77 = Config(data="banking77", folds=1, epochs=10, rates=(3e-3,))
TASK = Task(Text(), Label(), classify, verb="Classify", scoring=SCORING)


def run(config: Config, out: RunFolder) -> Result:
    """Train every layer on every fold, choosing epochs on valid; measure each once on test."""
    needs_extra(f"swiftrnn run {out.recipe}", "data,sweep", "sklearn", "optuna")  # before training
    source = source_for(config)
    for part, each in zip(("train", "valid", "test"), source, strict=True):
        print(f"{part}: {each or 'a tenth of the texts, another one in each fold'}")
    config = train.sized(config)
    alone = replace(config, processes=1)
    about = {k: str(v) if isinstance(v, Path) else v for k, v in asdict(alone).items()}
    seconds = speed.measured_once(alone, out, source)
    plan = folds.Plan(folds.rates_of(alone, out, about, config.processes), seconds)
    metric, axes = f"valid_{config.layers[0]}", {"fold": list(range(source.folds(config.folds)))}
    objective = partial(folds.fold, alone, plan)
    done = train_all(objective, axes, out.path, metric, about, config.processes)
    rows = [found for _, found in done]
    kept = folds.keep(config, out, rows)
    found = report.means(rows) | {f"seconds_per_epoch_{k}": s for k, s in plan.seconds.items()}
    report.draw(config.layers, found, out / "layers.png")
    read = [each.about() for each in source if each]
    return Result(found, {"kept": kept, "read": read}, "layers.png", report.sections(config, found))


def build(config: Config, vocabulary: dict[str, Any]) -> Classifier:
    """An untrained model."""
    return train.build(config, train.vocabulary_of(vocabulary))
