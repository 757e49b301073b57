"""Training a translator, and reading it back."""

from inspect import signature
from pathlib import Path
from typing import Any

from lightning import seed_everything

from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.translating.train import LONGEST, VALID, batches_of, perplexity
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit
from swiftrnn.training.techniques.schedule import OverBudget


def train(config: Any, out: RunFolder, train: Pairs, valid: Pairs, languages: Languages) -> Fitted:
    """Train one model and write it to `out`; one that was killed goes on.

    The history has `step`, `seconds`, `loss` (train, nats, smoothed), and `perplexity` (of a target
    token of valid).
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    out.begin(config, languages.saved())
    batches = batches_of(train, languages, config.batch_tokens, longest=LONGEST)
    measured = batches_of(valid.spread(VALID), languages, config.batch_tokens)
    machine.check_memory(lambda: untrained(config, languages))
    model = untrained(config, languages)
    fitted = fit(
        model, batches, out=out.path, steps=config.steps, seconds=config.seconds,
        valid=lambda now: {"perplexity": perplexity(now, measured)}, clip=config.clip,
        rate=OverBudget(config.warmup), resume=True,
        name=f"{config.layer}, attention {config.attention}",
    )  # fmt: skip
    weights.save(model, out / folder.WEIGHTS)
    return fitted


def untrained(config: Any, languages: Languages) -> Translator:
    """An untrained model."""
    names = signature(Translator).parameters
    given = {name: getattr(config, name) for name in names if name != "languages"}
    return Translator(languages, **given)


def load(config: Any, out: Path) -> Translator:
    """Read back what `train` wrote to a folder."""
    languages = Languages.read(folder.read_json(out / folder.VOCABULARY))
    return weights.built(lambda: untrained(config, languages), out / folder.WEIGHTS)
