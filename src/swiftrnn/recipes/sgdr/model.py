"""One training with one schedule and rate; what came of each on test."""

import math
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from lightning import seed_everything
from torch import nn

from swiftrnn.data import images
from swiftrnn.data.images import Images
from swiftrnn.runs import folder, limits
from swiftrnn.tasks import image_classification as classify
from swiftrnn.tasks.image_classification import Classifier, convolutional, perceptron
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import folder_of
from swiftrnn.training.techniques.decay import groups
from swiftrnn.training.techniques.schedule import Drops, Restarts, Schedule, cosine

LAST = "last.safetensors"
Scheduled = Literal["fixed", "drops", "cosine", "restarts", "restarts_short"]
Schedules = Annotated[tuple[Scheduled, ...], limits.Different()]
Row = tuple[dict[str, Any], dict[str, float]]


def schedule_of(name: str, steps: int) -> Schedule:
    """What multiplies the rate at each of so many updates.

    restarts and restarts_short end with a cycle: 1 + 2 + 4 parts, and 1 + 2 + ... + 32.
    """
    return {
        "fixed": Drops(),
        "drops": Drops((0.3 * steps, 0.6 * steps, 0.8 * steps), 0.2),
        "cosine": cosine(steps),
        "restarts": Restarts(steps / 7, 2, cycles=3),
        "restarts_short": Restarts(steps / 63, 2, cycles=6),
    }[name]


def parts_of(config: Any) -> tuple[Images, Images, Images]:
    """Train, valid and test."""
    sizes = config.train_size, config.valid_size
    return images.three_parts(config.data, *sizes, config.seed, config.made_up)


def sgd(net: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """The paper's optimiser: Nesterov's momentum of 0.9, and L2."""
    return torch.optim.SGD(groups(net, decay), lr=rate, momentum=0.9, nesterov=True, fused=True)


def built(config: Any, train: Images, schedule: str, rate: float) -> Classifier:
    """A net with new weights."""
    shape, classes = train.pixels.shape[1:], len(train.names)
    net = (
        perceptron(shape.numel(), config.hidden, classes)
        if config.net == "perceptron"
        else convolutional(shape, config.hidden // 16, config.hidden, classes)
    )
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    make = partial(sgd, rate=rate, decay=config.decay)
    return Classifier(net, make, schedule_of(schedule, steps), 0.0, config.seed)


def trial(config: Any, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Train; percent wrong on valid at the end."""
    torch.set_num_threads(1)  # several trainings share the machine
    seed_everything(config.seed, verbose=False)
    train, valid, _ = parts_of(config)
    if config.shuffled:
        train = images.corrupted(train, 1.0, config.seed)
    model = built(config, train, point["schedule"], point["rate"])
    fitted = classify.train(
        model, train, valid, out, config.epochs, config.batch_size, progress=False
    )
    errors = [each["error"] for each in fitted.history]
    weights.save(model, out / LAST)
    folder.write_json(out / "history.json", {"error": errors})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return {"error": errors[-1]}


def best(rows: Sequence[Row], schedule: str) -> Row:
    """Its best rate on valid."""
    here = [row for row in rows if row[0]["schedule"] == schedule]
    return min(here, key=lambda row: row[1]["error"])


def errors_of(row: Row, axes: Any, out: Path) -> list[float]:
    """The error on valid after every epoch."""
    return folder.read_json(folder_of(axes, row[0], out) / "history.json", ("error",))["error"]


def on_test(config: Any, row: Row, axes: Any, out: Path) -> float:
    """The error of the last epoch on the test part, percent."""
    train, _, test = parts_of(config)
    where = folder_of(axes, row[0], out) / LAST
    model = weights.built(lambda: built(config, train, **row[0]), where)
    return classify.measured(model, test, train.scale())["error"]
