"""Means over folds, the table of layers, and the picture: accuracy beside time."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.recipes.sentence_classification.folds import FIRST
from swiftrnn.recipes.sentence_classification.model import PACKED
from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

Row = Mapping[str, float]
NAMES = LAYERS | {"cnn": "convolution"}
BASELINES = {
    "baseline_bag_of_words": "bag of words", "baseline_most_frequent": "the most frequent class",
}  # fmt: skip


def means(rows: Sequence[Row]) -> dict[str, float]:
    """Of each metric the mean over folds; of accuracies the standard deviation too."""
    found = {name: statistics.fmean(row[name] for row in rows if name in row) for name in rows[0]}
    if len(rows) > 1:
        spread = [name for name in rows[0] if name.startswith(("accuracy", "baseline_bag"))]
        found |= {f"sd_{name}": statistics.stdev(row[name] for row in rows) for name in spread}
    return found


def sections(config: Any, found: Row) -> list[tuple[str, Any]]:
    """The table of layers, the baselines below."""
    columns = [
        Column("name", "layer"), Column("accuracy", "accuracy, %", 1),
        Column("sd", "sd over folds", 1), Column("short", f"in {NAMES[FIRST]}'s time, %", 1),
        Column("seconds", "seconds an epoch", 2), Column("size", "parameters", 0),
    ]  # fmt: skip
    table = []
    for layer in config.layers:
        table.append({
            "name": NAMES[layer], "accuracy": found[f"accuracy_{layer}"],
            "sd": found.get(f"sd_accuracy_{layer}"),
            "short": found.get(f"accuracy_in_the_seconds_of_{FIRST}_{layer}"),
            "seconds": found[f"seconds_per_epoch_{layer}"], "size": found[f"parameters_{layer}"],
        })  # fmt: skip
    table += [
        {"name": f"{NAMES[of]}, packed sequences", "seconds": found[f"seconds_per_epoch_{name}"]}
        for name, of in PACKED.items() if f"seconds_per_epoch_{name}" in found
    ]  # fmt: skip
    table += [{"name": shown, "accuracy": found[name]} for name, shown in BASELINES.items()]
    if "control" in found:
        table.append({"name": "trained on permuted classes", "accuracy": found["control"]})
    note = (
        "Parameters are those of the layer, without vectors of words. Accuracy: higher is better; "
        "seconds: lower is better."
    )
    return [("Layers and baselines", Table(columns, table, note))]


def draw(layers: Sequence[str], found: Row, path: Path) -> None:
    """Each layer's accuracy above its seconds an epoch; up and to the left is better."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    plot = figure.add_subplot()
    for layer in layers:
        x, y = found[f"seconds_per_epoch_{layer}"], found[f"accuracy_{layer}"]
        sd = found.get(f"sd_accuracy_{layer}", 0.0)
        plot.errorbar([x], [y], [sd], fmt="o", capsize=3, label=NAMES[layer])
    plot.axhline(found["baseline_bag_of_words"], color="gray", linestyle="--", label="bag of words")
    slowest = max(found[f"seconds_per_epoch_{layer}"] for layer in layers)
    plot.set_xlim(0, 1.08 * slowest)
    plot.set_xlabel("seconds of training an epoch (lower is better)")
    plot.set_ylabel("accuracy on test data, % (higher is better)")
    plot.legend(fontsize=8)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
