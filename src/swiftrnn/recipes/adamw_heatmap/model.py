"""One training with one optimiser, rate and decay; and how far rate and decay are apart."""

import math
import shutil
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from lightning import seed_everything
from torch import nn

from swiftrnn.data import images
from swiftrnn.data.images import Images
from swiftrnn.recipes.adamw_heatmap.resnet import residual
from swiftrnn.runs import limits
from swiftrnn.tasks import image_classification as classify
from swiftrnn.tasks.image_classification import Classifier, convolutional, perceptron
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import folder_of
from swiftrnn.training.techniques.decay import carry_rate, decoupled, groups
from swiftrnn.training.techniques.schedule import cosine

LAST = "last.safetensors"
Method = Literal["adam", "adamw", "adamw_paper", "sgd", "sgdw"]
Methods = Annotated[tuple[Method, ...], limits.Different()]
METHODS: dict[str, tuple[float, float]] = {  # what a rate and a decay of 1 on the axes are
    "adam": (1e-3, 1e-3),  # Adam, decay added to the loss (L2)
    "adamw": (1e-3, 0.3),  # as torch.optim.AdamW: decay times rate
    "adamw_paper": (1e-3, 1e-3),  # decay times the schedule alone
    "sgd": (5e-2, 1e-3),  # with momentum, decay added to the loss
    "sgdw": (5e-2, 1e-4),  # decay times the schedule alone
}
FITTED = 95.0  # percent of its labels, right or wrong, that a net memorises
TOP = 10  # cells that are marked, as theirs
Row = tuple[dict[str, Any], dict[str, float]]


def optimizer_of(net: nn.Module, method: str, rate: float, decay: float) -> torch.optim.Optimizer:
    """The optimiser of a cell; `rate` and `decay` as multiples, as on the axes."""
    rate_unit, decay_unit = METHODS[method]
    found, lr = groups(net, decay * decay_unit), rate * rate_unit
    if method in ("sgd", "sgdw"):
        optimizer = torch.optim.SGD(found, lr=lr, momentum=0.9, fused=True)
    else:
        optimizer = torch.optim.Adam(found, lr=lr, fused=True)
    if method == "adamw":
        decoupled(optimizer, by="rate")
    elif method.endswith(("paper", "sgdw")):
        decoupled(optimizer, by="schedule")
    if method == "sgdw":
        carry_rate(optimizer)  # pyright: ignore[reportArgumentType]
    return optimizer


def parts_of(config: Any) -> tuple[Images, Images, Images]:
    """Train with its wrong labels, valid and test with right ones."""
    train, valid, test = images.three_parts(
        config.data, config.train_size, config.valid_size, config.seed, config.made_up, config.cifar
    )
    return images.corrupted(train, config.noise, config.seed), valid, test


def built(config: Any, train: Images, point: dict[str, Any]) -> Classifier:
    """A net with new weights, and the optimiser of a cell."""
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    shape, classes = train.pixels.shape[1:], len(train.names)
    net = {
        "perceptron": lambda: perceptron(shape.numel(), config.hidden, classes),
        "convolutional": lambda: convolutional(shape, config.hidden // 16, config.hidden, classes),
        "residual": lambda: residual(shape, config.hidden // 2, classes),
    }[config.net]()
    cell = {name: point[name] for name in ("method", "rate", "decay")}
    return Classifier(net, partial(optimizer_of, **cell), cosine(steps), 0.0, config.seed)


def trial(config: Any, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Train a cell; percent wrong on valid at the end, and of its own labels that it knows."""
    torch.set_num_threads(1)  # several trainings share the machine
    seed_everything(config.seed, verbose=False)
    train, valid, _ = parts_of(config)
    model = built(config, train, point)
    fitted = classify.train(
        model, train, valid, out, config.epochs, config.batch_size, progress=False
    )
    weights.save(model, out / LAST)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    known = classify.measured(model, train, train.scale())
    return {"error": fitted.history[-1]["error"], "fit": 100 - known["error"]}


def of_method(rows: Sequence[Row], method: str, decays: bool = True) -> list[Row]:
    """Its cells, the best on valid first; with `decays` False only those without decay."""
    here = [r for r in rows if r[0]["method"] == method and (decays or not r[0]["decay"])]
    return sorted(here, key=lambda row: row[1]["error"])


def on_test(config: Any, row: Row, axes: Any, out: Path) -> float:
    """The error of a cell on the test part, percent."""
    train, _, test = parts_of(config)
    where = folder_of(axes, row[0], out) / LAST
    model = weights.built(lambda: built(config, train, row[0]), where)
    return classify.measured(model, test, train.scale())["error"]


def where_it_fits(rows: Sequence[Row], method: str, bare: str) -> list[Row]:
    """Cells of a method at rates where `bare` without decay memorises nearly all labels.

    At smaller rates the training is not finished, which is a cure of its own.
    """
    rates = {r[0]["rate"] for r in of_method(rows, bare, decays=False) if r[1]["fit"] >= FITTED}
    return [row for row in of_method(rows, method) if row[0]["rate"] in rates]


def correlation(rows: Sequence[Row]) -> float:
    """Of log rate and log decay over the ten best cells that decay; nan where one does not vary.

    Near -1 or 1 the two must be tuned together, near 0 each can be tuned alone.
    """
    best = [row[0] for row in rows if row[0]["decay"]][:TOP]
    columns = [[math.log(p[name]) for p in best] for name in ("rate", "decay")]
    if any(len(set(column)) < 2 for column in columns):
        return math.nan
    return statistics.correlation(*columns)  # exact sums: the same on every processor


def regret(rows: Sequence[Row], rates: Sequence[float]) -> float:
    """By how much tuning one axis after the other is worse than the whole grid, percent wrong.

    First the decay at the rate in the middle, then the rate at that decay.
    """
    middle = sorted(rates)[len(rates) // 2]
    decay = min((r for r in rows if r[0]["rate"] == middle), key=lambda r: r[1]["error"])[0][
        "decay"
    ]
    found = min(r[1]["error"] for r in rows if r[0]["decay"] == decay)
    return found - min(r[1]["error"] for r in rows)
