"""How many programs are all right, and screenshots beside what is drafted of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

GOOD, BAD = "#009e73", "#d55e00"
PARTS = {"": "test", "_layouts": "test, layouts not trained on", "_real": "real screenshots",
         "_beam": "test, without counts", "_greedy": "test, greedy",
         "_no_count": "trained without counting, test",
         "_no_mixed": "trained without mixed screenshots, test",
         "_layouts_no_mixed": "the same, layouts not trained on",
         "_published": "published network, test"}  # fmt: skip


def sections(config: Any, found: Mapping[str, float], details: Any) -> list[tuple[str, Any]]:
    """Models and parts of the data, lengths, and buttons that were taken for others."""
    columns = [
        Column("name", "what"), Column("exact", "all right, %", 1, "higher"),
        Column("error", "wrong tokens, %", 2, "lower"), Column("edits", "edits, %", 2, "lower"),
        Column("compiles", "compiles, %", 1, "higher"),
        Column("colours", "right colours, %", 1, "higher"),
        Column("similarity", "similarity, %", 1, "higher"),
    ]  # fmt: skip
    parts = PARTS | {f"_{layer}": f"{LAYERS[layer]}, test" for layer in config.rivals}
    keys = ("exact", "error", "edits", "compiles", "colours", "similarity")
    rows = [
        {"name": title, **{key: found.get(f"{key}{part}") for key in keys}}
        for part, title in parts.items()
        if f"exact{part}" in found
    ]
    if config.control:
        rows.append({"name": "trained on the screenshots of other programs",
                     "exact": found["control"]})  # fmt: skip
    for name, title in (("nearest", "program of the nearest screenshot"),
                        ("most_common", "always the same program")):  # fmt: skip
        rows.append({"name": title, "exact": found[f"baseline_{name}_exact"],
                     "error": found[f"baseline_{name}_error"],
                     "similarity": found.get(f"baseline_{name}_similarity")})  # fmt: skip
    note = (
        "Similarity: of the structure of pages that are made from both programs (SSIM). "
        f"{found['milliseconds']:.0f} ms for a screenshot and its program, greedy, on one thread; "
        f"{found['parameters']:,.0f} parameters, {found['steps']:,.0f} updates."
    )
    lengths = [Column("length", "names in the program"), Column("count", "screenshots", 0),
               Column("exact", "all right, %", 1, "higher")]  # fmt: skip
    tables: list[tuple[str, Any]] = [
        ("Models", Table(columns, rows, note)),
        ("Length of programs", Table(lengths, details["lengths"], "Test screenshots.")),
    ]
    if details["buttons"]:
        heads = [Column("right", "shown"), Column("found", "written"), Column("count", "times", 0)]
        title = "Buttons, in programs that are right but for colours"
        tables.append((title, Table(heads, details["buttons"], "")))
    return tables


def draw(pixels: Tensor, found: Sequence[Any], right: Sequence[Any], path: Path) -> None:
    """Test screenshots, and below each whether its program was right."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = -(-len(found) // 3)
    figure = Figure(figsize=(8.4, 2.0 * rows), layout="constrained")
    panels = figure.subplots(rows, 3, squeeze=False).flat
    for panel, image, a, b in zip(panels, pixels, found, right, strict=False):
        panel.imshow(image.permute(1, 2, 0).numpy())
        panel.set_xticks([])
        panel.set_yticks([])
        wrong = sum(x != y for x, y in zip(a.names, b.names, strict=False))
        wrong += abs(len(a.names) - len(b.names))
        said = "all right" if a == b else f"{wrong} of {len(b.names)} names wrong"
        panel.set_ylabel("screenshot", fontsize=8)
        panel.set_xlabel(said, color=GOOD if a == b else BAD, fontsize=9)
    for panel in list(panels)[len(found) :]:
        panel.remove()
    signs = [Line2D([], [], marker="s", linestyle="", color=color, label=label)
             for color, label in ((GOOD, "program all right"), (BAD, "not"))]  # fmt: skip
    figure.legend(handles=signs, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
