"""What has a name in a sentence or a text, found by any model that gives tags to words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from swiftrnn.data import tokens
from swiftrnn.data.columns import Sentence
from swiftrnn.data.sentences import Batcher, TagVocabulary
from swiftrnn.data.tags import Span

AT_ONCE = 64  # sentences


@dataclass(frozen=True)
class Entity:
    """Something with a name in a text.

    Attributes:
        start, end: its first character and the one behind its last.
        type: one of those in train.
        text: what stands there.
        confidence: the probability that it is one of that type, 0 to 1.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float


class Tagged(NamedTuple):
    """What was found in a sentence: a tag for each word, and the spans with their probability."""

    tags: list[str]
    spans: dict[Span, float]


class Finder(Protocol):
    """A model that finds spans in batches of sentences, see `data.sentences.Batcher`."""

    vocabulary: TagVocabulary

    @property
    def device(self) -> torch.device:
        """Where its batches have to lie."""
        ...

    def found(self, batch: dict[str, Tensor]) -> list[Tagged]:
        """What it finds in each sentence."""
        ...

    def readings(self, batch: dict[str, Tensor], n: int) -> list[list[tuple[float, list[Span]]]]:
        """Of each sentence of a batch the n likeliest readings, each with its probability."""
        ...


@torch.no_grad()
def tagged(model: Finder, sentences: Sequence[Sentence]) -> list[Tagged]:
    """What is found in each sentence; those of about the same length go through together."""
    batcher = Batcher(model.vocabulary)
    rows = [batcher.encode(sentence) for sentence in sentences]
    order = sorted(range(len(rows)), key=lambda i: rows[i].shape[1])
    found: dict[int, Tagged] = {}
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        batch = batcher.collate([rows[i] for i in some], model.device)
        found |= zip(some, model.found(batch), strict=True)
    return [found[i] for i in range(len(rows))]


def predict(model: Finder, item: str) -> list[Entity]:
    """Find what has a name in a text."""
    cut = tokens.sentences(item, model.vocabulary.style)
    known = tagged(model, [_sentence(words) for words in cut])
    return [
        _entity(item, words, span, p)
        for words, each in zip(cut, known, strict=True)
        for span, p in each.spans.items()
    ]


@torch.no_grad()
def readings(model: Finder, item: str, n: int) -> list[list[tuple[float, list[Entity]]]]:
    """Of each sentence of a text, the n likeliest readings and their probabilities."""
    batcher = Batcher(model.vocabulary)
    cut = tokens.sentences(item, model.vocabulary.style)
    rows = [batcher.encode(_sentence(words)) for words in cut]
    order = sorted(range(len(rows)), key=lambda i: rows[i].shape[1])
    found: list[list[tuple[float, list[Entity]]]] = [[] for _ in rows]
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        batch = batcher.collate([rows[i] for i in some], model.device)
        for i, ways in zip(some, model.readings(batch, n), strict=True):
            found[i] = [
                (p, [_entity(item, cut[i], span, p) for span in spans]) for p, spans in ways if p
            ]
    return found


def _sentence(words: Sequence[tokens.Token]) -> Sentence:
    return Sentence(tuple(word.text for word in words))


def _entity(text: str, words: Sequence[tokens.Token], span: Span, p: float) -> Entity:
    start, end = words[span.first].start, words[span.end - 1].end
    return Entity(start, end, span.type, text[start:end], round(p, 4))
