"""How many spans were found: what the script conlleval prints, and strict counts beside it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from swiftrnn.data.tagged.tags import Scheme, Span, spans, strict_spans


@dataclass(frozen=True)
class Found:
    """Of one type, or of all: spans there are, spans that were predicted, and those in both."""

    gold: int = 0
    predicted: int = 0
    correct: int = 0

    @property
    def precision(self) -> float:
        """0 to 1; 0 where nothing was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """0 to 1; 0 where there is nothing to find."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of the two."""
        both = self.gold + self.predicted
        return 2 * self.correct / both if both else 0.0


@dataclass(frozen=True)
class Scores:
    """What came out of comparing the tags of sentences.

    Attributes:
        tokens: how many there are.
        accuracy: the part of them whose tags are equal, 0 to 1.
        all: over all types together (micro-averaged).
        by_type: for each type, in alphabetical order.
    """

    tokens: int
    accuracy: float
    all: Found
    by_type: dict[str, Found] = field(default_factory=dict)

    def __str__(self) -> str:
        """As conlleval prints it."""
        lines = [
            f"processed {self.tokens} tokens with {self.all.gold} phrases; "
            f"found: {self.all.predicted} phrases; correct: {self.all.correct}.",
            f"accuracy: {100 * self.accuracy:6.2f}%; {_line(self.all)}",
        ]
        for name, found in self.by_type.items():
            lines.append(f"{name:>17}: {_line(found)}  {found.predicted}")
        return "\n".join(lines)


def _line(found: Found) -> str:
    parts = (found.precision, found.recall, found.f1)
    names = ("precision: {:6.2f}%", "recall: {:6.2f}%", "FB1: {:6.2f}")
    return "; ".join(n.format(100 * p) for n, p in zip(names, parts, strict=True))


def score(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    strict: Scheme | None = None,
) -> Scores:
    """Compare the tags of sentences, span by span: equal ends and an equal type count.

    Args:
        gold: for each sentence the right tags.
        predicted: for each sentence as many tags.
        strict: a scheme, to count only spans that keep its rules; by default all that conlleval
            would count.

    Raises:
        ValueError: the two do not have the same lengths, or something is no tag.

    Examples:
        >>> found = score([["B-x", "I-x", "O"]], [["B-x", "I-x", "B-y"]])
        >>> round(found.all.f1, 3), found.by_type["y"].precision
        (0.667, 0.0)

    Source: Tjong Kim Sang and De Meulder (2003), "Introduction to the CoNLL-2003 Shared Task",
    section 3; script conlleval.
    """
    sizes = [len(s) for s in gold], [len(s) for s in predicted]
    if sizes[0] != sizes[1]:
        at = next((i for i, (a, b) in enumerate(zip(*sizes, strict=False)) if a != b), None)
        what = "" if at is None else f"; sentence {at} has {sizes[0][at]} and {sizes[1][at]} tags"
        raise ValueError(
            f"score needs as many predicted tags as gold ones; got {len(gold)} and "
            f"{len(predicted)} sentences{what}"
        )
    decode: Callable[[Sequence[str]], list[Span]] = spans
    if strict is not None:
        decode = lambda tags: strict_spans(tags, strict)  # noqa: E731
    there, said, right = Counter(), Counter(), Counter()
    equal = tokens = 0
    for a, b in zip(gold, predicted, strict=True):
        tokens, equal = tokens + len(a), equal + sum(x == y for x, y in zip(a, b, strict=True))
        wanted, given = set(decode(a)), set(decode(b))
        for counts, found in ((there, wanted), (said, given), (right, wanted & given)):
            counts.update(span.type for span in found)
    by_type = {t: Found(there[t], said[t], right[t]) for t in sorted({*there, *said})}
    every = Found(there.total(), said.total(), right.total())
    return Scores(tokens, equal / tokens if tokens else 0.0, every, by_type)
