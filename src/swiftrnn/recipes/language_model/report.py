"""The table of layers that were trained beside one another."""

from collections.abc import Mapping
from typing import Any

from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table

RIVALS = ("perplexity", "bits_per_byte", "parameters", "seconds", "tokens_per_second")
NAMES = LAYERS | {"conv": "causal convolution"}


def sections(config: Any, found: Mapping[str, float]) -> list[tuple[str, Any]]:
    """How well the layer and its rivals predict, the best one first; nothing without rivals."""
    if not config.rivals:
        return []
    score = "perplexity" if config.level == "word" else "bits_per_byte"
    rows = []
    for layer, suffix in ((config.layer, ""), *((each, f"_{each}") for each in config.rivals)):
        row = {name: found[f"{name}{suffix}"] for name in (score, *RIVALS[2:])}
        rows.append({"name": NAMES[layer], **row})
    rows.sort(key=lambda row: row[score])
    columns = [
        Column("name", "layer"),
        Column(score, f"{score.replace('_', ' ')} on test data", 2, "lower"),
        Column("tokens_per_second", f"{config.level}s a second, training", 0, "higher"),
        Column("seconds", "seconds of training", 0), Column("parameters", "parameters", 0),
    ]  # fmt: skip
    note = (
        f"{score.replace('_', ' ').capitalize()}: lower is better; {config.level}s a second: "
        "higher is better. All layers saw the same batches."
    )
    return [("Layers of equal size", Table(columns, rows, note))]
