"""Spans of a text that have a type, as names have, as values: the best ones, and alternatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftrnn.data.segmentation.tokens import Token
from swiftrnn.data.tagged import columns
from swiftrnn.data.tagged.columns import Sentence
from swiftrnn.data.tagged.tags import Span


@dataclass(frozen=True)
class Entity:
    """Something with a name in a text.

    Attributes:
        start, end: its first character and the one behind its last. They count Unicode characters,
            as Python's strings do: not bytes, and not the units of UTF-16 that JavaScript counts.
        type: one of those in train.
        text: what stands there.
        confidence: the probability that it is one of that type, 0 to 1.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float


@dataclass(frozen=True)
class Entities:
    """What was found in a text.

    Attributes:
        found: in the order of the text.
        sentences: the words of each sentence, which a form for programs needs.
    """

    found: tuple[Entity, ...]
    sentences: tuple[Sequence[Token], ...] = ()


ENTITY = {
    "type": "object",
    "description": "a name: the characters of the text from start to end, without end",
    "properties": {
        "start": {"type": "integer"},
        "end": {"type": "integer"},
        "type": {"type": "string"},
        "text": {"type": "string"},
        "confidence": {
            "type": "number",
            "description": "the probability that it is one of this type",
        },
    },
    "required": ["start", "end", "type", "text", "confidence"],
}


@dataclass(frozen=True)
class Spans:
    """Spans with a type, `Entities`."""

    name: str = "entities"
    widget: str | Path = "spans"
    forms: tuple[str, ...] = ("text", "conll")

    def schema(self) -> dict[str, Any]:
        """A list of objects."""
        return {"type": "array", "items": ENTITY}

    def read(self, raw: Any) -> Entities:
        """From JSON.

        Raises:
            ValueError: it is no list of such objects.
        """
        try:
            return Entities(tuple(Entity(**each) for each in raw))
        except TypeError as error:
            raise ValueError(f"entities need start, end, type, text, confidence: {error}") from None

    def write(self, value: Entities, form: str) -> Any:
        """Objects for "json"; else a line for each, or for "conll" for each word and its tag."""
        if form == "json":
            return [*map(_json, value.found)]
        if form == "conll":
            return columns.write([_sentence(words, value.found) for words in value.sentences])
        rows = [(f"{e.start}-{e.end}", e.type, f"{e.confidence:.3f}", " ".join(e.text.split()))
                for e in value.found]  # fmt: skip
        return "".join("{:<12}{:<16}{:<8}{}\n".format(*row) for row in rows)

    def size(self, value: Entities) -> int:
        """How many there are."""
        return len(value.found)


def _json(entity: Entity) -> dict[str, Any]:
    return dict(vars(entity))  # its fields; dataclasses.asdict takes ten times as long


def _sentence(words: Sequence[Token], entities: Sequence[Entity]) -> Sentence:
    first, end = ({getattr(w, a): i for i, w in enumerate(words)} for a in ("start", "end"))
    spans = [Span(e.type, first[e.start], end[e.end] + 1) for e in entities if e.start in first]
    return Sentence(tuple(word.text for word in words), tuple(spans))


@dataclass(frozen=True)
class Alternative:
    """One way to read a sentence, and its probability."""

    probability: float
    entities: tuple[Entity, ...]


@dataclass(frozen=True)
class Alternatives:
    """The n-best list of every sentence of a text, `tuple[tuple[Alternative, ...], ...]`."""

    name: str = "n_best"
    widget: str | Path = "alternatives"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A list for each sentence."""
        properties = {
            "probability": {"type": "number"},
            "entities": {"type": "array", "items": ENTITY},
        }
        one = {"type": "object", "properties": properties, "required": list(properties)}
        about = "of each sentence, the likeliest ways to read it, best first; if asked for"
        every = {"type": "array", "items": one}
        return {"type": "array", "title": "N-best list", "description": about, "items": every}

    def read(self, raw: Any) -> tuple[tuple[Alternative, ...], ...]:
        """From JSON.

        Raises:
            ValueError: it is something else.
        """
        spans = Spans()
        try:
            return tuple(
                tuple(Alternative(a["probability"], spans.read(a["entities"]).found) for a in each)
                for each in raw
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"n_best needs lists of probability and entities: {error}") from None

    def write(self, value: tuple[tuple[Alternative, ...], ...], form: str) -> Any:
        """Lists for "json"; for "text" a line for each alternative, below its sentence's number."""
        if form == "json":
            return [[_way(each) for each in sentence] for sentence in value]
        lines = []
        for number, sentence in enumerate(value, 1):
            lines.append(f"sentence {number}\n")
            for each in sentence:
                names = ", ".join(f"{' '.join(e.text.split())} ({e.type})" for e in each.entities)
                lines.append(f"{100 * each.probability:6.1f} %  {names or 'no name'}\n")
        return "".join(lines)

    def size(self, value: tuple[tuple[Alternative, ...], ...]) -> int:
        """How many there are in all."""
        return sum(map(len, value))


def _way(way: Alternative) -> dict[str, Any]:
    return {"probability": way.probability, "entities": [*map(_json, way.entities)]}
