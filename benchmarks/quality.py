"""Quality at equal time, fairly: the same tuning trials for each layer, then several seeds.

    python benchmarks/quality.py tune    every layer at every rate, measured on valid only
    python benchmarks/quality.py test    `swiftrnn compare` with the rates chosen, three seeds

Both go on where they stopped and keep what they found in `results/quality-<machine>.json`. The test
text is read once per seed, after the rates were chosen and written into `swiftrnn.compare`.
"""

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import rows
from tables import number, table

from swiftrnn.compare import KIND, LEARNING_RATES, Compare, compare, show
from swiftrnn.machine import load, machine
from swiftrnn.training import folder

RATES = (2e-3, 4e-3, 8e-3, 1.6e-2)  # as many trials for each layer
SEEDS = (0, 1, 2)
BASELINES = {
    "counts": "order-2 counts",
    "xz_files": "`xz -9` of each test file",
    "xz_stream": "`xz -9` of all test files at once",
}
PATH = rows.default_path().with_name(f"quality-{rows.default_path().stem}.json")


def found() -> dict[str, Any]:
    """What was measured so far."""
    return json.loads(PATH.read_text()) if PATH.exists() else {}


def keep(results: dict[str, Any]) -> None:
    """Write the results whole, with where and when they were measured."""
    PATH.parent.mkdir(exist_ok=True)
    folder.write_json(PATH, results)


def tune(options: Compare) -> None:
    """Bits per byte on valid of every layer at every rate; training processes as in compare."""
    results = found()
    trials = results.setdefault("tune", {})
    results["settings"] = dataclasses.asdict(options)
    for rate in RATES:
        if all(f"{rate:g}" in trials.get(layer, {}) for layer in options.layers):
            continue
        with tempfile.TemporaryDirectory() as name:
            out = Path(name)
            values = dataclasses.asdict(dataclasses.replace(options, learning_rate=rate))
            folder.write_json(out / "config.json", {KIND: values})
            command = [sys.executable, "-m", "swiftrnn.compare.train", str(out)]
            subprocess.run(command, check=True)
            for layer in options.layers:
                history = json.loads((out / layer / "metrics.json").read_text())["history"]
                trials.setdefault(layer, {})[f"{rate:g}"] = history[-1]["bits"]
        results["tuned"] = machine() | {"load": load()["note"]}
        keep(results)
    for layer, bits in trials.items():
        best = min(bits, key=bits.__getitem__)
        note = (
            "" if float(best) == LEARNING_RATES[layer] else "   <- not the one in swiftrnn.compare"
        )
        print(layer, {rate: round(value, 3) for rate, value in bits.items()}, f"best {best}{note}")


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
    """Tuning on valid, then seeds on test: mean and sample standard deviation."""
    parts = []
    for path in sorted(folder.glob("quality-*.json")):
        found = json.loads(path.read_text())
        rates, seeds = (
            list(next(iter(found["tune"].values()))),
            list(found.get("test", {}).values()),
        )
        lines = []
        for layer, bits in found["tune"].items():
            best = min(bits, key=bits.__getitem__)
            cells = [f"**{bits[r]:.3f}**" if r == best else f"{bits[r]:.3f}" for r in rates]
            for key in ("equal_time", "equal_tokens"):
                values = [seed[layer][key] for seed in seeds if seed[layer][key] is not None]
                cells.append(spread(values))
            updates = [seed[layer]["steps"] for seed in seeds]
            lines.append([show.NAMES[layer], *cells, f"{min(updates):,}" if updates else "–"])
        facts = found.get("tested", found["tuned"])
        where = (
            f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, swiftrnn "
            f"{facts['swiftrnn']} ({facts['commit'] or 'no commit'}); {len(seeds)} seeds; "
            f"{facts['load']}."
        )
        header = [
            "layer",
            *(f"valid, rate {rate}" for rate in rates),
            "test, = time",
            "test, = bytes",
            "fewest updates",
        ]
        parts.append(f"{where}\n\n{table(header, lines)}\n\n{verdict(found)}")
    return "\n\n".join(parts)


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
    said = (
        f"SRU needs {spread(gaps)} bits per byte less than LSTM at equal time (positive in "
        f"{sum(g > 0 for g in gaps)} of {len(gaps)} seeds)."
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
