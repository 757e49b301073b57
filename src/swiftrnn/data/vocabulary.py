"""Which number stands for which byte, or which word."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

END, UNKNOWN = "<eos>", "<unk>"


class Vocabulary:
    """Text to numbers and back.

    Args:
        words: the words by number; None for bytes, which are numbers already.

    Example:
        >>> words = Vocabulary.of_words(b"to be or not to be")
        >>> words.encode(b"to see"), words.decode([2, 5])
        (tensor([3, 0]), ' be or')
    """

    def __init__(self, words: list[str] | None = None) -> None:
        self.words = words
        self._number = {} if words is None else {word: i for i, word in enumerate(words)}

    def __len__(self) -> int:
        return 256 if self.words is None else len(self.words)

    @classmethod
    def of_words(cls, text: bytes) -> "Vocabulary":
        """All words of a text, the frequent ones first, after `<unk>` and `<eos>`."""
        counts = Counter(text.decode("utf-8", "replace").split())
        rest = sorted(counts.keys() - {END, UNKNOWN}, key=lambda word: (-counts[word], word))
        return cls([UNKNOWN, END, *rest])

    @classmethod
    def read(cls, words: Any, where: Path) -> "Vocabulary":
        """What was saved as JSON.

        Args:
            words: different words, `<unk>` and `<eos>` first.
            where: the folder of vocabulary.json, for the message.

        Raises:
            ValueError: they are something else.
        """
        sound = isinstance(words, list) and all(isinstance(word, str) for word in words)
        if not sound or len(set(words)) < len(words) or words[:2] != [UNKNOWN, END]:
            raise ValueError(
                f"vocabulary.json needs different words, {UNKNOWN} and {END} first; got others in "
                f"{where}; it was damaged or changed, so train again"
            )
        return cls(words)

    def encode(self, text: bytes) -> Tensor:
        """Text to numbers (N,), uint8 for bytes, int64 for words; the end of a line is a word."""
        if self.words is None:
            return torch.from_numpy(np.frombuffer(text, np.uint8).copy())
        words = text.decode("utf-8", "replace").replace("\n", f" {END} ").split()
        return torch.tensor([self._number.get(word, 0) for word in words], dtype=torch.int64)

    def decode(self, numbers: list[int]) -> str:
        """Numbers to text; each word follows a blank, bytes that are no UTF-8 become U+FFFD."""
        if self.words is None:
            return bytes(numbers).decode("utf-8", errors="replace")
        words = (self.words[i] for i in numbers)
        return "".join("\n" if word == END else f" {word}" for word in words)
