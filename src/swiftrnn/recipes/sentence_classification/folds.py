"""What is found before the folds, and what is done in each: layers, baselines, the control."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from swiftrnn.recipes.sentence_classification import baseline
from swiftrnn.recipes.sentence_classification.data import Parts, source_for
from swiftrnn.recipes.sentence_classification.evaluate import side_by_side
from swiftrnn.recipes.sentence_classification.model import measured, sentences, size_of
from swiftrnn.recipes.sentence_classification.synthetic import permuted
from swiftrnn.recipes.sentence_classification.train import EARLY, best_of, read, train
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import VOCABULARY, WEIGHTS, RunFolder
from swiftrnn.training.sweep.grid import folder_of, train_all

FIRST = "sru"  # the others are also measured after as many seconds as this one takes
PREDICTIONS = "test.csv"  # texts of the test part, their classes and those that were found


def rates_of(config: Any, out: RunFolder, about: Any, processes: int) -> dict[str, float]:
    """For each layer the learning rate that is best on the valid part of the first fold."""
    first: float = config.rates[0]
    if len(config.rates) == 1:
        return dict.fromkeys(config.layers, first)
    axes = {"layer": list(config.layers), "rate": list(config.rates)}
    here = out.part("rates").path
    here.mkdir(exist_ok=True)
    objective = partial(valid_accuracy, config)
    done = train_all(objective, axes, here, "accuracy", about, processes)
    scores = {(point["layer"], point["rate"]): found["accuracy"] for point, found in done}
    best = (max((scores[layer, rate], -rate) for rate in config.rates) for layer in config.layers)
    return {layer: -rate for layer, (_, rate) in zip(config.layers, best, strict=True)}


@dataclass(frozen=True)
class Plan:
    """What was found before the folds: for each layer its rate, and its seconds an epoch."""

    rates: Mapping[str, float]
    seconds: Mapping[str, float]


def valid_accuracy(config: Any, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Of a layer at a learning rate, on the first fold: what a rate is chosen by."""
    machine.use_threads(config.threads)
    parts = source_for(config).parts(0, config.seed)
    train(config, parts, point["layer"], out, point["rate"])
    (out / WEIGHTS).unlink()
    return {"accuracy": best_of(out).value}


def fold(config: Any, plan: Plan, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Train every layer of a fold, and measure each on its test part."""
    machine.use_threads(config.threads)
    parts = source_for(config).parts(point["fold"], config.seed)
    found: dict[str, float] = {}
    for layer in config.layers:
        share = plan.seconds.get(FIRST, 0.0) / plan.seconds[layer]
        early = max(1, int(share * config.epochs)) if 0 < share < 1 else 0
        scores = one(config, parts, layer, out / layer, plan.rates[layer], early)
        found |= {f"{name}_{layer}": value for name, value in scores.items()}
        if point["fold"]:  # the models of the first fold stay
            shutil.rmtree(out / layer)
    if config.control and not point["fold"]:
        layer = config.layers[0]
        learnt, chosen = permuted(parts.train, config.seed), permuted(parts.valid, config.seed)
        mixed = Parts(learnt, chosen, parts.test)
        scores = one(config, mixed, layer, out / "control", plan.rates[layer])
        found["control"] = scores["accuracy"]
        shutil.rmtree(out / "control")
    return found | baseline.scores(parts, sentences)


def one(
    config: Any, parts: Parts, layer: str, out: Path, rate: float, early: int = 0
) -> dict[str, float]:
    """Train one layer, and measure it on the test part; arguments as of `train`."""
    train(config, parts, layer, out, rate, early)
    model = read(config, out)
    odds = model.odds(sentences(parts.test, model.vocabulary.how))
    found = measured(model.vocabulary.labels, odds, parts.test)
    told = side_by_side(model.vocabulary.labels, odds, parts.test)
    folder.write_text(out / PREDICTIONS, told)
    found["valid"] = best_of(out).value
    found["parameters"] = float(size_of(model.reader))
    soon = found["accuracy"]
    if early:
        odds = read(config, out, EARLY).odds(sentences(parts.test, model.vocabulary.how))
        soon = measured(model.vocabulary.labels, odds, parts.test)["accuracy"]
    return found | {f"accuracy_in_the_seconds_of_{FIRST}": soon}


def keep(config: Any, out: RunFolder, rows: Sequence[Mapping[str, float]]) -> str:
    """Make the layer that was best on valid, over all folds, that of the run; gives its name."""
    best = best_layer(config.layers, rows)
    here = folder_of({"fold": [0]}, {"fold": 0}, out.path) / best
    out.begin(config, folder.read_json(here / VOCABULARY))
    for name in (WEIGHTS, PREDICTIONS):
        with folder.whole(out / name) as part:
            shutil.copyfile(here / name, part)
    return best


def best_layer(layers: Sequence[str], rows: Sequence[Mapping[str, float]]) -> str:
    """The layer whose accuracy on valid is best over all folds."""
    return max(layers, key=lambda layer: sum(row[f"valid_{layer}"] for row in rows))
