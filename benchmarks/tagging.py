"""How good the tagger is: data sets, layers, and what it loses without its parts.

    python benchmarks/tagging.py              all rows, about an hour on one core; goes on
    python benchmarks/tagging.py --rows bc5cdr     only these; several may run side by side
    python benchmarks/tagging.py --quick      made-up names, one seed: tests the script

The epoch is picked on the valid part, the test part is read once for each seed. Runs lie in
`runs/tagging`; when rows are complete, `benchmarks/results/tagging-<machine>.json` is written;
`benchmarks/report.py` makes the table.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rows
from tables import number, table

from swiftrnn import run
from swiftrnn.machine import machine
from swiftrnn.recipes import ner_crf
from swiftrnn.training import folder

BIO, CHINESE = ner_crf.BIOMEDICAL, ner_crf.CHINESE


@dataclass(frozen=True)
class Row:
    """A configuration, how often it is run, and what it shows."""

    config: ner_crf.Config
    seeds: int
    about: str


ROWS = {
    "wnut17": Row(ner_crf.Config(), 5, "WNUT-17"),
    "bc5cdr": Row(BIO, 5, "BC5CDR"),
    "ncbi-disease": Row(replace(BIO, data="ncbi-disease"), 5, "NCBI-disease"),
    "weibo-ner": Row(CHINESE, 5, "Weibo, characters and pairs of them"),
    "bc5cdr-lstm": Row(replace(BIO, layer="lstm"), 5, "BC5CDR, nn.LSTM"),
    "bc5cdr-spelling": Row(
        replace(BIO, char_depth=2, char_hidden=50), 5, "BC5CDR, two layers of 50 for characters"
    ),
    "bc5cdr-qrnn": Row(replace(BIO, layer="qrnn"), 3, "BC5CDR, QRNN"),
    "bc5cdr-mingru": Row(replace(BIO, layer="mingru"), 3, "BC5CDR, minGRU"),
    "bc5cdr-softmax": Row(replace(BIO, crf=False), 3, "BC5CDR, each tag by itself, no CRF"),
    "bc5cdr-words": Row(replace(BIO, char_size=0), 3, "BC5CDR, words without characters"),
    "bc5cdr-control": Row(replace(BIO, control=True), 3, "BC5CDR, spans at random places"),
}
QUICK = {"made-up": Row(ner_crf.SMOKE, 1, "made-up names")}


def path() -> Path:
    """The results of this machine."""
    return rows.RESULTS / f"tagging-{rows.default_path().stem}.json"


def main(names: list[str], known: dict[str, Row], runs: Path, out: Path) -> None:
    for name in names:
        row, here = known[name], runs / name
        config = replace(row.config, threads=1)
        run.run("ner_crf", config, out=here, resume=here.exists(), seeds=row.seeds)
    found = {}
    for name, row in known.items():
        if (runs / name / "metrics.json").exists():
            metrics = folder.read_json(runs / name / "metrics.json")
            metrics.pop("history", None)
            found[name] = {"about": row.about, "seeds": row.seeds, "metrics": metrics}
    folder.write_json(out, {"machine": machine(), "rows": found})
    print(f"{len(found)} of {len(known)} rows are in {out}")


def _mean(value: Any) -> str:
    """Mean and standard deviation, or the one number."""
    if not isinstance(value, dict):
        return number(value, ".1f")
    return f"{value['mean']:.1f} ± {value['sd']:.1f}"


def tagging(results: Path) -> str:
    """Everything that was measured."""
    parts = []
    columns = ("f1", "precision", "recall", "recall_seen", "recall_unseen", "valid_f1")
    lists = ("baseline_dictionary", "baseline_capitals")
    for file in sorted(results.glob("tagging-*.json")):
        content = json.loads(file.read_text())
        lines = []
        for row in content["rows"].values():
            known = row["metrics"]
            shown = [known.get("control_f1") if "control_f1" in known else known["f1"]]
            shown += [None if "control_f1" in known else known.get(c) for c in columns[1:]]
            shown += [known[c]["mean"] if isinstance(known[c], dict) else known[c] for c in lists]
            lines.append([row["about"], str(row["seeds"]), *map(_mean, shown)])
        facts = content["machine"]
        where = f"{facts['cpu']}, torch {facts['torch']}; collected at {facts['commit']}."
        header = (
            "SRU if not said otherwise", "seeds", "F1", "precision", "recall", "recall of seen",
            "recall of unseen", "F1 on valid", "dictionary F1", "capitals F1",
        )  # fmt: skip
        parts.append(f"{where}\n\n{table(header, lines)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the tagger.")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these")
    parser.add_argument("--quick", action="store_true", help="made-up names: tests the script")
    parser.add_argument("--runs", type=Path, default=Path("runs/tagging"), help="their folder")
    parser.add_argument("--out", type=Path, default=path(), help="the JSON file")
    given = parser.parse_args()
    names = list(QUICK) if given.quick else given.rows
    main(names, QUICK if given.quick else ROWS, given.runs, given.out)
