"""How well a classifier does on a file of texts and classes."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from torch import Tensor

from swiftrnn.data import labelled
from swiftrnn.data.labelled import Labelled, Layout
from swiftrnn.recipes.sentence_classification.model import Classifier, measured, sentences
from swiftrnn.runs import limits
from swiftrnn.tasks import Scored, Scoring


@dataclass(frozen=True)
class Places(limits.Checked):
    """Where texts and classes are in a file."""

    # name or number of the text column; default: the first
    text_column: Annotated[str | None, limits.Added] = None
    # name or number of the class column; default: the last
    label_column: Annotated[str | None, limits.Added] = None
    encoding: str = "utf-8"  # encoding of the file
    tokenized: bool = False  # the texts are tokenized: words are separated by spaces


def scored(model: Classifier, path: Path, options: Places) -> Scored:
    """Accuracy, percent, and each text with its class, the one that was found, and how sure."""
    layout = Layout(options.text_column, options.label_column, options.encoding, options.tokenized)
    part = labelled.read(path, layout, model.vocabulary.labels)
    odds = model.odds(sentences(part, model.vocabulary.how))
    labels = model.vocabulary.labels
    read, odd = str(part), sorted({*part.labels} - {*labels})
    if odd:
        wrong = sum(label in odd for label in part.labels)
        read += f"; {wrong:,} of classes that the model does not know ({', '.join(odd):.100})"
    return Scored(read, measured(labels, odds, part), side_by_side(labels, odds, part))


def side_by_side(labels: list[str], odds: Tensor, part: Labelled) -> str:
    """Rows of a table: text, class, the one that was found, its probability."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["text", "label", "predicted", "probability"])
    sure, found = odds.max(1)
    for row in zip(part.texts, part.labels, found.tolist(), sure.tolist(), strict=True):
        writer.writerow([*row[:2], labels[row[2]], f"{row[3]:.4f}"])
    return file.getvalue()


SCORING = Scoring(scored, Places, ".csv")
