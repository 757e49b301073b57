"""Translation without waiting for the last word: all words of a sentence at once.

Paper: Gu et al. (2018), "Non-Autoregressive Neural Machine Translation"; beside it CTC (Libovický
and Helcl 2018) and directed acyclic graphs (Huang et al. 2022), under the same training.
Differs: short sentences of Tatoeba, minutes of training, norms before each part, the decoder's
blocks all see the encoder's last layer, an aligner of our own.
"""

from dataclasses import replace
from typing import Any

from swiftrnn.data.translation.corpora import shuffled
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import places
from swiftrnn.recipes.nonautoregressive_translation import measure, report
from swiftrnn.recipes.nonautoregressive_translation.answer import (
    SCORING,
    Shown,
    answer,
    translations,
    work,
)
from swiftrnn.recipes.nonautoregressive_translation.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.nonautoregressive_translation.config import ABLATION as ABLATION
from swiftrnn.recipes.nonautoregressive_translation.config import SMOKE as SMOKE
from swiftrnn.recipes.nonautoregressive_translation.config import Config
from swiftrnn.recipes.nonautoregressive_translation.data import parts_for
from swiftrnn.recipes.nonautoregressive_translation.decode import Reading
from swiftrnn.recipes.nonautoregressive_translation.train import (
    Corpus,
    System,
    fine_tune,
    save,
    system,
    train_student,
    train_teacher,
)
from swiftrnn.runs import machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.text import Text
from swiftrnn.tasks.translating.search import Search, translated
from swiftrnn.tasks.translation import SideBySide

SHOWN = 20  # translations in the report
TASK = Task(
    Text(), Text(name="translation"), answer, Shown, shows=(SideBySide(),), work=work,
    verb="Translate", scoring=SCORING,
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Train a teacher and its students, and measure how well and how fast they translate."""
    machine.use_threads(config.threads)
    parts = parts_for(config)
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        print(f"{name}: {part}")
    languages = Languages.of(parts.train, config.tokens, config.vocabulary)
    out.begin(config, languages.saved())
    rival = out.trained(config.rival).model if config.rival else None
    found, history, made = trained(config, out, parts, languages)
    save(made[0], out.path)
    students = dict(zip(config.students, (each.student for each in made), strict=True))
    teacher = made[0].teacher
    found |= measure.of_teacher(teacher, parts.test)
    for name, each in students.items():
        found |= measure.of_student(each, name, parts.test, teacher, config.samples)
    if "fertility" in students:
        fertile = students["fertility"]
        found |= measure.by_samples(fertile, "fertility", parts.test, teacher, config.samples)
    found |= measure.speed(teacher, students, parts.test, config.samples, rival)
    if rival is not None:
        texts = translated(rival, parts.test.sources, Search(1))
        found["bleu_rival"] = measure.bleu(texts, parts.test.targets).value
    if config.control:
        mixed = parts._replace(train=shuffled(parts.train, config.seed))
        alone = replace(config, students=("fertility",), control=False, rival=None)
        _, _, (control,) = trained(alone, out.part("control"), mixed, languages)
        mixed_up = measure.of_student(control.student, "control", parts.test, control.teacher)
        found["control"] = mixed_up["bleu_control"]
    report.draw(config, found, out / "speed.png")
    some = parts.test.rows(places(len(parts.test), SHOWN))
    written = translations(made[0], some.sources, Reading())
    examples = [*zip(some.sources, some.targets, written, strict=True)]
    kept = {"history": history.pop("teacher"), "rivals": history}
    return Result(found, kept, "speed.png", report.sections(config, found, examples))


def trained(
    config: Config, out: RunFolder, parts: Any, languages: Languages
) -> tuple[dict[str, float], dict[str, Any], list[System]]:
    """A teacher and its students: their numbers, their histories, and each with the teacher."""
    out.path.mkdir(exist_ok=True)
    teacher, fitted = train_teacher(
        config, out.part("teacher"), parts.train, parts.valid, languages
    )
    corpus = Corpus(config, out, parts.train, languages)
    done, models = {"teacher": fitted}, {}
    for name in sorted(config.students, key=lambda each: each == "fertility_tuned"):
        here = out.part(name)
        if name == "fertility_tuned":
            models[name], done[name] = fine_tune(config, here, corpus, teacher, models["fertility"])
        else:
            models[name], done[name] = train_student(config, name, here, corpus, teacher)
    found: dict[str, float] = {}
    for name, model in {"teacher": teacher, **models}.items():
        found[f"parameters_{name}"] = sum(each.numel() for each in model.parameters())
        found |= {f"{key}_{name}": getattr(done[name], key) for key in ("steps", "seconds")}
    history = {name: each.history for name, each in done.items()}
    return found, history, [System(teacher, models[name]) for name in config.students]


def build(config: Config, vocabulary: dict[str, Any]) -> System:
    """An untrained system: the teacher, and the first student."""
    return system(config, Languages.read(vocabulary))
