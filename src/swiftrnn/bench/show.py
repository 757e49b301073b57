"""How `swiftrnn bench` shows what it measured: tables on the terminal, a page with plots."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.bench.layers import MORE
from swiftrnn.training import folder, report
from swiftrnn.training.report import Column, Line, Page, Plot, Table

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
    folder.write_json(out / "metrics.json", found)


def page(found: Mapping[str, Any]) -> Page:
    """The report of what was measured, with its sweeps."""
    facts = {key.replace("_", " "): value for key, value in found["machine"].items()}
    versions = {key: facts.pop(key) for key in ("swiftrnn", "torch", "python", "commit")}
    loads = {f"load at the {when}": load["note"] for when, load in found["load"].items()}
    busy = [load["note"] for load in found["load"].values() if not load["idle"]]
    settings = {key: value for key, value in found["settings"].items() if value is not None}
    return Page(
        title=f"Speed of {found['settings']['op'] or 'layers and kernels'}",
        summary=[*_summary(found), *filter(None, _absent(found))],
        warning=busy[0][0].upper() + busy[0][1:] + "." if busy else "",
        tables=tables(found),
        plots=[*_curves(found), _roofline(found)],
        facts={
            "Machine": facts | loads,
            "Versions": versions | {"date": found["date"]},
            "Settings": settings,
        },
    )


def _summary(found: Mapping[str, Any]) -> list[str]:
    machine, layers = found["machine"], found["layers"]
    said = [f"Measured on {machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads"]
    if layers:
        ours = [name for name in layers if not name.startswith("nn.")]
        gains = [f"{name} {layers[name]['lstm_over_it']:.2f}" for name in ours]
        said.append(f"nn.LSTM's training step over that of {', '.join(gains)}")
    if found["left_out"]:
        said.append(f"the {found['left_out']} largest sizes did not fit in the time (--seconds)")
    return ["; ".join(said) + "."]


def _curves(found: Mapping[str, Any]) -> list[Plot]:
    plots, layers = [], bool(found["layers"])
    for axis, cells in found["sweeps"].items():
        x = [cell[axis] for cell in cells]
        curves = []
        for place, name in enumerate(cells[0]["seconds"]):
            y = [cell["B"] * cell["T"] / cell["seconds"][name] for cell in cells]
            curves.append(Line(name, x, y, STYLE.get(name, place)))
        others = ", ".join(f"{each} {cells[0][each]}" for each in "BTH" if each != axis)
        what = "Training step" if layers else "Kernels"
        title = f"{what} against {AXES[axis].partition(',')[0]}"
        svg = report.lines(
            curves, AXES[axis], RATE, log_x=True, log_y=True, title=title, ends=report.short
        )
        plots.append(Plot(title, svg, f"{others}, float32. Higher is better; both axes are logs."))
    return plots


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
    svg = report.lines(
        [roof, *points],
        "operations per byte (FLOP/B)",
        "speed reached (GFLOP/s)",
        log_x=True,
        log_y=True,
        title="Roofline",
        ends=None,
    )
    return Plot("Roofline", svg, ROOF)
