"""How a comparison is shown: the lines on the terminal and the page, from one dict of numbers."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.report import facts
from swiftrnn.report import page as report
from swiftrnn.report import plots as draw
from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Page, Plot, Section, Table
from swiftrnn.report.plots import Line

NAMES = {name: LAYERS[name] for name in ("sru", "qrnn", "mingru", "lstm", "gru")} | {
    "conv": "causal conv",
    "counts": "order-2 counts",
    "xz_files": "xz -9 by file",
    "xz_stream": "xz -9 at once",
}
STYLE = {name: place for place, name in enumerate(NAMES)}  # a layer keeps its colour in all reports
COLUMNS = (
    Column("layer", "layer"),
    Column("parameters", "params", 0),
    Column("train_tokens_per_s", "train\ntokens/s", 0, "higher"),
    Column("batch_1", "batch 1\ntokens/s", 0, "higher"),
    Column("batch_32", "batch 32\ntokens/s", 0, "higher"),
    Column("stream_us", "stream\nµs/byte", 0, "lower"),
    Column("equal_time", "bits/byte\n= time", 3, "lower"),
    Column("equal_tokens", "bits/byte\n= tokens", 3, "lower"),
    Column("peak_mb", "peak\nMB", 0, "lower"),
)


def table(metrics: Mapping[str, Any]) -> Table:
    """One row per layer, then the naive baselines."""
    rows = [
        {**values, "layer": NAMES[name], **values["inference_tokens_per_s"]}
        for name, values in metrics["layers"].items()
    ]
    rows += [
        {"layer": NAMES[name], "equal_time": bits} for name, bits in metrics["baselines"].items()
    ]
    settings, common = metrics["settings"], metrics["equal_tokens"]
    tokens = (
        f"{common['tokens']:,} bytes each ({common['steps']:,} updates, the last snapshot that all "
        "layers reached)"
        if common
        else "not known, because a layer made no snapshot in its time"
    )
    note = (
        f"The best layer of each column is marked; arrows point to better.{_shared(metrics)} "
        "Batch 1 and 32: "
        f"inference. Bits per byte on the test text after {settings['seconds']:g} s of training "
        f"(= time) and after equal training (= tokens): {tokens}. Peak: memory of the training "
        "process."
    )
    return Table(COLUMNS, rows, note, ranked=len(metrics["layers"]))


def _shared(metrics: Mapping[str, Any]) -> str:
    """What all layers have alike and the column of parameters leaves out."""
    size = next(iter(metrics["layers"].values()))["ngram_parameters"]
    return f" Params: without the {size:,} of n-grams, which all layers have." if size else ""


def closing(metrics: Mapping[str, Any], out: Path) -> str:
    """What is printed at the end: the table, the load, a sample, and where to go on."""
    best = metrics["best"]
    made = table(metrics)
    note = textwrap.fill(made.note.replace("is marked", "has a star") + _unbeaten(metrics), 98)
    parts = ["", made.text(), "", note, ""]
    parts += [f"Machine: {_machine_line(metrics)}", *_load_lines(metrics), ""]
    parts += [f"{NAMES[best]} goes on from {metrics['prompt']!r}:", ""]
    parts += [_indent(metrics["prompt"] + metrics["sample"]), ""]
    parts += [
        f"Report:  {(out / 'report.html').resolve()}",
        f'Predict: swiftrnn predict {out} "def "        (or {out}/{next(iter(metrics["layers"]))})',
    ]
    return "\n".join(parts)


def _indent(text: str) -> str:
    safe = (c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    printable = "".join(safe)  # what a model writes must not steer a terminal
    return "\n".join("    " + line for line in printable.splitlines())


def _machine_line(metrics: Mapping[str, Any]) -> str:
    machine = metrics["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads"


def _load_lines(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    for when, load in metrics["load"].items():
        lines.append(f"{'' if load['idle'] else 'WARNING, '}load at the {when}: {load['note']}")
    return lines


def write(metrics: Mapping[str, Any], out: Path) -> None:
    """Write report.html and, last, metrics.json, which marks the run as complete."""
    from swiftrnn.runs import folder

    report.write(page(metrics), out / "report.html")
    folder.end(out, metrics)


def page(metrics: Mapping[str, Any]) -> Page:
    """The report of one comparison."""
    settings, best, layers = metrics["settings"], metrics["best"], metrics["layers"]
    return Page(
        title=f"{_count(len(layers))}, one text, {settings['seconds']:g} seconds each",
        summary=[
            f"At equal time {NAMES[best]} is best on the test text, with "
            f"{layers[best]['equal_time']:.3f} bits per byte; lower is better.{_unbeaten(metrics)}",
            _fastest(layers),
        ],
        warning=facts.busy(metrics["load"]),
        about={
            "Layers": ", ".join(NAMES[name] for name in layers),
            "Text": f"{metrics['text']['name']}, byte by byte",
            "Equal for all": f"{settings['seconds']:g} seconds of training, trainable parameters "
            "(±2 %), batches",
            "Suited to each": "depth, optimizer, learning rate",
        },
        sections=[
            ("Results", table(metrics)),
            *((plot.title, plot) for plot in _plots(metrics)),
            (f"What {NAMES[best]} writes", metrics["prompt"] + metrics["sample"]),
        ],
        folded=_folded(metrics),
        command=metrics["command"],
    )


def _fastest(layers: Mapping[str, Any]) -> str:
    train = max(layers, key=lambda name: layers[name]["train_tokens_per_s"])
    stream = min(layers, key=lambda name: layers[name]["stream_us"])
    return (
        f"Fastest in training: {NAMES[train]}, {layers[train]['train_tokens_per_s']:,.0f} bytes "
        f"per second. Fastest byte by byte: {NAMES[stream]}, {layers[stream]['stream_us']:.0f} µs."
    )


def _unbeaten(metrics: Mapping[str, Any]) -> str:
    """The baselines that are better than every layer: a reader must not have to look for them."""
    least = min(values["equal_time"] for values in metrics["layers"].values())
    better = [
        f"{NAMES[name]} ({bits:.3f})" for name, bits in metrics["baselines"].items() if bits < least
    ]
    return f" Better without any network: {', '.join(better)}." if better else ""


def _count(number: int) -> str:
    words = ("No layers", "One layer", "Two layers", "Three layers", "Four layers", "Five layers")
    return (*words, "Six layers")[number]


def _folded(metrics: Mapping[str, Any]) -> list[Section]:
    widths = {
        NAMES[name]: f"width {v['hidden']:,}, depth {v['depth']}, {v['steps']:,} updates by "
        f"{v['optimizer']} at {v['learning_rate']:g}"
        for name, v in metrics["layers"].items()
    }
    unsaid = ("out", "resume")
    shown = {k: v for k, v in metrics["settings"].items() if v is not None and k not in unsaid}
    return [
        ("Sizes and optimizers of the layers", widths),
        ("Text", metrics["text"]),
        ("Settings", facts.settings(shown)),
        *facts.machine_and_versions(metrics["machine"], metrics["load"], metrics["date"]),
    ]


def _plots(metrics: Mapping[str, Any]) -> list[Plot]:
    layers, dashed = metrics["layers"], {NAMES[k]: v for k, v in metrics["valid_baselines"].items()}
    plots = []
    for key, label, title, log in (
        ("seconds", "training time (seconds)", "Quality against time", False),
        ("tokens", "training text read (bytes)", "Quality against tokens", True),
    ):
        curves = []
        for name, values in layers.items():
            points = [p for p in values["valid"] if p[key] > 0]
            if points:
                x, y = [p[key] for p in points], [p["bits_per_byte"] for p in points]
                curves.append(Line(NAMES[name], x, y, STYLE[name]))
        if curves:
            how: Any = {"dashed": dashed, "log_x": log, "log_y": True}
            shown = curves, label, "bits per byte, validation text"
            plots.append(draw.plot(title, CAPTIONS[key], draw.lines, *shown, **how))
    return [*plots, _speed(layers)]


CAPTIONS = {
    "seconds": "Lower is better; the y axis is logarithmic. Measuring takes none of the time. "
    "Dashed: what needs no network, on the same validation text.",
    "tokens": "Lower is better. All layers read the same bytes in the same order; a faster layer "
    "reads more of them in its time. Both axes are logarithmic.",
    "speed": "Training: the whole update with its optimiser. Inference and streaming: medians of "
    "interleaved runs of the trained models in one process.",
}


def _speed(layers: Mapping[str, Any]) -> Plot:
    more, less = "bytes per second (more is better)", "microseconds per byte (less is better)"
    panels, labels = {}, {}
    for title, label, value in (
        ("Training", more, lambda row: row["train_tokens_per_s"]),
        ("Inference, batch 1", more, lambda row: row["inference_tokens_per_s"]["batch_1"]),
        ("Inference, batch 32", more, lambda row: row["inference_tokens_per_s"]["batch_32"]),
        ("Streaming, one byte at a time", less, lambda row: row["stream_us"]),
    ):
        panels[title] = {NAMES[name]: value(row) for name, row in layers.items()}
        labels[title] = label
    styles = {NAMES[name]: STYLE[name] for name in layers}
    return draw.plot("Speed", CAPTIONS["speed"], draw.bars, panels, styles, labels)
