"""How `swiftrnn bench` shows what it measured: tables on the terminal, a page with plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.bench.layers import MORE
from swiftrnn.report import facts, plots
from swiftrnn.report import page as report
from swiftrnn.report.page import Column, Page, Plot, Table
from swiftrnn.report.plots import Line
from swiftrnn.runs import folder

ALONE = "kernels alone"  # one name for all, in the roofline
PLACES = ("SRU", "QRNN", "MinGRU", "nn.LSTM", "nn.GRU", "nn.Conv1d k2")  # colours as in compare
STYLE = {name: place for place, name in enumerate(PLACES)} | dict.fromkeys((*MORE, ALONE), 6)
LAYERS = (
    Column("name", "layer"),
    Column("forward_ms", "forward ms", 2, "lower"),
    Column("step_ms", "step ms", 2, "lower"),
    Column("stream_us", "stream µs", 1, "lower"),
    Column("over_products", "step / its products", 2),
    Column("lstm_over_it", "LSTM's step / it", 2, "higher"),
)
KERNELS = (
    Column("name", "kernel"),
    Column("ms", "ms", 3),
    Column("gb_per_s", "GB/s", 1),
    Column("percent", "% of copy", 0),
)
AXES = {"T": "T, time steps", "B": "B, batch (sequences)", "H": "H, width (channels)"}
RATE = "time steps × batch, per second"
ROOF = (
    "Operations and bytes are those that the work cannot do without: for a layer its three matrix "
    "products, and input, output, weights and their gradients, each once. The line is what this "
    "machine allows: at the left a large copy in memory, at the right a large matrix product in "
    "float32, each at its best. What stays in the cache can lie above the slope."
)


def tables(found: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Layers and kernels at one size, whichever were timed."""
    made, size = [], "B {B}, T {T}, H {H}, float32".format(**found["settings"])
    if found["layers"]:
        rows = [
            {
                **row,
                "name": name,
                "forward_ms": row["forward_s"] * 1e3,
                "step_ms": row["step_s"] * 1e3,
                "stream_us": None if row["stream_s"] is None else row["stream_s"] * 1e6,
            }
            for name, row in found["layers"].items()
        ]
        note = "Medians. Step: forward and backward. Products: each by the fastest library."
        made.append((f"Layers: {size}", Table(LAYERS, rows, note)))
    if found["kernels"]:
        rows = [
            {
                "name": name,
                "ms": row["seconds"] * 1e3,
                "gb_per_s": row["bytes_per_s"] / 1e9,
                "percent": row["of_copy"] * 100,
            }
            for name, row in found["kernels"].items()
        ]
        note = "Medians; outputs are pages touched before. GB/s: each array counted once."
        made.append((f"Kernels: {size}", Table(KERNELS, rows, note)))
    return made


def closing(found: Mapping[str, Any]) -> str:
    """What is printed: the load, then every table."""
    parts = [found["load"]["start"]["note"]]
    for title, table in tables(found):
        parts += ["", title, "", table.text(), "", table.note]
    return "\n".join([*parts, *_absent(found)])


def _absent(found: Mapping[str, Any]) -> list[str]:
    lacking = found["no_kernel"]
    if not lacking:
        return []
    return ["", f"no kernel of {', '.join(lacking['of'])} runs here: {lacking['why']}"]


def write(found: Mapping[str, Any], out: Path) -> None:
    """Write report.html and, last, metrics.json, which marks the run as complete."""
    report.write(page(found), out / "report.html")
    folder.end(out, found)


def page(found: Mapping[str, Any]) -> Page:
    """The report of what was measured, with its sweeps."""
    machine = found["machine"]
    settings = {key: value for key, value in found["settings"].items() if value is not None}
    op = found["settings"]["op"]
    left_out = found["left_out"]
    about = {"Machine": "{cpu}, {cores} cores, {threads} threads".format(**machine)}
    if left_out:
        about["Left out"] = (
            f"the {left_out} largest sizes, which did not fit in the time (--seconds)"
        )
    return Page(
        title=f"Speed of {op or 'layers and kernels'}",
        summary=[*_summary(found["layers"]), *filter(None, _absent(found))],
        warning=facts.busy(found["load"]),
        about=about,
        sections=[
            *tables(found),
            *((plot.title, plot) for plot in (*_curves(found), _roofline(found))),
        ],
        folded=[
            ("Settings", facts.settings(settings)),
            *facts.machine_and_versions(machine, found["load"], found["date"]),
        ],
        command=f"swiftrnn bench{f' {op}' * bool(op)} --out DIR",
    )


def _summary(layers: Mapping[str, Any]) -> list[str]:
    """How many times as fast as LSTM each of our layers trains, the fastest first."""
    ours = {k: row["lstm_over_it"] for k, row in layers.items() if not k.startswith("nn.")}
    if not ours:
        return []
    gains = [f"{k} {ours[k]:.2f}" for k in sorted(ours, key=lambda k: -ours[k])]
    return [f"Speed of a training step relative to nn.LSTM, higher is faster: {', '.join(gains)}."]


def _curves(found: Mapping[str, Any]) -> list[Plot]:
    drawn, layers = [], bool(found["layers"])
    for axis, cells in found["sweeps"].items():
        x = [cell[axis] for cell in cells]
        curves = []
        for place, name in enumerate(cells[0]["seconds"]):
            y = [cell["B"] * cell["T"] / cell["seconds"][name] for cell in cells]
            curves.append(Line(name, x, y, STYLE.get(name, place)))
        others = ", ".join(f"{each} {cells[0][each]}" for each in "BTH" if each != axis)
        what = "Training step" if layers else "Kernels"
        title = f"{what} against {AXES[axis].partition(',')[0]}"
        caption = f"{others}, float32. Higher is better; both axes are logarithmic."
        how: Any = {"log_x": True, "log_y": True, "ends": plots.short}
        drawn.append(plots.plot(title, caption, plots.lines, curves, AXES[axis], RATE, **how))
    return drawn


def _roofline(found: Mapping[str, Any]) -> Plot:
    copy = found["ceilings"]["copy_bytes_per_s"] / 1e9
    top = found["ceilings"]["product_operations_per_s"] / 1e9
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for point in found["roofline"]:
        alone = point["name"].endswith(" alone")
        x, y = curves.setdefault(ALONE if alone else point["name"], ([], []))
        x.append(point["operations_per_byte"])
        y.append(point["operations_per_s"] / 1e9)
    every = [x for xs, _ in curves.values() for x in xs]
    ends = [min(every) / 1.5, top / copy, max(*every, top / copy) * 1.5]
    roof = Line(
        f"copy {copy:.0f} GB/s,\nproduct {top:.0f} GFLOP/s",
        ends,
        [min(copy * x, top) for x in ends],
        None,
    )
    points = [
        Line(name, x, y, STYLE.get(name, place), joined=False)
        for place, (name, (x, y)) in enumerate(curves.items())
    ]
    labels = "operations per byte (FLOP/B)", "speed reached (GFLOP/s)"
    how: Any = {"log_x": True, "log_y": True, "ends": None}
    return plots.plot("Roofline", ROOF, plots.lines, [roof, *points], *labels, **how)
