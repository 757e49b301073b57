"""Models of equal size: any layer as wide as makes it as large as SRU."""

import math
from bisect import bisect_left
from functools import cache, partial
from inspect import signature
from typing import Any

import torch

from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.language_model.model import LanguageModel

TOLERANCE = 0.02  # how far apart two sizes may be and still be called equal
EVEN = 16  # multiples suit the vector units: the rivals shall have them, too


@cache  # a search asks again and again
def parameters_of(
    name: str, hidden: int, depth: int, vocabulary: int = 256, ngrams: int = 1, tied: bool = False
) -> int:
    """How many trainable parameters a model has, the table of n-grams aside; allocates nothing."""
    with torch.device("meta"):
        model = LanguageModel(name, hidden, depth, vocabulary, ngrams, ngram_rows=1, tied=tied)
    size = sum(p.numel() for p in model.parameters())
    return size - (model.embedding.ngrams.weight.numel() if ngrams > 1 else 0)


def hidden_for(
    name: str,
    parameters: int,
    depth: int,
    vocabulary: int = 256,
    ngrams: int = 1,
    tied: bool = False,
) -> int:
    """The most even width at which `parameters_of` gives, within 2 %, the number that is wanted.

    Raises:
        ValueError: no width comes within 2 %.
    """
    size = partial(
        parameters_of, name, depth=depth, vocabulary=vocabulary, ngrams=ngrams, tied=tied
    )
    middle = bisect_left(range(1, 1 << 16), parameters, key=size)
    off = {w: abs(size(w) / parameters - 1) for w in range(max(middle - EVEN, 1), middle + EVEN)}
    close = [width for width, by in off.items() if by < TOLERANCE]
    best = max(close or off, key=lambda w: (math.gcd(w, EVEN) if close else 1, -off[w]))
    if off[best] > TOLERANCE:
        raise ValueError(
            f"{name} needs a size it can come within 2 % of; got {parameters:,} parameters, and "
            f"width {best} is off by {off[best]:.1%}; give a larger --hidden"
        )
    return best


def width_for(config: Any, size: int = 256, sru_depth: int = 0) -> int:
    """The layer's width: as given, or that at which it is as large as SRU at `config.hidden`.

    SRU has as many layers as the layer has, or else `sru_depth`.
    """
    if config.width or config.layer == "sru":
        return config.width or config.hidden
    about = (size, config.ngrams, config.tied)
    wanted = parameters_of("sru", config.hidden, sru_depth or config.depth, *about)
    return hidden_for(config.layer, wanted, config.depth, *about)


def untrained(config: Any, vocabulary: Vocabulary, steps: int = 0) -> LanguageModel:
    """An untrained model, as large as SRU at `config.hidden`, whatever its layer.

    Args:
        config: the settings.
        vocabulary: of bytes or words.
        steps: until the rate is 0; 0 for a rate that falls with the inverse square root.
    """
    names, size = signature(LanguageModel).parameters, len(vocabulary)
    given: dict[str, Any] = {name: getattr(config, name, None) for name in names}
    cutoffs = tuple(each for each in config.cutoffs if each < size)  # a small text has few words
    given.update(hidden=width_for(config, size), vocabulary=size, steps=steps, cutoffs=cutoffs)
    model = LanguageModel(**given)
    model.vocabulary = vocabulary
    return model
