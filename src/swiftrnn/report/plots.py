"""Plots as inline SVG whose ink is `currentColor`: one file reads well in light and in dark.

Needs the extra `report` (matplotlib), which is imported when a plot is drawn.
"""

import io
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swiftrnn.report.page import Plot

INK, PAPER = "#010203", "#fdfcfb"  # stand-ins, swapped for the colours of the page
# Okabe and Ito (2008), told apart with every common kind of colour blindness; the marker repeats
# what the colour says, for grey print. One thing keeps one style in every plot of a page.
STYLES = (
    ("#d55e00", "o"),
    ("#e69f00", "s"),
    ("#009e73", "^"),
    ("#0072b2", "D"),
    ("#56b4e9", "v"),
    ("#cc79a7", "P"),
    ("#8a8a8a", "X"),
)
SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
FEW = 10  # places on an axis, each with a tick of its own
WIDE, NARROW = 8.2, 4.4  # inches; the narrow one is for phones, where text stays readable


@dataclass(frozen=True)
class Line:
    """One curve: what it is called, its points, and its place in `STYLES`."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: int | None = 0  # None: a bound that others are held against, in ink and without marks
    joined: bool = True  # False: points that are no curve


def plot(title: str, caption: str, draw: Callable[..., str], *args: Any, **options: Any) -> Plot:
    """What `lines` or `bars` draws, twice: for a wide window and for a narrow one.

    Args:
        title: of the plot, read out where it cannot be seen.
        caption: the sentence under it.
        draw: `lines` or `bars`.
        args: what is drawn.
        options: how.
    """
    wide, narrow = (draw(*args, title=title, narrow=each, **options) for each in (False, True))
    return Plot(title, wide, caption, narrow)


def lines(
    curves: Sequence[Line],
    x_label: str,
    y_label: str,
    dashed: Mapping[str, float] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    title: str = "",
    ends: Callable[[float], str] | None = "{:.3f}".format,
    narrow: bool = False,
) -> str:
    """Draw curves, named with their last values in the order in which they end.

    Args:
        curves: at least one, each with at least one point.
        x_label: what the x axis shows, with its unit.
        y_label: what the y axis shows, with its unit.
        dashed: name to y of horizontal lines to compare with.
        log_x: a logarithmic x axis.
        log_y: a logarithmic y axis.
        title: read out where the picture cannot be seen.
        ends: how a last value is written; None leaves values out, and the order as it was given.
        narrow: for a phone, with the legend under the axes.

    Returns:
        The plot as an `<svg>` element.

    Raises:
        ValueError: there is no curve, or one has no point.
    """
    if not curves or not all(len(curve.x) and len(curve.x) == len(curve.y) for curve in curves):
        sizes = {curve.label: (len(curve.x), len(curve.y)) for curve in curves}
        raise ValueError(
            f"lines needs at least one curve with as many x as y; got {sizes}; give it points"
        )
    figure, axes = _figure(x_label, y_label, narrow, len(curves))
    axes.set_xscale("log" if log_x else "linear")
    axes.set_yscale("log" if log_y else "linear")
    drawn = {}
    for curve in curves:
        name = f"{curve.label}  {ends(curve.y[-1])}" if ends else curve.label
        drawn[name] = (curve.y[-1], axes.plot(curve.x, curve.y, **_look(curve))[0])
    ordered = sorted(drawn, key=lambda name: -drawn[name][0]) if ends else list(drawn)
    _legend(figure, axes, {name: drawn[name][1] for name in ordered}, bool(ends), narrow)
    if not log_x:
        axes.set_xlim(left=min(0.0, *(x for curve in curves for x in curve.x)))
    _plain_ticks(axes, log_x, log_y)
    if log_x and len(few := set(curves[0].x)) <= FEW and all(set(c.x) == few for c in curves):
        axes.xaxis.set_major_locator(_at(sorted(few)))  # what was measured, not decades
    _dashes(figure, axes, dashed or {})
    told = title or f"{y_label} against {x_label}"
    return _svg(figure, told, f"; last values: {', '.join(ordered)}" if ends else "", narrow)


def _legend(figure: Any, axes: Any, named: Mapping[str, Any], ends: bool, narrow: bool) -> None:
    place = (
        {"loc": "outside lower center", "ncols": 2}
        if narrow
        else {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    )
    made = (figure if narrow else axes).legend(
        list(named.values()),
        list(named),
        title="last value" if ends else None,
        frameon=False,
        labelcolor=INK,
        fontsize=10.5,
        **place,
    )
    made.get_title().set_color(INK)


def _look(curve: Line) -> dict[str, Any]:
    if curve.style is None:
        return {"color": INK, "linewidth": 1.2, "alpha": 0.75}
    color, marker = STYLES[curve.style % len(STYLES)]
    joined = {"linewidth": 2} if curve.joined else {"linestyle": "none"}
    return {"color": color, "marker": marker, "markersize": 5, **joined}


def bars(
    groups: Mapping[str, Mapping[str, float]],
    styles: Mapping[str, int],
    labels: Mapping[str, str],
    title: str = "",
    narrow: bool = False,
) -> str:
    """Draw one panel of horizontal bars per group, each with its value at its end.

    Args:
        groups: panel title to bar name to value; every value is 0 or more.
        styles: bar name to its place in `STYLES`.
        labels: panel title to what its x axis shows, with its unit.
        title: read out where the picture cannot be seen.
        narrow: for a phone, with one panel under the other.

    Returns:
        The plot as an `<svg>` element.

    Raises:
        ValueError: there is no panel, or one has no bar.
    """
    if not groups or not all(groups.values()):
        raise ValueError(f"bars needs panels with at least one bar each; got {dict(groups)}")
    columns = 2 if len(groups) > 1 and not narrow else 1
    rows = -(-len(groups) // columns)
    tall = max(len(values) for values in groups.values())
    figure, panels = _grid(rows, columns, 0.36 * tall + 0.95, NARROW if narrow else WIDE)
    for axes, (name, values) in zip(panels, groups.items(), strict=False):
        _style(axes, labels[name], "")
        axes.set_title(name, color=INK, fontsize=11, loc="left")
        ordered = list(values)
        colors = [STYLES[styles.get(bar, 0) % len(STYLES)][0] for bar in ordered]
        axes.barh(ordered, list(values.values()), color=colors, height=0.7)
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        top = max(values.values()) or 1.0
        axes.set_xlim(0, 1.2 * top)
        for place, value in enumerate(values.values()):
            shown = f"{value:,.0f}" if top >= 100 else f"{value:.3g}"
            axes.text(value + 0.015 * top, place, shown, va="center", color=INK, fontsize=9.5)
        axes.xaxis.set_major_formatter(_number)
    for axes in panels[len(groups) :]:
        axes.remove()  # an odd number of panels leaves one place over
    return _svg(figure, title or ", ".join(groups), "", narrow)


def _figure(x_label: str, y_label: str, narrow: bool, named: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot: no window, no global state

    size = (NARROW, 4.1 + 0.23 * math.ceil(named / 2)) if narrow else (WIDE, 4.5)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    _style(axes, x_label, y_label)
    return figure, axes


def _grid(rows: int, columns: int, height: float, width: float) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.12)
    figure = Figure(figsize=(width, height * rows), layout=engine)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _style(axes: Any, x_label: str, y_label: str) -> None:
    axes.set_facecolor("none")
    axes.set_xlabel(x_label, color=INK, fontsize=11)
    axes.set_ylabel(y_label, color=INK, fontsize=11)
    axes.tick_params(colors=INK, which="both", labelsize=9.5)
    axes.grid(True, color=INK, alpha=0.13, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)


def _number(value: float, _: int) -> str:
    """12000000 as 12M: ticks that read at a glance."""
    for size, unit in SIZES:
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def short(value: float) -> str:
    """Three digits and the size: a value beside a curve.

    Examples:
        >>> short(0.5), short(89134.0), short(1.5e6)
        ('0.5', '89.1k', '1.5M')
    """
    for size, unit in SIZES:
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _at(places: Sequence[float]) -> Any:
    from matplotlib.ticker import FixedLocator

    return FixedLocator(places)


def _plain_ticks(axes: Any, log_x: bool, log_y: bool) -> None:
    from matplotlib import ticker

    axes.xaxis.set_major_formatter(_number)
    axes.yaxis.set_major_formatter(_number)
    few, many = (1, 2, 5), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # y often spans less than a decade
    low, high = axes.get_ylim()
    for axis, log, subs in (
        (axes.xaxis, log_x, few),
        (axes.yaxis, log_y, many if high < 12 * low else few),
    ):
        if log:
            axis.set_major_locator(ticker.LogLocator(subs=subs, numticks=12))
            axis.set_minor_locator(ticker.NullLocator())


def _dashes(figure: Any, axes: Any, dashed: Mapping[str, float]) -> None:
    """Horizontal lines, named at the left where curves that fall leave room."""
    for y in dashed.values():
        axes.axhline(y, color=INK, linestyle=(0, (5, 4)), linewidth=1, alpha=0.65)
    figure.canvas.draw()  # places are only known once the layout is
    above = -math.inf
    for name, y in sorted(dashed.items(), key=lambda pair: pair[1]):
        place = axes.transData.transform((1.0, y))[1] * 72 / figure.dpi
        height = max(place + 3.5, above + 12)  # pushed up where two names would touch
        axes.annotate(
            name,
            (0.012, y),
            xycoords=("axes fraction", "data"),
            xytext=(0, height - place),
            textcoords="offset points",
            fontsize=9.5,
            color=INK,
        )
        above = height


def _svg(figure: Any, title: str, more: str, narrow: bool) -> str:
    """The figure as an inline element: ink from the page, no outside names, ids of its own."""
    import matplotlib

    drawn = io.StringIO()
    seal = zlib.crc32(f"{title}{' narrow' * narrow}".encode())
    mark = f"p{seal:08x}"  # the same page twice is the same file
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": mark, "font.family": "sans-serif"}
    with matplotlib.rc_context(settings):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    text = drawn.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(\bid="|"#|url\(#)', rf"\1{mark}-", text)  # two plots never share an id
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = text.replace(INK, "currentColor")
    return text.replace("<svg ", f'<svg role="img" aria-label="{_escaped(title + more)}" ', 1)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
