"""The densities, the measured spread, and the angles of images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swiftrnn.analysis.samples.angles import angle, draw
from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder


def picture(config: Any, found: Mapping[str, float], shown: Mapping[str, Any], out: Path) -> Path:
    """Densities by dimension, spread against dimension, and angles of the first images."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.9), layout="constrained")
    plots = figure.subplots(1, 3)
    for plot in plots:
        plot.set_prop_cycle(color=[color for color, _ in STYLES])
        plot.grid(alpha=0.25)
    draw(plots[0])
    plots[0].set_title("random directions in n dimensions", fontsize=10)
    spread(plots[1], config.dimensions, found)
    name, angles = next(iter(shown.items()))
    of_images(plots[2], name, angles, found)
    with folder.whole(out / "angles.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return out / "angles.png"


def spread(axes: Any, dimensions: tuple[int, ...], found: Mapping[str, float]) -> None:
    """The standard deviation, sampled and exact, over that of the normal approximation."""
    many = np.geomspace(min(dimensions), max(dimensions), 200)
    axes.plot(many, angle.std(many) * np.sqrt(many), label="exact", lw=2)
    measured = [found[f"spread_{n}"] for n in dimensions]
    axes.plot(dimensions, measured, "o", label="sampled", color=STYLES[3][0])
    axes.axhline(1, color=STYLES[-1][0], ls="--", label="1 / √n (normal)")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("dimensions n")
    axes.set_ylabel("standard deviation × √n, radians")
    axes.set_title("spread", fontsize=10)
    axes.legend()


def of_images(
    axes: Any, name: str, angles: Mapping[str, np.ndarray], found: Mapping[str, float]
) -> None:
    """Angles between images; of centred ones beside random directions of equal spread."""
    degrees = np.linspace(0, 180, 721)
    pixels, top = found[f"{name}_pixels"], 0.0
    for (way, theta), (color, _) in zip(angles.items(), STYLES[2:], strict=False):
        n = max(2.0, found[f"{name}_{way}"])
        density, edges = np.histogram(np.degrees(theta), bins=60, range=(0, 180), density=True)
        top = max(top, density.max())
        axes.stairs(density, edges, color=color, fill=True, alpha=0.35, label=f"images, {way}")
        if way == "raw":  # they share a direction, so that no dimension has angles like theirs
            continue
        label = f"random, n = {n:.3g}, as {way}"
        axes.plot(
            degrees, angle.pdf(np.radians(degrees), n) * np.pi / 180, color=color, label=label
        )
    usual = angle.pdf(np.radians(degrees), pixels) * np.pi / 180
    label = f"random, n = {pixels:g} pixels (to {usual.max():.2g})"
    axes.plot(degrees, usual, color=STYLES[-1][0], ls="--", label=label)
    axes.set_ylim(0, 2.4 * top)  # what is drawn of the images matters; the label says how far up
    axes.set_xticks(range(0, 181, 30))
    axes.set_xlabel("angle, degrees")
    axes.set_ylabel("density, per degree")
    axes.set_title(f"{name.replace('_', '-')} and its effective dimension", fontsize=10)
    axes.legend(fontsize=8, framealpha=1)
