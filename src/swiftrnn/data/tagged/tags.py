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
BARE = frozenset("OBIESMLU")  # tags of files with one type of spans, which is not written
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

    Examples:
        >>> split("M-creative-work"), split("O")
        (('I', 'creative-work'), ('O', ''))
    """
    prefix, _, kind = tag.partition("-")
    prefix = SAME.get(prefix, prefix)
    fits = prefix in ("O", *PREFIXES) and (prefix == "O") == (kind == "")
    if not fits or not kind.isprintable() or kind != kind.strip():
        raise ValueError(
            f"a tag needs to be O, or one of B I E S M L U, a hyphen and a type; got {tag!r}; "
            "is that the column of the tags?"
        )
    return prefix, kind


def is_tag(word: str) -> bool:
    """Whether a word can be a tag, with a type or without.

    Examples:
        >>> is_tag("B-x"), is_tag("B"), is_tag("NN")
        (True, True, False)
    """
    try:
        split(word)
    except ValueError:
        return word in BARE
    return True


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of a sentence as the script conlleval finds them, whatever the scheme.

    What breaks the rules of a scheme still is a span: an I with nothing before it begins one.

    Raises:
        ValueError: something is no tag.

    Examples:
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
    """Only what is a span by every rule of its scheme, written as the scheme has it.

    Examples:
        >>> strict_spans(["I-x", "O", "B-x", "I-x"]), strict_spans(["I-x", "O", "B-x"], "IOB1")
        ([Span(type='x', first=2, end=4)], [Span(type='x', first=0, end=1)])
    """
    found = spans(tags)
    right = to_tags(found, len(tags), scheme)
    return [s for s in found if right[s.first : s.end] == [*tags[s.first : s.end]]]


def to_tags(found: Iterable[Span], length: int, scheme: Scheme = "IOBES") -> list[str]:
    """The tags of a sentence of so many words.

    Raises:
        ValueError: a span lies outside, or in another one.

    Examples:
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
    """Which scheme tags are written in; of IOB1 and IOB2 the one that fewer spans speak against.

    Raises:
        ValueError: they mix several schemes, or something is no tag.

    Examples:
        >>> scheme_of([["I-x", "I-x", "B-x"]]), scheme_of([["B-x", "O", "S-x"]])
        ('IOB1', 'IOBES')
    """
    seen, one, two = set(), 0, 0  # what only IOB1 allows, what only IOB2 does
    for tags in sentences:
        for a, b in pairwise(("O", *tags)):
            seen.add(b[:1] if split(b)[0] != "O" else "O")
            begins = split(a)[1] != split(b)[1]
            one += begins and b[:1] == "I"
            two += begins and b[:1] == "B"
    if seen <= set("OBI"):
        return "IOB1" if one and one >= two else "IOB2"
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

    Examples:
        >>> may_follow("B-x", "E-x"), may_follow("B-x", "E-y"), may_follow("I-x", None)
        (True, False, False)
    """
    (p, kind), (q, other) = (split("O" if tag is None else tag) for tag in (before, after))
    return q in NEXT[p] and (p not in ("B", "I") or kind == other)
