"""Texts with a class each: files of two columns, and parts of a set for cross-validation."""

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from swiftrnn.data import two_columns
from swiftrnn.data.two_columns import About, Row

ABOUT = About(
    "labelled texts", "a text and a class", ("text", "label"), ("1", "-1"),
    ("--text-column", "--label-column"),
)  # fmt: skip


@dataclass(frozen=True)
class Labelled:
    """Texts and their classes.

    Attributes:
        texts: N texts.
        labels: the class of each.
        tokenized: whether blanks part the texts into words; else they are raw.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    tokenized: bool = False

    def __len__(self) -> int:
        return len(self.texts)

    def __str__(self) -> str:
        counts = Counter(self.labels).most_common()
        shown = ", ".join(f"{n:,} {label}" for label, n in counts[:5])
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        return f"{len(self):,} texts, {len(counts)} classes ({shown}{more})"

    @property
    def classes(self) -> list[str]:
        """Its classes, in alphabetical order."""
        return sorted(set(self.labels))

    def about(self) -> dict[str, Any]:
        """What was read, for metrics.json."""
        return {"texts": len(self), "classes": len(set(self.labels))}

    def rows(self, numbers: Sequence[int]) -> Self:
        """Those texts alone."""
        texts, labels = ([part[i] for i in numbers] for part in (self.texts, self.labels))
        return type(self)(tuple(texts), tuple(labels), self.tokenized)

    def __add__(self, other: "Labelled") -> "Labelled":
        return Labelled(self.texts + other.texts, self.labels + other.labels, self.tokenized)


class Layout(NamedTuple):
    """Where in a file things are.

    Attributes:
        text: the column of the text: its number from 1, from the end with a minus, or its name; in
            a .jsonl or .parquet file its key. None is the first column, or the key "text".
        label: the same for the class; None is the last column, or the key "label".
        encoding: of the file, as Python names it.
        tokenized: whether blanks part texts into words.
    """

    text: str | None = None
    label: str | None = None
    encoding: str = "utf-8"
    tokenized: bool = False


def read(path: Path, layout: Layout | None = None, known: Collection[str] = ()) -> Labelled:
    """Texts and classes of a file; `two_columns.read` says of which kinds.

    The first row of a table names the columns if a column is given by name, or if its class is that
    of no other row and none of those known. Rows of white space alone are left out.

    Args:
        path: the file; `.gz` behind its ending says that it is packed.
        layout: where in it things are.
        known: classes that are known already, such as those of the training data.

    Raises:
        OSError: it cannot be read.
        ValueError: a row does not fit; the message names its line.
    """
    layout = layout or Layout()
    rows, named = two_columns.read(path, ABOUT, (layout.text, layout.label), layout.encoding)
    found = [_typed(row, path) for row in rows]
    if found and not named and found[0][2] not in {*known, *(label for *_, label in found[1:])}:
        found = found[1:]
    for line, each, label in found:
        if not each or not label:
            raise ValueError(
                f"{path}:{line} needs a text and a class; got no {'class' if each else 'text'}; "
                "fill it in, or take the row out"
            )
    if not found:
        raise ValueError(f"{path} needs texts with a class each; got none; give another file")
    texts, labels = tuple(t for _, t, _ in found), tuple(k for *_, k in found)
    return Labelled(texts, labels, layout.tokenized)


def _typed(row: Row, path: Path) -> tuple[int, str, str]:
    """Line, text and class of a row; a class may be a whole number."""
    line, text, label = row
    if not isinstance(text, str) or not isinstance(label, str | int) or label is True:
        raise ValueError(
            f"{path}:{line} needs a text and a word or whole number as its class; got "
            f"{text!r:.60} and {label!r:.60}; mend the row"
        )
    return line, text.strip(), str(label).strip()


def folds(labels: Sequence[str], count: int, seed: int) -> list[list[int]]:
    """Places of labels in equal parts, each with about the same share of every class.

    Args:
        labels: N classes, N at least `count`.
        count: of parts, at least 2.
        seed: of the order.

    Returns:
        `count` lists that together hold 0 ... N - 1, each once; their sizes differ by 1 at most.

    Raises:
        ValueError: there are fewer labels than parts.

    Examples:
        >>> [sorted(part) for part in folds(["a", "b", "a", "b"], 2, seed=0)]
        [[0, 1], [2, 3]]
    """
    if not 2 <= count <= len(labels):
        raise ValueError(
            f"cross-validation needs 2 folds or more, and a text for each; got {count} folds and "
            f"{len(labels)} texts; give more texts"
        )
    draw, order = random.Random(seed), []
    for name in sorted(set(labels)):
        here = [i for i, label in enumerate(labels) if label == name]
        draw.shuffle(here)
        order += here
    return [order[start::count] for start in range(count)]
