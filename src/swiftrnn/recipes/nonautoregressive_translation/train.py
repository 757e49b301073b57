"""Training a teacher, its students, and a fine-tuned one; each goes on where it was killed."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar, cast

from lightning import seed_everything
from torch import nn

from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.recipes.nonautoregressive_translation.data import fertile
from swiftrnn.recipes.nonautoregressive_translation.distill import distilled
from swiftrnn.recipes.nonautoregressive_translation.finetune import Tuned
from swiftrnn.recipes.nonautoregressive_translation.model import Student
from swiftrnn.recipes.nonautoregressive_translation.teacher import Teacher
from swiftrnn.runs import folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.tasks.translating.train import LONGEST, VALID, batches_of, perplexity
from swiftrnn.training import weights
from swiftrnn.training.fit import Fitted, fit
from swiftrnn.training.techniques.schedule import OverBudget

T = TypeVar("T")


class System(nn.Module):
    """What a run folder holds: a teacher, and the student that is used."""

    def __init__(self, teacher: Teacher, student: Student) -> None:
        super().__init__()
        self.teacher, self.student = teacher, student

    @property
    def languages(self) -> Languages:
        """The tokens of both languages."""
        return self.teacher.languages


class Corpus:
    """The pairs that students learn from, made when they are first asked for.

    Args:
        config: the settings.
        out: where the teacher's translations are kept.
        train: the pairs of the corpus.
        languages: the tokens of both languages.
    """

    def __init__(self, config: Any, out: RunFolder, train: Pairs, languages: Languages) -> None:
        self.config, self.out = config, out
        rows = zip(*languages.encoded(train), strict=True)
        kept = [(s, t) for s, t in rows if s and t and max(len(s), len(t)) <= LONGEST]
        self.sources, self.targets = [s for s, _ in kept], [t for _, t in kept]
        self.vocabulary = len(languages.target)
        self._made: dict[bool, TokenBatches] = {}

    def batches(self, raw: bool, teacher: Teacher) -> TokenBatches:
        """The corpus itself, or the teacher's translations, with fertilities."""
        if raw not in self._made:
            targets = self.targets
            if not raw:
                targets = distilled(teacher, self.sources, self.out / "distilled")
            most = self.config.batch_tokens
            self._made[raw] = fertile(self.sources, targets, self.vocabulary, most)
        return self._made[raw]


def train_teacher(
    config: Any, out: RunFolder, train: Pairs, valid: Pairs, languages: Languages
) -> tuple[Teacher, Fitted]:
    """The teacher, trained; its history has the perplexity of valid."""
    seed_everything(config.seed, verbose=False)
    batches = batches_of(train, languages, config.batch_tokens, longest=LONGEST)
    measured = batches_of(valid.spread(VALID), languages, config.batch_tokens)
    teacher = untrained(Teacher, config, languages)
    fitted = fit(
        teacher, batches, out=out.path, steps=config.steps, seconds=config.teacher_seconds,
        valid=lambda now: {"perplexity": perplexity(now, measured)}, clip=config.clip,
        rate=OverBudget(config.warmup), resume=True, name="teacher",
    )  # fmt: skip
    return teacher.eval(), fitted


def train_student(
    config: Any, name: str, out: RunFolder, corpus: Corpus, teacher: Teacher
) -> tuple[Student, Fitted]:
    """A student, trained on the corpus or on the teacher's translations."""
    batches = corpus.batches(name.endswith("_raw"), teacher)
    seed_everything(config.seed, verbose=False)
    student = untrained(Student, config, teacher.languages, kind=name.removesuffix("_raw"))
    student.take_encoder(teacher)
    fitted = fit(
        student, batches, out=out.path, steps=config.steps, seconds=config.seconds,
        clip=config.clip, rate=OverBudget(config.warmup), resume=True, name=name,
    )  # fmt: skip
    return student.eval(), fitted


def fine_tune(
    config: Any, out: RunFolder, corpus: Corpus, teacher: Teacher, student: Student
) -> tuple[Student, Fitted]:
    """A student that goes on under the teacher; the one that is given stays as it is."""
    batches = corpus.batches(False, teacher)
    seed_everything(config.seed, verbose=False)
    again = untrained(Student, config, teacher.languages, kind=student.kind)
    again.load_state_dict(student.state_dict())
    model = Tuned(again, teacher, config.tuning_weight, config.tuning_rate)
    fitted = fit(
        model, batches, out=out.path, steps=config.steps, seconds=config.tuning_seconds,
        average=True, clip=config.clip, resume=True, name="fine-tuning",
    )  # fmt: skip
    return again.eval(), fitted


def untrained(made: Callable[..., T], config: Any, languages: Languages, **given: Any) -> T:
    """An untrained teacher or student."""
    names = signature(made).parameters
    known = {name: getattr(config, name) for name in names if hasattr(config, name)}
    return made(languages, **known | given)


def system(config: Any, languages: Languages) -> System:
    """An untrained system, for weights to be read into."""
    kind = config.students[0].removesuffix("_raw").removesuffix("_tuned")
    teacher = untrained(Teacher, config, languages)
    return System(teacher, untrained(Student, config, languages, kind=kind))


def save(system: System, out: Path) -> None:
    """Write what `load` reads."""
    weights.save(system, out / folder.WEIGHTS)


def load(config: Any, out: Path) -> System:
    """Read back what `save` wrote to a folder."""
    languages = Languages.read(folder.read_json(out / folder.VOCABULARY))
    made = weights.built(lambda: system(config, languages), out / folder.WEIGHTS)
    return cast(System, made)
