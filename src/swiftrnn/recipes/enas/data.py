"""Words to search on: WikiText-2, a text of yours, or synthetic ones."""

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from swiftrnn.data.lanes import excerpts
from swiftrnn.data.text import Text, read_text, rearranged, wikitext_2
from swiftrnn.data.vocabulary import Vocabulary

NAMES = "abcdefghijklmnop"  # synthetic words
LENGTH = 30_000  # of them
VALID = 32_768  # words of valid that cells are compared on


class Words(NamedTuple):
    """A text in numbers."""

    vocabulary: Vocabulary
    train: Tensor
    valid: Tensor
    test: Tensor


def words_for(config: Any) -> Words:
    """The text that is asked for, in numbers of its most frequent words."""
    if config.made_up:
        text = made_up(config.seed)
    else:
        text = wikitext_2() if config.train is None else read_text(config.train, "--train")
    vocabulary = Vocabulary.of_words(text.train, most=config.vocabulary)
    train, valid, test = map(vocabulary.encode, (text.train, text.valid, text.test))
    return Words(vocabulary, train, excerpts(valid, VALID), test)


def made_up(seed: int) -> Text:
    """Words of which four in five follow from the one before."""
    draw = np.random.default_rng(seed)
    after = draw.permutation(len(NAMES))
    written: list[Any] = [0]
    for surprise in draw.random(LENGTH) < 0.2:
        known = after[written[-1]]
        written.append(draw.integers(0, len(NAMES)) if surprise else known)
    content = " ".join(NAMES[each] for each in written).encode()
    first, second = len(content) * 8 // 10, len(content) * 9 // 10
    whole = Text(content[:first], content[first:second], content[second:], "synthetic words", "")
    return rearranged(whole, lambda part: part.strip())
