"""Which number stands for which byte, or which word."""

from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

END, UNKNOWN = "<eos>", "<unk>"
RARE = "<rare>"  # any of the words of train that are left out, and any that train does not have


class Vocabulary:
    """Text to numbers and back.

    Args:
        words: the words by number; None for bytes, which are numbers already.
        left_out: how many words of train `RARE`, the last one then, stands for.

    Examples:
        >>> words = Vocabulary.of_words(b"to be or not to be")
        >>> words.encode(b"to see"), words.decode([2, 5])
        (tensor([3, 0]), ' be or')
    """

    def __init__(self, words: list[str] | None = None, left_out: int = 0) -> None:
        self.words, self.left_out = words, left_out
        self._number = {} if words is None else {word: i for i, word in enumerate(words)}

    def __len__(self) -> int:
        return 256 if self.words is None else len(self.words)

    @property
    def other(self) -> int:
        """The number of a word that is not among `words`."""
        return len(self) - 1 if self.left_out else 0

    @classmethod
    def of_words(cls, text: bytes, min_count: int = 1, most: int = 0) -> "Vocabulary":
        """Words of a text, the frequent ones first, after `<unk>` and `<eos>`.

        Args:
            text: UTF-8, its words parted by blanks or ends of lines.
            min_count: words that are rarer are left out.
            most: so many words, the first two among them, and no more; 0 for no such limit.
        """
        counts = Counter(text.decode("utf-8", "replace").split())
        rest = sorted(counts.keys() - {END, UNKNOWN, RARE}, key=lambda word: (-counts[word], word))
        kept = [word for word in rest if counts[word] >= min_count]
        kept = kept[: max(0, most - 2)] if most and len(kept) > most - 2 else kept
        left_out = len(rest) - len(kept)
        return cls([UNKNOWN, END, *kept, *[RARE] * bool(left_out)], left_out)

    @classmethod
    def read(cls, saved: dict[str, Any]) -> "Vocabulary":
        """What `saved` gave, `{"words": [...], "left_out": 0}`, or nothing for bytes.

        Raises:
            ValueError: it is something else.
        """
        if not saved:
            return cls()
        words: Any = saved.get("words")
        left_out: Any = saved.get("left_out", 0)  # older runs lack it
        sound = isinstance(words, list) and all(isinstance(word, str) for word in words)
        sound = sound and type(left_out) is int and left_out >= 0
        sound = sound and (not left_out or words[-1:] == [RARE])
        if not sound or len(set(words)) < len(words) or words[:2] != [UNKNOWN, END]:
            raise ValueError(
                f"vocabulary.json needs different words, {UNKNOWN} and {END} first; got others; "
                "it was damaged or changed, so train again"
            )
        return cls(words, left_out)

    def saved(self) -> dict[str, Any] | None:
        """As JSON; None for bytes."""
        return None if self.words is None else {"words": self.words, "left_out": self.left_out}

    def encode(self, text: bytes) -> Tensor:
        """Text to numbers (N,), uint8 for bytes, int64 for words; the end of a line is a word."""
        if self.words is None:
            return torch.from_numpy(np.frombuffer(text, np.uint8).copy())
        words = text.decode("utf-8", "replace").replace("\n", f" {END} ").split()
        other = self.other
        return torch.tensor([self._number.get(word, other) for word in words], dtype=torch.int64)

    def decode(self, numbers: list[int]) -> str:
        """Numbers to text; each word follows a blank, bytes that are no UTF-8 become U+FFFD."""
        if self.words is None:
            return bytes(numbers).decode("utf-8", errors="replace")
        words = (self.words[i] for i in numbers)
        return "".join("\n" if word == END else f" {word}" for word in words)
