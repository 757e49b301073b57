"""A program of a user interface, and where each of its names was seen, as values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Program:
    """A program, of the kind that `parse` gives; it has a `platform`.

    Args:
        parse: a text, and the name of its platform or None, to a program; raises a ValueError for
            what is none.
        compilers: of each form, a program and the seed of its texts to a text.
        endings: of the files of each form.
        screens: (width, height) of the usual screen of each platform, in CSS pixels.
        name: what it is called in JSON.

    Examples:
        >>> loud = Program(lambda text, _: text.upper(), {"plain": lambda text, _: text}, {}, {})
        >>> loud.write(loud.read("row"), "plain")
        'ROW'
    """

    parse: Callable[[str, str | None], Any]
    compilers: Mapping[str, Callable[[Any, int], str]] = field(repr=False)
    endings: Mapping[str, str] = field(repr=False)
    screens: Mapping[str, tuple[int, int]]
    name: str = "program"
    widget: str | Path = "program"

    @property
    def forms(self) -> tuple[str, ...]:
        """What it is compiled to; the first is its own language."""
        return tuple(self.compilers)

    def schema(self) -> dict[str, Any]:
        """A text in each form."""
        properties: dict[str, Any] = {form: {"type": "string"} for form in self.forms}
        properties["platform"] = {"type": "string", "enum": [*self.screens]}
        return {
            "type": "object", "title": "Program", "properties": properties,
            "required": list(properties), "x-endings": dict(self.endings),
            "x-screens": {name: [*size] for name, size in self.screens.items()},
            "description": f"the program as {', '.join(self.forms)}",
        }  # fmt: skip

    def read(self, raw: Any, platform: str | None = None) -> Any:
        """A program from its text, a file's path, or JSON that has it in its own language.

        Raises:
            ValueError: it is none.
        """
        if isinstance(raw, Path):
            raw = _text(raw)
        if isinstance(raw, Mapping):
            raw = raw.get(self.forms[0])
        if not isinstance(raw, str):
            raise ValueError(f"a program needs a text; got {type(raw).__name__}")
        return self.parse(raw, platform)

    def write(self, value: Any, form: str, seed: int = 0) -> Any:
        """The program in a form; for "json" in all of them."""
        if form == "json":
            found = {name: make(value, seed) for name, make in self.compilers.items()}
            return found | {"platform": value.platform}
        return self.compilers[form](value, seed)

    def size(self, value: Any) -> int:
        """Characters in its own language."""
        return len(self.compilers[self.forms[0]](value, 0))


@dataclass(frozen=True)
class Seen:
    """Where a screenshot was looked at for each name of its program.

    Attributes:
        names: T of them, in the order in which they are written.
        weights: of each name, how much it looked at each cell of a grid: rows of numbers.
        share: (height, width) of the grid that the screenshot fills, from its top left, in 0..1.
    """

    names: tuple[str, ...]
    weights: tuple[tuple[tuple[float, ...], ...], ...]
    share: tuple[float, float]


@dataclass(frozen=True)
class Regions:
    """A `Seen`."""

    name: str = "regions"
    widget: str | Path = "regions"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """Names, and a grid of weights for each."""
        row = {"type": "array", "items": {"type": "number"}}
        grid = {"type": "array", "items": row}
        properties = {
            "names": {"type": "array", "items": {"type": "string"}},
            "weights": {"type": "array", "items": grid}, "share": row,
        }  # fmt: skip
        about = "where the screenshot was looked at for each name, as weights of a grid; if asked"
        return {
            "type": "object", "title": "Where it looked", "description": about,
            "properties": properties, "required": list(properties),
        }  # fmt: skip

    def read(self, raw: Any) -> Seen:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        try:
            names = tuple(map(str, raw["names"]))
            weights = tuple(
                tuple(tuple(map(float, row)) for row in grid) for grid in raw["weights"]
            )
            high, wide = map(float, raw["share"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"regions needs names, weights and share; {error}") from None
        if len(names) != len(weights):
            raise ValueError(f"regions needs {len(names)} grids; got {len(weights)}")
        return Seen(names, weights, (high, wide))

    def write(self, value: Seen, form: str) -> Any:
        """An object for "json"; for "text" each name with the place that it looked at most."""
        if form == "json":
            grids = [[[round(w, 3) for w in row] for row in grid] for grid in value.weights]
            return {"names": [*value.names], "weights": grids, "share": [*value.share]}
        lines = []
        for name, grid in zip(value.names, value.weights, strict=True):
            _, row, column = max((w, r, c) for r, cells in enumerate(grid)
                                 for c, w in enumerate(cells))  # fmt: skip
            down = min(1.0, (row + 0.5) / len(grid) / value.share[0])
            right = min(1.0, (column + 0.5) / len(grid[0]) / value.share[1])
            lines.append(f"{name:<20}{100 * right:4.0f} % from the left, {100 * down:.0f} % down\n")
        return "".join(lines)

    def size(self, value: Seen) -> int:
        """How many names."""
        return len(value.names)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ValueError(f"a program needs a file that can be read; got {path} ({why})") from None
