"""How good a translator is on a file of pairs."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from swiftrnn.data.translation import pairs
from swiftrnn.data.translation.pairs import Layout, Pairs
from swiftrnn.metrics.translation import bleu, chrf
from swiftrnn.runs import limits
from swiftrnn.tasks import Scored, Scoring
from swiftrnn.tasks.translating.search import Decodes, Search, translated

Translate = Callable[[Any, Sequence[str], Any], Sequence[str]]


@dataclass(frozen=True)
class File(limits.Checked):
    """Where sources and targets are in a file."""

    # file with the translation of each line; default: both sides are in the file itself
    targets: Annotated[Path | None, limits.Added] = None
    # name or number of the source column; default: the first
    source_column: Annotated[str | None, limits.Added] = None
    # name or number of the target column; default: the second
    target_column: Annotated[str | None, limits.Added] = None
    encoding: str = "utf-8"  # encoding of the file


@dataclass(frozen=True)
class Places(File):
    """Where sources and targets are in a file, and how translations are searched for."""

    beam: Annotated[int, limits.Range(1, 200)] = 5  # beam size; 1: always the likeliest token
    length_penalty: limits.Least0 = 0.6  # exponent of the length penalty; above 0 favours long ones


def scored(translate: Translate, model: Any, path: Path, options: Any) -> Scored:
    """BLEU and chrF, and each source with its reference and its translation.

    Args:
        translate: the model, sources and the options, to translations.
        model: that translates.
        path: of the file.
        options: a `File`.
    """
    if options.targets is not None:
        part = pairs.read_parallel(path, options.targets, options.encoding)
    else:
        layout = Layout(options.source_column, options.target_column, options.encoding)
        part = pairs.read(path, layout)
    found = translate(model, part.sources, options)
    metrics = {"bleu": bleu(found, part.targets).value, "chrf": chrf(found, part.targets).value}
    return Scored(str(part), metrics, side_by_side(part, found))


def side_by_side(part: Pairs, found: Sequence[str]) -> str:
    """Rows of a table: source, reference, translation."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["source", "target", "translation"])
    writer.writerows(zip(part.sources, part.targets, found, strict=True))
    return file.getvalue()


def searching(model: Decodes, sources: Sequence[str], options: Places) -> list[str]:
    """The translations of a model that writes token by token."""
    return translated(model, sources, Search(options.beam, options.length_penalty))


SCORING = Scoring(partial(scored, searching), Places, ".csv")
