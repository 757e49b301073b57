"""How likely something is, as a value."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Score:
    """A probability, a float from 0 to 1.

    Args:
        says: what is so likely.
        name: what it is called in JSON.

    Examples:
        >>> print(Score("same character").write(0.5, "text"), end="")
        0.500  same character
    """

    says: str
    name: str = "probability"
    widget: str | Path = "score"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A number."""
        return {"type": "number", "minimum": 0, "maximum": 1, "title": "Probability",
                "description": self.says}  # fmt: skip

    def read(self, raw: Any) -> float:
        """From JSON.

        Raises:
            ValueError: it is no number from 0 to 1.
        """
        number = isinstance(raw, int | float) and not isinstance(raw, bool)
        if not number or not 0 <= raw <= 1:
            raise ValueError(f"a probability needs a number from 0 to 1; got {raw!r}")
        return float(raw)

    def write(self, value: float, form: str) -> Any:
        """A number for "json"; for "text" with what it says."""
        return round(value, 6) if form == "json" else f"{value:.3f}  {self.says}\n"

    def size(self, value: float) -> int:  # noqa: ARG002
        """One."""
        return 1
