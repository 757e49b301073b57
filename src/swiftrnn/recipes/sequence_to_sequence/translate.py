"""Translating with a trained model: the n-best list, and what was attended to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from swiftrnn.data.translation.batches import TokenBatches
from swiftrnn.nn.decoding import Decoded
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.tasks.translating.search import Search, searched
from swiftrnn.tasks.translating.sentences import LAST, grouped, lines_of, regrouped
from swiftrnn.tasks.translation import Alignment, Translation


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
        found.append(_answer(model, lines, regrouped(lines, best), how))
    return found


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


def work(text: str, how: Options) -> float:
    """Characters, each of which takes longer the more beginnings are followed."""
    return len(text) * (1 + how.beam)
