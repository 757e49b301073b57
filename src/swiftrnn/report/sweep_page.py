"""The report of a sweep: the best points, and the metric along each axis that has numbers."""

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.report import facts, plots
from swiftrnn.report import page as report
from swiftrnn.report.page import Column, Page, Section, Table
from swiftrnn.report.plots import STYLES, Line
from swiftrnn.runs import folder, machine

SHOWN = 20  # rows of the table; all are in sweep.json
WIDE = 30  # from this ratio of the largest value to the smallest on, an axis is logarithmic


def write(
    found: Mapping[str, Any], config: Mapping[str, Any], seeds: int, command: str, out: Path
) -> None:
    """Write report.html of a sweep.

    Args:
        found: what sweep.json holds; at least one point.
        config: the settings that are the same at all points.
        seeds: that were asked for at each point.
        command: what was typed.
        out: the folder of the sweep.

    Raises:
        ModuleNotFoundError: the extra `report` is not installed.
        OSError: it cannot be written.
    """
    report.write(page(found, config, seeds, command), out / folder.REPORT)


def page(found: Mapping[str, Any], config: Mapping[str, Any], seeds: int, command: str) -> Page:
    """The report: best points, a plot for each numeric axis, what failed, then all else, folded."""
    points, lost, metric = found["points"], found["failed"], found["metric"]
    names = [name.replace("_", " ") for name in points[0]["point"]]
    sections: list[Section] = [("Best points", table(found, seeds)), *curves(found)]
    if lost:
        columns = Column("point", "point"), Column("why", "why")
        rows = [{"point": _named(each["point"]), "why": each["why"]} for each in lost]
        sections.append(("Failed trials", Table(columns, rows, sentences=True)))
    best = points[0]
    over = f", mean of {len(best['values'])} seeds" if len(best["values"]) > 1 else ""
    way = "highest" if found["maximize"] else "lowest"
    failed = f" {len(lost)} trials failed." if len(lost) > 1 else " One trial failed." * len(lost)
    many = f"{len(points)} points were" if len(points) > 1 else "One point was"
    return Page(
        title=f"{found['recipe']}: {metric.replace('_', ' ')} over {' and '.join(names)}",
        summary=[
            f"Best: {_named(best['point'])}, with the {way} {metric.replace('_', ' ')}, "
            f"{facts.number(best['mean'])}{over}. {many} trained and measured.{failed}"
        ],
        warning=facts.synthetic(config),
        sections=sections,
        folded=[
            ("Settings at all points", facts.settings(config)),
            *facts.machine_and_versions(machine.machine(), {}, time.strftime("%Y-%m-%d %H:%M %z")),
        ],
        command=command,
    )


def table(found: Mapping[str, Any], seeds: int) -> Table:
    """The best points, best first."""
    points, several = found["points"], seeds > 1
    large = max((abs(each["mean"]) for each in points), default=0) or 1
    digits = min(6, max(0, 3 - math.floor(math.log10(large))))
    name = found["metric"].replace("_", " ")
    columns = [
        *(Column(axis, axis.replace("_", " ")) for axis in points[0]["point"]),
        Column(" mean", name, digits, "higher" if found["maximize"] else "lower"),
        *([Column(" sd", "sd", digits), Column(" seeds", "seeds", 0)] if several else []),
    ]
    rows = [
        {axis: _shown(value) for axis, value in each["point"].items()}
        | {" mean": each["mean"], " sd": each["sd"], " seeds": len(each["values"])}
        for each in points[:SHOWN]
    ]
    more = len(points) - len(rows)
    note = f"The {len(rows)} best of {len(points)} points; all are in sweep.json. " * bool(more)
    note += "Mean and standard deviation (sd) over seeds. " * several
    return Table(columns, rows, note.strip())


def curves(found: Mapping[str, Any]) -> list[Section]:
    """A plot of the metric along each axis that has at least two numbers."""
    drawn: list[Section] = []
    for axis in found["points"][0]["point"]:
        values = {each["point"][axis] for each in found["points"]}
        if len(values) > 1 and all(type(each) in (int, float) for each in values):
            drawn.append(_along(axis, found))
    return drawn


def _along(axis: str, found: Mapping[str, Any]) -> Section:
    """One line for each point of the other axes; of many, a line through the best of them."""
    grouped: dict[str, dict[float, float]] = {}
    for each in sorted(found["points"], key=lambda each: [*map(_order, each["point"].values())]):
        others = {name: value for name, value in each["point"].items() if name != axis}
        grouped.setdefault(_named(others), {})[each["point"][axis]] = each["mean"]
    metric = found["metric"].replace("_", " ")
    told = f"{'Higher' if found['maximize'] else 'Lower'} is better."
    if len(grouped) <= len(STYLES):
        lines = [
            Line(label or metric, *_sorted(values), place)
            for place, (label, values) in enumerate(grouped.items())
        ]
    else:
        choose = max if found["maximize"] else min
        places = {x for values in grouped.values() for x in values}
        best = {x: choose(v[x] for v in grouped.values() if x in v) for x in places}
        every = [pair for values in grouped.values() for pair in values.items()]
        each_x, each_y = zip(*every, strict=True)
        lines = [
            Line("each point", each_x, each_y, len(STYLES) - 1, joined=False),
            Line("best", *_sorted(best), 0),
        ]
        told += " The line goes through the best of all points with the same value."
    x = [value for line in lines for value in line.x]
    title = f"{metric} along {axis.replace('_', ' ')}"
    title = title[0].upper() + title[1:]
    drawn = plots.plot(
        title, told, plots.lines, lines, axis.replace("_", " "), metric,
        log_x=min(x) > 0 and max(x) / min(x) >= WIDE, ends=None,
    )  # fmt: skip
    return title, drawn


def _order(value: Any) -> tuple[float, str]:
    """Numbers by size, words by their letters."""
    return (value, "") if isinstance(value, int | float) else (0.0, str(value))


def _sorted(values: Mapping[float, float]) -> tuple[Sequence[float], Sequence[float]]:
    ordered = sorted(values)
    return ordered, [values[x] for x in ordered]


def _named(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in point.items())


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else facts.words(value)
