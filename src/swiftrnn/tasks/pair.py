"""Two values of one kind, as a value: what is compared."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from swiftrnn.tasks import Value

T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """A first and a second value of one kind, a tuple; of files where that lies in files.

    Args:
        of: the kind of both.
        titles: what the page calls them.
        name: what it is called in JSON.

    Examples:
        >>> from swiftrnn.tasks.text import Text
        >>> Pair(Text()).read(["one", "two"])
        ('one', 'two')
    """

    of: Value[T]
    titles: tuple[str, str] = ("First", "Second")
    name: str = "pair"
    widget: str | Path = "pair"
    forms: tuple[str, ...] = ("text",)
    files: int = 2  # see `tasks.OfFiles`

    @property
    def media(self) -> str:
        """Kinds of files of both; see `tasks.OfFiles`."""
        return getattr(self.of, "media", "")

    def schema(self) -> dict[str, Any]:
        """An array of two."""
        each = self.of.schema()
        found = {"type": "array", "items": each, "minItems": 2, "maxItems": 2, "title": "Pair"}
        return found | {"x-titles": [*self.titles]}

    def read(self, raw: Any) -> tuple[T, T]:
        """From an array or a sequence of two, or the text of an array in JSON.

        Raises:
            ValueError: it is no such thing, or one of the two does not fit.
        """
        if isinstance(raw, str | bytes):
            try:
                raw = json.loads(raw)
            except (ValueError, RecursionError):
                raise ValueError(
                    "a pair needs an array of two in JSON; got other text; give both in brackets"
                ) from None
        if not isinstance(raw, Sequence) or isinstance(raw, str) or len(raw) != 2:
            got = f"{len(raw)} values" if isinstance(raw, list | tuple) else type(raw).__name__
            raise ValueError(f"a pair needs an array of two; got {got}; give the first, the second")
        first, second = (self.of.read(each) for each in raw)
        return first, second

    def write(self, value: tuple[T, T], form: str) -> Any:
        """An array for "json", else one below the other."""
        both = [self.of.write(each, form) for each in value]
        return both if form == "json" else "".join(both)

    def size(self, value: tuple[T, T]) -> float:
        """Of both together."""
        return sum(self.of.size(each) for each in value)
