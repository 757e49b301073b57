"""How good translations are, and how long they take: one sentence at a time, and 32 together."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.data.translation.tokenizer import END, START
from swiftrnn.metrics.translation import bleu
from swiftrnn.recipes.nonautoregressive_translation.decode import Reading, read
from swiftrnn.recipes.nonautoregressive_translation.model import Student
from swiftrnn.recipes.nonautoregressive_translation.teacher import Teacher
from swiftrnn.runs import machine
from swiftrnn.tasks.translating.search import Search, searched, translated

TIMED, TOGETHER = 64, 32  # sentences of test that are timed, at most; how many of them together
ROUNDS = 5  # of which the median counts
UNCACHED = 16  # sentences of the loop without a cache, which takes long
SAMPLES = (2, 10, 50)  # of noisy parallel decoding, up to five times those of the settings
SOME = 500  # sentences of test on which these are compared


def of_teacher(teacher: Teacher, test: Pairs) -> dict[str, float]:
    """BLEU of the teacher, with the likeliest token each time and with a beam of 4."""
    found = translated(teacher, test.sources, Search(1))
    beam = translated(teacher, test.sources, Search(4, 0.6))
    return {
        "bleu_teacher": bleu(found, test.targets).value,
        "bleu_teacher_beam": bleu(beam, test.targets).value,
        "repeated_teacher": repeated(teacher.languages.target.encode_all(found)),
    }


def of_student(
    student: Student, name: str, test: Pairs, teacher: Teacher, samples: int = 10
) -> dict[str, float]:
    """BLEU of a student, and how often it repeats itself; of one with fertilities much more."""
    sources = student.languages.source.encode_all(test.sources)
    wanted = student.languages.target.encode_all(test.targets)
    lengths = [max(1, len(row)) for row in wanted] if student.kind == "uniform" else None

    def scored(how: Reading) -> tuple[float, list[list[int]]]:
        rows = read(student, sources, how, teacher, lengths)
        texts = [student.languages.target.decode(row) for row in rows]
        return bleu(texts, test.targets).value, rows

    value, found = scored(Reading())
    metrics = {f"bleu_{name}": value, f"repeated_{name}": repeated(found)}
    if student.kind == "fertility":
        off = [abs(len(a) - len(b)) for a, b in zip(found, wanted, strict=True)]
        metrics[f"length_error_{name}"] = statistics.fmean(off)
        metrics[f"bleu_{name}_average"] = scored(Reading("average"))[0]
        metrics[f"bleu_{name}_noisy"] = scored(Reading("noisy", samples))[0]
    return metrics


def by_samples(
    student: Student, name: str, test: Pairs, teacher: Teacher, samples: int
) -> dict[str, float]:
    """BLEU of some sentences against how many translations the teacher takes one of."""
    some = test.spread(SOME)
    sources, found = student.languages.source.encode_all(some.sources), {}
    for count in [each for each in SAMPLES if each <= 5 * samples]:
        rows = read(student, sources, Reading("noisy", count), teacher)
        texts = [student.languages.target.decode(row) for row in rows]
        found[f"bleu_{name}_noisy_{count}_some"] = bleu(texts, some.targets).value
    return found


def repeated(rows: Sequence[Sequence[int]]) -> float:
    """Percent of tokens that are the same as the one before.

    Examples:
        >>> repeated([[1, 2, 2], [3]])
        25.0
    """
    total = sum(map(len, rows))
    same = sum(a == b for row in rows for a, b in zip(row[1:], row[:-1], strict=True))
    return 100 * same / max(1, total)


def speed(
    teacher: Teacher,
    students: Mapping[Any, Student],
    test: Pairs,
    samples: int = 10,
    rival: Any = None,
) -> dict[str, float]:
    """Milliseconds a sentence, of each system: the median of rounds in which all take turns.

    On one thread, tokens to tokens. `teacher` keeps what it computed of the tokens before;
    `teacher_uncached` computes all of them again for each token, as the paper's did. `rival` is a
    recurrent translator, with the likeliest token each time.
    """
    some = test.spread(min(TIMED, max(1, len(test) // 10)))
    rows = teacher.languages.source.encode_all(some.sources)
    systems: dict[str, Callable[[Any], Any]] = {}
    systems["teacher"] = lambda b: searched(teacher, b, Search(1))
    noisy = Reading("noisy", samples)
    for name, each in students.items():
        if each.kind != "uniform":  # which has to be told the length
            systems[name] = lambda b, each=each: read(each, b, Reading())
        if name == "fertility":
            systems[f"{name}_noisy"] = lambda b, each=each: read(each, b, noisy, teacher)
    if rival is not None:
        its = rival.languages.source.encode_all(some.sources)
        place = {tuple(row): i for i, row in enumerate(rows)}
        systems["rival"] = lambda b: searched(rival, [its[place[tuple(r)]] for r in b], Search(1))
    with machine.one_thread():
        found = _in_turns(systems, rows)
        start = time.perf_counter()
        for row in rows[:UNCACHED]:
            uncached(teacher, row)
        found["milliseconds_teacher_uncached"] = 1e3 * (time.perf_counter() - start) / UNCACHED
    return found


def _in_turns(systems: dict[str, Callable[[Any], Any]], rows: Any) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for number in range(ROUNDS + 1):
        for name, run in systems.items():
            for tail, size in (("", 1), (f"_{TOGETHER}", TOGETHER)):
                start = time.perf_counter()
                for first in range(0, len(rows), size):
                    run(rows[first : first + size])
                took = 1e3 * (time.perf_counter() - start) / len(rows)
                if number:  # the first one warms up
                    found.setdefault(f"milliseconds_{name}{tail}", []).append(took)
    return {name: statistics.median(times) for name, times in found.items()}


@torch.no_grad()
def uncached(teacher: Teacher, source: Sequence[int]) -> list[int]:
    """The likeliest token each time, with all tokens before it recomputed."""
    tokens = torch.tensor([[*source, END]]).t()
    memory = teacher.encode(tokens, torch.tensor([len(tokens)]))
    written = [START]
    for _ in range(2 * len(tokens) + 10):
        hidden = teacher.hidden(memory, torch.tensor([written]).t())
        logits = teacher.logits(hidden[-1, 0])
        logits[:END] = -torch.inf
        logits[END + 1] = -torch.inf
        written.append(int(logits.argmax()))
        if written[-1] == END:
            break
    return [token for token in written[1:] if token != END]
