"""Cells and tables in Markdown."""

from collections.abc import Iterable


def number(value: float | None, form: str, factor: float = 1.0) -> str:
    """A cell of a table; "–" where nothing was measured."""
    return "–" if value is None else format(value * factor, form)


def ratio(a: float | None, b: float | None) -> float | None:
    """A / b, None where one is missing."""
    return a / b if a is not None and b else None


def verdict(got: float, sign: str, bound: float) -> tuple[str, str, str]:
    """What was asked (at most or at least the bound), what was measured, and whether it holds."""
    holds = got <= bound if sign == "≤" else got >= bound
    return f"{sign} {bound:.2f}", f"{got:.2f}", "yes" if holds else "**no**"


def table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table: the first column to the left, numbers to the right."""
    names = list(header)
    marks = [":--"] + ["--:"] * (len(names) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in (names, marks, *lines))
