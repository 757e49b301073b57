"""How many images are read without a mistake, and some that are and are not."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

GOOD, BAD = "#009e73", "#d55e00"


def sections(
    config: Any, found: Mapping[str, float], wrong: Sequence[Mapping[str, str]]
) -> list[tuple[str, Any]]:
    """Exact matches of each model, and mistakes."""
    columns = [
        Column("name", "model"), Column("seen", "numbers trained on, %", 1, "higher"),
        Column("unseen", "numbers held out, %", 1, "higher"), Column("steps", "updates", 0),
        Column("parameters", "parameters", 0),
    ]  # fmt: skip
    names = ("seen", "unseen", "steps", "parameters")
    rows = [
        {"name": LAYERS[layer or config.layer],
         **{name: found.get(f"{name}_{layer}" if layer else name) for name in names}}
        for layer in ("", *config.rivals)
    ]  # fmt: skip
    if config.control:
        rows.append({"name": "trained on permuted images", "seen": found["control"]})
    rows += [
        {"name": "nearest mean of each digit",
         **{name: found.get(f"baseline_nearest_mean_{name}") for name in ("seen", "unseen")}},
        {"name": "always the same number", "seen": found["baseline_most_common"]},
    ]  # fmt: skip
    note = "Test images whose words are all right, from the first letter to the last."
    mistakes = [Column("part", "numbers"), Column("words", "right"), Column("read", "written")]
    parts = {"seen": "trained on", "unseen": "held out"}
    shown = [{**each, "part": parts[each["part"]]} for each in wrong]
    tables: list[tuple[str, Any]] = [("Models", Table(columns, rows, note))]
    return tables + ([("Mistakes on test images", Table(mistakes, shown, ""))] if shown else [])


def draw(examples: Sequence[Any], path: Path) -> None:
    """Test images, and under each what the model writes of it."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = -(-len(examples) // 3)
    figure = Figure(figsize=(8.4, 1.25 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False).flat
    for panel, (strip, read, words, part) in zip(panels, examples, strict=False):
        panel.imshow(255 - strip.numpy(), cmap="gray", vmin=0, vmax=255)
        panel.set_xticks([])
        panel.set_yticks([])
        color = GOOD if read == words else BAD
        panel.set_xlabel(read, color=color, fontsize=8.5)
        panel.set_ylabel("held out" if part == "unseen" else "trained", fontsize=7)
    for panel in list(panels)[len(examples) :]:
        panel.remove()
    signs = [Line2D([], [], marker="s", linestyle="", color=color, label=label)
             for color, label in ((GOOD, "right"), (BAD, "wrong"))]  # fmt: skip
    figure.legend(handles=signs, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
