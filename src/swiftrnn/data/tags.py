"""Tags of words, as CoNLL files have them, and the spans they stand for.

A tag is "O", or a prefix and a type: "B-person". Prefixes by scheme:

    IOB1    I; B only where a span follows one of the same type at once
    IOB2    B at the beginning, I after it
    IOBES   B, I, E at the end, S for a single word
    BMES    the same with M for I
    BILOU   the same with L for E and U for S
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

Scheme = Literal["IOB1", "IOB2", "IOBES", "BMES", "BILOU"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
SAME = {"M": "I", "L": "E", "U": "S"}  # prefixes by another name
PREFIXES = "BIES"
INSIDE = {"IOBES": "BIES", "BMES": "BMES", "BILOU": "BILU", "IOB2": "BIIB", "IOB1": "IIII"}
NEXT = {"O": "OBS", "B": "IE", "I": "IE", "E": "OBS", "S": "OBS"}  # of the same type after B and I


class Span(NamedTuple):
    """The words from `first` to `end`, without `end`, are one thing of a type."""

    type: str
    first: int
    end: int


def split(tag: str) -> tuple[str, str]:
    """Prefix, one of O, B, I, E, S, and type.

    Raises:
        ValueError: it is no tag.

    Example:
        >>> split("M-creative-work"), split("O")
        (('I', 'creative-work'), ('O', ''))
    """
    prefix, _, kind = tag.partition("-")
    prefix = SAME.get(prefix, prefix)
    if prefix not in ("O", *PREFIXES) or (prefix == "O") != (kind == ""):
        raise ValueError(
            f"a tag needs to be O, or one of B I E S M L U, a hyphen and a type; got {tag!r}; "
            "is the tag in the last column?"
        )
    return prefix, kind


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence as the script conlleval finds them, whatever the scheme.

    What breaks the rules of a scheme still is a span: an I with nothing before it begins one.

    Raises:
        ValueError: something is no tag.

    Example:
        >>> spans(["B-x", "I-x", "O", "I-y", "B-y"])
        [Span(type='x', first=0, end=2), Span(type='y', first=3, end=4), Span(type='y', first=4, end=5)]

    Source: Tjong Kim Sang and Buchholz (2000), "Introduction to the CoNLL-2000 Shared Task:
    Chunking"; script conlleval, subroutines startOfChunk and endOfChunk.
    """  # noqa: E501
    found, first, before, kind = [], 0, "O", ""
    for i, tag in enumerate((*tags, "O")):
        prefix, here = split(tag)
        ends = before in ("E", "S") or prefix in ("O", "B", "S") or here != kind
        if before != "O" and ends:
            found.append(Span(kind, first, i))
        if prefix != "O" and (ends or before == "O"):
            first = i
        before, kind = prefix, here
    return found


def strict_spans(tags: Sequence[str], scheme: Scheme = "IOB2") -> list[Span]:
    """Only what is a span by every rule of its scheme.

    Example:
        >>> strict_spans(["I-x", "O", "B-x", "I-x"])
        [Span(type='x', first=2, end=4)]
    """
    written = [*map(split, tags)]
    return [s for s in spans(tags) if [*map(split, to_tags([s], s.end, scheme))][s.first :] ==
            written[s.first : s.end]] if scheme != "IOB1" else spans(tags)  # fmt: skip


def to_tags(found: Iterable[Span], length: int, scheme: Scheme = "IOBES") -> list[str]:
    """The tags of a sentence of so many words.

    Raises:
        ValueError: a span lies outside, or in another one.

    Example:
        >>> to_tags([Span("x", 0, 3), Span("y", 3, 4)], 5)
        ['B-x', 'I-x', 'E-x', 'S-y', 'O']
    """
    tags, last = ["O"] * length, Span("", 0, 0)
    begin, inner, close, single = INSIDE[scheme]
    for span in sorted(found, key=lambda s: s.first):
        if not last.end <= span.first < span.end <= length:
            raise ValueError(
                f"spans need to lie one after the other in {length} words; got {span} after {last}"
            )
        prefixes = [begin, *inner * (span.end - span.first - 2), close]
        prefixes = [single] if span.end - span.first == 1 else prefixes
        if scheme == "IOB1" and span.first == last.end > 0 and span.type == last.type:
            prefixes[0] = "B"
        tags[span.first : span.end] = [f"{p}-{span.type}" for p in prefixes]
        last = span
    return tags


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Which scheme tags are written in.

    Raises:
        ValueError: they mix several schemes, or something is no tag.

    Example:
        >>> scheme_of([["I-x", "I-x", "B-x"]]), scheme_of([["B-x", "O", "S-x"]])
        ('IOB1', 'IOBES')
    """
    seen, begins_with_i = set(), False
    for tags in sentences:
        for a, b in pairwise(("O", *tags)):
            seen.add(b[:1] if split(b)[0] != "O" else "O")
            begins_with_i |= b[:1] == "I" and split(a)[1] != split(b)[1]
    if seen <= set("OBI"):
        return "IOB1" if begins_with_i else "IOB2"
    known: tuple[Scheme, ...] = ("IOBES", "BMES", "BILOU")
    fitting: list[Scheme] = [s for s in known if seen <= {"O", *INSIDE[s]}]
    if not fitting:
        raise ValueError(
            f"tags need to be in one scheme of {', '.join(SCHEMES)}; got the prefixes "
            f"{' '.join(sorted(seen - {'O'}))} in one file; convert it first"
        )
    return fitting[0]


def may_follow(before: str | None, after: str | None) -> bool:
    """Whether IOBES allows one tag after another; None is the edge of a sentence.

    Example:
        >>> may_follow("B-x", "E-x"), may_follow("B-x", "E-y"), may_follow("I-x", None)
        (True, False, False)
    """
    (p, kind), (q, other) = (split("O" if tag is None else tag) for tag in (before, after))
    return q in NEXT[p] and (p not in ("B", "I") or kind == other)
