"""What has a name in a sentence or a text, found by any model that gives tags to words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Annotated, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from swiftrnn.data.segmentation import tokens
from swiftrnn.data.tagged.columns import Sentence
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary
from swiftrnn.data.tagged.tags import Span, to_tags
from swiftrnn.runs import limits
from swiftrnn.tasks.spans import Alternative, Entities, Entity

AT_ONCE = 64  # sentences
WINDOW = 400  # words that are read together
OVERLAP = 80  # of them that the next window has too


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

    def n_best(self, batch: dict[str, Tensor], n: int) -> list[list[tuple[float, list[Span]]]]:
        """Of each sentence of a batch the n likeliest readings, each with its probability."""
        ...


@dataclass(frozen=True)
class NBest(limits.Checked):
    """Options of a tagger."""

    # length of the n-best list of each sentence; 1 gives the entities alone
    n_best: Annotated[int, limits.Range(1, 10)] = 1
    # the text is tokenized: a sentence on each line, words separated by spaces
    tokenized: bool = False


@torch.no_grad()
def tagged(model: Finder, sentences: Sequence[Sentence]) -> list[Tagged]:
    """What is found in each sentence; those of about the same length go through together.

    A sentence of more than `WINDOW` words is looked at a window at a time. Windows overlap, and
    meet where neither has a span: none is cut.
    """
    batcher = Batcher(model.vocabulary)
    rows = [batcher.encode(sentence) for sentence in sentences]
    windows = [
        (row[:, start : start + WINDOW], i, start)
        for i, row in enumerate(rows)
        for start in _starts(row.shape[1])
    ]
    windows.sort(key=lambda window: window[0].shape[1])
    found: list[list[tuple[int, Tagged]]] = [[] for _ in rows]
    for first in range(0, len(windows), AT_ONCE):
        parts, numbers, starts = zip(*windows[first : first + AT_ONCE], strict=True)
        here = model.found(batcher.collate(parts, model.device))
        for i, start, each in zip(numbers, starts, here, strict=True):
            found[i].append((start, each))
    return [_together(each, row.shape[1]) for each, row in zip(found, rows, strict=True)]


def _starts(length: int) -> range:
    """Where the windows of a sentence begin."""
    return range(0, max(1, length - OVERLAP), WINDOW - OVERLAP)


def _together(parts: list[tuple[int, Tagged]], length: int) -> Tagged:
    """What was found in the windows of a sentence, as if it had been read at once."""
    if len(parts) == 1:
        return parts[0][1]
    known: dict[Span, float] = {}
    for start, (_, spans) in sorted(parts, key=itemgetter(0)):
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


def find(model: Finder, texts: Sequence[str], options: NBest) -> list[tuple[Any, Any]]:
    """Find what has a name in texts; the `answer` of a task.

    Returns:
        For each text its `Entities`, and the alternatives of its sentences if they are asked for.
    """
    cut = [_cut(model, text, options) for text in texts]
    known = iter(tagged(model, [_sentence(words) for each in cut for words in each]))
    found = []
    for text, sentences in zip(texts, cut, strict=True):
        entities = tuple(
            _entity(text, words, span, p)
            for words in sentences
            for span, p in next(known).spans.items()
        )
        more = n_best(model, text, sentences, options.n_best) if options.n_best > 1 else None
        found.append((Entities(entities, tuple(sentences)), more))
    return found


def _cut(model: Finder, text: str, options: NBest) -> list[list[tokens.Token]]:
    """The sentences of a text."""
    return (
        tokens.tokenized(text)
        if options.tokenized
        else tokens.sentences(text, model.vocabulary.how)
    )


def work(text: str, options: NBest) -> float:
    """Characters to read; several readings take about four times as long as one."""
    return len(text) * (1 if options.n_best == 1 else 4)


@torch.no_grad()
def n_best(
    model: Finder, text: str, sentences: list[list[tokens.Token]], n: int
) -> tuple[tuple[Alternative, ...], ...]:
    """Of each sentence of a text, the n likeliest readings and their probabilities.

    A sentence of more than `WINDOW` words counts as several, which part outside names.
    """
    batcher = Batcher(model.vocabulary)
    cut = list(_parts(model, sentences))
    rows = [batcher.encode(_sentence(words)) for words in cut]
    order = sorted(range(len(rows)), key=lambda i: rows[i].shape[1])
    found: list[tuple[Alternative, ...]] = [() for _ in rows]
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        batch = batcher.collate([rows[i] for i in some], model.device)
        for i, ways in zip(some, model.n_best(batch, n), strict=True):
            found[i] = tuple(
                Alternative(p, tuple(_entity(text, cut[i], span, p) for span in spans))
                for p, spans in ways
                if p
            )
    return tuple(found)


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
    return Sentence(tuple([word[0] for word in words]))


def _entity(text: str, words: Sequence[tokens.Token], span: Span, p: float) -> Entity:
    start, end = words[span.first].start, words[span.end - 1].end
    return Entity(start, end, span.type, text[start:end], round(p, 4))
