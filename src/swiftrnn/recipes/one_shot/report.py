"""How many characters are recognised, and where two drawings were looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.nn.glimpse import boxes
from swiftrnn.recipes.one_shot.episodes import Run
from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

NAMES = LAYERS | {
    "one_glimpse": "one glimpse of each", "fixed": "glimpses that do not move",
    "siamese": "siamese network", "convolutions": "with convolutions",
    "pixels": "without convolutions",
}  # fmt: skip
FIRST, SECOND = "#0072b2", "#d55e00"
SCALE, PAUSE = 8, 350  # of the animation: pixels for one of a drawing, milliseconds for a glimpse


def sections(config: Any, found: Mapping[str, float]) -> list[tuple[str, Any]]:
    """Each model, in runs of one alphabet and across alphabets."""
    columns = [
        Column("name", "model"), Column("within", "one alphabet, %", 1, "higher"),
        Column("across", "any alphabet, %", 1, "higher"),
        Column("verified", "pairs, %", 1, "higher"), Column("steps", "updates", 0),
        Column("parameters", "parameters", 0),
    ]  # fmt: skip
    own = "convolutions, then glimpses" if config.convolutions else "glimpses of pixels"
    names = {"": own} | {f"_{name}": NAMES[name] for name in config.variants}
    names |= {"_context": "full context"} if config.context else {}
    keys = ("within", "across", "verified", "steps", "parameters")
    rows: list[dict[str, Any]] = [
        {"name": title, **{key: found.get(f"{key}{part}") for key in keys}}
        for part, title in names.items()
    ]
    if config.control:
        rows.append({"name": "trained on permuted labels", "within": found["control"]})
    rows.append({"name": "nearest pixels", "within": found["baseline_pixels_within"],
                 "across": found["baseline_pixels_across"]})  # fmt: skip
    rows.append({"name": "guessing", "within": 100 / config.ways, "across": 100 / config.ways})
    note = (
        f"Percent recognised among {config.ways} candidates, of each of which one drawing is "
        "known; alphabets that nothing was learnt from. Pairs: called the same or not, rightly. "
        f"{config.ways**2} comparisons in both orders take {found['run_seconds']:.2f} s on one "
        "thread."
    )
    return [("Models", Table(columns, rows, note))]


def draw(model: Any, runs: Sequence[Run], picture: Path, animation: Path) -> None:
    """The glimpses of two drawings of one character: side by side, and one after the other."""
    folder.needs_extra("a picture", "report", "matplotlib")
    run = runs[0]
    two = torch.stack([run.query[0], run.support[run.right[0]]])
    first, second = model.read(two)[:, None]
    with torch.no_grad():
        _, places = model.compared(first, second, torch.zeros(1, 1, dtype=torch.long))
    windows = boxes(places[:, 0, 0], first.shape[-1])
    _draw(two, windows, picture)
    _animate(two, windows, animation)


def _draw(two: Tensor, windows: Tensor, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    count, side = len(windows) // 2, two.shape[-1]
    figure = Figure(figsize=(max(5.0, 1.05 * count + 0.6), 2.9), layout="constrained")
    panels = figure.subplots(2, count, squeeze=False)
    for t, window in enumerate((windows * side).tolist()):
        panel, color = panels[t % 2, t // 2], (FIRST, SECOND)[t % 2]
        panel.imshow(255 - two[t % 2].numpy(), cmap="gray", vmin=0, vmax=255,
                     extent=(0, side, side, 0))  # fmt: skip
        top, left, bottom, right = window
        name = ("first drawing", "second drawing")[t % 2] if t < 2 else None
        panel.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False,
                                  edgecolor=color, linewidth=2, label=name))  # fmt: skip
        panel.set_xlim(0, side)
        panel.set_ylim(side, 0)
        panel.set_xticks([])
        panel.set_yticks([])
        panel.set_xlabel(f"{t + 1}", fontsize=9)
    for row, name in zip(panels, ("first drawing", "second drawing"), strict=True):
        row[0].set_ylabel(name, fontsize=9)
    figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9,
                  title="glimpses in their order")  # fmt: skip
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)


def _animate(two: Tensor, windows: Tensor, path: Path) -> None:
    from PIL import Image, ImageDraw

    side = two.shape[-1] * SCALE
    gap, frames = SCALE, []
    for t, (top, left, bottom, right) in enumerate((windows * side).tolist()):
        frame = Image.new("RGB", (2 * side + gap, side), "white")
        for i, drawing in enumerate(two):
            shown = Image.fromarray((255 - drawing).numpy()).resize(
                (side, side), Image.Resampling.NEAREST
            )
            frame.paste(shown, (i * (side + gap), 0))
        begin = t % 2 * (side + gap)
        pen = ImageDraw.Draw(frame)
        box = [
            max(left, 0) + begin,
            max(top, 0),
            min(right, side - 1) + begin,
            min(bottom, side - 1),
        ]
        if box[2] > box[0] and box[3] > box[1]:
            pen.rectangle(box, outline=(FIRST, SECOND)[t % 2], width=3)
        frames.append(frame)
    with folder.whole(path) as part:
        frames[0].save(part, "GIF", save_all=True, append_images=frames[1:], duration=PAUSE, loop=0)
