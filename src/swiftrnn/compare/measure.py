"""What is measured once all layers have trained: test text, speed, and what needs no network."""

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.bench.timing import interleaved
from swiftrnn.compare import Compare
from swiftrnn.data.lanes import excerpts
from swiftrnn.data.text import Text
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.deploy import trained as runs
from swiftrnn.deploy.trained import Trained
from swiftrnn.metrics import compression
from swiftrnn.ops import kernels
from swiftrnn.recipes.language_model.train import VALID
from swiftrnn.recipes.language_model.train import load as load_model
from swiftrnn.runs import folder
from swiftrnn.runs.machine import machine
from swiftrnn.tasks.writing.measure import bits
from swiftrnn.tasks.writing.sample import Sampling, added
from swiftrnn.training.fit.hooks import snapshots

TIME = 256  # bytes that inference reads in one call
STREAMED = 64  # bytes that one timed call reads one by one
REPEATS, LIMIT = 11, 6.0  # rounds, and seconds for all of them; at most twice a training
PROMPT = "def "
SAMPLE = 240  # bytes


def measure(options: Compare, out: Path, text: Text) -> dict[str, Any]:
    """Everything that the report shows, but the load of the machine.

    Raises:
        ValueError: a file of a layer was cut short or changed.
    """
    before = torch.get_num_threads()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        models = {layer: runs.load(out / layer) for layer in options.layers}
        rows = {layer: _trained(out / layer, model) for layer, model in models.items()}
        _speeds(rows, models, Vocabulary().encode(text.train), min(LIMIT, 2 * options.seconds))
        common = _test(rows, models, out, text)
        best = min(rows, key=lambda layer: rows[layer]["equal_time"])
        return {
            "date": time.strftime("%Y-%m-%d %H:%M %z"),
            "command": options.command(),
            "settings": dataclasses.asdict(options),
            "text": {"name": text.name, "sha256": text.sha256, **_sizes(text), **text.facts},
            "machine": {**machine(), "C kernels": kernels()["cpu"]["why"]},
            "layers": rows,
            "baselines": _baselines(text),
            "valid_baselines": _valid_baselines(text),
            "equal_tokens": common,
            "best": best,
            "prompt": PROMPT,
            "sample": _sample(models[best], options.seed),
        }
    finally:
        torch.set_num_threads(before)


def _trained(out: Path, trained: Trained) -> dict[str, Any]:
    """What the process of a layer wrote about its training."""
    fitted = folder.read_json(out / folder.METRICS, ("steps", "seconds", "history", "peak_memory"))
    config = trained.config
    tokens = fitted["steps"] * config.batch_size * config.time
    valid = [
        {
            **{key: point[key] for key in ("step", "seconds", "tokens")},
            "bits_per_byte": point["bits"],
        }
        for point in fitted["history"]
    ]
    return {
        "parameters": _parameters(trained) - _table(trained),
        "ngram_parameters": _table(trained),
        "hidden": trained.model.embedding.embedding_dim,
        "depth": getattr(trained.model.layer, "num_layers", config.depth),  # conv takes more
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
        "steps": fitted["steps"],
        "tokens": tokens,
        "seconds": fitted["seconds"],
        "train_tokens_per_s": tokens / fitted["seconds"],
        "peak_mb": fitted["peak_memory"] / 1e6 or None,  # 0 where the system does not tell
        "valid": valid,
    }


def _parameters(trained: Trained) -> int:
    return sum(each.numel() for each in trained.model.parameters() if each.requires_grad)


def _sample(trained: Trained, seed: int) -> str:
    how = Sampling(length=SAMPLE, seed=seed)
    return "".join(added(trained.model, PROMPT, how))


def _table(trained: Trained) -> int:
    """The parameters that all layers have alike: the vectors of n-grams."""
    return sum(p.numel() for name, p in trained.model.named_parameters() if "ngrams" in name)


def _speeds(
    rows: dict[str, Any], models: dict[str, Trained], tokens: Tensor, limit_s: float
) -> None:
    """Inference and streaming of all models in turns, so that a slow moment hits them all."""
    cases: dict[tuple[str, str], Callable[[], object]] = {}
    for layer, trained in models.items():
        for batch in (1, 32):
            read = tokens[: TIME * batch].long().view(batch, TIME).t().contiguous()
            cases[layer, f"batch_{batch}"] = _forward(trained.model, read)
        cases[layer, "stream"] = _stream(trained.model, tokens[:STREAMED].long())
    names = {" ".join(key): key for key in cases}
    timings = interleaved({n: cases[key] for n, key in names.items()}, REPEATS, 2, limit_s)
    for layer, row in rows.items():
        row["inference_tokens_per_s"] = {
            f"batch_{batch}": batch * TIME / timings[f"{layer} batch_{batch}"].median
            for batch in (1, 32)
        }
        row["stream_us"] = 1e6 * timings[f"{layer} stream"].median / STREAMED


def _forward(model: Any, tokens: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def call() -> None:
        model(tokens)

    return call


def _stream(model: Any, tokens: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def call() -> None:
        state = None
        for token in tokens:
            _, state = model.step(token[None], state)

    return call


def _test(
    rows: dict[str, Any], models: dict[str, Trained], out: Path, text: Text
) -> dict[str, int] | None:
    """Bits per byte of the test text, at equal time and after equally many updates."""
    test = Vocabulary().encode(text.test)
    shots = {layer: snapshots(out / layer) for layer in models}
    steps = max(set.intersection(*(set(found) for found in shots.values())), default=None)
    tokens = 0
    for layer, trained in models.items():
        row = rows[layer]
        row["equal_time"], row["equal_tokens"] = bits(trained.model, test)[0], None
        if steps is not None:
            tokens = steps * trained.config.batch_size * trained.config.time
            early = load_model(trained.config, out / layer, shots[layer][steps])
            row["equal_tokens"] = bits(early, test)[0]
    return None if steps is None else {"steps": steps, "tokens": tokens}


def _sizes(text: Text) -> dict[str, str]:
    parts = {"train": text.train, "valid": text.valid, "test": text.test}
    return {f"{name} bytes": f"{len(part):,}" for name, part in parts.items()}


def _baselines(text: Text) -> dict[str, float]:
    return {
        "counts": compression.order_2(text.train, text.test),
        "xz_files": compression.xz(text.test_files),
        "xz_stream": compression.xz([text.test]),
    }


def _valid_baselines(text: Text) -> dict[str, float]:
    """The same on the bytes that the layers are measured on while they train."""
    measured = bytes(excerpts(Vocabulary().encode(text.valid), VALID).tolist())
    return {
        "counts": compression.order_2(text.train, measured),
        "xz_stream": compression.xz([measured]),
    }


def tidy(out: Path, layers: tuple[str, ...]) -> None:
    """Drop what only a resume needs: it takes ten times the room of the models."""
    for layer in layers:
        for name in ("checkpoints", "snapshots"):
            shutil.rmtree(out / layer / name, ignore_errors=True)
