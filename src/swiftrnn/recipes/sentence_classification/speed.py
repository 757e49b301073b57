"""How long an epoch of training takes with each layer, all in one process and in turn."""

import itertools
import statistics
import time
from typing import Any

import torch
from lightning import seed_everything

from swiftrnn.recipes.sentence_classification import train
from swiftrnn.recipes.sentence_classification.data import Parts, Source
from swiftrnn.recipes.sentence_classification.model import PACKED
from swiftrnn.runs import machine
from swiftrnn.runs.folder import RunFolder, read_json, write_json

BATCHES, ROUNDS = 20, 7  # updates that are timed together, and how often; medians count


def measured_once(config: Any, out: RunFolder, source: Source) -> dict[str, float]:
    """For each layer the seconds of an epoch; measured once, so that a run goes on as it began."""
    path = out / "seconds.json"
    if not path.exists():
        machine.use_threads(config.threads)
        write_json(path, seconds_per_epoch(config, source.parts(0, config.seed)))
    return read_json(path, config.layers)


def seconds_per_epoch(config: Any, parts: Parts) -> dict[str, float]:
    """Seconds of an epoch's updates with each layer, and with torch's on packed sequences.

    Every layer sees the same batches, and every round begins with another layer.
    """
    packed = [name for name, of in PACKED.items() if of in config.layers]
    layers, timed = [*config.layers, *packed], {}
    runs = {layer: _updates(config, parts, layer) for layer in layers}
    for i in range(ROUNDS + 1):  # the first one warms up
        first = i % len(layers)
        for layer in layers[first:] + layers[:first]:
            timed.setdefault(layer, []).append(runs[layer]())
    return {layer: statistics.median(times[1:]) for layer, times in timed.items()}


def _updates(config: Any, parts: Parts, layer: str) -> Any:
    """A function that makes some updates, and gives the seconds of an epoch of them."""
    seed_everything(config.seed, verbose=False)
    model, batches = train.started(config, parts, layer, config.rates[0])
    model.train()
    (optimizer,), _ = model.configure_optimizers()
    some = [*itertools.islice(batches, BATCHES)]

    def run() -> float:
        began = time.perf_counter()
        for i, batch in enumerate(some):
            optimizer.zero_grad()
            model.training_step(batch, i).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), train.CLIP)
            optimizer.step()
        return (time.perf_counter() - began) / len(some) * len(batches)

    return run
