"""How well a trained model predicts a text."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data.lanes import streams
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.tasks import Scored
from swiftrnn.tasks.writing import Writer

LOGITS = 1 << 20  # of float32, when measuring: they stay in the processor's cache


@torch.no_grad()
def bits(model: Writer, tokens: Tensor, lanes: int = 16, chunk: int = 0) -> tuple[float, int]:
    """How well a model predicts a text, its state carried from the beginning to the end.

    The text is cut into `lanes` equal pieces that are read side by side, each from an empty state.

    Args:
        model: in eval mode, if it has dropout.
        tokens: (N,) of any integer type.
        lanes: more are faster, but each starts from an empty state.
        chunk: tokens of each lane at a time; changes memory, not the result; 0 lets the logits
            fill a few megabytes.

    Returns:
        Bits per token, and the number of tokens that were predicted.

    Raises:
        ValueError: there are fewer than two tokens in a lane.
    """
    chunk = chunk or max(1, LOGITS // (lanes * model.head))
    text_NB = streams(tokens, lanes)
    length = len(text_NB)
    total, state = 0.0, None
    for start in range(0, length - 1, chunk):
        target = text_NB[start + 1 : start + 1 + chunk]
        losses_TB, state = model.losses(text_NB[start : start + len(target)], target, state)
        total += losses_TB.sum().item()
    count = (length - 1) * lanes
    return total / count / math.log(2) + spread(model.vocabulary, text_NB[1:]), count


def spread(words: Vocabulary, tokens: Tensor) -> float:
    """Bits per token that it takes to tell apart the words that one token stands for.

    The words of train that a vocabulary leaves out share the probability of `<rare>` evenly.
    """
    if not words.left_out:
        return 0.0
    return (tokens == words.other).double().mean().item() * math.log2(words.left_out)


def scored(model: Writer, path: Path, _: Any) -> Scored:
    """How well a file is predicted: bits per byte, or perplexity of its words.

    Raises:
        ValueError: it cannot be read, or is too short.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"evaluate needs a file that can be read; got {path} ({error})") from None
    words = model.vocabulary
    tokens = words.encode(content)
    found, count = bits(model, tokens)
    if words.words is None:
        return Scored(f"{len(content):,} bytes", {"bits_per_byte": found, "bytes": count})
    unknown = 100 * (tokens == words.other).double().mean().item()
    metrics = {"perplexity": 2**found, "words": count, "unknown_words_percent": unknown}
    return Scored(f"{len(tokens):,} words and ends of lines", metrics)
