"""How well a tagger does on a file in columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from swiftrnn.data.tagged import columns
from swiftrnn.data.tagged.columns import Columns
from swiftrnn.data.tagged.lines import Layout
from swiftrnn.data.tagged.tags import spans, to_tags
from swiftrnn.metrics.spans import Scores, score
from swiftrnn.runs import limits
from swiftrnn.tasks import Scored, Scoring
from swiftrnn.tasks.tagging.find import Finder, tagged


@dataclass(frozen=True)
class Places(limits.Checked):
    """Where words and tags are in a file."""

    # its number from 1, or its name; first if unset
    word_column: Annotated[str | None, limits.Added] = None
    # the same; -1 is the last, as if unset
    tag_column: Annotated[str | None, limits.Added] = None
    encoding: str = "utf-8"  # of the file


def scored(model: Finder, path: Path, options: Places) -> Scored:
    """F1, precision and recall, percent, as conlleval counts them; in all and for each type."""
    part = columns.read(path, Layout(options.word_column, options.tag_column, options.encoding))
    names = [each.tags for each in tagged(model, part.sentences)]
    found = score([s.tags() for s in part.sentences], names)
    return Scored(str(part), percent(found), side_by_side(part, names))


def percent(found: Scores) -> dict[str, float]:
    """Scores under the names that runs give them."""
    named = {"f1": found.all.f1, "precision": found.all.precision, "recall": found.all.recall}
    for each_type, each in found.by_type.items():
        named |= {f"f1_{each_type}": each.f1, f"recall_of_{each_type}": each.recall}
    return {name: 100 * value for name, value in named.items()}


def side_by_side(part: Columns, names: Sequence[Sequence[str]]) -> str:
    """Each word with its right tag and the one that was found, in IOB2; conlleval reads it."""
    lines = []
    for sentence, tags in zip(part.sentences, names, strict=True):
        found = to_tags(spans(tags), len(tags), "IOB2")
        for row in zip(sentence.words, sentence.tags("IOB2"), found, strict=True):
            lines.append("\t".join(row) + "\n")
        lines.append("\n")
    return "".join(lines)


SCORING = Scoring(scored, Places, ".conll")
