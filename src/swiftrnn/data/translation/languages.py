"""The tokens of two languages."""

from dataclasses import dataclass
from typing import Any

from swiftrnn.data.translation.pairs import Pairs
from swiftrnn.data.translation.tokenizer import Tokenizer


@dataclass(frozen=True)
class Languages:
    """The tokens of either language."""

    source: Tokenizer
    target: Tokenizer

    @classmethod
    def of(cls, train: Pairs, kind: str, size: int) -> "Languages":
        """Learnt from the training pairs."""
        return cls(*(Tokenizer.learn(s, kind, size) for s in (train.sources, train.targets)))

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        return {"source": self.source.saved(), "target": self.target.saved()}

    @classmethod
    def read(cls, saved: Any) -> "Languages":
        """What `saved` gave.

        Raises:
            ValueError: it is something else.
        """
        known = saved if isinstance(saved, dict) else {}
        return cls(*(Tokenizer.read(known.get(side)) for side in ("source", "target")))

    def encoded(self, part: Pairs) -> tuple[list[list[int]], list[list[int]]]:
        """The tokens of both sides."""
        return self.source.encode_all(part.sources), self.target.encode_all(part.targets)
