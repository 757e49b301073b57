"""Training a reader of numbers, and reading it back."""

from inspect import signature
from pathlib import Path
from typing import Any

import torch
from lightning import seed_everything
from torch import Tensor

from swiftrnn.recipes.vector_to_sequence.data import Digits, Strips
from swiftrnn.recipes.vector_to_sequence.measure import exact
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.recipes.vector_to_sequence.spelling import Letters, spelled
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit

VALID = 500  # images read while training


def train(
    config: Any, out: RunFolder, digits: tuple[Digits, Digits, Digits], seen: Tensor, permuted: bool
) -> Fitted:
    """Train one model and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss` (train, nats a letter), and `exact` (percent of
    images of valid, of numbers trained on, whose words are all right).
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})
    letters = Letters(config.language)
    batches = Strips(
        digits[0], seen, letters, config.language, config.batch_size, config.shift, permuted
    )
    draw = torch.Generator().manual_seed(config.seed)
    shown = seen[torch.randint(len(seen), (VALID,), generator=draw)]
    strips = digits[1].strips(shown, draw)
    words = [spelled(number, config.language) for number in shown.tolist()]
    model = untrained(config, letters)
    fitted = fit(
        model, batches, out=out.path, steps=config.steps, seconds=config.seconds, average=True,
        valid=lambda now: {"exact": exact(now.read(strips), words)}, clip=1.0, resume=True,
        name=f"{config.layer}{', permuted images' if permuted else ''}",
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def untrained(config: Any, letters: Letters) -> Speller:
    """An untrained model."""
    names = signature(Speller).parameters
    given = {name: getattr(config, name) for name in names if name != "letters"}
    return Speller(letters, **given)


def load(config: Any, out: Path) -> Speller:
    """Read back what `train` wrote to a folder."""
    letters = Letters(config.language)
    return weights.built(lambda: untrained(config, letters), out / folder.WEIGHTS)
