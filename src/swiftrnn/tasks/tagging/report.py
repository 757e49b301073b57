"""What the report of a tagger shows of the test part: scores, and what it gets wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from swiftrnn.data.tagged.columns import Columns
from swiftrnn.metrics.mistakes import MISSED, SPURIOUS, by_length, confusion, worst
from swiftrnn.metrics.spans import Found, score
from swiftrnn.report.page import Column, Table

SCORES = [
    *(Column(name, f"{name}, %", 1) for name in ("F1", "precision", "recall")),
    Column("spans", "entities", 0),
]
MIXES = "Rows: the true type. Columns: what the model found there. On the diagonal it is right."


def _row(name: str, found: Found) -> dict[str, Any]:
    percent = {"F1": found.f1, "precision": found.precision, "recall": found.recall}
    return {"name": name, "spans": found.gold} | {k: 100 * v for k, v in percent.items()}


def sections(
    part: Columns, tags: Sequence[Sequence[str]], found: Mapping[str, float]
) -> list[tuple[str, Any]]:
    """Tables and mistakes of what a model found in the test part.

    Args:
        part: the test part.
        tags: of its words, as they were found.
        found: the metrics.
    """
    scores = score([s.tags() for s in part.sentences], tags)
    kinds = {"all": scores.all, **scores.by_type}
    types = Table([Column("name", "type"), *SCORES], [_row(*each) for each in kinds.items()])
    sizes = by_length(part, tags)
    lengths = Table([Column("name", "words"), *SCORES], [_row(*each) for each in sizes.items()])
    mixed, said = confusion(part, tags), [*part.types, MISSED]
    heads = [Column("name", "true type"), *(Column(kind, kind, 0) for kind in said)]
    mixes = Table(heads, [{"name": name, **mixed[name]} for name in [*part.types, SPURIOUS]], MIXES)
    rows = [{"name": name, "value": found[key]} for key, name in BESIDE.items() if key in found]
    beside = Table([Column("name", "measure"), Column("value", "%", 1)], rows)
    wrong = "\n".join(worst(part, tags)) or "none: every sentence is right"
    return [
        ("Test data, by type of entity", types),
        ("Test data, by number of words", lengths),
        ("Which types are confused", mixes),
        ("Raw text, seen and unseen names, baselines", beside),
        ("The sentences with the most mistakes", wrong),
    ]


BESIDE = {
    "f1_raw": "F1 from raw text",
    "recall_seen": "recall of names seen in train",
    "recall_unseen": "recall of names not seen in train",
    "baseline_dictionary": "F1 of a list of train's names",
    "baseline_capitals": "F1 of taking capitals for names",
    "control_f1": "F1 of a tagger trained on shuffled names",
}
