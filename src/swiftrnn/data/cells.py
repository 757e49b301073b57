"""Cells of a table: which are numbers, which are words, which are missing, which are neither."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

Decimal = Literal["auto", "point", "comma"]
# Source: pandas (2.2), "read_csv", na_values, in lower case; and a question mark, as UCI has it.
MISSING = {
    "", "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "-nan", "1.#ind", "1.#qnan", "<na>",
    "n/a", "na", "null", "nan", "none", "?",
}  # fmt: skip
POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
COMMA = re.compile(r"[+-]?(\d+(,\d*)?|,\d+)([eE][+-]?\d+)?", re.ASCII)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([,.]\d{3})+", re.ASCII)
# What a person may mean as a number, or Python takes for one: 1_000, 1 000, 0x1F, 12 %, ٣.
NUMERIC = re.compile(
    r"[+\-−–]?\s*[$€£¥]?\s*\d[\d\s.,'’_]*([eE][+-]?\d+)?\s*[%$€£¥]?|[+-]?0[xXoObB][\da-fA-F_]+"
)


class Cell(NamedTuple):
    """What a cell holds, and where it stands."""

    text: str
    line: int  # of the file, from 1
    column: str
    path: Path

    @property
    def place(self) -> str:
        """For a message."""
        return f"{self.column} in line {self.line} of {self.path}"


def is_missing(text: str) -> bool:
    """Whether a cell stands for nothing: empty, NA, nan, ...

    Examples:
        >>> is_missing("NaN"), is_missing("0")
        (True, False)
    """
    return text.lower() in MISSING


def is_number(text: str) -> bool:
    """Whether a cell is a plain number, with a decimal point or comma.

    Examples:
        >>> [is_number(text) for text in ("-1.5e3", "1,5", "1_0", "0x1F", "inf")]
        [True, True, False, False, False]
    """
    return bool(POINT.fullmatch(text) or COMMA.fullmatch(text))


def decimal_sign(cells: Sequence[Cell], told: Decimal = "auto") -> str:
    """The decimal sign of a table: a comma where some cell has one that can be nothing else.

    Raises:
        ValueError: the cells have both signs, or only such commas as could part thousands.

    Examples:
        >>> decimal_sign([Cell("1,5", 2, "a", Path("t.csv")), Cell("3", 2, "b", Path("t.csv"))])
        ','
    """
    if told != "auto":
        return "," if told == "comma" else "."
    commas = [c for c in cells if "," in c.text and COMMA.fullmatch(c.text)]
    points = [c for c in cells if "." in c.text and POINT.fullmatch(c.text)]
    sure = [c for c in commas if not THOUSANDS.fullmatch(c.text)]
    if commas and points:
        raise ValueError(
            f"a table needs one decimal sign; got {commas[0].text!r} for {commas[0].place}, and "
            f"{points[0].text!r} for {points[0].place}; write both alike, or say --decimal"
        )
    if commas and not sure:
        raise ValueError(
            f"a table needs numbers that can be read in one way; got {commas[0].text!r} for "
            f"{commas[0].place}, which may have a decimal comma or thousands; say --decimal comma, "
            "or write it without a comma"
        )
    return "," if sure else "."


def values(cells: Sequence[Cell], sign: str, words: bool = False) -> list[float] | list[str]:
    """The numbers of a column, or its words where not one of them looks like a number.

    Args:
        cells: at least one.
        sign: the decimal sign.
        words: whether they are words, whatever they look like.

    Raises:
        ValueError: a cell is missing, is a number but not a plain, finite one, or is a number among
            words; the message names the column and the line.

    Examples:
        >>> values([Cell("1,5", 2, "a", Path("t.csv"))], ",")
        [1.5]
    """
    plain, number, word = POINT if sign == "." else COMMA, None, None
    for cell in cells:
        if is_missing(cell.text):
            raise ValueError(
                f"a table needs a value in each row; got {cell.text!r} for {cell.place}; fill it, "
                "leave out such rows with --missing drop, or choose other columns with --columns"
            )
        if words:
            word = cell
        elif plain.fullmatch(cell.text) and math.isfinite(_float(cell.text)):
            number = number or cell
        elif _is_numeric(cell.text):
            raise ValueError(
                f"a table needs plain numbers, such as -1.5e3; got {cell.text!r} for {cell.place}; "
                f"correct it, or read the column as words with --words {cell.column!r}"
            )
        else:
            word = word or cell
    if number and word:
        raise ValueError(
            f"a table needs numbers or words in a column; got {number.text!r} for {number.place}, "
            f"and {word.text!r} in line {word.line}; correct them, or read the column as words "
            f"with --words {word.column!r}"
        )
    return [c.text for c in cells] if word else [_float(c.text) for c in cells]


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _is_numeric(text: str) -> bool:
    if POINT.fullmatch(text) or NUMERIC.fullmatch(text):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
