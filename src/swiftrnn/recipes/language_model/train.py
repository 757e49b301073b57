"""Training a language model, and reading it back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning import seed_everything

from swiftrnn.data.lanes import Lanes, excerpts
from swiftrnn.data.text import Text
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.language_model.data import text_for
from swiftrnn.recipes.language_model.model import LanguageModel
from swiftrnn.recipes.language_model.sizes import untrained, width_for
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.writing.measure import bits
from swiftrnn.training import weights
from swiftrnn.training.best import Best
from swiftrnn.training.fit import Fitted, fit

VALID = 32_768  # tokens measured during training, from all over valid; cheap for any layer
SNAPSHOTS = 100  # updates between two, so that layers can be compared after equal tokens


def train(config: Any, out: RunFolder, resume: bool = False, text: Text | None = None) -> Fitted:
    """Train one model and write it to `out`, for `run` and for `swiftrnn compare`.

    `resume` goes on from the last checkpoint in `out`; `text` is another one than `config` names.
    The history has `step`, `tokens`, `seconds`, `loss` (train, nats), and, of valid, `bits` (per
    byte) or `perplexity` (of words). Over epochs, the weights of the one that was best are kept.
    """
    seed_everything(config.seed, verbose=False)
    machine.use_threads(config.threads)
    text = text or text_for(config)
    words = vocabulary_for(config, text)
    out.begin(replace(config, width=width_for(config, len(words))), words.saved())
    learnt, valid = words.encode(text.train), words.encode(text.valid)
    each = max(1, len(learnt) // (config.batch_size * config.time))  # updates of an epoch
    steps = config.epochs and config.epochs * each
    machine.check_memory(lambda: untrained(config, words))
    model = untrained(config, words, steps or 0)
    valid = valid if steps else excerpts(valid, VALID)
    best = Best(out / folder.WEIGHTS, "bits", higher=False)

    def measured(now: Any) -> dict[str, float]:
        found = bits(now, valid)[0]
        if steps:
            best.offer(now, found)
        return {"bits": found} if words.words is None else {"perplexity": 2**found}

    fitted = fit(
        model,
        Lanes(learnt, config.batch_size, config.time, config.seed),
        out=out.path,
        steps=steps or config.steps,
        seconds=None if steps else config.seconds,
        valid=measured,
        every=1 / config.epochs if config.epochs else 1 / 8,
        average=True,
        snapshots=None if steps else SNAPSHOTS,
        clip=config.clip,
        resume=resume,
        name=config.layer,
    )
    for row in fitted.history:
        row["tokens"] = row["step"] * config.batch_size * config.time
    if not steps:
        weights.save(model, out / folder.WEIGHTS)
    return fitted


def vocabulary_for(config: Any, text: Text) -> Vocabulary:
    """The words of train that are frequent enough, or bytes."""
    if config.level == "byte":
        return Vocabulary()
    return Vocabulary.of_words(text.train, config.min_count, config.max_words)


def load(config: Any, out: Path, file: Path | None = None) -> LanguageModel:
    """Read back what `train` wrote to a folder, or in `file` a snapshot of it."""
    words = folder.read_json(out / folder.VOCABULARY) if config.level == "word" else {}
    return weights.built(
        lambda: untrained(config, Vocabulary.read(words)), file or out / folder.WEIGHTS
    )
