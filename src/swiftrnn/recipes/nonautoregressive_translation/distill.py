"""The teacher's translation of every training sentence, in parts that a killed run keeps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from swiftrnn.data.translation.batches import padded
from swiftrnn.data.translation.tokenizer import END, PAD, START, UNKNOWN
from swiftrnn.nn.decoding import greedy
from swiftrnn.nn.rules import Automaton, Rules
from swiftrnn.recipes.nonautoregressive_translation.teacher import Teacher
from swiftrnn.runs import folder
from swiftrnn.runs.progress import Progress

PART = 8192  # sentences of a file
AT_ONCE = 256  # sentences that are translated together
LONGEST = 100  # tokens of a translation


def distilled(
    teacher: Teacher, sources: Sequence[Sequence[int]], out: Path, name: str = "distillation"
) -> list[list[int]]:
    """The likeliest token each time, for each source; files that are there are read, not made.

    Sentences of like length go through together. One whose translation is empty keeps one token,
    so that it has something to align.
    """
    out.mkdir(exist_ok=True)
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    parts = range(0, len(order), PART)
    found: list[list[int]] = [[] for _ in sources]
    bar = Progress(name)
    for number, first in enumerate(parts):
        some, path = order[first : first + PART], out / f"{number:04d}.json"
        if not path.exists():
            written = _translated(teacher, [sources[i] for i in some])
            folder.write_json(path, {"tokens": written})
        for i, row in zip(some, folder.read_json(path, needs=("tokens",))["tokens"], strict=True):
            found[i] = row
        done = (number + 1) / len(parts)
        if bar.due(done):
            bar.draw(done, None, f"{min(first + PART, len(order)):,} sentences")
    bar.close()
    return found


@torch.no_grad()
def _translated(teacher: Teacher, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    size = len(teacher.languages.target)
    table = torch.zeros(2, size, dtype=torch.long)
    table[0] = 1
    table[1], table[:, [PAD, START, UNKNOWN]] = 1, -1
    table[0, END] = -1  # at least one token
    found: list[Any] = []
    for first in range(0, len(sources), AT_ONCE):
        rows = [np.array([*row, END], np.int64) for row in sources[first : first + AT_ONCE]]
        tokens, lengths = padded(rows)
        most = min(LONGEST, 2 * int(lengths.max()) + 10)
        rules = Rules(END, most, constraint=Automaton(table))
        begin = torch.full((len(rows),), START)
        found += greedy(teacher.step, teacher.start(tokens, lengths), begin, rules)
    return [each.tokens for each in found]
