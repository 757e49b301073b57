"""Sentences with their spans in three parts, and the control that has nothing to learn."""

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from swiftrnn.data.sources import fetch
from swiftrnn.data.tagged import columns
from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.tagged.lines import Layout
from swiftrnn.data.tagged.tags import Span

PARTS = {
    "wnut17": ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"),
    "bc5cdr": tuple(f"IOB/{part}.tsv.gz" for part in ("train", "devel", "test")),
    "ncbi-disease": tuple(f"IOB/{part}.tsv.gz" for part in ("train", "devel", "test")),
    "weibo-ner": tuple(f"weiboNER_2nd_conll.{part}.gz" for part in ("train", "dev", "test")),
}


PLACED = re.compile(r".\d")  # a character and its place in a word


class Corpus(NamedTuple):
    """Sentences to learn from, to pick an epoch by, and to measure on."""

    train: Columns
    valid: Columns
    test: Columns


def known(name: str) -> Corpus:
    """A data set of `PARTS`, downloaded once.

    Raises:
        ConnectionError: it could not be downloaded.
    """
    found = Corpus(*(columns.read(fetch.fetch(name, part)) for part in PARTS[name]))
    if name != "weibo-ner":
        return found
    return Corpus(*map(_characters, found))  # each character has its place in a word: 科0


def _characters(part: Columns) -> Columns:
    cut = (Sentence(tuple(w[:1] for w in s.words), s.spans) for s in part.sentences)
    return replace(part, sentences=tuple(cut))


def own(
    train: Path | None, valid: Path | None, test: Path | None, layout: Layout | None = None
) -> Corpus | None:
    """Three files of yours; None where none is given.

    Files of characters with their place in a word, as 科0 学1, become those of characters.

    Raises:
        ValueError: some are missing, or do not fit.
    """
    files = train, valid, test
    if not any(files):
        return None
    if not all(files):
        given = [f"--{n}" for n, file in zip(Corpus._fields, files, strict=True) if file]
        raise ValueError(
            f"a corpus needs --train, --valid and --test together; got only {', '.join(given)}"
        )
    found = Corpus(*(columns.read(Path(file), layout) for file in files if file))
    if not found.train.types:
        raise ValueError(
            f"a corpus needs spans to learn from; got only O in {train}; is that the column of the "
            "tags? --tag-column says where they are"
        )
    if not {*found.train.types} & {*found.test.types}:
        raise ValueError(
            f"a corpus needs the types of train in test; got {', '.join(found.train.types)} in "
            f"{train} and {', '.join(found.test.types) or 'no spans'} in {test}"
        )
    words = [w for part in found for s in part.sentences for w in s.words]
    return Corpus(*map(_characters, found)) if all(map(PLACED.fullmatch, words)) else found


def made_up(seed: int) -> Corpus:
    """Sentences about people in places; half of the names are not in train."""
    draw = random.Random(seed)
    names = ["".join(draw.choice("bdfklmnrst") + draw.choice("aeiou") for _ in range(3)).title()
             for _ in range(80)]  # fmt: skip
    frames = ["{} lives in {} .", "In {1} , {0} met a friend .", "we saw {} near {} today .",
              "the old town of {1} is quiet , said {0} ."]  # fmt: skip
    parts = []
    for size, known in ((400, 40), (60, 80), (60, 80)):
        found = []
        for _ in range(size):
            person, place = draw.choice(names[:known]), draw.choice(names[:known]) + "ville"
            words = tuple(draw.choice(frames).format(person, place).split())
            spans = [Span("person", words.index(person), words.index(person) + 1),
                     Span("place", words.index(place), words.index(place) + 1)]  # fmt: skip
            found.append(Sentence(words, tuple(sorted(spans, key=lambda s: s.first))))
        parts.append(Columns(tuple(found), "IOB2"))
    return Corpus(*parts)


def shuffled(part: Columns, seed: int) -> Columns:
    """The control: the same spans at other places of their sentences, where nothing tells them."""
    draw, found = random.Random(seed), []
    for sentence in part.sentences:
        free = len(sentence.words) - sum(s.end - s.first for s in sentence.spans)
        order = [*draw.sample(sentence.spans, len(sentence.spans)), *[None] * free]
        draw.shuffle(order)
        spans, at = [], 0
        for span in order:
            size = 1 if span is None else span.end - span.first
            spans += [] if span is None else [Span(span.type, at, at + size)]
            at += size
        found.append(Sentence(sentence.words, tuple(spans)))
    return Columns(tuple(found), part.scheme)
