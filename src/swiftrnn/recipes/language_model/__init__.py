"""A language model over bytes or words, with any of six layers at equal size.

Paper: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence".
Differs: Python's library for enwik8; seconds for days; dropout for words only; averaged weights.
"""

from dataclasses import asdict, replace
from typing import Any

from swiftrnn.data.text import Text as Corpus
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.language_model.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.language_model.config import SMOKE as SMOKE
from swiftrnn.recipes.language_model.config import WORD as WORD
from swiftrnn.recipes.language_model.config import WORD_LARGE as WORD_LARGE
from swiftrnn.recipes.language_model.config import Config as Config
from swiftrnn.recipes.language_model.data import shuffled, text_for
from swiftrnn.recipes.language_model.measure import measure
from swiftrnn.recipes.language_model.model import LanguageModel
from swiftrnn.recipes.language_model.report import RIVALS, sections
from swiftrnn.recipes.language_model.sizes import untrained, width_for
from swiftrnn.recipes.language_model.train import load, train, vocabulary_for
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Scoring, Task
from swiftrnn.tasks.text import Text
from swiftrnn.tasks.writing.measure import scored
from swiftrnn.tasks.writing.sample import Sampling, continued, pieces, work
from swiftrnn.training.fit import Fitted

TASK = Task(
    Text(any_bytes=True), Text(any_bytes=True, name="continued"), continued, Sampling,
    stream=pieces, work=work, verb="Continue", scoring=Scoring(scored),
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Train, then measure on the test part: bits per byte, or perplexity, and what to beat."""
    text = text_for(config)
    alone = replace(config, control=False, rivals=())
    rivals = [replace(alone, layer=layer, width=0) for layer in config.rivals]
    size = len(vocabulary_for(config, text))
    for each in rivals:  # one that cannot be as large is refused before anything is trained
        width_for(each, size)
    fitted, found = trained(config, out, text)
    if config.control:  # trained on what is shuffled, a model can find the counts, nothing else
        mixed = shuffled(text, config.seed, config.level)
        _, control = trained(alone, out.part("control"), mixed)
        found |= {f"control_{name}": value for name, value in control.items()}
    beside: dict[str, Any] = {}
    for each in rivals:
        other, rival = trained(each, out.part(each.layer), text)
        found |= {f"{name}_{each.layer}": rival[name] for name in RIVALS if name in rival}
        beside[each.layer] = other.history
    did = asdict(fitted)  # steps, seconds, peak_memory and the history of measurements
    details = {"history": did.pop("history")} | ({"rivals": beside} if beside else {})
    return Result(found | did, details, sections=sections(config, found))


def trained(config: Config, out: RunFolder, text: Corpus) -> tuple[Fitted, dict[str, float]]:
    """Train one layer, and measure it on the test part."""
    fitted = train(config, out, resume=True, text=text)
    model = load(config, out.path)
    found = measure(model, text)
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["tokens"] = fitted.steps * config.batch_size * config.time
    found["seconds"], found["tokens_per_second"] = fitted.seconds, found["tokens"] / fitted.seconds
    return fitted, found


def build(config: Config, vocabulary: dict[str, Any]) -> LanguageModel:
    """An untrained model."""
    return untrained(config, Vocabulary.read(vocabulary))
