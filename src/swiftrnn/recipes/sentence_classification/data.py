"""Sentences with a class each: real ones, yours, or made up; and which of them are measured on."""

import io
import json
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from swiftrnn.data import labelled
from swiftrnn.data.labelled import Labelled, Layout, folds
from swiftrnn.data.sources import fetch
from swiftrnn.recipes.sentence_classification.synthetic import made_up

FOLDS = 10  # equal parts of a set that has no test part of its own; also of valid
FILMS = {  # of the data set pang-lee-mr-subj: the archive, and a file for each class
    "mr": ("sentence_polarity", {"rt-polarity.pos": "positive", "rt-polarity.neg": "negative"}),
    "subj": (
        "subjectivity",
        {"quote.tok.gt9.5000": "subjective", "plot.tok.gt9.5000": "objective"},
    ),
}
OUTSIDE = "out of scope"  # a class of clinc150


class Parts(NamedTuple):
    """What is learnt from, what an epoch is chosen by, and what is measured on."""

    train: Labelled
    valid: Labelled
    test: Labelled


class Source(NamedTuple):
    """All there is: a part is None where it has to be taken from train."""

    train: Labelled
    valid: Labelled | None = None
    test: Labelled | None = None

    def folds(self, most: int) -> int:
        """How many there are; only one where every part is given."""
        return 1 if self.valid and self.test else most

    def parts(self, fold: int, seed: int) -> Parts:
        """What a fold learns from and is measured on.

        Args:
            fold: which of the ten equal parts is test, the one after it being valid; of data with
                a test part only which tenth of train is valid.
            seed: of the order.
        """
        train, valid, test = self
        if test is None:
            places = folds(train.labels, FOLDS, seed)
            test = train.rows(places[fold])
            rest = [place for i, place in enumerate(places) if i != fold]
            if valid is None:
                valid = train.rows(rest.pop(fold % len(rest)))
            return Parts(train.rows(sorted(chain(*rest))), valid, test)
        if valid is None:
            places = folds(train.labels, FOLDS, seed)
            valid = train.rows(places.pop(fold))
            train = train.rows(sorted(chain(*places)))
        return Parts(train, valid, test)


def source_for(config: Any) -> Source:
    """What a configuration asks for.

    Raises:
        ValueError: a file does not fit.
        ConnectionError: a data set could not be downloaded.
    """
    if config.made_up:
        return Source(made_up(config.seed))
    if config.train is not None:
        layout = Layout(config.text_column, config.label_column, config.encoding, config.tokenized)
        return own(config.train, config.valid, config.test, layout)
    return {"clinc150": clinc150, "banking77": banking77}.get(
        config.data, lambda: Source(films(config.data))
    )()


def films(name: str) -> Labelled:
    """`mr`: positive or negative; `subj`: subjective or objective. A sentence of a review each."""
    archive, files = FILMS[name]
    content = fetch.read("pang-lee-mr-subj", f"{archive}.zip")
    texts, labels = [], []
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        for file, label in files.items():
            lines = packed.read(f"{archive}/{file}").decode().split("\n")
            here = [" ".join(line.split()) for line in lines if line.strip()]
            texts += here
            labels += [label] * len(here)
    return Labelled(tuple(texts), tuple(labels), tokenized=True)


def clinc150() -> Source:
    """Requests of 150 kinds and, as one more class, what is none of them."""
    content = json.loads(fetch.read("clinc150", "data_full.json.gz"))
    return Source(*(_pairs(content[p] + content[f"oos_{p}"]) for p in ("train", "val", "test")))


def _pairs(pairs: list[list[str]]) -> Labelled:
    texts, labels = zip(*pairs, strict=True)
    return Labelled(texts, tuple(OUTSIDE if name == "oos" else name for name in labels))


def banking77() -> Source:
    """Questions of 77 kinds; valid is a tenth of train."""
    train, test = (
        labelled.read(fetch.fetch("banking77", f"{part}.csv"), Layout("text", "category"))
        for part in ("train", "test")
    )
    return Source(train, None, test)


def own(train: Path, valid: Path | None, test: Path | None, layout: Layout) -> Source:
    """Files of yours; without a test part it is cross-validation.

    Raises:
        ValueError: one does not fit, has one class, or a class that train lacks.
    """
    first = labelled.read(train, layout)
    known = first.classes
    if len(known) < 2:
        raise ValueError(
            f"a classifier needs two classes or more; got only {known[0]!r} in {train}; is "
            "that the column of the classes? --label-column says where they are"
        )
    others = []
    for path in (valid, test):
        part = labelled.read(path, layout, known) if path else None
        if part and (odd := sorted({*part.labels} - {*known})):
            raise ValueError(
                f"a classifier needs the classes of train; got {odd[0]!r} in {path}, which {train} "
                "lacks; add examples, or take it out"
            )
        others.append(part)
    return Source(first, *others)
