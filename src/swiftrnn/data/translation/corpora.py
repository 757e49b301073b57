"""Pairs of sentences: Tatoeba's, your own files, or synthetic ones."""

import io
import random
import tempfile
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from swiftrnn.data.sources import fetch
from swiftrnn.data.translation import pairs
from swiftrnn.data.translation.pairs import Layout, Pairs, Parts

HELD_OUT = 0.015  # of the components of pairs that share a sentence, for valid, and for test
TATOEBA = Layout(source="2", target="1")  # German is the second column
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def parts_for(config: Any) -> Parts:
    """What a configuration asks for; parts share no sentence where we make them.

    Raises:
        ValueError: a file does not fit.
        ConnectionError: the sentences could not be downloaded.
    """
    if config.made_up:
        found = made_up(config.seed)
    elif config.train is not None:
        found = own(config)
    else:
        found = pairs.split(tatoeba(), HELD_OUT, HELD_OUT, seed=0)
    return Parts(*(part.swapped() for part in found)) if config.back else found


def tatoeba() -> Pairs:
    """Short sentences of learners and their translations, German and English."""
    content = fetch.read("tatoeba-deu-eng", "deu-eng.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as packed, tempfile.TemporaryDirectory() as folder:
        return pairs.read(Path(packed.extract("deu.txt", folder)), TATOEBA)


def own(config: Any) -> Parts:
    """Files of yours; what is not given is taken from train, whole components at a time.

    Raises:
        ValueError: one does not fit.
    """
    layout = Layout(config.source_column, config.target_column, config.encoding)
    found = []
    for name in ("train", "valid", "test"):
        path, targets = getattr(config, name), getattr(config, f"{name}_targets")
        if path is None:
            found.append(None)
        elif targets is None:
            found.append(pairs.read(path, layout))
        else:
            found.append(pairs.read_parallel(path, targets, config.encoding))
    train, valid, test = found
    if valid is None or test is None:
        made = pairs.split(train, 0.05, 0.05, config.seed)
        if valid is None and test is None:
            return made
        rest = made.valid if valid is None else made.test
        kept = set(zip(rest.sources, rest.targets, strict=True))
        rows = [
            i for i, pair in enumerate(zip(train.sources, train.targets, strict=True))
            if pair not in kept
        ]  # fmt: skip
        train, valid, test = train.rows(rows), valid or rest, test or rest
    return Parts(train, valid, test)


def made_up(seed: int, count: int = 3000) -> Parts:
    """Numbers in words, to their digits in the opposite order: nothing that counting could find.

    Examples:
        >>> found = made_up(0).train
        >>> found.sources[0], found.targets[0]
        ('six one one six two seven', '7 2 6 1 1 6')
    """
    draw, rows = random.Random(seed), set()
    while len(rows) < count:
        rows.add(tuple(draw.randrange(10) for _ in range(draw.randint(2, 7))))
    ordered = sorted(rows)
    draw.shuffle(ordered)
    found = Pairs(
        tuple(" ".join(NUMBERS[d] for d in row) for row in ordered),
        tuple(" ".join(str(d) for d in reversed(row)) for row in ordered),
    )
    cuts = (0, count - 400, count - 200, count)
    return Parts(*(found.rows(range(a, b)) for a, b in pairwise(cuts)))


def shuffled(part: Pairs, seed: int) -> Pairs:
    """Sources beside translations of others, of about their length: the control."""
    order = sorted(range(len(part)), key=lambda i: len(part.targets[i]))
    draw, moved = random.Random(seed), [*order]
    for start in range(0, len(order), 200):
        some = moved[start : start + 200]
        draw.shuffle(some)
        moved[start : start + 200] = some
    targets = [""] * len(part)
    for here, there in zip(order, moved, strict=True):
        targets[here] = part.targets[there]
    return Pairs(part.sources, tuple(targets))
