"""Bits per byte against how much of the past is seen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.recipes.markov_order.measure import NEAR, ladder
from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder


def sections(config: Any, found: Mapping[str, float]) -> list[tuple[str, Any]]:
    """Bits per byte of each layer and of counts, a row for each length of the past."""
    columns = [Column("past", "bytes of the past"), Column("counts", "counts", 3)]
    columns += [Column(layer, LAYERS[layer], 3, "") for layer in config.layers]
    rows = []
    for order in (*ladder(config.longest), "full"):
        row: dict[str, Any] = {"past": "all" if order == "full" else str(order)}
        row |= {layer: found[f"bits_{order}_{layer}"] for layer in config.layers}
        rows.append(row | {"counts": found.get(f"counts_{order}")})
    note = (
        "Bits per byte of test, lower is better. A layer that sees the last k bytes begins with an "
        "empty state k bytes before. Counts are of what followed the last k bytes in the training "
        f"text, mixed with shorter ones; their best order has {found['counts_best']:.3f}."
    )
    about = [
        Column("layer", "layer"), Column("memory", f"bytes within {NEAR:g} bits of all", 0),
        Column("parameters", "parameters", 0), Column("steps", "updates", 0),
    ]  # fmt: skip
    models = [
        {"layer": LAYERS[layer],
         **{name: found[f"{name}_{layer}"] for name in ("memory", "parameters", "steps")}}
        for layer in config.layers
    ]  # fmt: skip
    return [
        ("What more of the past saves", Table(columns, rows, note)),
        ("Models", Table(about, models, "Of equal size, trained for as long as one another.")),
    ]


def draw(config: Any, found: Mapping[str, float], exact: Mapping[int, float], path: Path) -> None:
    """A curve for each layer, one for counts, and the exact entropy where it is known."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 4.4), layout="constrained")
    plot = figure.add_subplot()
    orders = ladder(config.longest)
    for layer, sign in zip(config.layers, "osD^vPX*", strict=False):
        bits = [found[f"bits_{order}_{layer}"] for order in orders]
        (line,) = plot.plot(orders, bits, f"{sign}-", label=LAYERS[layer], markersize=5)
        plot.axhline(found[f"bits_full_{layer}"], color=line.get_color(), linewidth=0.8, alpha=0.6)
    counts = [order for order in orders if f"counts_{order}" in found]
    bits = [found[f"counts_{order}"] for order in counts]
    plot.plot(counts, bits, "x--", color="0.4", label="counts of what follows k bytes")
    if exact:
        bits = [exact[min(order, max(exact))] for order in orders]
        plot.plot(orders, bits, color="black", linewidth=1.2, label="exact entropy of the source")
    plot.set_xscale("log", base=2)
    plot.set_xticks(orders, [str(order) for order in orders])
    plot.set_xlabel("k: bytes of the past that are seen (thin lines: all)")
    plot.set_ylabel("bits per byte of test (lower is better)")
    plot.legend()
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
