"""The table of variants, BLEU by length and by beam, and examples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.recipes.sequence_to_sequence.measure import BEAMS
from swiftrnn.report.names import LAYERS
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

NAMES = LAYERS | {
    "no_attention": "without attention", "one_direction": "one direction",
    "dot": "dot-product attention", "additive": "additive attention",
}  # fmt: skip


def sections(
    config: Any, found: Mapping[str, float], details: Mapping[str, Any]
) -> list[tuple[str, Any]]:
    """How good and how fast each variant is; what beam and length do; examples."""
    columns = [
        Column("name", "model"), Column("bleu", "BLEU", 1, "higher"),
        Column("bleu_greedy", "greedy", 1, "higher"), Column("chrf", "chrF", 1, "higher"),
        Column("speed", "sentences a second", 1, "higher"),
        Column("step", "µs a step of the layer", 0, "lower"),
        Column("share", "of which the layer, %", 0), Column("steps", "updates", 0),
        Column("parameters", "parameters", 0),
    ]  # fmt: skip
    rows = []
    for name in (None, *config.variants):
        tail = f"_{name}" if name else ""
        rows.append({
            "name": NAMES[name or config.layer], "bleu": found[f"bleu{tail}"],
            "bleu_greedy": found[f"bleu_greedy{tail}"], "chrf": found[f"chrf{tail}"],
            "speed": found[f"sentences_per_second{tail}"], "steps": found[f"steps{tail}"],
            "share": 100 * found[f"layer_share_of_seconds{tail}"],
            "step": 1e6 * found[f"layer_step_seconds{tail}"],
            "parameters": found[f"parameters{tail}"],
        })  # fmt: skip
    note = (
        f"Test data, beam {config.beam}; speed: one sentence at a time, greedily, on one thread. "
        f"BLEU by sacrebleu, {details['signature']}."
    )
    beams = [
        {"beam": str(beam), "bleu": found[f"bleu_beam_{beam}"],
         "plain": found[f"bleu_beam_{beam}_plain"]}
        for beam in BEAMS
    ]  # fmt: skip
    beam_columns = [
        Column("beam", "beam size"), Column("bleu", "BLEU with length penalty", 1, "higher"),
        Column("plain", "BLEU without", 1, "higher"),
    ]  # fmt: skip
    examples = [Column(name, name) for name in ("source", "reference", "translation")]
    shown = [
        {"source": s, "reference": r, "translation": t} for s, r, t in details["examples"]
    ]  # fmt: skip
    return [
        ("Models", Table(columns, rows, note)),
        (
            "Size of the beam",
            Table(beam_columns, beams, "On 500 sentences of test, from all over."),
        ),
        ("Translations of test sentences", Table(examples, shown, "")),
    ]


def draw(lengths: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """BLEU by the number of words of a sentence, a line for each model."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    plot = figure.add_subplot()
    groups = list(max(lengths.values(), key=len))
    for name, found in lengths.items():
        here = [group for group in groups if group in found]
        plot.plot(here, [found[group] for group in here], "o-", label=NAMES[name])
    plot.set_xlabel("words of the source sentence")
    plot.set_ylabel("BLEU on test data (higher is better)")
    plot.set_ylim(bottom=0)
    plot.legend()
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
