"""Training a network that keeps track of where it is, and reading it back."""

from pathlib import Path
from typing import Any

import torch
from lightning import seed_everything

from swiftrnn.recipes.grid_cells.data import Walks, arena_of, drawn
from swiftrnn.recipes.grid_cells.measure import snapshot
from swiftrnn.recipes.grid_cells.model import Navigator
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit

VALID, VALID_SEED = 100, 1  # walks that are looked at while training


def train(config: Any, out: RunFolder, name: str) -> Fitted:
    """Train one network and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss`, `error` (percent of the width) and the median scores
    of units (`triangular`, `square`, `border`), which play no part in the training.
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})
    walks = drawn(config, config.length, VALID, torch.Generator().manual_seed(VALID_SEED))
    model = untrained(config)
    fitted = fit(
        model, Walks(config), out=out.path, steps=config.steps, seconds=config.seconds,
        valid=lambda now: snapshot(now, walks, config), clip=config.clip, resume=True,
        name=name or config.target,
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def untrained(config: Any) -> Navigator:
    """An untrained network."""
    return Navigator(config, arena_of(config))


def load(config: Any, out: Path) -> Navigator:
    """Read back what `train` wrote to a folder."""
    return weights.built(lambda: untrained(config), out / folder.WEIGHTS)
