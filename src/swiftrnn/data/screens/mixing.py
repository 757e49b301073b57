"""New screenshots, put together from rows and cells of others, that gaps tell apart.

A screenshot is cut where whole lines, and within a row whole columns, have one colour. It is used
only where that gives one piece for each name of its program: nothing is guessed.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data.screens.program import Node, Program

FLAT = 6  # levels of 255 by which the pixels of a gap may differ
TRIES = 4  # to find rows that fit, before a screenshot is left as it is


@dataclass(frozen=True)
class Row:
    """What one name at the top of a program looks like.

    Attributes:
        node: the name and what it holds.
        pixels: (3, H, W) of uint8, with the gap above it.
        gap: lines of that gap.
        cells: the columns (first, last) of each child.
        place: what may stand in its place: its name, that of the one above, colour of the page.
    """

    node: Node
    pixels: Tensor
    gap: int
    cells: tuple[tuple[int, int], ...]
    place: tuple[str, str, tuple[int, ...]]


@dataclass(frozen=True)
class Page:
    """A screenshot in rows, and what is below the last one: a tail, then nothing to the end."""

    rows: tuple[Row, ...]
    tail: Tensor
    below: Tensor


class Mixer:
    """Draws screenshots that are put together from rows and cells of all.

    Args:
        pixels: (N, 3, H, W) of uint8.
        programs: N of one platform.
        draw: of random numbers; torch's own by default.

    Attributes:
        pages: of those screenshots whose rows and cells are told apart.

    Examples:
        >>> mixer = Mixer(pixels, programs)  # doctest: +SKIP
        >>> f"{len(mixer.pages)} of {len(pixels)} can be mixed"  # doctest: +SKIP
        '459 of 460 can be mixed'
        >>> picture, program = mixer.draw()  # doctest: +SKIP
    """

    def __init__(
        self, pixels: Tensor, programs: Sequence[Program], draw: torch.Generator | None = None
    ) -> None:
        self.platform, self.random = programs[0].platform, draw
        self.high = pixels.shape[2]
        lines = [runs(_varies(each, 2)) for each in pixels]
        more = Counter(
            len(found) - len(each.body.children)
            for found, each in zip(lines, programs, strict=True)
        )
        tail = more.most_common(1)[0][0]  # pieces below the last row, such as a line and a name
        pages = [
            _page(*each, tail) for each in zip(pixels, programs, lines, strict=True)
        ]  # fmt: skip
        self.pages = [each for each in pages if each]
        self.rows: dict[tuple[object, ...], list[Row]] = defaultdict(list)
        self.cells: dict[tuple[object, ...], list[tuple[Node, Tensor]]] = defaultdict(list)
        for row in (row for page in self.pages for row in page.rows):
            self.rows[row.place].append(row)
            for node, (first, last) in zip(row.node.children, row.cells, strict=True):
                cell = row.pixels[:, row.gap :, first:last]
                self.cells[_like(row, node, cell)].append((node, cell))

    def draw(self) -> tuple[Tensor, Program]:
        """A screenshot (3, H, W) of uint8, and its program.

        Each row is any row that is told apart, and each cell any of its name and size.
        """
        page = self._any(self.pages)
        rows, left = page.rows, page.below.shape[1]
        for _ in range(TRIES):
            mixed = tuple(self._mixed(self.rows[each.place]) for each in page.rows)
            fits = self.high - page.tail.shape[1] - sum(each.pixels.shape[1] for each in mixed)
            if fits > 0:
                rows, left = mixed, fits
                break
        blank = page.below[:, :1].expand(-1, max(0, left - page.below.shape[1]), -1)
        pieces = [*(each.pixels for each in rows), page.tail, blank, page.below[:, -left:]]
        body = Node("body", tuple(each.node for each in rows))
        return torch.cat(pieces, 1), Program(self.platform, body)

    def _any(self, some: Sequence[Any]) -> Any:
        return some[int(torch.randint(len(some), (), generator=self.random))]

    def _mixed(self, rows: Sequence[Row]) -> Row:
        """Any of the rows, with each cell like any of its name and size."""
        row = self._any(rows)
        pixels, nodes = row.pixels.clone(), []
        for node, (first, last) in zip(row.node.children, row.cells, strict=True):
            place = pixels[:, row.gap :, first:last]
            like = self.cells[_like(row, node, place)]
            found, cell = self._any(like)
            place.copy_(cell)
            nodes.append(found)
        end = runs(_varies(pixels, 2))[-1][1]  # where all cells are lower than before
        return Row(
            Node(row.node.name, tuple(nodes)), pixels[:, :end], row.gap, row.cells, row.place
        )


def runs(marks: Tensor) -> list[tuple[int, int]]:
    """First and last (not included) of each run of marks (N) that are set.

    Examples:
        >>> runs(torch.tensor([False, True, True, False, True]))
        [(1, 3), (4, 5)]
    """
    edges = torch.diff(marks.int(), prepend=torch.zeros(1), append=torch.zeros(1)).nonzero()
    return [tuple(each) for each in edges.view(-1, 2).tolist()]


def _page(pixels: Tensor, program: Program, lines: list[tuple[int, int]], tail: int) -> Page | None:
    """A screenshot in rows, or None if they are not told apart."""
    nodes = program.body.children
    if tail < 0 or len(lines) != len(nodes) + tail:
        return None
    rows, start, above = [], 0, ""
    for node, (first, last) in zip(nodes, lines[: len(nodes)], strict=True):
        if first == start:  # no gap above
            return None
        colour = pixels[:, first - 1, 0]
        band = pixels[:, first:last].float()
        cells = runs(((band - colour[:, None, None]).abs() > FLAT).any(0).any(0))
        if len(cells) != len(node.children):
            return None
        place = (node.name, above, tuple((colour // 8).tolist()))
        rows.append(Row(node, pixels[:, start:last], first - start, tuple(cells), place))
        start, above = last, node.name
    end = lines[-1][1]
    if end >= pixels.shape[1]:  # cut off at the lower edge
        return None
    return Page(tuple(rows), pixels[:, start:end], pixels[:, end:])


def _varies(pixels: Tensor, dim: int) -> Tensor:
    """Whether a line (dim 2) of an image (3, H, W) has several colours."""
    x = pixels.float()
    return ((x.amax(dim) - x.amin(dim)) > FLAT).any(0)


def _like(row: Row, node: Node, cell: Tensor) -> tuple[object, ...]:
    return node.name, *cell.shape[1:], *row.place[2]
