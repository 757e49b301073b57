"""Raw text to sentences of words that know where they stood."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import regex
import sentencex

from swiftrnn.data.segmentation.cutting import STYLES, Cut, Style, chunks, cut_chunk

SEGMENTER: Any = sentencex  # compiled: its names are not seen from outside
WINDOW = 8192  # characters that are looked at together for the ends of sentences
AROUND = 100  # characters before and behind the end of a sentence that tell whether it is one
LINES = regex.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
CHINESE = regex.compile(r"[。！？!?]++[”’」』）)]*+")
WORD = regex.compile(r"[^ \t\r\n]+")
ENDED = regex.compile(r"[\s。！？]")  # behind the sentence: no word goes on there
HALVES = regex.compile(r"[\ud800-\udfff]")  # of surrogate pairs: no text for others


class Token(NamedTuple):
    """The characters from `start` to `end` of a text, without `end`."""

    text: str
    start: int
    end: int


def sentences(text: str, cut: Cut | Style = "words") -> list[list[Token]]:
    """The sentences of a text, each with at least one word.

    A line ends a sentence; inside a line sentencex finds the ends, but for those behind what was
    an abbreviation in the training text. White space, and what cannot be seen, is in no word;
    everything else is in one.

    Args:
        text: anything.
        cut: how a corpus was cut, see `data.cutting.learnt`; or a style, where nothing is known.

    Examples:
        >>> [[t.text for t in s] for s in sentences("George W. Bush is in the U.S. Army. It's on")]
        [['George', 'W.', 'Bush', 'is', 'in', 'the', 'U.S.', 'Army', '.'], ['It', "'s", 'on']]
    """
    cut = STYLES[cut] if isinstance(cut, str) else cut
    found = []
    for start, end in _lines(text):
        for first, last in _sentences(text, start, end, cut):
            if words := _words(text, first, last, cut):
                found.append(words)
    return found


def tokenized(text: str) -> list[list[Token]]:
    r"""The sentences of a text whose lines are sentences, and whose blanks and tabs part words.

    Examples:
        >>> [[t.text for t in s] for s in tokenized("the U.S. Army\n\nIt 's on")]
        [['the', 'U.S.', 'Army'], ['It', "'s", 'on']]
    """
    found = []
    for start, end in _ends_of_lines(text):
        words = [Token(m[0], m.start(), m.end()) for m in WORD.finditer(text, start, end)]
        if words:
            found.append(words)
    return found


def _ends_of_lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line)
        start += len(line) + 1


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in LINES.finditer(text) if not text.isprintable() else ():  # no line end is printable
        yield start, gap.start()
        start = gap.end()
    yield start, len(text)


def _sentences(text: str, start: int, end: int, cut: Cut) -> Iterator[tuple[int, int]]:
    """Where the sentences of a line begin and end."""
    if cut.messages:
        yield start, end
        return
    ends = _chinese if cut.style == "characters" else _ends
    for here in ends(text, start, end):
        before, after = text[max(start, here - AROUND) : here], text[here : here + AROUND].lstrip()
        if here == end or not cut.goes_on(before, after):
            yield start, here
            start = here
    if start < end:
        yield start, end


def _chinese(text: str, start: int, end: int) -> Iterator[int]:
    yield from (m.end() for m in CHINESE.finditer(text, start, end))


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """What sentencex says, a window at a time: with the whole its time would not be linear."""
    while start < end:
        window = text[start : min(end, start + WINDOW)]
        sure = window if window.isascii() else HALVES.sub("\ufffd", window)
        ends = [each["end_index"] for each in SEGMENTER.get_sentence_boundaries("en", sure)]
        ends = [e for e in ends if e == len(sure) or ENDED.match(sure[e - 1])]
        if start + WINDOW >= end:
            yield from (start + e for e in ends)
            return
        yield from (start + e for e in ends[:-1])
        start += ends[-2] if len(ends) > 1 else len(window)


def _words(text: str, start: int, end: int, cut: Cut) -> list[Token]:
    """The words of a sentence."""
    parts, words = list(chunks(text, start, end)), []
    for i, (first, last) in enumerate(parts, 1):
        part = text[first:last]
        for a, b in cut_chunk(part, cut, i == len(parts)):
            words.append(Token(part[a:b], first + a, first + b))
    return words
