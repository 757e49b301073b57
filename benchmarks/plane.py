"""How long a run of information_plane took, by activation: training and all measurements.

    swiftrnn run information_plane --out runs/plane
    python benchmarks/plane.py runs/plane      reads the times in its study, for the table

Nothing is timed anew: each group of networks is a trial, whose beginning and end the study keeps.
"""

import argparse
import json
import sys
from pathlib import Path

import rows
from tables import number, table

from swiftrnn.runs import folder
from swiftrnn.runs.machine import machine

NEEDED = ("activations", "networks", "epochs", "records", "variances", "widths", "processes")


def times(run: Path, activation: str) -> tuple[float, float]:
    """Seconds from the first beginning to the last end, and of all groups one after another."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name=run.name, storage=f"sqlite:///{run / 'study.db'}")
    trials = [t for t in study.get_trials(deepcopy=False) if t.params["activation"] == activation]
    spans = [(t.datetime_start, t.datetime_complete) for t in trials]
    known = [(a, b) for a, b in spans if a and b]
    if len(known) < len(spans) or not known:
        raise ValueError(f"benchmarks/plane.py needs a finished run; got {run}; go on with it")
    whole = max(b for _, b in known) - min(a for a, _ in known)
    return whole.total_seconds(), sum((b - a).total_seconds() for a, b in known)


def plane(results: Path) -> str:
    """What was recorded, by machine."""
    parts = []
    for file in sorted(results.glob("plane-*.json")):
        content = json.loads(file.read_text())
        facts, config = content["machine"], content["config"]
        lines = [
            [
                name,
                str(config["networks"]),
                number(each["wall"] / 60, ".1f"),
                number(each["work"] / 60, ".1f"),
            ]
            for name, each in content["times"].items()
        ]
        layers, estimators = len(config["widths"]) + 1, 4 + 2 * len(config["variances"])
        where = (
            f"{config['epochs']:,} epochs, {config['records']} recorded, {layers} layers, "
            f"{estimators} estimators, {config['processes']} processes of one thread. "
            f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, swiftrnn "
            f"{facts['swiftrnn']} ({facts['commit']})."
        )
        heads = ("activation", "networks", "minutes", "minutes, one process")
        parts.append(f"{where}\n\n{table(heads, lines)}")
    return "\n\n".join(parts)


def main(run: Path) -> int:
    config = folder.read_json(run / "config.json", needs=("config",))["config"]
    found = {}
    for activation in config["activations"]:
        wall, work = times(run, activation)
        found[activation] = {"wall": wall, "work": work}
        print(f"{activation:10}{wall / 60:.1f} minutes; one after another {work / 60:.1f}")
    beside = rows.default_path()
    kept = {name: config[name] for name in NEEDED}
    content = {"machine": machine(), "config": kept, "times": found}
    beside.with_name(f"plane-{beside.stem}.json").write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a run of information_plane took.")
    parser.add_argument("run", type=Path, help="its folder")
    sys.exit(main(parser.parse_args().run))
