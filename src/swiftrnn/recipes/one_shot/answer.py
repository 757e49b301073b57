"""Comparing two drawings of one's own, and measuring on a folder of drawings."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from swiftrnn.data.ink import placed
from swiftrnn.nn.glimpse import boxes
from swiftrnn.recipes.one_shot import data, episodes, measure
from swiftrnn.recipes.one_shot.data import SIDE
from swiftrnn.recipes.one_shot.model import Matcher
from swiftrnn.runs import limits
from swiftrnn.tasks import Scored, Scoring, Task
from swiftrnn.tasks.glimpses import Glimpses, Looks, looks
from swiftrnn.tasks.image import Image
from swiftrnn.tasks.pair import Pair
from swiftrnn.tasks.score import Score

INK = 22  # pixels that the ink of a drawing is high or wide, as in Omniglot on the whole


@dataclass(frozen=True)
class Look(limits.Checked):
    """What is shown beside the answer."""

    glimpses: bool = False  # also show where both drawings were looked at


@dataclass(frozen=True)
class Runs(limits.Checked):
    """How many runs are drawn from the drawings of a folder or zip file."""

    runs: limits.Count = 20  # runs, each of one alphabet
    ways: Annotated[int, limits.Range(2, 1000)] = 20  # candidates of a run
    seed: limits.Seed = 0  # random seed of the choice


def answer(
    model: Matcher, pairs: Sequence[tuple[Tensor, Tensor]], options: Look
) -> list[tuple[float, Looks | None]]:
    """How likely both drawings (H, W) of each pair show the same character, and where it looked."""
    if not pairs:
        return []
    drawn = torch.stack([placed(each, (SIDE, SIDE), (INK, INK)) for two in pairs for each in two])
    features = model.read(drawn.to(model.device))
    first, second = features[::2], features[1::2]
    each = torch.arange(len(pairs), device=model.device)[:, None]
    with torch.no_grad():
        state, places = model.compared(first, second, each)
        again, _ = model.compared(second, first, each)
        odds = torch.stack([model.head(one)[:, 0, 0] for one in (state, again)]).mean(0).sigmoid()
    if not options.glimpses or places is None:
        return [(float(p), None) for p in odds]
    windows = boxes(places[:, :, 0].cpu(), first.shape[-1]).unbind(1)
    seen = zip(odds, drawn[::2], drawn[1::2], windows, strict=True)
    return [(float(p), looks((255 - a, 255 - b), w)) for p, a, b, w in seen]


def scored(model: Matcher, path: Path, options: Runs) -> Scored:
    """How many characters of a folder's alphabets are recognised from one drawing of each.

    Raises:
        ValueError: the folder or a drawing does not fit.
    """
    drawings = data.read(path)
    draw = torch.Generator().manual_seed(options.seed)
    runs = episodes.runs(drawings, options.runs, options.ways, draw)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["run", "query", "right", "found"])
    for number, run in enumerate(runs, 1):
        found = model.similar(run.query, run.support).argmax(1)
        both = zip(run.right.tolist(), found.tolist(), strict=True)
        writer.writerows((number, i + 1, a + 1, b + 1) for i, (a, b) in enumerate(both))
    numbers = {"within": measure.accuracy(model, runs), "verified": measure.verified(model, runs)}
    return Scored(f"{len(drawings):,} drawings, {len(runs)} runs", numbers, file.getvalue())


TASK = Task(
    Pair(Image(1, draws=(210, 210)), ("First drawing", "Second drawing")),
    Score("that both show the same character"), answer, Look, shows=(Glimpses(),),
    verb="Compare", scoring=Scoring(scored, Runs, ".csv"),
)  # fmt: skip
