"""Flips the signs of the C kernels one at a time and looks whether a test turns red.

Run by hand, from the root of a checkout (about ten seconds a sign, on as many cores as it gets):

    python tests/mutate.py                 # all signs; writes tests/mutate.json
    python tests/mutate.py --only sru --first 10 --jobs 1
    python tests/mutate.py --again         # only what survived before

A survivor is a flip that no test of `tests/ops` noticed. Those that cannot change a result (what is
fetched into the cache, the share of a thread) are listed as harmless; any other is a hole in the
tests, and the exit status is 1.
"""

import argparse
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import build_kernels  # noqa: E402

RECORD = ROOT / "tests" / "mutate.json"
SOURCES = (
    *(
        f"ops/{n}/cpu.c"
        for n in ("linear_scan", "gated_scan", "rg_lru", "sru", "_matmul", "_stack")
    ),
    "ops/_matmul/tile.h",
    "ops/_matmul/gates.h",
    "ops/_kernel.h",
    *(f"ops/crf/{n}" for n in ("cpu.c", "chain.h", "best_path.h")),
)
RANDOM_FIELDS = tuple(f"tests/ops/test_crf{n}.py" for n in ("", "_hostile", "_accuracy"))
TESTS = (
    "tests/nn/test_stream.py",
    *(
        f"tests/ops/test_{n}.py"
        for n in ("blocked", "matmul", "ops", "linear_scan", "gated_scan", "rg_lru", "elementary")
    ),
)
SLOW = "not compiles and not exports and not registered and not finite_differences"
HARMLESS = (  # in such lines a flip cannot change a result
    "(real)1 / 21;",  # less than half a unit in the last place of a logarithm
    *(
        "turned[j * wide + i]",
        "to[j] += factor",
        "sum[k] += f[i]",
    ),  # sums below 0 are recomputed
    "fetch(",  # memory that is asked for early
    "/ n_threads, end",  # which thread does what, see test_threads_change_no_bit
    "swiftrnn-source",  # the stamp of the library
)


RUNNING: set[subprocess.Popen] = set()


def signs(text: str) -> list[int]:
    """Where the signs + and - of a C text stand, comments, directives and `++`, `->` left out."""
    blank = re.sub(
        r"/\*.*?\*/|^\s*#.*?(?<!\\)$|\+\+|--|->|\b\d\.?\d*e-\d+",
        lambda m: re.sub(r"[^\n]", " ", m.group()),
        text,
        flags=re.S | re.M,
    )
    return [m.start() for m in re.finditer(r"[+-]", blank)]


def flip(text: str, at: int) -> str:
    """The text with the sign at a place turned round."""
    return text[:at] + ("-" if text[at] == "+" else "+") + text[at + 1 :]


def tests_of(source: str) -> tuple[str, ...]:
    """The files of tests that are to notice what changes in a source."""
    return RANDOM_FIELDS if source.startswith("ops/crf/") else TESTS


def is_noticed(folder: Path, tests: tuple[str, ...], limit_s: float) -> bool:
    """Whether tests fail, crash, or take longer than a limit with the package of a folder."""
    package = folder / "swiftrnn"
    try:
        build_kernels.compile_kernels(package, ("-O1", "-DONE_TARGET"))
    except RuntimeError:
        return True
    command = [sys.executable, "-m", "pytest", *tests, "-x", "-n", "0", "-k", SLOW, "--no-kernels"]
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "2"}
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        [*command, "-p", "no:cacheprovider"], cwd=ROOT, env=environment, stdout=nowhere,
        stderr=nowhere,
    ) as run:  # fmt: skip
        RUNNING.add(run)
        try:
            return run.wait(limit_s) != 0
        except subprocess.TimeoutExpired:
            return True
        finally:
            run.kill()
            RUNNING.discard(run)


def stop(*_: object) -> None:
    """End the tests that run, and this program."""
    for run in tuple(RUNNING):
        run.kill()
    sys.exit(1)


class Flips:
    """Copies of the package, one for each job, in which signs are flipped."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.free: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            shutil.copytree(ROOT / "src" / "swiftrnn", folder / str(number) / "swiftrnn")
            self.free.put(folder / str(number))

    def survives(self, source: str, at: int, limit_s: float) -> bool:
        """Whether no test notices the flip of the sign that stands at a place of a source."""
        folder = self.free.get()
        path = folder / "swiftrnn" / source
        text = path.read_text()
        try:
            path.write_text(flip(text, at))
            return not is_noticed(folder, tests_of(source), limit_s)
        finally:
            path.write_text(text)
            self.free.put(folder)


def mutate(
    source: str, flips: Flips, first: int | None, again: bool, limit_s: float, jobs: int
) -> list[str]:
    """Flip the signs of a source, record what survived, and give the survivors."""
    text = (ROOT / "src" / "swiftrnn" / source).read_text()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    every = places = signs(text)[:first]
    if again:
        before = set(record.get(source, {}).get("survivors", ()))
        places = [at for at in every if named(source, text, at) in before]
    survivors: list[str] = []
    harmless: list[str] = []
    pool = ThreadPoolExecutor(jobs)
    try:
        found = pool.map(lambda at: flips.survives(source, at, limit_s), places)
        for count, (at, survived) in enumerate(zip(places, found, strict=True), 1):
            name = named(source, text, at)
            if survived:
                into = harmless if any(word in name for word in HARMLESS) else survivors
                into.append(name)
            said = "SURVIVED" if survived else "noticed"
            print(f"{count}/{len(places)} {said} {name}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)
    if not first:
        harmless += record.get(source, {}).get("harmless", ()) if again else ()
        record[source] = {
            "signs": len(every), "survivors": survivors, "harmless": harmless,
            "source_hash": build_kernels.source_hash(ROOT / "src" / "swiftrnn"),
        }  # fmt: skip
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    return survivors


def named(source: str, text: str, at: int) -> str:
    """A sign by its place and its line."""
    line = text[: text.find("\n", at)].rsplit("\n", 1)[-1].strip()
    return f"{source}:{text.count(chr(10), 0, at) + 1}: {line}"


def main() -> None:
    """Mutate, test, record."""
    signal.signal(signal.SIGTERM, stop)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only sources with this in their path")
    parser.add_argument("--first", type=int, help="only so many signs of each source")
    parser.add_argument("--again", action="store_true", help="only what survived before")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="flips at a time")
    arguments = parser.parse_args()
    holes: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        flips = Flips(Path(name), arguments.jobs)
        sources, limits = [s for s in SOURCES if arguments.only in s], {}
        for tests in {tests_of(source) for source in sources}:
            began = time.monotonic()
            if is_noticed(Path(name) / "0", tests, 900):
                sys.exit("mutate: the tests fail before anything is flipped; make them pass first")
            limits[tests] = 30 + 4 * (time.monotonic() - began)  # some flips never end
        for source in sources:
            limit_s = limits[tests_of(source)]
            how = arguments.first, arguments.again, limit_s, arguments.jobs
            holes += mutate(source, flips, *how)
    print("\n".join(["survivors:", *holes]) if holes else "no survivors")
    sys.exit(1 if holes else 0)


if __name__ == "__main__":
    main()
