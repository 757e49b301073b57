"""What has a name in a sentence or a text, found by any model that gives tags to words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from swiftrnn.data import tokens
from swiftrnn.data.columns import Sentence
from swiftrnn.data.sentences import Batcher, TagVocabulary
from swiftrnn.data.tags import Span, to_tags

AT_ONCE = 64  # sentences
WINDOW = 400  # words that are read together
OVERLAP = 80  # of them that the next window has too


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
    """What is found in each sentence; those of about the same length go through together.

    A sentence of more than `WINDOW` words is looked at a window at a time. Windows overlap, and
    meet where neither has a span: none is cut.
    """
    batcher = Batcher(model.vocabulary)
    rows = [batcher.encode(sentence) for sentence in sentences]
    windows = [(i, start) for i, row in enumerate(rows) for start in _starts(row.shape[1])]
    windows.sort(key=lambda window: min(WINDOW, rows[window[0]].shape[1] - window[1]))
    found: dict[tuple[int, int], Tagged] = {}
    for first in range(0, len(windows), AT_ONCE):
        some = windows[first : first + AT_ONCE]
        parts = [rows[i][:, start : start + WINDOW] for i, start in some]
        found |= zip(some, model.found(batcher.collate(parts, model.device)), strict=True)
    return [
        _together([(start, found[i, start]) for start in _starts(row.shape[1])], row.shape[1])
        for i, row in enumerate(rows)
    ]


def _starts(length: int) -> range:
    """Where the windows of a sentence begin."""
    return range(0, max(1, length - OVERLAP), WINDOW - OVERLAP)


def _together(parts: list[tuple[int, Tagged]], length: int) -> Tagged:
    """What was found in the windows of a sentence, as if it had been read at once."""
    if len(parts) == 1:
        return parts[0][1]
    known: dict[Span, float] = {}
    for start, (_, spans) in parts:
        here = {Span(s.type, s.first + start, s.end + start): p for s, p in spans.items()}
        if start:
            at = _seam([*known, *here], start, start + OVERLAP)
            known = {s: p for s, p in known.items() if s.first < at}
            here = {s: p for s, p in here.items() if s.first >= max([at, *(k.end for k in known)])}
        known |= here
    return Tagged(to_tags(known, length), known)


def _seam(spans: Sequence[Span], first: int, end: int) -> int:
    """The place from first to end that no span crosses and that is nearest to the middle."""
    middle = (first + end) // 2
    inside = {i for s in spans for i in range(max(s.first + 1, first), min(s.end, end + 1))}
    free = (i for i in range(first, end + 1) if i not in inside)
    return min(free, key=lambda i: abs(i - middle), default=middle)


def predict(model: Finder, item: str) -> list[Entity]:
    """Find what has a name in a text."""
    cut = tokens.sentences(item, model.vocabulary.how)
    known = tagged(model, [_sentence(words) for words in cut])
    return [
        _entity(item, words, span, p)
        for words, each in zip(cut, known, strict=True)
        for span, p in each.spans.items()
    ]


@torch.no_grad()
def readings(model: Finder, item: str, n: int) -> list[list[tuple[float, list[Entity]]]]:
    """Of each sentence of a text, the n likeliest readings and their probabilities.

    A sentence of more than `WINDOW` words counts as several, which part outside names.
    """
    batcher = Batcher(model.vocabulary)
    cut = list(_parts(model, tokens.sentences(item, model.vocabulary.how)))
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


def _parts(model: Finder, sentences: list[list[tokens.Token]]) -> Iterator[Sequence[tokens.Token]]:
    """Sentences, the long ones in parts."""
    for words in sentences:
        spans: Sequence[Span] = ()
        if len(words) > WINDOW:
            spans = [*tagged(model, [_sentence(words)])[0].spans]
        start = 0
        while len(words) - start > WINDOW:
            end = _seam(spans, start + WINDOW - OVERLAP, start + WINDOW)
            yield words[start:end]
            start = end
        yield words[start:]


def _sentence(words: Sequence[tokens.Token]) -> Sentence:
    return Sentence(tuple(word.text for word in words))


def _entity(text: str, words: Sequence[tokens.Token], span: Span, p: float) -> Entity:
    start, end = words[span.first].start, words[span.end - 1].end
    return Entity(start, end, span.type, text[start:end], round(p, 4))
