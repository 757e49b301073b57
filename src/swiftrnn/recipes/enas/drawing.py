"""A cell as a picture: which node reads which, and by what function."""

from swiftrnn.recipes.enas.cells import FUNCTIONS, Cell
from swiftrnn.report.page import Plot

COLORS = ("#bcd4f6", "#c4e6cf", "#f6e2b8", "#d9dee4")
FILLS: dict[str, str] = dict(zip(FUNCTIONS, COLORS, strict=True))
WIDE, HIGH = 132, 52  # from one place to the next
BOX = (98, 34)
INK, LINE = "#1d2226", "#7b8794"


def drawn(cell: Cell) -> Plot:
    """A cell from left to right, in SVG."""
    places = layout(cell)
    last = max(x for x, _ in places) + 1, places[0][1]
    parts = []
    for number, place in enumerate(places):
        if number:
            parts += [_line(places[cell.nodes[number - 1][0]], place), _line(place, last, True)]
    parts.append(_box(places[0], "input + state", "#ffffff"))
    for place, (_, function) in zip(places[1:], cell.nodes, strict=True):
        parts.append(_box(place, function, FILLS[function]))
    parts.append(_box(last, "mean", "#ffffff"))
    wide, high = (last[0] + 1) * WIDE, (max(y for _, y in places) + 1) * HIGH
    title = f"The cell {cell}"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" '
        f'role="img" style="width:{wide:.0f}px;max-width:100%" font-family="sans-serif" '
        f'font-size="13"><title>{title}</title>{"".join(parts)}</svg>'
    )
    return Plot(title, svg, "Each node reads one before it; the next state is the mean of all.")


def layout(cell: Cell) -> list[tuple[float, float]]:
    """Column and row of node 0 and of each node: a tree, no two nodes in one place."""
    children = [
        [n for n, (before, _) in enumerate(cell.nodes, 1) if before == node]
        for node in range(len(cell.nodes) + 1)
    ]
    places: dict[int, tuple[float, float]] = {}
    rows = 0

    def put(node: int, column: int) -> float:
        nonlocal rows
        if below := [put(child, column + 1) for child in children[node]]:
            row = sum(below) / len(below)
        else:
            row, rows = float(rows), rows + 1
        places[node] = (float(column), row)
        return row

    put(0, 0)
    return [places[node] for node in range(len(cell.nodes) + 1)]


def _box(place: tuple[float, float], text: str, fill: str) -> str:
    x, y = (place[0] + 0.5) * WIDE, (place[1] + 0.5) * HIGH
    return (
        f'<rect x="{x - BOX[0] / 2:.1f}" y="{y - BOX[1] / 2:.1f}" width="{BOX[0]}" '
        f'height="{BOX[1]}" rx="7" fill="{fill}" stroke="{LINE}"/>'
        f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" fill="{INK}">{text}</text>'
    )


def _line(start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> str:
    """From the right side of one box to the left side of another."""
    (x, y), (to_x, to_y) = (((p[0] + 0.5) * WIDE, (p[1] + 0.5) * HIGH) for p in (start, end))
    dash = ' stroke-dasharray="4 4"' if dashed else ""
    return (
        f'<line x1="{x + BOX[0] / 2:.1f}" y1="{y:.1f}" x2="{to_x - BOX[0] / 2:.1f}" '
        f'y2="{to_y:.1f}" stroke="{LINE}" stroke-width="1.5"{dash}/>'
    )
