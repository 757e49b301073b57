"""How good a translator is on a file of pairs."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from swiftrnn.data.translation import pairs
from swiftrnn.data.translation.pairs import Layout, Pairs
from swiftrnn.metrics.translation import bleu, chrf
from swiftrnn.runs import limits
from swiftrnn.tasks import Scored, Scoring
from swiftrnn.tasks.translating.search import Decodes, Search, translated


@dataclass(frozen=True)
class Places(limits.Checked):
    """Where sources and targets are in a file, and how translations are searched for."""

    # file with the translation of each line; default: both sides are in the file itself
    targets: Annotated[Path | None, limits.Added] = None
    # name or number of the source column; default: the first
    source_column: Annotated[str | None, limits.Added] = None
    # name or number of the target column; default: the second
    target_column: Annotated[str | None, limits.Added] = None
    encoding: str = "utf-8"  # encoding of the file
    beam: Annotated[int, limits.Range(1, 200)] = 5  # beam size; 1: always the likeliest token
    length_penalty: limits.Least0 = 0.6  # exponent of the length penalty; above 0 favours long ones


def scored(model: Decodes, path: Path, options: Places) -> Scored:
    """BLEU and chrF, and each source with its reference and its translation."""
    if options.targets is not None:
        part = pairs.read_parallel(path, options.targets, options.encoding)
    else:
        layout = Layout(options.source_column, options.target_column, options.encoding)
        part = pairs.read(path, layout)
    found = translated(model, part.sources, Search(options.beam, options.length_penalty))
    metrics = {"bleu": bleu(found, part.targets).value, "chrf": chrf(found, part.targets).value}
    return Scored(str(part), metrics, side_by_side(part, found))


def side_by_side(part: Pairs, found: Sequence[str]) -> str:
    """Rows of a table: source, reference, translation."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["source", "target", "translation"])
    writer.writerows(zip(part.sources, part.targets, found, strict=True))
    return file.getvalue()


SCORING = Scoring(scored, Places, ".csv")
