"""Cells that are trained with weights of their own: the truth about them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from lightning import seed_everything

from swiftrnn.data.lanes import Lanes
from swiftrnn.recipes.enas.cells import Cell
from swiftrnn.recipes.enas.data import Words
from swiftrnn.recipes.enas.measure import alone_losses
from swiftrnn.recipes.enas.model import Apart
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training.fit import Fitted, fit
from swiftrnn.training.techniques.schedule import OverBudget


class Trained(NamedTuple):
    """What became of cells that were trained alone."""

    valid: list[float]  # perplexity of each
    test: list[float]
    seconds: float  # of all


def train_alone(
    config: Any, cells: Sequence[Cell], out: RunFolder, words: Words, name: str
) -> Trained:
    """Train cells, some of them side by side; those that were done before are only measured."""
    found = Trained([], [], 0.0)
    for first in range(0, len(cells), config.together):
        some = cells[first : first + config.together]
        seed_everything(config.seed, verbose=False)
        network = Apart(some, config.size, len(words.vocabulary), 0.0, config.learning_rate)
        batches = Lanes(words.train, config.alone_rows, config.time, config.seed)
        fitted = fit(
            network, batches, out=out.path / f"{name}-{first}", steps=config.alone_steps,
            rate=OverBudget(config.warmup), resume=True,
            name=f"{name}, {first + len(some)} of {len(cells)}",
        )  # fmt: skip
        network.eval()
        found.valid.extend(alone_losses(network, words.valid).exp().tolist())
        found.test.extend(alone_losses(network, words.test).exp().tolist())
        found = found._replace(seconds=found.seconds + fitted.seconds)
    return found


def final(config: Any, cell: Cell, out: RunFolder, words: Words) -> tuple[Apart, Fitted]:
    """Train the cell that is used in the end."""
    seed_everything(config.seed, verbose=False)
    network = untrained(config, cell, len(words.vocabulary))
    batches = Lanes(words.train, 2 * config.alone_rows, config.time, config.seed)
    fitted = fit(
        network, batches, out=out.path, steps=config.final_steps, clip=config.clip,
        rate=OverBudget(config.warmup), resume=True, name=str(cell),
        valid=lambda now: {"perplexity": alone_losses(now, words.valid).exp().item()},
    )  # fmt: skip
    return network.eval(), fitted


def untrained(config: Any, cell: Cell, vocabulary: int) -> Apart:
    """The network of one cell, before it is trained."""
    return Apart([cell], config.size, vocabulary, config.dropout, config.learning_rate)
