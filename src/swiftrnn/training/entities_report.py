"""The page that a run leaves: how it learnt, and what it gets wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.data.columns import Columns
from swiftrnn.metrics.mistakes import MISSED, SPURIOUS, by_length, confusion, worst
from swiftrnn.metrics.spans import Found, score
from swiftrnn.training import report
from swiftrnn.training.report import Column, Line, Page, Plot, Table

SCORES = [*(Column(k, k, 1) for k in ("F1", "precision", "recall")), Column("spans", "n", 0)]


def _row(name: str, found: Found) -> dict[str, Any]:
    percent = {"F1": found.f1, "precision": found.precision, "recall": found.recall}
    return {"name": name, "spans": found.gold} | {k: 100 * v for k, v in percent.items()}


def write(
    path: Path, recipe: str, part: Columns, tags: Sequence[Sequence[str]], found: Mapping[str, Any]
) -> None:
    """Write the page of what a recipe's model found in the test part, as tags of its words."""
    scores = score([s.tags() for s in part.sentences], tags)
    kinds = {"all": scores.all, **scores.by_type}
    types = Table([Column("name", "type"), *SCORES], [_row(*each) for each in kinds.items()])
    sizes = by_length(part, tags)
    lengths = Table([Column("name", "words"), *SCORES], [_row(*each) for each in sizes.items()])
    mixed, said = confusion(part, tags), [*part.types, MISSED]
    heads = [Column("name", "is \\ found as"), *(Column(kind, kind, 0) for kind in said)]
    mixes = Table(heads, [{"name": name, **mixed[name]} for name in [*part.types, SPURIOUS]])
    names = {k: k for k in ("f1_raw", "recall_seen", "recall_unseen", "baseline_dictionary",
                            "baseline_capitals", "control_f1") if k in found}  # fmt: skip
    beside = Table([Column("name", ""), Column("value", "%", 1)],
                   [{"name": k.replace("_", " "), "value": found[k]} for k in names])  # fmt: skip
    steps = [row["step"] for row in found["history"]]
    curves = {"F1 on valid, %": "f1", "loss, nats a word": "loss"}
    plots = [
        Plot(title, report.lines([Line(recipe, steps, [row[key] for row in found["history"]])],
                                 "updates", title, ends="{:.2f}".format))
        for title, key in curves.items()
    ]  # fmt: skip
    tables = (("By type", types), ("By length", lengths), ("What is taken for what", mixes),
              ("Raw text; seen and unseen; what to beat", beside))  # fmt: skip
    summary = [f"F1 {100 * scores.all.f1:.2f} % on the test part, at the epoch that valid picked."]
    wrong = "\n".join(worst(part, tags)) or "none: every sentence is right"
    texts = [("The sentences with most mistakes", wrong)]
    report.write(Page("Names in sentences", summary, tables=tables, plots=plots, texts=texts), path)
