"""A report in one HTML file: tables, plots and facts, with nothing fetched from anywhere.

Needs the extra `report` (jinja2, and matplotlib for plots), imported when a page is made.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from swiftrnn.runs import folder

TEMPLATE = Path(__file__).with_name("report.html.jinja")
PNG = b"\x89PNG\r\n\x1a\n"
DENSITY = 1.5  # pixels of a picture on one of the page: pictures are drawn with 150 dpi


@dataclass(frozen=True)
class Cell:
    """A cell of a table with more than a value: a line in small print, a sign before the text."""

    text: str
    note: str = ""
    sign: Literal["good", "bad", ""] = ""  # drawn as a tick or a cross, never by colour alone

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Column:
    """One column of a `Table`; `better` marks its best cell."""

    key: str  # where the rows keep it
    title: str  # may take several lines
    digits: int | None = None  # after the point; None for text
    better: str = ""  # "higher", "lower" or "" where no direction is good

    def show(self, value: Any) -> str:
        """The cell as text: thousands with commas, a dash where there is nothing."""
        if value is None:
            return "–"
        return str(value) if self.digits is None else f"{value:,.{self.digits}f}"


@dataclass(frozen=True)
class Table:
    """Rows of values by column key; a key that a row lacks shows as a dash."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    note: str = ""
    ranked: int | None = None  # so many rows, from the first, can be the best; None for all
    sentences: bool = False  # cells are text that wraps; on a phone each row becomes a card

    def best(self) -> set[tuple[int, str]]:
        """(row, key) of every best cell, ties included; none in columns with one value or less."""
        found, rows = set(), self.rows[: self.ranked]
        for column in self.columns:
            values = [r[column.key] for r in rows if r.get(column.key) is not None]
            if column.better and len(values) > 1:
                top = max(values) if column.better == "higher" else min(values)
                shown = column.show(top)
                found |= {
                    (i, column.key)
                    for i, row in enumerate(rows)
                    if column.show(row.get(column.key)) == shown
                }
        return found

    def heads(self) -> list[str]:
        """The column titles, with an arrow that points to where better is."""
        arrows = {"higher": " ↑", "lower": " ↓", "": ""}
        return [column.title + arrows[column.better] for column in self.columns]

    def text(self) -> str:
        """Aligned plain text for a terminal; best cells carry a star."""
        best = self.best()
        cells = [
            [c.show(row.get(c.key)) + "* "[(i, c.key) not in best] for c in self.columns]
            for i, row in enumerate(self.rows)
        ]
        heads = [head.split("\n") for head in self.heads()]
        depth = max(map(len, heads))
        heads = [[""] * (depth - len(h)) + h for h in heads]
        lines = [[f"{h[level]} " for h in heads] for level in range(depth)] + cells
        widths = [max(len(line[k]) for line in lines) for k in range(len(self.columns))]
        left = [column.digits is None for column in self.columns]
        out = [
            " ".join(
                cell.ljust(w) if flush else cell.rjust(w)
                for cell, w, flush in zip(line, widths, left, strict=True)
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*out[:depth], "─" * (sum(widths) + len(widths) - 2), *out[depth:]])


@dataclass(frozen=True)
class Plot:
    """A drawn plot, which is read out by its title, and the sentence under it."""

    title: str
    svg: str
    caption: str = ""
    narrow: str = ""  # the same for a narrow window; "" where one drawing serves both


@dataclass(frozen=True)
class Picture:
    """A PNG file, kept inside the page, and the sentence under it."""

    title: str
    path: Path
    caption: str = ""

    def data(self) -> str:
        """The file as an address."""
        return "data:image/png;base64," + base64.b64encode(self.path.read_bytes()).decode()

    def size(self) -> tuple[int, int] | None:
        """Width and height on the page, in its pixels; None for what is no PNG file."""
        head = self.path.read_bytes()[:24]
        if not head.startswith(PNG):
            return None
        wide, high = (int.from_bytes(each) for each in (head[16:20], head[20:24]))
        return round(wide / DENSITY), round(high / DENSITY)


@dataclass(frozen=True)
class Links:
    """Other pages: what each is called, and its address from this one."""

    pages: Mapping[str, str]


Facts = Mapping[str, Any]  # name to value
Section = tuple[str, "Table | Plot | Picture | Links | Facts | str"]  # heading, what is under it


@dataclass(frozen=True)
class Page:
    """What a report shows, top down; every report has this one look.

    Attributes:
        title: a line.
        command: what was typed; a small line above the title.
        summary: paragraphs: what was found.
        warning: what a reader has to know before all else, such as that the data are synthetic.
        about: what the summary is about, by name: the paper, what is different.
        sections: tables, plots, pictures, links, facts, or texts kept as they are (a sample).
        folded: the same for who wants to know more: settings, machine, all numbers.
    """

    title: str
    summary: Sequence[str] = ()
    warning: str = ""
    sections: Sequence[Section] = ()
    folded: Sequence[Section] = ()
    command: str = ""
    about: Facts = field(default_factory=dict)


def write(page: Page, path: Path) -> None:
    """Write the page as one self-contained HTML file, whole or not at all.

    Args:
        page: what to show.
        path: the file to write; its folder exists.

    Raises:
        ModuleNotFoundError: the extra `report` is not installed.
        OSError: a picture cannot be read, or the file not be written.
    """
    needs_extra()
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name, kind in {
        "table": Table, "plot": Plot, "picture": Picture, "links": Links, "cell": Cell,
    }.items():  # fmt: skip
        environment.tests[name] = lambda each, kind=kind: isinstance(each, kind)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    folder.write_text(path, template.render(page=page))


def needs_extra(who: str = "the report") -> None:
    """Check that matplotlib and jinja2 are here.

    Raises:
        ModuleNotFoundError: names what is missing and the extra to install.
    """
    folder.needs_extra(who, "report", "matplotlib", "jinja2")
