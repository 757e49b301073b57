"""A translator: an encoder, attention and a decoder, of any recurrent layer.

Paper: Sutskever et al. (2014), "Sequence to Sequence Learning with Neural Networks"; Bahdanau et
al. (2015), "Neural Machine Translation by Jointly Learning to Align and Translate"; Luong et al.
(2015), "Effective Approaches to Attention-based Neural Machine Translation".
Differs: short sentences of Tatoeba, minutes of training, no input feeding, tied output vectors.
"""

from dataclasses import replace
from typing import Any

from swiftrnn.data.translation.corpora import parts_for, shuffled
from swiftrnn.data.translation.languages import Languages
from swiftrnn.recipes.sequence_to_sequence import measure, report
from swiftrnn.recipes.sequence_to_sequence.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.sequence_to_sequence.config import LONG as LONG
from swiftrnn.recipes.sequence_to_sequence.config import SMOKE as SMOKE
from swiftrnn.recipes.sequence_to_sequence.config import STUDY as STUDY
from swiftrnn.recipes.sequence_to_sequence.config import Config
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.recipes.sequence_to_sequence.train import load, train, untrained
from swiftrnn.recipes.sequence_to_sequence.translate import Options, answer, work
from swiftrnn.runs import folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.text import Text
from swiftrnn.tasks.translating.evaluate import SCORING, side_by_side
from swiftrnn.tasks.translation import Attended, Translations

PREDICTIONS = "test.csv"  # of a run folder: sources of the test part, references, translations
TASK = Task(
    Text(), Text(name="translation"), answer, Options, shows=(Translations(), Attended()),
    work=work, verb="Translate", scoring=SCORING,
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Train, and measure on the test pairs; the same for each variant and for the control."""
    parts = parts_for(config)
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        print(f"{name}: {part}")
    languages = Languages.of(parts.train, config.tokens, config.vocabulary)
    plain = replace(config, variants=(), control=False)
    found, details = trained(plain, out, parts, languages)
    lengths = {config.layer: details["length"]}
    model = load(plain, out.path)
    found |= measure.by_beam(model, parts.test, config.length_penalty)
    histories = {}
    for name in config.variants:
        other, about = trained(variant(plain, name), out.part(name), parts, languages)
        found |= {f"{key}_{name}": value for key, value in other.items()}
        lengths[name], histories[report.NAMES[name]] = about["length"], about["history"]
    if "no_attention" in lengths:
        found |= lost(lengths[config.layer], lengths["no_attention"])
    if config.control:
        mixed = parts._replace(train=shuffled(parts.train, config.seed))
        control, _ = trained(plain, out.part("control"), mixed, languages)
        found["control"] = control["bleu"]
    report.draw(lengths, out / "lengths.png")
    kept = {"history": details["history"], "by_length": lengths, "examples": details["examples"]}
    kept |= {"rivals": histories} if histories else {}
    return Result(found, kept, "lengths.png", report.sections(config, found, details))


def variant(config: Config, name: str) -> Config:
    """The settings of one variant."""
    changed: dict[str, Any] = {
        "no_attention": {"attention": "none"}, "one_direction": {"bidirectional": False},
        "dot": {"attention": "dot"}, "additive": {"attention": "additive"},
    }  # fmt: skip
    return replace(config, **changed.get(name, {"layer": name}))


def trained(
    config: Config, out: RunFolder, parts: Any, languages: Languages
) -> tuple[dict[str, float], dict[str, Any]]:
    """Train one model, and measure it: its numbers, and what else a report shows."""
    fitted = train(config, out, parts.train, parts.valid, languages)
    model = load(config, out.path)
    found, details = measure.measure(model, parts.test, config)
    folder.write_text(out / PREDICTIONS, side_by_side(parts.test, details.pop("translations")))
    found |= measure.speed(model, parts.test)
    found |= {
        "parameters": sum(each.numel() for each in model.parameters()), "steps": fitted.steps,
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return found, details | {"history": fitted.history}


def lost(with_: dict[str, float], without: dict[str, float]) -> dict[str, float]:
    """BLEU that is lost without attention, of the shortest and of the longest sentences."""
    both = [group for group in with_ if group in without]
    return {f"lost_{name}": with_[group] - without[group]
            for name, group in (("short", both[0]), ("long", both[-1]))}  # fmt: skip


def build(config: Config, vocabulary: dict[str, Any]) -> Translator:
    """An untrained model."""
    return untrained(config, Languages.read(vocabulary))
