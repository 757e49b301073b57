"""Warm restarts against one cosine, drops and a fixed rate: errors at the end and on the way.

Paper: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts".
Differs: small nets on 10,000 images of Fashion-MNIST for wide residual nets on CIFAR-10.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Literal

from swiftrnn.recipes.sgdr.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.sgdr.figures import curves
from swiftrnn.recipes.sgdr.model import Schedules, best, errors_of, on_test, parts_of, trial
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training.sweep.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults take minutes on a CPU; the paper trains a WRN-28-10 for 200 epochs."""

    data: classify.Data = "fashion-mnist"  # data set
    made_up: bool = False  # synthetic data in place of the data set; nothing is downloaded
    net: Literal["perceptron", "convolutional"] = "perceptron"  # network
    train_size: limits.Images = 10_000  # training images
    valid_size: limits.Images = 5000  # validation images; learning rates are chosen on them
    # units of a hidden layer; a convolutional net begins with 1/16 of it as channels
    hidden: Annotated[int, limits.Range(16, 65_536)] = 128
    # passes over the training data; 1 + 2 + ... + 32, so that cycles end with it (paper: 200)
    epochs: limits.Count = 63
    batch_size: limits.Count = 100  # images in a batch (paper: 128)
    # learning rate schedules to compare
    schedules: Schedules = (
        "fixed",
        "drops",
        "cosine",
        "restarts",
        "restarts_short",
    )
    # learning rates of SGD with Nesterov momentum (paper: 0.05)
    rates: limits.Rates = (0.02, 0.05, 0.15)
    decay: limits.Least0 = 5e-4  # L2 penalty (paper: the same)
    shuffled: bool = False  # random labels, where nothing can be learnt
    processes: limits.Processes = 1  # trainings to run in parallel
    seed: limits.Seed = 0  # random seed


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=32, epochs=7, batch_size=20,
    schedules=("fixed", "restarts"), rates=(0.05,),
)  # fmt: skip
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train every schedule at every rate, take the best rate on valid, and read test once."""
    alone = replace(config, processes=1)
    axes = {"schedule": config.schedules, "rate": config.rates}
    given = partial(trial, alone), axes, out.path, "error"
    rows = train_all(*given, about=asdict(alone), workers=config.processes)
    found, shown = {}, {}
    for name in config.schedules:
        row = best(rows, name)
        errors = errors_of(row, axes, out.path)
        found |= {
            f"error_{name}": on_test(config, row, axes, out.path),
            f"valid_{name}": errors[-1],
        }
        shown[name] = errors
    if "drops" in shown:  # how soon others are as good as it ever gets at its end
        goal = shown["drops"][-1]
        for name, errors in shown.items():
            first = next((i + 1 for i, e in enumerate(errors) if e <= goal), None)
            found[f"speedup_{name}"] = config.epochs / first if first else 0.0  # never
    train, _, test = parts_of(config)
    found["baseline_nearest_mean"] = classify.nearest_mean(train, test)
    (out / "control").mkdir(exist_ok=True)
    last = best(rows, config.schedules[-1])[0]
    found["control_random_labels"] = trial(replace(alone, shuffled=True), last, out / "control")[
        "error"
    ]
    curves(shown, config.epochs, out / "curves.png")
    return Result(found, picture="curves.png")
