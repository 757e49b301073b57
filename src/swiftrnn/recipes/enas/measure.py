"""What a search found: which cell, how good its policy is, whether shared weights rank cells."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data.lanes import excerpts, streams
from swiftrnn.recipes.enas.cells import Cell, cells_of, choices
from swiftrnn.recipes.enas.model import Apart, Shared
from swiftrnn.recipes.enas.search import WORTH, Search, uniform
from swiftrnn.runs import folder, limits

LANES = 16  # pieces of a text that are read side by side
CHUNK = 64  # words of each at a time
SHORT = 4096  # words that many cells are compared on
COMPARED = 128  # cells of a policy and as many random ones
TRUTH = "truth.csv"  # of a run of every cell: each with its perplexity


@torch.no_grad()
def shared_losses(shared: Shared, cells: Sequence[Cell], tokens: Tensor, at_once: int) -> Tensor:
    """Nats per word of cells with shared weights, (G,)."""
    text, found = streams(tokens, LANES), []
    for first in range(0, len(cells), at_once):
        before, functions = choices(cells[first : first + at_once])
        total, state = torch.zeros(len(before), dtype=torch.float64), None
        for start in range(0, len(text) - 1, CHUNK):
            batch = text[start : start + CHUNK + 1, None].expand(-1, len(before), -1)
            losses, state = shared.losses(batch, before, functions, state)
            total += losses.double().sum((0, 2))
        found.append(total / ((len(text) - 1) * LANES))
    return torch.cat(found)


@torch.no_grad()
def alone_losses(network: Apart, tokens: Tensor) -> Tensor:
    """Nats per word of cells with weights of their own, (G,)."""
    text, state = streams(tokens, LANES), None
    total = torch.zeros(len(network.cells), dtype=torch.float64)
    for start in range(0, len(text) - 1, CHUNK):
        after = text[start + 1 : start + 1 + CHUNK]
        losses, state = network.losses(text[start : start + len(after)], after, state)
        total += losses.double().sum((0, 2))
    return total / ((len(text) - 1) * LANES)


def derived(model: Search, valid: Tensor, config: Any) -> tuple[Cell, list[Cell]]:
    """The best cell of those that a policy draws, by shared weights on all of valid.

    Returns:
        The cell, and those that were compared on a part of valid.
    """
    drawn = list(dict.fromkeys(cells_of(*model.draw(config.drawn))))
    short = shared_losses(model.shared, drawn, excerpts(valid, SHORT), config.together)
    best = [drawn[i] for i in short.argsort()[: config.kept].tolist()]
    whole = shared_losses(model.shared, best, valid, config.together)
    return best[int(whole.argmin())].canonical(), drawn


def policy_gain(model: Search, valid: Tensor, config: Any) -> dict[str, float]:
    """How much better cells of a policy are than random ones, by the same shared weights.

    The gain is of mean rewards, in standard errors of their difference.
    """
    both = [cells_of(*model.draw(COMPARED)), cells_of(*uniform(COMPARED, config.nodes))]
    some = excerpts(valid[len(valid) // 2 :], SHORT)  # no rewards were measured there
    mine, theirs = (
        WORTH / shared_losses(model.shared, each, some, config.together).exp() for each in both
    )
    error = ((mine.var() + theirs.var()) / COMPARED).sqrt().clamp(min=1e-12)
    gain = (mine.mean() - theirs.mean()) / error
    return {"reward": mine.mean().item(), "reward_of_chance": theirs.mean().item(),
            "gain": gain.item()}  # fmt: skip


def agreement(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's tau of two rankings: 1 where they are the same, 0 where they know nothing."""
    from scipy.stats import kendalltau

    found: Any = kendalltau(first, second)
    return float(found.statistic)


def table(cells: Sequence[Cell], perplexities: Sequence[float]) -> str:
    """Cells and their perplexities as CSV, the best first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["cell", "perplexity"])
    rows = sorted((each, str(cell)) for cell, each in zip(cells, perplexities, strict=True))
    writer.writerows([cell, each] for each, cell in rows)
    return out.getvalue()


def read_truth(run: Path, nodes: int) -> dict[Cell, float]:
    """The perplexity of every cell, as a run of --preset truth measured it.

    Raises:
        ValueError: it is no such run, or one of cells with other nodes.
    """
    path = run / TRUTH
    try:
        rows = [*csv.DictReader(io.StringIO(path.read_text("utf-8")))]
        found = {Cell.read(row["cell"]): float(row["perplexity"]) for row in rows}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise limits.Unfit(
            f"--truth needs the run folder of `swiftrnn run enas --preset truth`; got {run} "
            f"({folder.why(error)})"
        ) from None
    if {len(cell.nodes) for cell in found} != {nodes}:
        raise limits.Unfit(f"--truth needs cells of {nodes} nodes; got others in {run}")
    return found


def percentile(value: float, others: Sequence[float]) -> float:
    """Percent of perplexities that are worse than one."""
    return 100 * sum(other > value for other in others) / len(others)
