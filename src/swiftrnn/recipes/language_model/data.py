"""Where the text comes from."""

from typing import Any

import numpy as np

from swiftrnn.data import text as texts
from swiftrnn.data.text import Text, read_parts, read_text, standard_library, wikitext_2


def text_for(config: Any) -> Text:
    """The file the config names; else this machine's Python library, or WikiText-2 for words."""
    if config.made_up:
        return made_up(config.seed)
    if config.train is not None:
        return read_parts(config.train, config.valid, config.test)
    if config.text is not None:
        return read_text(config.text)
    return wikitext_2() if config.level == "word" else standard_library()


def made_up(seed: int) -> Text:
    """60 kB of sums, such as `17+5=22`: something to learn without reading a disk or a network."""
    draw = np.random.default_rng(seed)
    lines = [f"{a}+{b}={a + b}\n" for a, b in draw.integers(0, 30, (8_000, 2))]
    content = "".join(lines).encode()
    first, second = len(content) * 90 // 100, len(content) * 95 // 100
    parts = content[:first], content[first:second], content[second:]
    return Text(*parts, name="sums", sha256="", test_files=(parts[2],))


def shuffled(text: Text, seed: int, level: str = "byte") -> Text:
    """The control: the same bytes or words in random order: nothing but their counts is left."""
    if level == "byte":
        return texts.shuffled(text, seed)
    draw = np.random.default_rng(seed)

    def mixed(part: bytes) -> bytes:
        words = [word for word in part.replace(b"\n", b" \n ").split(b" ") if word]
        return b" ".join(words[i] for i in draw.permutation(len(words)))

    return texts.rearranged(text, mixed)
