"""Text as people write it, made from the words of a corpus, with the places of its spans."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import regex

from swiftrnn.data.segmentation.cutting import Cut
from swiftrnn.data.segmentation.typography import WORDS
from swiftrnn.data.tagged.columns import Columns

PARAGRAPH = 10  # sentences on a line; messages and headings have a line each
ENDS = regex.compile(r"[.!?。！？…:;]\P{Alnum}*$")


class Place(NamedTuple):
    """The characters from `start` to `end` of a text, without `end`, are of a type."""

    type: str
    start: int
    end: int


def joined(part: Columns, cut: Cut) -> tuple[str, set[Place]]:
    r"""A corpus as raw text, joined by the detokenizer of sacremoses, and where its spans lie.

    Args:
        part: the sentences; ten make a paragraph, and what ends without a sign ends one.
        cut: of the corpus; characters are joined without blanks, messages are lines.

    Raises:
        ModuleNotFoundError: sacremoses is not installed.

    Examples:
        >>> from swiftrnn.data.tagged.columns import Sentence
        >>> from swiftrnn.data.tagged.tags import Span
        >>> part = Columns((Sentence(("in", "Bonn", ",", "it", "'s"), (Span("x", 1, 2),)),), "IOB2")
        >>> joined(part, Cut())
        ("in Bonn, it's\n", {Place(type='x', start=3, end=7)})
    """
    text, found, size = [], set(), 0
    for i, (sentence, (line, places)) in enumerate(
        zip(part.sentences, _lines(part, cut), strict=True)
    ):
        for span in sentence.spans:
            start, end = places[span.first][0], places[span.end - 1][1]
            found.add(Place(span.type, size + start, size + end))
        last = i % PARAGRAPH == PARAGRAPH - 1 or i == len(part.sentences) - 1
        ends = last or cut.messages or not ENDS.search(line)
        line += "\n" if ends else "" if cut.style == "characters" else " "
        text.append(line)
        size += len(line)
    return "".join(text), found


def _lines(part: Columns, cut: Cut) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Each sentence as raw text, and where its words lie."""
    if cut.style == "characters":
        yield from (_with_places("".join(s.words), s.words) for s in part.sentences)
        return
    from sacremoses import MosesDetokenizer

    moses = MosesDetokenizer(lang="en")
    for sentence in part.sentences:
        words = [WORDS.get(word, word) for word in sentence.words]
        yield _with_places(moses.detokenize(words, unescape=False), words)


def _with_places(text: str, words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Where words lie in a text that holds them; where it does not, they are joined by blanks."""
    at, places = 0, []
    for word in words:
        start = None
        for c in word:
            while at < len(text) and text[at] != c and text[at].isspace():
                at += 1
            if at == len(text) or text[at] != c:
                return _with_places(" ".join(words), words)
            start, at = at if start is None else start, at + 1
        places.append((start or 0, at))
    return text, places
