"""What a tagger gets wrong: types mixed up, by length, and the sentences it does worst on."""

from collections import Counter
from collections.abc import Sequence

from swiftrnn.data.tagged.columns import Columns
from swiftrnn.data.tagged.tags import Span, spans
from swiftrnn.metrics.spans import Found

MISSED, SPURIOUS = "missed", "nothing there"
LONG = 4  # words; longer spans are counted with these


def confusion(part: Columns, tags: Sequence[Sequence[str]]) -> dict[str, Counter[str]]:
    """Of each type how often a span was said to be of which type.

    A predicted span stands for the gold span that it shares most words with; a gold span without
    one is `MISSED`, a predicted span that touches none stands in the row `SPURIOUS`.

    Examples:
        >>> from swiftrnn.data.tagged.columns import Sentence
        >>> part = Columns((Sentence(("a", "b"), (Span("x", 0, 1),)),), "IOB2")
        >>> confusion(part, [["S-y", "S-y"]])["x"], confusion(part, [["O", "O"]])["x"]
        (Counter({'y': 1}), Counter({'missed': 1}))
    """
    rows: dict[str, Counter[str]] = {kind: Counter() for kind in [*part.types, SPURIOUS]}
    for sentence, row in zip(part.sentences, tags, strict=True):
        said = spans(row)
        for gold in sentence.spans:
            best = max(said, key=lambda s, g=gold: _shared(s, g), default=None)
            if best is None or not _shared(best, gold):
                rows[gold.type][MISSED] += 1
            else:
                rows[gold.type][best.type] += 1
        used = {s for s in said if any(_shared(s, g) for g in sentence.spans)}
        rows[SPURIOUS].update(s.type for s in said if s not in used)
    return rows


def _shared(a: Span, b: Span) -> int:
    return max(0, min(a.end, b.end) - max(a.first, b.first))


def by_length(part: Columns, tags: Sequence[Sequence[str]]) -> dict[str, Found]:
    """Spans found, by how many words they have."""
    there, said, right = Counter(), Counter(), Counter()
    for sentence, row in zip(part.sentences, tags, strict=True):
        gold, predicted = set(sentence.spans), set(spans(row))
        for counts, found in ((there, gold), (said, predicted), (right, gold & predicted)):
            counts.update(min(s.end - s.first, LONG) for s in found)
    names = {n: str(n) if n < LONG else f"{LONG} or more" for n in range(1, LONG + 1)}
    return {name: Found(there[n], said[n], right[n]) for n, name in names.items() if there[n]}


def worst(part: Columns, tags: Sequence[Sequence[str]], count: int = 12) -> list[str]:
    """The sentences with the most spans that are wrong or missing, with both readings marked."""
    scored, lines = [], []
    for sentence, row in zip(part.sentences, tags, strict=True):
        if wrong := len(set(sentence.spans) ^ set(spans(row))):
            scored.append((-wrong, sentence, row))
    for _, sentence, row in sorted(scored, key=lambda s: s[0])[:count]:
        lines.append("right: " + marked(sentence.words, sentence.spans))
        lines.append("found: " + marked(sentence.words, spans(row)) + "\n")
    return lines


def marked(words: Sequence[str], found: Sequence[Span]) -> str:
    """A sentence with its spans in brackets.

    Examples:
        >>> marked(("in", "New", "York"), [Span("place", 1, 3)])
        'in [New York]place'
    """
    parts, at = [], 0
    for span in sorted(found, key=lambda s: s.first):
        parts += [*words[at : span.first], f"[{' '.join(words[span.first : span.end])}]{span.type}"]
        at = span.end
    return " ".join([*parts, *words[at:]])
