"""Kills a training of the tagger at random moments until it is done, and compares what came out.

    python tests/kill.py                 20 kills; prints the result and records it in kill.json
    python tests/kill.py --kills 2       a short form, as the tests run it

A checkpoint is written after every update here; a real run writes one a minute. The trainings are
forks of a server that has imported what they need, so that a start costs little.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from swiftrnn.runs.folder import RunFolder

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parent.parent))

from tests.processes import context  # noqa: E402

TIMED = ("seconds", "seconds_per_epoch", "peak_memory", "checksum")  # that covers the others


def child(out: Path) -> None:
    """Train, in a process that may be killed."""
    from swiftrnn.recipes import ner_crf
    from swiftrnn.training import fit

    fit.fit.__kwdefaults__["save_every"] = 0.0
    fit.fit.__kwdefaults__["progress"] = False
    settings = replace(ner_crf.SMOKE, epochs=12, threads=1)
    ner_crf.run(settings, RunFolder(out, "ner_crf")).write(out)


def numbers(out: Path) -> dict:
    """What a run found, without what a clock measured."""
    found = json.loads((out / "metrics.json").read_text())
    found["history"] = [{k: v for k, v in r.items() if k != "seconds"} for r in found["history"]]
    return {name: value for name, value in found.items() if name not in TIMED}


def start(target: Callable, *given: Any) -> BaseProcess:
    process = context().Process(target=target, args=given)
    process.start()
    return process


def ends(process: BaseProcess) -> int | None:
    process.join()
    return process.exitcode


def main(kills: int, seed: int) -> dict:
    """Kill it so often, let it end, and compare."""
    draw, done = random.Random(seed), 0
    assert ends(start(time.sleep, 0)) == 0  # the server that is forked is ready
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        for each in (whole, cut):
            each.mkdir()
        began, process = time.perf_counter(), start(child, whole)
        while not list(whole.glob("checkpoints/*")) and process.is_alive():
            time.sleep(0.01)
        ready = time.perf_counter() - began
        assert ends(process) == 0
        share = (time.perf_counter() - began - ready) / max(kills, 1)
        while done < kills and not (cut / "metrics.json").exists():
            process = start(child, cut)
            process.join(draw.uniform(0.8 * ready, ready + share))
            if process.is_alive():
                process.kill()
                process.join()
                done += 1
        assert ends(start(child, cut)) == 0
        same = numbers(whole) == numbers(cut)
        files = ("model.safetensors", "vocabulary.json", "best.json")
        same_files = all((whole / n).read_bytes() == (cut / n).read_bytes() for n in files)
    return {"kills": done, "same numbers": same, "same files": same_files}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill a training until it is done.")
    parser.add_argument("--kills", type=int, default=20, help="at most so often")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=HERE.with_name("kill.json"), help="the result")
    given = parser.parse_args()
    found = main(given.kills, given.seed)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(found)
    sys.exit(not (found["same numbers"] and found["same files"]))
