"""How many images of a table are read without a mistake."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from swiftrnn.data import two_columns
from swiftrnn.data.two_columns import About
from swiftrnn.recipes.vector_to_sequence.answer import answer
from swiftrnn.recipes.vector_to_sequence.measure import exact
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.runs import limits
from swiftrnn.tasks import NoOptions, Scored, Scoring
from swiftrnn.tasks.image import Image

AT_ONCE = 256  # images that are open together
ABOUT = About(
    "images and their words", "the path of an image and its words", ("image", "words"),
    ("1", "2"), ("--image-column", "--words-column"),
)  # fmt: skip


@dataclass(frozen=True)
class Places(limits.Checked):
    """Where in a file the paths of images are, and what they show in words."""

    # name or number of the column of paths; default: the first
    image_column: Annotated[str | None, limits.Added] = None
    # name or number of the column of words; default: the second
    words_column: Annotated[str | None, limits.Added] = None
    encoding: str = "utf-8"  # encoding of the file


def scored(model: Speller, path: Path, options: Places) -> Scored:
    """Percent of images whose words are all right; paths begin at the folder of the file.

    Raises:
        ValueError: the file or an image does not fit.
    """
    columns = options.image_column, options.words_column
    rows = two_columns.read(path, ABOUT, columns, options.encoding).rows
    if not rows:
        raise ValueError(f"evaluate needs images and their words; got none in {path}")
    names, words = [str(row.first) for row in rows], [str(row.second) for row in rows]
    found: list[str] = []
    for first in range(0, len(names), AT_ONCE):
        some = [Image(1).read(path.parent / name) for name in names[first : first + AT_ONCE]]
        found += answer(model, some, NoOptions())
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["image", "words", "read"])
    writer.writerows(zip(names, words, found, strict=True))
    return Scored(f"{len(rows):,} images", {"exact": exact(found, words)}, file.getvalue())


SCORING = Scoring(scored, Places, ".csv")
