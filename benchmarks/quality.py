"""Quality at equal time, fairly: the same tuning trials for each layer, then several seeds.

    python benchmarks/quality.py tune    every layer at every rate, measured on valid only
    python benchmarks/quality.py test    `swiftrnn compare` with the rates chosen, three seeds

Both go on where they stopped and keep what they found in `results/quality-<machine>.json`. The test
text is read once per seed, after the rates were chosen and written into `swiftrnn.compare`.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import rows

from swiftrnn.compare import KIND, LEARNING_RATES, Compare, compare
from swiftrnn.machine import load, machine
from swiftrnn.training import folder

RATES = (2e-3, 4e-3, 8e-3, 1.6e-2)  # as many trials for each layer
SEEDS = (0, 1, 2)
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
                shutil.copy(out / "metrics.json", PATH.with_name(f"compare-{PATH.stem[8:]}.json"))
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tune on valid, then test over seeds.")
    parser.add_argument("what", choices=("tune", "test"))
    parser.add_argument("--seconds", type=float, default=Compare().seconds, help="per layer")
    given = parser.parse_args()
    {"tune": tune, "test": test}[given.what](Compare(seconds=given.seconds))
