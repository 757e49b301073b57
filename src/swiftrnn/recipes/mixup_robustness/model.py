"""One training with mixup at one amount of noise; and what is chosen on valid and read on test."""

import math
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import seed_everything

from swiftrnn.data import images
from swiftrnn.data.images import Images
from swiftrnn.runs import folder
from swiftrnn.tasks import image_classification as classify
from swiftrnn.tasks.image_classification import BEST, Classifier, perceptron
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import folder_of
from swiftrnn.training.techniques.schedule import cosine

LAST = "last.safetensors"
FITTED = 95.0  # percent of its labels, right or wrong, that plain training has to know at the end
Row = tuple[dict[str, Any], dict[str, float]]


def parts_of(config: Any) -> tuple[Images, Images, Images]:
    """Train, valid and test, all with right labels."""
    sizes = config.train_size, config.valid_size
    return images.three_parts(config.data, *sizes, config.seed, config.made_up)


def built(config: Any, train: Images, rate: float = 1e-3, alpha: float = 0.0) -> Classifier:
    """A perceptron with new weights."""
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    net = perceptron(train.pixels[0].numel(), config.hidden, len(train.names))
    return Classifier(net, partial(adam, rate=rate), cosine(steps), alpha, config.seed)


def adam(net: torch.nn.Module, rate: float) -> torch.optim.Optimizer:
    """The optimiser of the paper's experiments on tables and speech, without decay."""
    return torch.optim.Adam(net.parameters(), lr=rate, fused=True)


def trial(config: Any, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Train at a point; percent wrong on valid, at the best epoch and at the last."""
    torch.set_num_threads(1)  # several trainings share the machine
    seed_everything(config.seed, verbose=False)
    train, valid, _ = parts_of(config)
    noisy = images.corrupted(train, point["noise"], config.seed)
    model = built(config, train, point["rate"], point["alpha"])
    name = f"noise {point['noise']:g}, alpha {point['alpha']:g}"
    fitted = classify.train(
        model, noisy, valid, out, config.epochs, config.batch_size, name, progress=False
    )
    weights.save(model, out / LAST)
    errors = [each["error"] for each in fitted.history]
    folder.write_json(out / "history.json", {"error": errors})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    known = classify.measured(model, noisy, train.scale())
    return {"last": errors[-1], "best": min(errors), "fit": 100 - known["error"]}


def chosen(rows: Sequence[Row], noise: float, alpha: float, by: str) -> Row:
    """The rate that is best on valid, by the error of the best or of the last epoch.

    Plain training is to be what it is at the end: of its rates only those count that know nearly
    all labels, if one does. Rates too small for that would only be another cure.
    """
    here = [r for r in rows if (r[0]["noise"], r[0]["alpha"]) == (noise, alpha)]
    if by == "last" and not alpha:
        here = [r for r in here if r[1]["fit"] >= FITTED] or [max(here, key=lambda r: r[1]["fit"])]
    return min(here, key=lambda row: row[1][by])


def on_test(config: Any, row: Row, axes: Any, out: Path, which: str) -> dict[str, float]:
    """Measure weights of a trial, `BEST` or `LAST`, on the test part."""
    train, _, test = parts_of(config)
    model = weights.built(lambda: built(config, train), folder_of(axes, row[0], out) / which)
    return classify.measured(model, test, train.scale())


def table(config: Any, rows: Sequence[Row], axes: Any, out: Path) -> dict[str, float]:
    """The numbers of every amount of noise and every alpha, by name."""
    found: dict[str, float] = {}
    for noise in config.noises:
        for alpha in config.alphas:
            tag = f"{100 * noise:.0f}_{f'mixup_{alpha:g}' if alpha else 'plain'}"
            end = chosen(rows, noise, alpha, "last")
            last = on_test(config, end, axes, out, LAST)
            best = on_test(config, chosen(rows, noise, alpha, "best"), axes, out, BEST)
            found |= {
                f"last_{tag}": last["error"], f"best_{tag}": best["error"],
                f"fit_{tag}": end[1]["fit"], f"ece_{tag}": last["ece"], f"nll_{tag}": last["nll"],
            }  # fmt: skip
    return found


def at_the_same_rate(
    config: Any, rows: Sequence[Row], axes: Any, out: Path, noise: float, alpha: float
) -> float:
    """The last error of mixup at the rate of plain training, over that of plain training."""
    plain = chosen(rows, noise, 0.0, "last")
    point = plain[0] | {"alpha": alpha}
    mixed = next(row for row in rows if row[0] == point)
    errors = [on_test(config, row, axes, out, LAST)["error"] for row in (mixed, plain)]
    return errors[0] / errors[1]
