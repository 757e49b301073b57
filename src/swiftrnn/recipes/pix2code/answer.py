"""Programs of screenshots of one's own."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from swiftrnn.data.screens import android, html, ios
from swiftrnn.data.screens.folder import read
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import CLOSE, Program, parse
from swiftrnn.recipes.pix2code import measure
from swiftrnn.recipes.pix2code.data import fitted, load
from swiftrnn.recipes.pix2code.model import Drafter
from swiftrnn.runs import limits
from swiftrnn.tasks import NoOptions, Scored, Scoring, Task
from swiftrnn.tasks.image import Image
from swiftrnn.tasks.program import Program as Value
from swiftrnn.tasks.program import Regions, Seen

COMPILERS = {
    "gui": lambda program, _: f"{program}\n", "html": html.page, "android": android.layout,
    "ios": ios.storyboard,
}  # fmt: skip
ENDINGS = {"gui": ".gui", "html": ".html", "android": ".xml", "ios": ".storyboard"}


@dataclass(frozen=True)
class Beam(limits.Checked):
    """How a program is searched, and what is shown beside it."""

    beam: Annotated[int, limits.Range(1, 100)] = 5  # beam size
    regions: bool = False  # also show where each name was found


def answer(
    model: Drafter, images: Sequence[Tensor], options: Beam
) -> list[tuple[Program, Seen | None]]:
    """A program of each image (3, H, W) of any size, and where its names were found."""
    if not images:
        return []
    pixels = torch.stack([fitted(image, model.size) for image in images]).to(model.device)
    found = measure.read(model, pixels, options.beam)
    if not options.regions:
        return [(program, None) for program in found]
    looks = model.looks(pixels, found)
    return [
        (program, _seen(program, weights, image, model.size))
        for program, weights, image in zip(found, looks, images, strict=True)
    ]


def _seen(program: Program, weights: Tensor, image: Tensor, size: tuple[int, int]) -> Seen:
    scale = min(size[0] / image.shape[1], size[1] / image.shape[2])
    share = [min(1.0, scale * side / most)
             for side, most in zip(image.shape[1:], size, strict=True)]  # fmt: skip
    shown = [i for i, name in enumerate(program.names) if name != CLOSE]
    grids = tuple(tuple(map(tuple, weights[i].tolist())) for i in shown)
    return Seen(tuple(program.names[i] for i in shown), grids, (share[0], share[1]))


def scored(model: Drafter, path: Path, _: Any) -> Scored:
    """How right the drafts of a folder's screenshots are, with a beam of 5.

    Raises:
        ValueError: the folder, a picture or a program does not fit.
    """
    pairs = read(path, model.symbols.platform)
    screens = load(pairs, model.size)
    found = measure.read(model, screens.pixels.to(model.device), Beam.beam)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["name", "right", "drafted"])
    for pair, right, draft in zip(pairs, screens.programs, found, strict=True):
        writer.writerow([pair.name, " ".join(right.names), " ".join(draft.names)])
    numbers = measure.scores(found, screens.programs)
    return Scored(f"{len(pairs):,} screenshots", numbers, file.getvalue())


TASK = Task(
    Image(3), Value(parse, COMPILERS, ENDINGS, {n: each.size for n, each in PLATFORMS.items()}),
    answer, Beam, shows=(Regions(),), verb="Draft", scoring=Scoring(scored, NoOptions, ".csv"),
)  # fmt: skip
