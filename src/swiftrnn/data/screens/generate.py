"""Random programs and looks: as many as one wants, each a pure function of its seed."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from swiftrnn.data.screens.grammar import FULL, PLATFORMS
from swiftrnn.data.screens.html import Theme
from swiftrnn.data.screens.program import Node, Program

LEVELS = ("published", "varied")
SIZES = {  # of screens, in CSS pixels, the usual one first
    "web": ((1200, 690), (1280, 800), (1366, 768), (1024, 768), (1440, 900)),
    "android": ((412, 732), (360, 640), (411, 823), (393, 851)),
    "ios": ((375, 667), (414, 736), (375, 812), (390, 844)),
}
FONTS = {  # as style sheets name them; a machine has some of them
    "web": ("Helvetica, Arial, sans-serif", "Georgia, 'DejaVu Serif', serif", "Verdana, sans-serif",
            "'Segoe UI', 'DejaVu Sans', sans-serif", "'Courier New', monospace"),
    "android": ("Roboto, 'DejaVu Sans', sans-serif", "Arial, sans-serif", "'Noto Sans', serif"),
    "ios": ("-apple-system, Helvetica, Arial, sans-serif", "'DejaVu Sans', sans-serif"),
}  # fmt: skip
WIDTHS = {"single": 12, "double": 6, "quadruple": 3}
BUTTONS = ("btn-green", "btn-orange", "btn-red")


@dataclass(frozen=True)
class Screen:
    """What is photographed.

    Attributes:
        program: what it shows.
        theme: what it looks like.
        size: (width, height) in CSS pixels.
        seed: of its texts.
    """

    program: Program
    theme: Theme
    size: tuple[int, int]
    seed: int


def screen(platform: str, seed: int, level: str = "varied", rows: int = 5) -> Screen:
    """A random screen.

    Args:
        platform: one of `grammar.PLATFORMS`.
        seed: the same seed gives the same screen.
        level: "published" for programs and looks as pix2code's, "varied" for any legal program,
            with themes, fonts, texts and sizes of screens.
        rows: how many at most.

    Raises:
        ValueError: there is no such platform or level, or rows is below 1.

    Examples:
        >>> screen("ios", 3) == screen("ios", 3)
        True
    """
    if platform not in PLATFORMS or level not in LEVELS or rows < 1:
        raise ValueError(
            f"screen needs a platform of {', '.join(PLATFORMS)}, a level of {', '.join(LEVELS)} "
            f"and at least 1 row; got {platform!r}, {level!r}, {rows}"
        )
    draw = random.Random(f"{platform} {level} {rows} {seed}")
    body = Node("body", tuple(MAKERS[platform](draw, level, rows)))
    varied = level == "varied"
    theme = _theme(draw, platform) if varied else Theme()
    size = draw.choice(SIZES[platform]) if varied else SIZES[platform][0]
    return Screen(Program(platform, body), theme, size, seed)


def _leaves(names: Sequence[str]) -> tuple[Node, ...]:
    return tuple(Node(name) for name in names)


def _web(draw: random.Random, level: str, most: int) -> list[Node]:
    count = draw.randint(2, 5) if level == "published" else draw.randint(1, 7)
    active = draw.randrange(count)
    tabs = ["btn-active" if i == active else "btn-inactive" for i in range(count)]
    found = [Node("header", _leaves(tabs))]
    if level == "published":
        kinds = ["quadruple", "single", "double"]
        draw.shuffle(kinds)
        for name in kinds[: draw.choices((3, 2, 1), (8, 1, 1))[0]][:most]:
            found.append(_cells(draw, [name] * (FULL // WIDTHS[name]), level))
        return found
    if draw.random() < 0.1:
        found = []
    for _ in range(draw.randint(1, most)):
        found.append(_cells(draw, _line(draw), level))
    return found


def _line(draw: random.Random) -> list[str]:
    """Cells that fill a row, or most of it."""
    if draw.random() < 0.6:
        name = draw.choice([*WIDTHS])
        return [name] * (FULL // WIDTHS[name])
    names = ["double"] * draw.randint(0, 1)
    room = (FULL - 6 * len(names)) // 3
    names += ["quadruple"] * draw.randint(1, room)
    draw.shuffle(names)
    return names


def _cells(draw: random.Random, names: Sequence[str], level: str) -> Node:
    return Node("row", tuple(Node(name, _leaves(_content(draw, level))) for name in names))


def _content(draw: random.Random, level: str) -> list[str]:
    usual = ["small-title", "text", draw.choice(BUTTONS)]
    if level == "published" or draw.random() < 0.7:
        return usual
    found = []
    if draw.random() < 0.7:
        found.append(draw.choice(("small-title", "big-title")))
    if draw.random() < 0.7:
        found.append("text")
    found += draw.choices(BUTTONS, k=draw.randint(0 if found else 1, 2))
    return found


def _android(draw: random.Random, level: str, most: int) -> list[Node]:
    widths = {"label": 2, "btn": 3, "check": 3, "radio": 3, "switch": 3, "slider": 4}
    rows = [_widgets(draw, widths, 9) for _ in range(draw.randint(1, most + 2))]
    tabs = [name for name in PLATFORMS["android"].names if name.startswith("btn-")]
    return _with_footer(draw, rows, tabs, level)


def _ios(draw: random.Random, level: str, most: int) -> list[Node]:
    rows = []
    for _ in range(draw.randint(1, most)):
        ends = draw.choice(((), ("switch",), ("slider",), ("btn-add",), ("slider", "label")))
        begins = draw.choice((("label",), ("img", "label"), ("label",), ("img",)))
        rows.append(Node("row", _leaves([*begins, *ends])))
    tabs = [name for name in PLATFORMS["ios"].names
            if name.startswith("btn-") and name != "btn-add"]  # fmt: skip
    return _with_footer(draw, rows, tabs, level)


def _widgets(draw: random.Random, widths: dict[str, int], room: int) -> Node:
    """A row of what fits beside each other; at most one of it is a slider."""
    names: list[str] = []
    while True:
        name = draw.choice([*widths])
        room -= widths[name]
        if room < 0 or (name == "slider" and name in names):
            return Node("row", _leaves(names or ["btn"]))
        names.append(name)
        if draw.random() < 0.4:
            return Node("row", _leaves(names))


def _with_footer(
    draw: random.Random, rows: Sequence[Node], tabs: list[str], level: str
) -> list[Node]:
    found = [Node("stack", tuple(rows))]
    if level == "published" or draw.random() < 0.9:
        chosen = draw.sample(tabs, draw.randint(2 if level == "published" else 1, len(tabs)))
        found.append(Node("footer", _leaves(chosen)))
    return found


MAKERS = {"web": _web, "android": _android, "ios": _ios}


def _theme(draw: random.Random, platform: str) -> Theme:
    """Colours, corners, fonts and texts; a third of the pages has the usual look."""
    style = draw.choice(("letters", "words"))
    if draw.random() < 0.33:
        return Theme(style=style)
    font = draw.choice(FONTS[platform])
    dark = draw.random() < 0.15
    found = {"--font": font, "--size": f"{draw.randint(12, 17)}px"}
    if dark:
        found |= {"--ink": "#eee", "--paper": "#1d1f21", "--panel": "#2d3034", "--line": "#555"}
    else:
        found |= {"--paper": _grey(draw, 0.95, 1), "--panel": _grey(draw, 0.86, 0.96)}
    if platform == "web":
        found |= {
            "--title": f"{draw.randint(15, 24)}px", "--radius": f"{draw.randint(0, 14)}px",
            "--gap": f"{draw.randint(12, 24)}px", "--padding": f"{draw.randint(10, 24)}px",
            "--bar": draw.choice(("#333", "#eee", "#444c56", "#f8f8f8", "#5a5a5a")),
            "--bar-ink": draw.choice(("#337ab7", "#777", "#99c")),
            "--active": _colour(draw, 190, 280),
        }  # fmt: skip
        for name, low, high in (("green", 95, 145), ("orange", 28, 45), ("red", 345, 368)):
            found |= {
                f"--{name}": _colour(draw, low, high),
                f"--{name}-end": _colour(draw, low, high),
            }
    elif platform == "android":
        accent = draw.randrange(360)
        found |= {name: _colour(draw, accent, accent) for name in ("--accent", "--soft")}
        found["--radius"] = f"{draw.randint(0, 8)}px"
        found["--button"] = "#555" if dark else _grey(draw, 0.78, 0.9)
        found["--button-ink"] = "#eee" if dark else "#212121"
        found["--bar"] = "#26282b" if dark else "#fff"
    else:
        tint = draw.randrange(190, 260)
        found |= {"--tint": _colour(draw, tint, tint), "--picture": _colour(draw, 0, 360),
                  "--stack": "#222" if dark else _grey(draw, 0.75, 0.9)}  # fmt: skip
        found["--bar"] = "#26282b" if dark else "#f7f7f7"
    return Theme(tuple(sorted(found.items())), style)


def _grey(draw: random.Random, low: float, high: float) -> str:
    return f"rgb({', '.join([str(round(255 * draw.uniform(low, high)))] * 3)})"


def _colour(draw: random.Random, low: int, high: int) -> str:
    hue = draw.randint(low, high) % 360
    return f"hsl({hue}, {draw.randint(50, 85)}%, {draw.randint(42, 60)}%)"


def part_of(layout: str, valid: float = 0.1, test: float = 0.1) -> str:
    """Where a layout belongs: "train", "valid" or "test", whatever else a data set holds.

    Args:
        layout: see `Program.layout`.
        valid: share of the layouts.
        test: share of the layouts.

    Examples:
        >>> sorted({part_of(f"row {i}") for i in range(99)})
        ['test', 'train', 'valid']
    """
    place = int.from_bytes(hashlib.sha256(layout.encode()).digest()[:8], "big") / 2**64
    return "test" if place < test else "valid" if place < test + valid else "train"
