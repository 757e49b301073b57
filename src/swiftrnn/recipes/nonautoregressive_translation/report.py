"""BLEU against milliseconds, of each way to translate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.recipes.nonautoregressive_translation.measure import SAMPLES, TOGETHER
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

NAMES = {
    "teacher": "Transformer, word after word", "rival": "recurrent, word after word",
    "fertility": "fertilities", "fertility_noisy": "fertilities, best of several",
    "uniform": "even copies, true length", "ctc": "CTC", "graph": "directed acyclic graph",
    "fertility_tuned": "fertilities, fine-tuned",
}  # fmt: skip


def named(system: str) -> str:
    """What a system is called."""
    name = NAMES[system.removesuffix("_raw")]
    return f"{name}, not distilled" if system.endswith("_raw") else name


def systems(config: Any, found: Mapping[str, float]) -> list[str]:
    """All that were measured, word after word first."""
    every = ["teacher", "rival", *config.students]
    if "fertility" in config.students:
        every.insert(every.index("fertility") + 1, "fertility_noisy")
    return [name for name in every if f"bleu_{name}" in found]


def sections(config: Any, found: Mapping[str, float], examples: Any) -> list[tuple[str, Any]]:
    """How good and how fast each system is, what more samples bring, and examples."""
    columns = [
        Column("name", "system"), Column("bleu", "BLEU", 1, "higher"),
        Column("one", "ms a sentence, one at a time", 1, "lower"),
        Column("many", f"ms a sentence, {TOGETHER} together", 2, "lower"),
        Column("repeated", "repeated tokens, %", 1, "lower"), Column("steps", "updates", 0),
        Column("parameters", "parameters", 0),
    ]  # fmt: skip
    rows = [
        {"name": named(name), "bleu": found[f"bleu_{name}"],
         "one": found.get(f"milliseconds_{name}"),
         "many": found.get(f"milliseconds_{name}_{TOGETHER}"),
         **{key: found.get(f"{key}_{name}") for key in ("repeated", "steps", "parameters")}}
        for name in systems(config, found)
    ]  # fmt: skip
    note = (
        "Test data; word after word: the likeliest token each time. Milliseconds on one thread, "
        f"tokens to tokens. Without a cache the teacher takes "
        f"{found['milliseconds_teacher_uncached']:.0f} ms a sentence."
    )
    tables: list[tuple[str, Any]] = [("Systems", Table(columns, rows, note))]
    known = [n for n in SAMPLES if f"bleu_fertility_noisy_{n}_some" in found]
    if known:
        samples = [
            {"samples": str(n), "bleu": found[f"bleu_fertility_noisy_{n}_some"]} for n in known
        ]
        heads = [Column("samples", "samples"), Column("bleu", "BLEU", 1, "higher")]
        about = "Noisy parallel decoding, on 500 sentences of test, from all over."
        tables.append(
            ("How many translations the teacher chooses from", Table(heads, samples, about))
        )
    heads = [Column(key, key) for key in ("source", "reference", "translation")]
    shown: list[dict[str, str]] = [
        {"source": s, "reference": r, "translation": t} for s, r, t in examples
    ]
    heading = "Translations of test sentences, by the first student"
    return [*tables, (heading, Table(heads, shown, ""))]


def draw(config: Any, found: Mapping[str, float], path: Path) -> None:
    """BLEU of each system against its milliseconds."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    plot = figure.add_subplot()
    signs = "so^vDPX*<>hd"
    for name, sign in zip(systems(config, found), signs, strict=False):
        if f"milliseconds_{name}" in found:
            x, y = found[f"milliseconds_{name}"], found[f"bleu_{name}"]
            plot.plot([x], [y], sign, label=named(name), markersize=8)
    plot.set_xscale("log")
    plot.set_xlabel("milliseconds a sentence, one at a time (lower is better)")
    plot.set_ylabel("BLEU on test data (higher is better)")
    plot.set_ylim(bottom=0)
    plot.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
