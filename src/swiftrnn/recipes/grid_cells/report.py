"""What units respond to, and rate maps of the best, the median and the worst of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

NAMES = {
    "no_noise": "without noise", "no_cost": "without metabolic cost", "no_rests": "without rests",
    "plain": "without noise, cost and rests", "relu": "relu", "tanh": "tanh",
    "gaussian": "place cells without surround",
}  # fmt: skip
SCORES = {
    "triangular": "triangular lattice", "square": "square lattice", "border": "border",
    "band": "band", "direction": "head direction", "speed": "speed",
}  # fmt: skip
SHOWN = 8  # units in a row of the picture


def sections(config: Any, found: Mapping[str, float]) -> list[tuple[str, Any]]:
    """Errors of each network and baseline, and shares of units above their null."""
    parts = {"": config.target.replace("_", " ")} | {f"_{v}": NAMES[v] for v in config.variants}
    rows: list[dict[str, Any]] = [
        {"name": title, "error": found[f"error{part}"], "error_far": found[f"error_far{part}"]}
        for part, title in parts.items()
    ]
    for name, title in (("middle", "always the middle"), ("no_memory", "the last step alone"),
                        ("dead_reckoning", "dead reckoning, 10 % noise")):  # fmt: skip
        rows.append({"name": title, "error": found[f"baseline_{name}"]})
    errors = [
        Column("name", "network"), Column("error", "error, % of width", 1, "lower"),
        Column("error_far", f"after {config.far:,} steps", 1, "lower"),
    ]  # fmt: skip
    kinds = [
        {"name": title, **{key: found.get(f"share_{key}{part}") for key in SCORES}}
        for part, title in parts.items()
    ]
    columns = [Column("name", "network"), *(Column(key, each, 0) for key, each in SCORES.items())]
    family = ", ".join(
        f"{title} {found[f'share_{key}_family']:.0f} %"
        for key, title in SCORES.items()
        if f"share_{key}_family" in found
    )
    note = (
        "Percent of units whose score is above that of 95 % of shuffles of their own rates; 5 are "
        f"to be expected where there is nothing. Among all units together (family-wise): {family}."
    )
    return [
        ("Where the networks think they are", Table(errors, rows, "Mean distance, on test walks.")),
        ("Units that respond to something", Table(columns, kinds, note)),
    ]


def draw(maps: Tensor, scores: Mapping[str, Tensor], path: Path) -> None:
    """Rate maps of units, by their lattice scores: a row for the best, the median, the worst."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    count = min(SHOWN, len(maps))
    figure = Figure(figsize=(1.15 * count + 0.5, 7.4), layout="constrained")
    panels = figure.subplots(6, count, squeeze=False)
    row = 0
    for name in ("triangular", "square"):
        known = scores[name].nan_to_num(-3.0)
        order = known.argsort(descending=True)
        middle = max(0, len(order) // 2 - count // 2)
        rows = (("highest", order[:count]), ("median", order[middle:][:count]),
                ("lowest", order[-count:]))  # fmt: skip
        for title, some in rows:
            for place in range(count):
                panel = panels[row, place]
                unit = int(some[place % len(some)])
                panel.imshow(maps[unit].numpy(), origin="lower", cmap="viridis")
                panel.set_xticks([])
                panel.set_yticks([])
                panel.set_xlabel(f"{float(known[unit]):.2f}", fontsize=8)
            panels[row, 0].set_ylabel(f"{name}\n{title}", fontsize=8)
            row += 1
    signs = [Line2D([], [], marker="s", linestyle="", color=color, label=label)
             for color, label in (("#fde725", "most active"), ("#440154", "least"))]  # fmt: skip
    figure.legend(handles=signs, loc="outside upper right", ncols=2, frameon=False, fontsize=9,
                  title="rate maps of units; below each its score", title_fontsize=9)  # fmt: skip
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
