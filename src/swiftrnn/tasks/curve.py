"""A curve, as a value: numbers against numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """Points (x, y) with rising x, `tuple[tuple[float, float], ...]`.

    Args:
        x: what x is, with its unit.
        y: what y is, with its unit.
        name: what it is called in JSON.
    """

    x: str
    y: str
    name: str = "curve"
    widget: str | Path = "curve"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A list of points."""
        properties = {
            "x": {"type": "number", "description": self.x},
            "y": {"type": "number", "description": self.y},
        }
        one = {"type": "object", "properties": properties, "required": ["x", "y"]}
        about = f"{self.y} against {self.x}"
        return {"type": "array", "description": about, "items": one}

    def read(self, raw: Any) -> Points:
        """From JSON.

        Raises:
            ValueError: it is something else, or x does not rise.
        """
        try:
            found = tuple((float(each["x"]), float(each["y"])) for each in raw)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"a curve needs a list of x and y; {error}") from None
        if not all(math.isfinite(number) for point in found for number in point):
            raise ValueError("a curve needs finite numbers; got others")
        if any(a[0] >= b[0] for a, b in pairwise(found)):
            raise ValueError("a curve needs x that rises; got one that does not")
        return found

    def write(self, value: Sequence[tuple[float, float]], form: str) -> Any:
        """A list for "json"; for "text" a line for each point, under a line that names both."""
        if form == "json":
            return [{"x": x, "y": round(y, 6)} for x, y in value]
        rows = [(f"{x:,.6g}", f"{y:.3f}") for x, y in value]
        wide = max(map(len, [self.x, *(x for x, _ in rows)]))
        return "".join(f"{x:>{wide}}  {y}\n" for x, y in [(self.x, self.y), *rows])

    def size(self, value: Sequence[tuple[float, float]]) -> int:
        """How many points."""
        return len(value)
