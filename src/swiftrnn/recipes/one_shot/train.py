"""Training what compares two drawings, and what chooses among many, and reading them back."""

from inspect import signature
from pathlib import Path
from typing import Any

import torch
from lightning import seed_everything

from swiftrnn.recipes.one_shot import episodes
from swiftrnn.recipes.one_shot.context import Choices, Context
from swiftrnn.recipes.one_shot.data import Drawings
from swiftrnn.recipes.one_shot.episodes import Pairs
from swiftrnn.recipes.one_shot.measure import accuracy
from swiftrnn.recipes.one_shot.model import Matcher
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit

VALID = 10  # runs that are answered while training


def train(
    config: Any, out: RunFolder, learnt: Drawings, valid: Drawings, variant: str = "",
    permuted: bool = False,
) -> Fitted:  # fmt: skip
    """Train one matcher and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss` (train, nats), and `accuracy` (percent of characters
    of valid's alphabets that are recognised).
    """
    _begin(config, out)
    pairs = Pairs(learnt, config.groups, config.different, permuted)
    shown = shown_of(valid, config)
    model = untrained(config, variant)
    fitted = fit(
        model, pairs, out=out.path, steps=config.steps, seconds=config.seconds, average=True,
        valid=lambda now: {"accuracy": accuracy(now, shown)}, clip=config.clip, resume=True,
        name=(variant or config.layer) + (", permuted labels" if permuted else ""),
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def train_context(
    config: Any, out: RunFolder, matcher: Matcher, learnt: Drawings, valid: Drawings
) -> tuple[Context, Fitted]:
    """Train the layer over candidates on top of a matcher; one that was killed goes on."""
    _begin(config, out)
    shown = shown_of(valid, config)
    model = Context(matcher, config.layer, config.hidden // 2, augment=config.augment)
    fitted = fit(
        model, Choices(learnt, config.ways), out=out.path, steps=config.context_steps,
        seconds=config.context_seconds, average=True, clip=config.clip, resume=True,
        valid=lambda now: {"accuracy": accuracy(now, shown)}, name="full context",
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return model.eval(), fitted


def _begin(config: Any, out: RunFolder) -> None:
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})


def shown_of(valid: Drawings, config: Any) -> list[episodes.Run]:
    """Runs of valid's alphabets, the same for every training."""
    return episodes.runs(valid, VALID, config.ways, torch.Generator().manual_seed(0))


def untrained(config: Any, variant: str = "") -> Matcher:
    """An untrained model."""
    names = signature(Matcher).parameters
    given = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return Matcher(**given, siamese=variant == "siamese", fixed=variant == "fixed")


def load(config: Any, out: Path, variant: str = "") -> Matcher:
    """Read back what `train` wrote to a folder."""
    return weights.built(lambda: untrained(config, variant), out / folder.WEIGHTS)
