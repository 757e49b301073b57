"""Translations of a text, best first, and what each word of one attended to, as values."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Translation:
    """One of several translations.

    Attributes:
        text: in the other language.
        score: what it is ranked by: its log-probability in nats, over a penalty of its length.
    """

    text: str
    score: float


@dataclass(frozen=True)
class Translations:
    """The n-best list of a text, `Sequence[Translation]`."""

    name: str = "n_best"
    widget: str | Path = "translations"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A list, best first."""
        properties = {"text": {"type": "string"}, "score": {"type": "number"}}
        one = {"type": "object", "properties": properties, "required": list(properties)}
        about = "translations, best first, with the scores they are ranked by; if asked for"
        return {"type": "array", "title": "N-best list", "description": about, "items": one}

    def read(self, raw: Any) -> tuple[Translation, ...]:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        try:
            return tuple(Translation(str(each["text"]), float(each["score"])) for each in raw)
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"n_best needs a list of text and score; {error}") from None

    def write(self, value: Sequence[Translation], form: str) -> Any:
        """A list for "json"; for "text" a line each, its score in front."""
        if form == "json":
            return [{"text": each.text, "score": round(each.score, 6)} for each in value]
        return "".join(f"{each.score:8.3f}  {each.text}\n" for each in value)

    def size(self, value: Sequence[Translation]) -> int:
        """How many there are."""
        return len(value)


@dataclass(frozen=True)
class Timed:
    """What one of several systems makes of a text.

    Attributes:
        system: what it is called.
        text: in the other language.
        milliseconds: that it took.
    """

    system: str
    text: str
    milliseconds: float


@dataclass(frozen=True)
class SideBySide:
    """What several systems make of a text, `Sequence[Timed]`."""

    name: str = "side_by_side"
    widget: str | Path = "side_by_side"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A list."""
        properties: dict[str, Any] = {name: {"type": "string"} for name in ("system", "text")}
        properties["milliseconds"] = {"type": "number"}
        one = {"type": "object", "properties": properties, "required": list(properties)}
        about = "what each system makes of the text, and the milliseconds it took; if asked for"
        return {"type": "array", "title": "Side by side", "description": about, "items": one}

    def read(self, raw: Any) -> tuple[Timed, ...]:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        try:
            return tuple(
                Timed(str(each["system"]), str(each["text"]), float(each["milliseconds"]))
                for each in raw
            )
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"side_by_side needs a list of system, text and milliseconds; {error}"
            ) from None

    def write(self, value: Sequence[Timed], form: str) -> Any:
        """A list for "json"; for "text" a line each, its time in front."""
        if form == "json":
            return [{"system": each.system, "text": each.text,
                     "milliseconds": round(each.milliseconds, 3)} for each in value]  # fmt: skip
        wide = max((len(each.system) for each in value), default=0)
        return "".join(
            f"{each.milliseconds:8.1f} ms  {each.system:<{wide}}  {each.text}\n" for each in value
        )

    def size(self, value: Sequence[Timed]) -> int:
        """How many systems."""
        return len(value)


@dataclass(frozen=True)
class Alignment:
    """How much each word of a translation attended to each word of its source.

    Attributes:
        source: S words; the last one is the end of the sentence.
        target: T words, the end among them.
        weights: T rows of S numbers, each of which adds up to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Attended:
    """An `Alignment`."""

    name: str = "attention"
    widget: str | Path = "heatmap"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """Words of both sides, and a matrix."""
        words = {"type": "array", "items": {"type": "string"}}
        row = {"type": "array", "items": {"type": "number"}}
        properties = {"source": words, "target": words, "weights": {"type": "array", "items": row}}
        about = "how much each word of the translation attended to each word of the text; if asked"
        return {
            "type": "object", "title": "Attention", "description": about,
            "properties": properties, "required": list(properties),
        }  # fmt: skip

    def read(self, raw: Any) -> Alignment:
        """From JSON.

        Raises:
            ValueError: it is something else, or the numbers do not fit the words.
        """
        try:
            source, target = (tuple(map(str, raw[side])) for side in ("source", "target"))
            weights = tuple(tuple(map(float, row)) for row in raw["weights"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"attention needs source, target and weights; {error}") from None
        if len(weights) != len(target) or {len(row) for row in weights} - {len(source)}:
            raise ValueError(
                f"attention needs {len(target)} rows of {len(source)} numbers; got others"
            )
        return Alignment(source, target, weights)

    def write(self, value: Alignment, form: str) -> Any:
        """An object for "json"; for "text" each word with the source words it attended to most."""
        if form == "json":
            rows = [[round(w, 4) for w in row] for row in value.weights]
            return {"source": [*value.source], "target": [*value.target], "weights": rows}
        lines = []
        for word, row in zip(value.target, value.weights, strict=True):
            best = sorted(range(len(row)), key=lambda s: -row[s])[:3]
            seen = ", ".join(f"{value.source[s]} {100 * row[s]:.0f} %" for s in best)
            lines.append(f"{word:<16}{seen}\n")
        return "".join(lines)

    def size(self, value: Alignment) -> int:
        """How many numbers there are."""
        return len(value.source) * len(value.target)
