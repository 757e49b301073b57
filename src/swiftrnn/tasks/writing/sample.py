"""Continuing a text with a trained model, one token after the other."""

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.nn.decoding import join, narrowed
from swiftrnn.runs import limits
from swiftrnn.tasks.writing import Writer

TOGETHER = 64  # texts that are continued at once, which bounds the memory
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


def tokens(model: Writer, prompts: Sequence[Tensor], how: Sampling) -> Iterator[list[int]]:
    """Continue texts, all at once.

    Args:
        model: a trained model.
        prompts: of each text (N,) tokens to begin with; N may be 0.
        how: what to add. Each text is drawn with the random numbers it would have alone.

    Yields:
        A token of each text.
    """
    model.eval()
    draw = torch.Generator().manual_seed(how.seed)
    with torch.no_grad():
        read = [model.read(_begun(each).to(model.device)[:, None]) for each in prompts]
        logits_BV, state = torch.cat([logits for logits, _ in read]), join([s for _, s in read])
    for _ in range(how.length):
        token_B = _drawn(_nameless(model.vocabulary, logits_BV.cpu()), how, draw)
        yield token_B.tolist()
        with torch.no_grad():
            logits_BV, state = model.step(token_B.to(model.device), state)


def _begun(prompt: Tensor) -> Tensor:
    """Something to read: token 0, where there is nothing."""
    return prompt.long() if len(prompt) else torch.zeros(1, dtype=torch.long)


def _nameless(words: Vocabulary, logits_BV: Tensor) -> Tensor:
    """Never draw what stands for any word that is not known: it is no word."""
    if not words.left_out:
        return logits_BV
    return logits_BV.index_fill(1, torch.tensor([words.other]), -math.inf)


def _drawn(logits_BV: Tensor, how: Sampling, draw: torch.Generator) -> Tensor:
    """(B,) tokens; the noise of a race of exponentials is the same for all texts."""
    if how.temperature == 0:
        return logits_BV.argmax(-1)
    odds_BV = narrowed(logits_BV, how.temperature, how.top_k, how.top_p).softmax(-1)
    return (odds_BV / torch.empty_like(odds_BV[0]).exponential_(1, generator=draw)).argmax(-1)


def continued(model: Writer, texts: Sequence[str], how: Sampling) -> list[str]:
    """Each text and what is added to it; the `answer` of a task."""
    found: list[str] = []
    for first in range(0, len(texts), TOGETHER):
        some = texts[first : first + TOGETHER]
        written = [[text] for text in some]
        for pieces_B in _pieces(model, some, how):
            for text, piece in zip(written, pieces_B, strict=True):
                text.append(piece)
        found += ("".join(each) for each in written)
    return found


def pieces(model: Writer, text: str, how: Sampling) -> Iterator[str]:
    """The same of one text, piece by piece."""
    yield text
    yield from added(model, text, how)


def added(model: Writer, text: str, how: Sampling) -> Iterator[str]:
    """What is added to a text, piece by piece; bytes that are no UTF-8 become U+FFFD."""
    for (piece,) in _pieces(model, [text], how):
        if piece:
            yield piece


def _pieces(model: Writer, texts: Sequence[str], how: Sampling) -> Iterator[list[str]]:
    """What is added to each text, piece by piece, many of them empty."""
    words = model.vocabulary
    prompts = [words.encode(text.encode("utf-8", "surrogateescape")) for text in texts]
    if words.words is not None:
        for token_B in tokens(model, prompts, how):
            yield [words.decode([each]) for each in token_B]
        return
    decoders: list[Any] = [codecs.getincrementaldecoder("utf-8")("replace") for _ in texts]
    for token_B in tokens(model, prompts, how):
        yield [d.decode(bytes([each])) for d, each in zip(decoders, token_B, strict=True)]
    yield [each.decode(b"", final=True) for each in decoders]


def work(text: str, how: Sampling) -> float:
    """Characters to read, and those to write, each of which takes about as long as three."""
    return len(text) + SLOW * how.length
