"""Quality at equal time, fairly: the same tuning trials for each layer, then several seeds.

    python benchmarks/quality.py tune    every layer at every rate and depth, on valid only
    python benchmarks/quality.py test    `swiftrnn compare` with what was chosen, three seeds

Both go on where they stopped and keep what they found in `results/quality-<machine>.json`. All
trials have the parameters of the default comparison. The test text is read once per seed, after the
best of each layer was chosen and written into `swiftrnn.compare.TUNED`.
"""

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import rows
from tables import number, table

from swiftrnn.compare import KIND, TUNED, Compare, Tuned, compare, show
from swiftrnn.recipes.language_model.sizes import hidden_for, parameters_of
from swiftrnn.runs import folder
from swiftrnn.runs.machine import load, machine

RATES: dict[Literal["adamw", "muon"], tuple[float, ...]] = {
    "adamw": (4e-3,),
    "muon": (4e-3, 8e-3),
}
DEPTHS = (1, 2, 3)  # conv: 3 blocks of kernel 8, 6 of 3, 9 of 2
TRIALS = [  # as many for each layer
    Tuned(optimizer, rate, depth)
    for depth in DEPTHS
    for optimizer, rates in RATES.items()
    for rate in rates
]
SEEDS = (0, 1, 2)
BASELINES = {
    "counts": "order-2 counts",
    "xz_files": "`xz -9` of each test file",
    "xz_stream": "`xz -9` of all test files at once",
}
PATH = rows.default_path().with_name(f"quality-{rows.default_path().stem}.json")


def found() -> dict[str, Any]:
    """What was measured so far."""
    return read(PATH) if PATH.exists() else {}


def keep(results: dict[str, Any]) -> None:
    """Write the results whole, with where and when they were measured."""
    PATH.parent.mkdir(exist_ok=True)
    folder.write_json(PATH, results)


def tune(options: Compare) -> None:
    """Bits per byte on valid of every layer in every trial; training processes as in compare."""
    results = found()
    done = results.setdefault("tune", {})
    results["settings"] = dataclasses.asdict(options)
    ngrams = options.ngrams
    parameters = parameters_of("sru", options.hidden, TUNED["sru"].depth, ngrams=ngrams)
    for trial in (t for t in TRIALS if not set(options.layers) <= set(done.get(key(t), {}))):
        hidden = hidden_for("sru", parameters, trial.depth, ngrams=ngrams)
        given = dataclasses.replace(options, hidden=hidden, **dataclasses.asdict(trial))
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            folder.write_json(out / "config.json", {KIND: dataclasses.asdict(given)})
            command = [sys.executable, "-m", "swiftrnn.compare.train", str(out)]
            subprocess.run(command, check=True)
            for layer in options.layers:
                metrics = json.loads((out / layer / "metrics.json").read_text())
                done.setdefault(key(trial), {})[layer] = metrics["history"][-1]["bits"]
        results["tuned"] = machine() | {"load": load()["note"]}
        keep(results)
    for layer in options.layers:
        best = best_of(layer, done)
        note = "" if best == TUNED[layer] else "   <- not the one in swiftrnn.compare"
        print(layer, {k: round(bits[layer], 3) for k, bits in done.items()}, f"{best}{note}")


def key(trial: Tuned) -> str:
    """What a trial is called in the file and in the table."""
    return f"{trial.depth} × {trial.optimizer} {trial.learning_rate:g}"


def best_of(layer: str, done: dict[str, dict[str, float]]) -> Tuned:
    """The trial with the fewest bits on valid."""
    return min((t for t in TRIALS if key(t) in done), key=lambda t: done[key(t)][layer])


def test(options: Compare) -> None:
    """The comparison itself, once per seed; keeps the whole of its first metrics.json."""
    results = found()
    seeds = results.setdefault("test", {})
    for seed in (s for s in SEEDS if str(s) not in seeds):
        with tempfile.TemporaryDirectory() as name:
            out = compare(dataclasses.replace(options, seed=seed, out=Path(name) / "run"))
            metrics = json.loads((out / "metrics.json").read_text())
            if seed == SEEDS[0]:
                metrics["settings"]["out"] = None  # a temporary folder says nothing to others
                folder.write_json(PATH.with_name(f"compare-{PATH.stem[8:]}.json"), metrics)
        seeds[str(seed)] = {
            layer: {key: values[key] for key in ("equal_time", "equal_tokens", "steps")}
            for layer, values in metrics["layers"].items()
        }
        results["tested"] = metrics["machine"] | {"load": metrics["load"]["end"]["note"]}
        results["baselines"] = metrics["baselines"]
        keep(results)
    for layer in options.layers:
        bits = [seed[layer]["equal_time"] for seed in seeds.values()]
        print(f"{layer} {statistics.mean(bits):.3f} ± {statistics.stdev(bits):.3f}")


