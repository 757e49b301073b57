"""What a training step of the tagger costs with each kind of layer in place of both of its own.

    python benchmarks/epochs.py            two minutes; needs BC5CDR
    python benchmarks/epochs.py --quick    made-up sentences: tests the script

The batches of a real epoch, in its order: making them, the CRF and the optimiser are included.
`nn.LSTM` runs on padded batches, its second direction on sentences that were turned round (see
`nn.Encoder`), and on PackedSequences.

Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the table.
"""

import argparse
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
import rows
import torch
from rows import Results, caption
from tables import number, ratio, table

from swiftrnn import bench
from swiftrnn.data.batches import Batches
from swiftrnn.data.tagged import corpus
from swiftrnn.data.tagged.sentences import Batcher, TagVocabulary
from swiftrnn.nn import Encoder
from swiftrnn.recipes.ner_crf import BIOMEDICAL
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.tasks.tagging.train import build

LAYERS = ("SRU", "QRNN", "MinGRU", "nn.LSTM padded", "nn.LSTM packed", "nn.GRU padded")
RUNS = ", runs of 4 characters, 50 units"  # the tagger with them
CONFIGS = {"": BIOMEDICAL, RUNS: replace(BIOMEDICAL, char_ngrams=4, char_hidden=50)}
PROVIDERS = [name + RUNS * runs for runs in (0, 1) for name in LAYERS]
CELL = (BIOMEDICAL.batch_size, 0, BIOMEDICAL.hidden, "float32")  # T differs from batch to batch


def calls_of(known: corpus.Corpus) -> dict[tuple[str, str, str], bench.Call]:
    """A training step of each, by (subject, provider, mode)."""
    torch.manual_seed(0)
    vocabulary = TagVocabulary.of_columns(known.train)
    batches = Batches(known.train.sentences, Batcher(vocabulary), BIOMEDICAL.batch_size)
    order = batches.epoch(np.random.default_rng(0))
    calls: dict[tuple[str, str, str], bench.Call] = {}
    for name in PROVIDERS:
        layer, comma, rest = name.partition(",")
        kind = layer.removeprefix("nn.").split()[0].lower()
        model = build(Tagger, replace(CONFIGS[comma + rest], layer=kind), vocabulary)
        if "packed" in layer:
            for owner, part in ((model.embedding, "spelling"), (model, "encoder")):
                old = getattr(owner, part)
                inputs = old.layers[0][0].input_size
                setattr(owner, part, Encoder(kind, inputs, old.hidden_size, packed=True))
        (optimizer,), _ = model.configure_optimizers()
        numbers = cycle(order)

        def step(model=model, optimizer=optimizer, numbers=numbers) -> None:
            sentences = [batches.rows[i] for i in next(numbers)]
            loss = model.training_step(batches.batcher.collate(sentences), 0)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()

        calls["tagger", name, "step"] = step
    return calls


def main(quick: bool, repeats: int, limit_s: float, out: Path) -> None:
    known = corpus.made_up(0) if quick else corpus.known("bc5cdr")
    busy = rows.others()
    times = bench.interleaved(calls_of(known), repeats, limit_s=limit_s)
    found = rows.make(times, {}, CELL, max(busy, rows.others()))
    rows.append(out, found)
    for row in found:
        print(f"{row.provider:50}{row.median_s * 1e3:.1f} ms")


def epochs(results: Results) -> str:
    """Times, and LSTM's over each."""
    found = {n: results.get("tagger", n, "step", CELL[:3], "float32") for n in PROVIDERS}
    shown = {name: row for name, row in found.items() if row}
    if not shown:
        return ""
    lines = []
    for name, row in shown.items():
        rest = name.partition(",")[2]
        both = [r.median_s for n, r in shown.items()
                if n.startswith("nn.LSTM") and n.partition(",")[2] == rest]  # fmt: skip
        fastest = min(both, default=None)
        cells = number(row.median_s, ".1f", 1e3), number(ratio(fastest, row.median_s), ".2f")
        lines.append([name, *cells])
    header = ("layer of characters and words", "step ms", "speed-up over the faster LSTM")
    return f"{caption([*shown.values()])}\n\n{table(header, lines)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time training steps of the tagger.")
    parser.add_argument("--quick", action="store_true", help="made-up sentences: tests the script")
    parser.add_argument("--repeats", type=int, default=120, help="timed rounds")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    main(given.quick, 3 if given.quick else given.repeats, given.limit, given.out)
