"""Kills `swiftrnn predict --input` at random moments until it is done, and compares what came out.

    python tests/kill_predict.py                 20 kills; prints the result
    python tests/kill_predict.py --rows 200000   of more rows

Every other time several processes answer. What the journal held at a kill must not be answered
again, no row may be lost, and the file must be that of a run that nobody killed.
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.deploy import loud
from tests.processes import context

BATCH = 50


def child(words: list[str]) -> None:
    """The command, in a process that may be killed; others help at once."""
    from swiftrnn.deploy.batch import pool

    pool.ALONE = -1.0
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(loud.command(*words))


def ends(words: list[str], seconds: float | None = None) -> int | None:
    """Its exit status; killed after so many seconds, if it still runs."""
    process = context().Process(target=child, args=(words,))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    return process.exitcode


def answered(here: Path) -> list[int]:
    """The numbers of the rows that were answered, as often as they were."""
    log = here / "answered"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [int(line.split()[1].rstrip("'")) for line in lines if line.endswith("'")]


def main(kills: int, rows: int, seed: int) -> dict[str, Any]:
    """Kill it so often, let it end, and compare."""
    draw, done, twice = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        os.environ["XDG_STATE_HOME"] = folder
        (here / "in.txt").write_text("".join(f"line {i}\n" for i in range(rows)))
        run = [*loud.made(here), "--input", str(here / "in.txt"), "--batch", str(BATCH)]
        whole, cut = ([*run, "--output", str(here / name)] for name in ("a.jsonl", "b.jsonl"))
        assert ends(whole) == 0
        answered(here)
        (here / "seconds").write_text("0.01")
        kept, moments = here / ".b.jsonl.journal", []
        while done < kills and not (here / "b.jsonl").exists():
            before = max(0, kept.read_bytes().count(b"\n") - 1) if kept.exists() else 0
            many = [*cut, "--processes", str(1 + done % 2)]
            ready = 1.0 + 3.0 * (done % 2)  # seconds, also for the others
            done += ends(many, ready + draw.uniform(0, 2) * rows / BATCH * 0.01 / kills) != 0
            twice += sum(number < before for number in answered(here))
            moments.append(before)
        (here / "seconds").unlink()
        assert (here / "b.jsonl").exists() or ends(cut) == 0
        same = (here / "a.jsonl").read_bytes() == (here / "b.jsonl").read_bytes()
        numbers = [each["row"] for each in loud.rows(here / "b.jsonl")]
        left = sorted(path.name for path in here.glob(".*"))
    complete = numbers == list(range(rows))
    return {"kills": done, "rows at each kill": moments, "the same file": same,
            "complete": complete, "answered twice": twice, "left": left}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Kill batch predictions until they are done.")
    parser.add_argument("--kills", type=int, default=20, help="at most so often")
    parser.add_argument("--rows", type=int, default=60_000, help="of the input")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    found = main(given.kills, given.rows, given.seed)
    print(found)
    sys.exit(not (found["the same file"] and found["complete"] and not found["answered twice"]))
