"""How many sentences a second `swiftrnn predict --input` answers, beside the model alone.

    swiftrnn run ner_crf --preset smoke --out runs/names
    python benchmarks/predict.py runs/names              100,000 sentences of 12 words, 3 rounds
    python benchmarks/predict.py runs/names --record     the same, for the table

The command is timed as a user waits for it: a process that starts, reads the file, answers in
batches, and writes the answers. The model alone answers the same batches in this process, from a
list to a list; a second row gives it sentences that are cut into words already, a third tensors.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import rows
import torch
from safetensors.torch import load_file
from tables import number, table

import swiftrnn
from swiftrnn.data.segmentation import tokens
from swiftrnn.data.tagged.columns import Sentence
from swiftrnn.data.tagged.sentences import Batcher
from swiftrnn.deploy.trained import Trained
from swiftrnn.runs.machine import machine
from swiftrnn.tasks.tagging.find import AT_ONCE, tagged

WORDS = 12
BATCH = 1024


def sentences(known: Sequence[str], count: int) -> list[str]:
    """As many different ones, drawn by a fixed seed."""
    draw = random.Random(0)
    return [" ".join(draw.choices(known, k=WORDS)) + " ." for _ in range(count)]


def command(run: Path, texts: Path, processes: int) -> tuple[float, float]:
    """Seconds of the whole command, and the peak memory in MB of its largest process."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "swiftrnn", "predict", str(run), "--input", str(texts)]
        words += ["--output", f"{folder}/out.jsonl", "--processes", str(processes)]
        watched = "import resource, runpy, sys; from subprocess import run\n"
        watched += "done = run([sys.executable, '-P', *sys.argv[1:]], stderr=-3)\n"
        watched += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
        watched += "sys.exit(done.returncode)"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", watched, *words], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
        with texts.open() as given, open(f"{folder}/out.jsonl") as answers:
            for text, answer in zip(given, answers, strict=True):
                assert json.loads(answer)["text"] == text.rstrip("\n")
    return seconds, int(done.stdout.split()[-1]) / 1024


def batches(given: Sequence[Any], size: int = BATCH) -> list[list[Any]]:
    return [list(given[start : start + size]) for start in range(0, len(given), size)]


def alone(trained: Trained, texts: list[str]) -> dict[str, Callable[[], object]]:
    """The model alone, in three forms of what it is given."""
    model = trained.model
    cut = [
        Sentence(tuple(word[0] for word in words))
        for text in texts
        for words in tokens.sentences(text, model.vocabulary.how)
    ]
    batcher = Batcher(model.vocabulary)
    encoded = [batcher.encode(each) for each in cut]
    tensors = [batcher.collate(each, model.device) for each in batches(encoded, AT_ONCE)]

    @torch.no_grad()
    def network() -> None:
        for each in tensors:
            model.found(each)

    return {
        "the model, from text": lambda: [trained.answer(each) for each in batches(texts)],
        "the model, from words": lambda: [tagged(model, each) for each in batches(cut)],
        "the model, from tensors": network,
    }


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main(run: Path, count: int, rounds: int, out: Path | None) -> None:
    trained = swiftrnn.load(run)
    known = [w for w in trained.model.vocabulary.words[1:2000] if w.isalpha()]
    texts = sentences(known, count)
    with tempfile.TemporaryDirectory() as folder:
        whole, tenth = Path(folder) / "whole.txt", Path(folder) / "tenth.txt"
        whole.write_text("".join(f"{each}\n" for each in texts))
        tenth.write_text("".join(f"{each}\n" for each in texts[: count // 10]))
        found: dict[str, list[float]] = {}
        memory: dict[str, tuple[float, float]] = {}
        acts = alone(trained, texts)
        for _ in range(rounds):
            for name, act in acts.items():
                found.setdefault(name, []).append(seconds(act))
            for name, processes in (("predict --processes 1", 1), ("predict --input", 0)):
                took, most = command(run, whole, processes)
                found.setdefault(name, []).append(took)
                memory[name] = (command(run, tenth, processes)[1], most)
    base = statistics.median(found["the model, from text"])
    lines = []
    for name, times in found.items():
        took = statistics.median(times)
        small, large = memory.get(name, (None, None))
        lines.append({
            "what answers": name, "sentences a second": count / took, "of the model": base / took,
            f"peak MB of a process, {count // 10:,} sentences": small,
            f"{count:,} sentences": large,
        })  # fmt: skip
        print(", ".join(f"{key} {value}" for key, value in lines[-1].items()), flush=True)
    if out:
        size = sum(v.numel() for v in load_file(run / "model.safetensors").values())
        content = {"machine": machine(), "parameters": size, "words": WORDS, "rows": lines}
        out.write_text(json.dumps(content, indent=1) + "\n")


def predicted(results: Path) -> str:
    """What was recorded, by machine."""
    parts = []
    for file in sorted(results.glob("predict-*.json")):
        content = json.loads(file.read_text())
        facts, found = content["machine"], content["rows"]
        shown = [[_cell(key, value) for key, value in row.items()] for row in found]
        where = (
            f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, swiftrnn "
            f"{facts['swiftrnn']} ({facts['commit']}); {content['parameters']:,} parameters, "
            f"sentences of {content['words']} words."
        )
        parts.append(f"{where}\n\n{table(found[0], shown)}")
    return "\n\n".join(parts)


def _cell(key: str, value: Any) -> str:
    if isinstance(value, str | None):
        return value or "–"
    return number(value, ".2f" if key == "of the model" else ",.0f")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time answers to many sentences.")
    parser.add_argument("run", type=Path, help="a run folder of ner_crf")
    parser.add_argument("--sentences", type=int, default=100_000, help="how many")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many")
    parser.add_argument("--record", action="store_true", help="for the table")
    given = parser.parse_args()
    out = rows.RESULTS / f"predict-{rows.default_path().stem}.json" if given.record else None
    main(given.run, given.sentences, given.rounds, out)
