"""Translating with a trained model: beam search, the n-best list, and what was attended to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.segmentation import tokens as segmentation
from swiftrnn.data.translation.batches import TokenBatches, padded
from swiftrnn.data.translation.tokenizer import BLANK, END, PAD, START, UNKNOWN
from swiftrnn.nn.decoding import Decoded, beam_search, greedy
from swiftrnn.nn.rules import Rules
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.runs import limits
from swiftrnn.tasks.translation import Alignment, Translation

LAST = "(end)"  # how the end of a sentence is shown
AT_ONCE = 64  # sentences that are searched together


@dataclass(frozen=True)
class Search(limits.Checked):
    """How a translation is searched for."""

    beam: Annotated[int, limits.Range(1, 200)] = 5  # beam size; 1: always the likeliest token
    length_penalty: limits.Least0 = 0.6  # exponent of the length penalty; above 0 favours long ones
    # translations to return, at most the beam size
    n_best: Annotated[int, limits.Range(1, 200)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("n_best", self.n_best, self.beam)


class Written:
    """A constraint: tokens of text, and the end, which comes at the latest after so many.

    Each input has a limit of its own, so that what else is in the batch changes nothing. The state
    of a hypothesis is how many tokens it may still have.

    Args:
        size: of the vocabulary.
        most: tokens of each input's translation, (B,).
    """

    def __init__(self, size: int, most: Tensor) -> None:
        self.most, self.text = most, torch.ones(size, dtype=torch.bool)
        self.text[[PAD, START, UNKNOWN]] = False
        self.end = torch.zeros_like(self.text)
        self.end[END] = True

    def start(self, count: int) -> Tensor:
        """The limits."""
        return self.most[:count]

    def allowed(self, states: Tensor) -> Tensor:
        """Any token of text, or the end alone."""
        return torch.where(states[:, None] > 0, self.text, self.end)

    def next(self, states: Tensor, tokens: Tensor) -> Tensor:
        """One less, but after an end."""
        return states - (tokens != END).long()


def longest(lengths: Tensor) -> Tensor:
    """Tokens that translations of so many may have."""
    return 2 * lengths + 10


@torch.no_grad()
def searched(
    model: Translator, sources: Sequence[Sequence[int]], how: Search
) -> list[list[Decoded]]:
    """The best translations of each source, best first; what is beside it changes nothing.

    Sentences of like length go through together.
    """
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: list[list[Decoded]] = [[] for _ in sources]
    for first in range(0, len(order), AT_ONCE):
        some = order[first : first + AT_ONCE]
        rows = [np.array([*sources[i], END], np.int64) for i in some]
        tokens, lengths = padded(rows)
        written = Written(len(model.languages.target), longest(lengths))
        rules = Rules(END, int(longest(lengths).max()), constraint=written)
        state = model.start(tokens, lengths)
        begin = torch.full((len(some),), START)
        if how.beam == 1:
            best = [[each] for each in greedy(model.step, state, begin, rules)]
        else:
            best = beam_search(
                model.step, state, begin, rules, how.beam, how.n_best, how.length_penalty
            )
        for i, each in zip(some, best, strict=True):
            found[i] = each
    return found


@dataclass(frozen=True)
class Options(Search):
    """How a text is translated, and what is shown of it."""

    attention: bool = False  # also return how much each word attended to each word of the text


def answer(
    model: Translator, texts: Sequence[str], how: Options
) -> list[tuple[str, tuple[Translation, ...] | None, Alignment | None]]:
    """The best translation of each text, the n-best list and the attention; a task's `answer`.

    The sentences of a text are translated one by one, and its lines stay lines. The list and the
    attention are those of a text of one sentence.
    """
    cut = [lines_of(text) for text in texts]
    pieces = [sentence for lines in cut for line in lines for sentence in line]
    best = iter(searched(model, model.languages.source.encode_all(pieces), how))
    found = []
    for lines in cut:
        each = [[next(best) for _ in line] for line in lines]
        found.append(_answer(model, lines, each, how))
    return found


def lines_of(text: str) -> list[list[str]]:
    r"""The sentences of each line of a text.

    Examples:
        >>> lines_of("Wer da? Ich bin es.\n\nKomm!")
        [['Wer da?', 'Ich bin es.'], [], ['Komm!']]
    """
    return [
        [line[words[0].start : words[-1].end] for words in segmentation.sentences(line)]
        for line in text.splitlines()
    ]


def _answer(
    model: Translator,
    lines: Sequence[Sequence[str]],
    best: Sequence[Sequence[Sequence[Decoded]]],
    how: Options,
) -> tuple[str, tuple[Translation, ...] | None, Alignment | None]:
    target: Any = model.languages.target
    text = "\n".join(" ".join(target.decode(o[0].tokens) for o in line if o) for line in best)
    every = [
        (s, o) for line, of in zip(lines, best, strict=True) for s, o in zip(line, of, strict=True)
    ]
    listed, attended = None, None
    if len(every) == 1 and every[0][1]:
        source, found = every[0]
        if how.n_best > 1:
            listed = tuple(Translation(target.decode(o.tokens), o.score) for o in found)
        if how.attention:
            attended = aligned(model, model.languages.source.encode(source), found[0].tokens)
    return text, listed, attended


@torch.no_grad()
def aligned(model: Translator, source: Sequence[int], target: Sequence[int]) -> Alignment | None:
    """What each word of a translation attended to; None for a model without attention."""
    batch = TokenBatches([source], [target], 1).batch([0])
    found = model.attended(batch)
    if found is None:
        return None
    words = []
    for tokens, side in ((source, model.languages.source), (target, model.languages.target)):
        words.append(grouped([*side.pieces(tokens), LAST]))
    weights = found[:, 0].double()
    columns = torch.stack([weights[:, places].sum(1) for _, places in words[0]], 1)
    rows = torch.stack([columns[places].mean(0) for _, places in words[1]])
    names = [tuple(word for word, _ in side) for side in words]
    return Alignment(names[0], names[1], tuple(tuple(row) for row in rows.tolist()))


def grouped(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The words that pieces make, each with the places of its pieces.

    Examples:
        >>> grouped(["▁Bahn", "hof", "?", "(end)"])
        [('Bahnhof', [0, 1]), ('?', [2]), ('(end)', [3])]
    """
    words: list[tuple[str, list[int]]] = []
    for i, piece in enumerate(pieces):
        mark = not any(c.isalnum() for c in piece)
        if not words or mark or piece.startswith(BLANK) or piece == LAST or _is_mark(words[-1][0]):
            words.append((piece.removeprefix(BLANK), [i]))
        else:
            words[-1] = (words[-1][0] + piece, [*words[-1][1], i])
    return words


def _is_mark(word: str) -> bool:
    return bool(word) and not any(c.isalnum() for c in word)


def work(text: str, how: Options) -> float:
    """Characters, each of which takes longer the more beginnings are followed."""
    return len(text) * (1 + how.beam)


def translated(model: Translator, texts: Sequence[str], how: Search) -> list[str]:
    """The best translation of each text."""
    sources = model.languages.source.encode_all(texts)
    decode: Any = model.languages.target.decode
    return [decode(best[0].tokens) if best else "" for best in searched(model, sources, how)]
