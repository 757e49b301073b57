"""How good the taggers are: data sets, layers, and what they lose without their parts.

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

from swiftrnn import recipes
from swiftrnn.recipes import ner_crf, ner_stack_lstm
from swiftrnn.runs import folder, run
from swiftrnn.runs.machine import machine

BIO, STACK = (replace(each.BIOMEDICAL, control=False) for each in (ner_crf, ner_stack_lstm))
CHINESE = ner_crf.CHINESE
RUNS: dict[str, Any] = {"char_ngrams": 4, "char_hidden": 50}  # of characters


@dataclass(frozen=True)
class Row:
    """A configuration, how often it is run, and what it shows."""

    config: ner_crf.Config | ner_stack_lstm.Config
    seeds: int
    about: str

    def recipe(self) -> str:
        """Its name: that of the folder of its Config."""
        return type(self.config).__module__.rpartition(".")[2]


ROWS = {
    "wnut17": Row(ner_crf.Config(), 5, "WNUT-17"),
    "bc5cdr": Row(replace(BIO, control=True), 5, "BC5CDR"),
    "bc5cdr-stack": Row(replace(STACK, control=True), 5, "BC5CDR, ner_stack_lstm"),
    "ncbi-disease": Row(replace(BIO, data="ncbi-disease"), 5, "NCBI-disease"),
    "weibo-ner": Row(CHINESE, 5, "Weibo, characters and pairs of them"),
    "bc5cdr-lstm": Row(replace(BIO, layer="lstm"), 5, "BC5CDR, nn.LSTM"),
    "bc5cdr-spelling": Row(
        replace(BIO, char_depth=2, char_hidden=50), 5, "BC5CDR, two layers of 50 for characters"
    ),
    "bc5cdr-runs": Row(replace(BIO, **RUNS), 5, "BC5CDR, runs of 4 characters, 50 units"),
    "bc5cdr-runs-lstm": Row(
        replace(BIO, layer="lstm", **RUNS), 5, "BC5CDR, runs of 4 characters, 50 units, nn.LSTM"
    ),
    "wnut17-runs": Row(ner_crf.Config(**RUNS), 5, "WNUT-17, runs of 4 characters, 50 units"),
    "ncbi-disease-runs": Row(
        replace(BIO, data="ncbi-disease", **RUNS), 5, "NCBI-disease, runs of 4 characters, 50 units"
    ),
    "bc5cdr-qrnn": Row(replace(BIO, layer="qrnn"), 3, "BC5CDR, QRNN"),
    "bc5cdr-mingru": Row(replace(BIO, layer="mingru"), 3, "BC5CDR, minGRU"),
    "bc5cdr-softmax": Row(replace(BIO, crf=False), 3, "BC5CDR, each tag by itself, no CRF"),
    "bc5cdr-words": Row(replace(BIO, char_size=0), 3, "BC5CDR, words without characters"),
    "bc5cdr-stack-lstm": Row(replace(STACK, layer="lstm"), 3, "BC5CDR, ner_stack_lstm, nn.LSTM"),
}
PAIRS = (("bc5cdr", "bc5cdr-lstm"), ("bc5cdr-runs", "bc5cdr-runs-lstm"))
STUDENT = 2.776  # t of 97.5 % for the 4 degrees of freedom of 5 seeds: a wide interval
OF, FEW = "recall_of_", 4  # types whose recall is in the report alone
QUICK = {"made-up": Row(ner_crf.SMOKE, 1, "made-up names")}


def path() -> Path:
    """The results of this machine."""
    return rows.RESULTS / f"tagging-{rows.default_path().stem}.json"


def main(names: list[str], known: dict[str, Row], runs: Path, out: Path) -> None:
    here = machine()
    for name in names:
        row, folder_of = known[name], runs / name
        config = replace(row.config, threads=1)
        recipe = recipes.find(row.recipe())
        run.run(recipe, config, folder_of, folder_of.exists(), row.seeds)
    old = folder.read_json(out)["rows"] if out.exists() else {}  # of other runs, on this machine
    found = {name: old[name] for name in known if name in old}
    for name in names:
        metrics = folder.read_json(runs / name / "metrics.json")
        metrics.pop("history", None)
        about = {"about": known[name].about, "seeds": known[name].seeds, "commit": here["commit"]}
        found[name] = about | {"metrics": metrics}
    ordered = {name: found[name] for name in known if name in found}
    folder.write_json(out, {"machine": here, "rows": ordered})
    print(f"{len(ordered)} of {len(known)} rows are in {out}")


def _mean(value: Any) -> str:
    """Mean and standard deviation, or the one number."""
    if not isinstance(value, dict):
        return number(value, ".1f")
    return f"{value['mean']:.1f} ± {value['sd']:.1f}"


def behind(rows: dict[str, Any], ours: str, theirs: str) -> str:
    """How far the F1 of one row is behind another's, with a 95 % interval."""
    if not {ours, theirs} <= rows.keys():
        return ""
    a, b = (rows[name]["metrics"]["f1"] for name in (theirs, ours))
    gap = a["mean"] - b["mean"]
    error = sum(x["sd"] ** 2 / len(x["values"]) for x in (a, b)) ** 0.5
    about = f'"{rows[ours]["about"]}" is behind "{rows[theirs]["about"]}" by'
    return f"\n\n{about} {gap:.1f} ± {STUDENT * error:.1f} points of F1 (95 %)."


def by_type(row: dict[str, Any]) -> str:
    """Recall of each type of entity, where there are more than a few."""
    found = {k.removeprefix(OF): v for k, v in row["metrics"].items() if k.startswith(OF)}
    if len(found) <= FEW:
        return ""
    shown = ", ".join(f"{kind} {_mean(value)}" for kind, value in found.items())
    return f"\n\n{row['about']}, recall by type: {shown}."


def tagging(results: Path) -> str:
    """Everything that was measured."""
    parts = []
    columns = ("f1", "precision", "recall", "recall_seen", "recall_unseen", "valid_f1",
               "control_f1")  # fmt: skip
    lists = ("baseline_dictionary", "baseline_capitals")
    for file in sorted(results.glob("tagging-*.json")):
        content = json.loads(file.read_text())
        lines = []
        for row in content["rows"].values():
            known = row["metrics"]
            shown = [known.get(c) for c in columns]
            shown += [known[c]["mean"] if isinstance(known[c], dict) else known[c] for c in lists]
            lines.append([row["about"], str(row["seeds"]), *map(_mean, shown), row["commit"]])
        facts = content["machine"]
        where = f"{facts['cpu']}, torch {facts['torch']}."
        header = (
            "SRU if not said otherwise", "seeds", "F1", "precision", "recall", "recall of seen",
            "recall of unseen", "F1 on valid", "control F1", "dictionary F1", "capitals F1",
            "commit",
        )  # fmt: skip
        gaps = "".join(behind(content["rows"], *pair) for pair in PAIRS)
        types = "".join(by_type(row) for row in content["rows"].values())
        parts.append(f"{where}\n\n{table(header, lines)}{gaps}{types}")
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