def quality(folder: Path) -> str:
    """The best trial of each layer, then seeds on test: mean and sample standard deviation."""
    parts = []
    for found in map(read, sorted(folder.glob("quality-*.json"))):
        seeds, lines = list(found.get("test", {}).values()), []
        for layer in found["settings"]["layers"]:
            best = best_of(layer, found["tune"])
            cells = [str(best.depth), best.optimizer, f"{best.learning_rate:g}"]
            cells.append(f"{found['tune'][key(best)][layer]:.3f}")
            for way in ("equal_time", "equal_tokens"):
                values = [seed[layer][way] for seed in seeds if seed[layer][way] is not None]
                cells.append(spread(values))
            updates = [seed[layer]["steps"] for seed in seeds]
            lines.append([show.NAMES[layer], *cells, f"{min(updates):,}" if updates else "–"])
        where = caption(found.get("tested", found["tuned"]), f"{len(seeds)} seeds")
        header = ["layer", "layers", "optimizer", "rate", "valid", "test, = time", "test, = bytes"]
        lines = table([*header, "fewest updates"], lines)
        parts.append(f"{where}\n\n{lines}\n\n{verdict(found)}")
    return "\n\n".join(parts)


def trials(folder: Path) -> str:
    """Every trial of every layer: bits per byte on valid."""
    parts = []
    for found in map(read, sorted(folder.glob("quality-*.json"))):
        lines = []
        for layer in found["settings"]["layers"]:
            best = key(best_of(layer, found["tune"]))
            cells = {k: f"{bits[layer]:.3f}" for k, bits in found["tune"].items()}
            cells[best] = f"**{cells[best]}**"
            lines.append([show.NAMES[layer], *cells.values()])
        where = caption(found["tuned"], "one seed, valid; columns: layers × optimizer, rate")
        parts.append(f"{where}\n\n{table(['layer', *found['tune']], lines)}")
    return "\n\n".join(parts)


def read(path: Path) -> dict[str, Any]:
    """One machine's results."""
    return json.loads(path.read_text())


def caption(facts: dict[str, Any], what: str) -> str:
    """Where, with what and how undisturbed."""
    return (
        f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, swiftrnn "
        f"{facts['swiftrnn']} ({facts['commit'] or 'no commit'}); {what}; {facts['load']}."
    )


def spread(values: list[float]) -> str:
    """Mean ± sample standard deviation."""
    if len(values) < 2:
        return number(values[0] if values else None, ".3f")
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def verdict(found: dict[str, Any]) -> str:
    """What the seeds say of SRU against LSTM and of every layer against the naive baselines."""
    seeds = list(found.get("test", {}).values())
    if not seeds:
        return ""
    bits = {layer: [seed[layer]["equal_time"] for seed in seeds] for layer in seeds[0]}
    gaps = [lstm - sru for lstm, sru in zip(bits["lstm"], bits["sru"], strict=True)]
    fewer = statistics.mean(gaps) > 0
    said = (
        f"SRU needs {spread([gap if fewer else -gap for gap in gaps])} bits per byte "
        f"{'less' if fewer else 'more'} than LSTM at equal time (less in "
        f"{sum(gap > 0 for gap in gaps)} of {len(gaps)} seeds)."
    )
    naive = []
    for key, name in BASELINES.items():
        bound = found["baselines"][key]
        behind = [show.NAMES[layer] for layer, values in bits.items() if max(values) >= bound]
        beaten = f"all but {', '.join(behind)}" if behind else "all"
        naive.append(f"{name} ({bound:.3f}) by {beaten}")
    return f"{said} Naive baselines beaten in every seed: {'; '.join(naive)}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tune on valid, then test over seeds.")
    parser.add_argument("what", choices=("tune", "test"))
    parser.add_argument("--seconds", type=float, default=Compare().seconds, help="per layer")
    given = parser.parse_args()
    {"tune": tune, "test": test}[given.what](Compare(seconds=given.seconds))
