"""Continuing a text with a trained model, one token after the other."""

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.nn.decoding import narrowed
from swiftrnn.recipes.language_model.model import LanguageModel
from swiftrnn.runs import limits

SLOW = 3  # times as long as reading a character takes to write one


@dataclass(frozen=True)
class Sampling(limits.Checked):
    """How a text is continued."""

    length: Annotated[int, limits.Range(0, 10_000_000)] = 200  # bytes, or words, to generate
    temperature: limits.Least0 = 0.8  # softmax temperature; below 1 safer, above 1 wilder, 0 greedy
    # sample from the k most likely tokens only; 0 for all
    top_k: Annotated[int, limits.Range(0)] = 0
    # sample from the fewest most likely tokens that have this probability together; 1 for all
    top_p: Annotated[float, limits.Range(0, 1, open_low=True)] = 1.0
    seed: limits.Seed = 0  # random seed; the same seed gives the same text


def tokens(model: LanguageModel, prompt: Tensor, how: Sampling) -> Iterator[int]:
    """Continue a text.

    Args:
        model: a trained model.
        prompt: (N,) tokens to begin with; N may be 0.
        how: what to add.

    Yields:
        The added tokens.
    """
    model.eval()
    draw = torch.Generator().manual_seed(how.seed)
    prompt = prompt.to(model.device)
    prompt = prompt if len(prompt) else prompt.new_zeros(1)
    with torch.no_grad():
        logits_TBV, state = model(prompt[:, None].long())
        logits_V = logits_TBV[-1, 0]
    for _ in range(how.length):
        token = _drawn(_nameless(model.vocabulary, logits_V.cpu()), how, draw)
        yield int(token)
        with torch.no_grad():
            logits_BV, state = model.step(token[None].to(model.device), state)
            logits_V = logits_BV[0]


def _nameless(words: Vocabulary, logits_V: Tensor) -> Tensor:
    """Never draw what stands for any word that is not known: it is no word."""
    if not words.left_out:
        return logits_V
    return logits_V.index_fill(0, torch.tensor([words.other]), -math.inf)


def _drawn(logits_V: Tensor, how: Sampling, draw: torch.Generator) -> Tensor:
    if how.temperature == 0:
        return logits_V.argmax()
    odds = narrowed(logits_V, how.temperature, how.top_k, how.top_p).softmax(0)
    return torch.multinomial(odds, 1, generator=draw)[0]


def continued(model: LanguageModel, texts: Sequence[str], how: Sampling) -> list[str]:
    """Each text and what is added to it; the `answer` of a task."""
    return [text + "".join(added(model, text, how)) for text in texts]


def pieces(model: LanguageModel, text: str, how: Sampling) -> Iterator[str]:
    """The same of one text, piece by piece."""
    yield text
    yield from added(model, text, how)


def added(model: LanguageModel, text: str, how: Sampling) -> Iterator[str]:
    """What is added to a text, piece by piece; bytes that are no UTF-8 become U+FFFD."""
    words = model.vocabulary
    prompt = words.encode(text.encode("utf-8", "surrogateescape"))
    if words.words is not None:
        yield from (words.decode([each]) for each in tokens(model, prompt, how))
        return
    decoder: Any = codecs.getincrementaldecoder("utf-8")("replace")
    for each in tokens(model, prompt, how):
        if piece := decoder.decode(bytes([each])):
            yield piece
    if piece := decoder.decode(b"", final=True):
        yield piece


def work(text: str, how: Sampling) -> float:
    """Characters to read, and those to write, each of which takes about as long as three."""
    return len(text) + SLOW * how.length
