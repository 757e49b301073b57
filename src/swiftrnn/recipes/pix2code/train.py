"""Training a drafter, and reading it back."""

from inspect import signature
from pathlib import Path
from typing import Any

from lightning import seed_everything

from swiftrnn.recipes.pix2code.batches import Batches, Symbols
from swiftrnn.recipes.pix2code.data import Screens
from swiftrnn.recipes.pix2code.measure import exact
from swiftrnn.recipes.pix2code.model import Drafter
from swiftrnn.recipes.pix2code.published import Published, Windows
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit

SHOWN = 75  # screenshots of valid that are read while training


def train(
    config: Any, out: RunFolder, learnt: Screens, valid: Screens, real: Screens | None = None,
    permuted: bool = False,
) -> Fitted:  # fmt: skip
    """Train one drafter and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss` (train, nats a name), and `exact` (percent of
    screenshots of valid whose program is all right).
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})
    symbols = Symbols(config.platform)
    batches = Batches(learnt, symbols, config.batch_size, real, permuted, config.mixed)
    shown = valid.take(range(min(SHOWN, len(valid))))
    machine.check_memory(lambda: untrained(config))
    model = untrained(config)
    kind = ("" if config.count else ", no counting") + ("" if config.mixed else ", not mixed")
    kind += ", other programs" if permuted else ""
    fitted = fit(
        model, batches, out=out.path, steps=config.steps, seconds=config.seconds, average=True,
        valid=lambda now: {"exact": exact(now, shown)}, clip=config.clip, resume=True,
        name=f"{config.layer}{kind}",
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def train_published(config: Any, out: RunFolder, learnt: Screens) -> tuple[Fitted, Published]:
    """Train the published network for as long, as it was trained; one that was killed goes on."""
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, {})
    model = Published(config.platform)
    fitted = fit(
        model, Windows(learnt, model), out=out.path, steps=config.steps, seconds=config.seconds,
        resume=True, name="published network",
    )  # fmt: skip
    return fitted, model.eval()


def untrained(config: Any) -> Drafter:
    """An untrained model."""
    names = signature(Drafter).parameters
    given = {name: getattr(config, name) for name in names if name != "symbols"}
    return Drafter(Symbols(config.platform), **given)


def load(config: Any, out: Path) -> Drafter:
    """Read back what `train` wrote to a folder."""
    return weights.built(lambda: untrained(config), out / folder.WEIGHTS)
