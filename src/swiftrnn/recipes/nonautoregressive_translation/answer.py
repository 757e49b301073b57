"""Translating with a trained system: the student, and beside it the teacher, with their times."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from swiftrnn.recipes.nonautoregressive_translation.decode import Reading, read
from swiftrnn.tasks import Scoring
from swiftrnn.tasks.translating.evaluate import File, scored
from swiftrnn.tasks.translating.search import Search, searched
from swiftrnn.tasks.translating.sentences import lines_of, regrouped
from swiftrnn.tasks.translation import Timed


@dataclass(frozen=True)
class Shown(Reading):
    """How a text is translated, and what is shown beside it."""

    compare: bool = False  # also translate word after word, and say how long each way took


def answer(
    model: Any, texts: Sequence[str], how: Shown
) -> list[tuple[str, tuple[Timed, ...] | None]]:
    """The translation of each text, all words of a sentence at once, and both ways side by side."""
    cut = [lines_of(text) for text in texts]
    pieces = [sentence for lines in cut for line in lines for sentence in line]
    fast = iter(translations(model, pieces, how))
    found: list[tuple[str, tuple[Timed, ...] | None]] = []
    for lines in cut:
        text = joined(regrouped(lines, fast))
        found.append((text, both(model, lines, how) if how.compare else None))
    return found


def joined(lines: Sequence[Sequence[str]]) -> str:
    """Sentences in lines to a text."""
    return "\n".join(" ".join(line) for line in lines)


def translations(model: Any, sentences: Sequence[str], how: Reading) -> list[str]:
    """By the student."""
    rows = read(model.student, model.languages.source.encode_all(sentences), how, model.teacher)
    return [model.languages.target.decode(row) for row in rows]


def both(model: Any, lines: Sequence[Sequence[str]], how: Reading) -> tuple[Timed, ...]:
    """A text by the student, and by the teacher with the likeliest token each time."""

    def by_teacher(sentences: Sequence[str]) -> list[str]:
        sources = model.languages.source.encode_all(sentences)
        best = searched(model.teacher, sources, Search(1))
        return [model.languages.target.decode(each[0].tokens) for each in best]

    found, pieces = [], [sentence for line in lines for sentence in line]
    ways = {
        "all words at once": lambda: translations(model, pieces, how),
        "word after word": lambda: by_teacher(pieces),
    }
    for name, translate in ways.items():
        start = time.perf_counter()
        texts = iter(translate())
        took = 1e3 * (time.perf_counter() - start)
        found.append(Timed(name, joined(regrouped(lines, texts)), took))
    return tuple(found)


def work(text: str, how: Shown) -> float:
    """Characters, each of which is translated as often as there are samples."""
    times = how.samples if how.fertilities == "noisy" else 1
    return len(text) * (1 + times + 2 * how.compare)


@dataclass(frozen=True)
class Places(File, Reading):
    """Where sources and targets are in a file, and how the student translates."""


def _by_student(model: Any, sources: Sequence[str], how: Places) -> list[str]:
    return translations(model, sources, how)


SCORING = Scoring(partial(scored, _by_student), Places, ".csv")
