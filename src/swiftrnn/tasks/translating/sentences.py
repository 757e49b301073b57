"""Texts cut into sentences, and tokens put together to words."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from swiftrnn.data.segmentation import tokens as segmentation
from swiftrnn.data.translation.tokenizer import BLANK

T = TypeVar("T")
LAST = "(end)"  # how the end of a sentence is shown


def lines_of(text: str) -> list[list[str]]:
    r"""The sentences of each line of a text.

    Examples:
        >>> lines_of("Wer da? Ich bin es.\n\nKomm!")
        [['Wer da?', 'Ich bin es.'], [], ['Komm!']]
    """
    return [
        [line[words[0].start : words[-1].end] for words in segmentation.sentences(line)]
        for line in text.splitlines()
    ]


def regrouped(lines: Sequence[Sequence[str]], items: Iterator[T]) -> list[list[T]]:
    """What belongs to each sentence of a text, in its lines.

    Examples:
        >>> regrouped([["Wer da?", "Ich."], [], ["Komm!"]], iter([1, 2, 3]))
        [[1, 2], [], [3]]
    """
    return [[next(items) for _ in line] for line in lines]


def grouped(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """The words that pieces make, each with the places of its pieces.

    Examples:
        >>> grouped(["▁Bahn", "hof", "?", "(end)"])
        [('Bahnhof', [0, 1]), ('?', [2]), ('(end)', [3])]
    """
    words: list[tuple[str, list[int]]] = []
    for i, piece in enumerate(pieces):
        mark = not any(c.isalnum() for c in piece)
        if not words or mark or piece.startswith(BLANK) or piece == LAST or _is_mark(words[-1][0]):
            words.append((piece.removeprefix(BLANK), [i]))
        else:
            words[-1] = (words[-1][0] + piece, [*words[-1][1], i])
    return words


def _is_mark(word: str) -> bool:
    return bool(word) and not any(c.isalnum() for c in word)
