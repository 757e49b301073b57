"""One of several classes, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Label:
    """A class and how likely each one is, `Mapping[str, float]` from class to probability.

    Examples:
        >>> print(Label().write({"good": 0.9, "bad": 0.1}, "text"), end="")
        good        0.900
    """

    name: str = "label"
    widget: str | Path = "label"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """The likeliest class, and the probabilities of all."""
        odds = {"type": "object", "additionalProperties": {"type": "number"}}
        properties = {"label": {"type": "string"}, "probabilities": odds}
        return {"type": "object", "properties": properties, "required": list(properties)}

    def read(self, raw: Any) -> Mapping[str, float]:
        """From JSON.

        Raises:
            ValueError: it has no probabilities.
        """
        if not isinstance(raw, Mapping) or not isinstance(raw.get("probabilities"), Mapping):
            raise ValueError(f"a label needs probabilities; got {raw!r}; give them by class")
        try:
            return {str(name): float(p) for name, p in raw["probabilities"].items()}
        except TypeError:
            raise ValueError(f"a label needs numbers as probabilities; got {raw!r}") from None

    def write(self, value: Mapping[str, float], form: str) -> Any:
        """Everything for "json"; for "text" the likeliest class and its probability."""
        best = max(value, key=lambda name: value[name])
        if form == "json":
            return {"label": best, "probabilities": {n: round(p, 6) for n, p in value.items()}}
        return f"{best:<12}{value[best]:.3f}\n"

    def size(self, value: Mapping[str, float]) -> int:
        """How many classes there are."""
        return len(value)
