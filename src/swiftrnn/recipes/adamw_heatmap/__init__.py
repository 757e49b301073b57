"""Learning rate by weight decay, for Adam, AdamW in both meanings, SGD and SGDW: heat maps.

Paper: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization".
Differs: small nets on 5,000 images of Fashion-MNIST with wrong labels for ResNets on CIFAR-10.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Literal

from swiftrnn.recipes.adamw_heatmap.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.adamw_heatmap.figures import heat_maps
from swiftrnn.recipes.adamw_heatmap.model import (
    Methods,
    correlation,
    of_method,
    on_test,
    parts_of,
    regret,
    trial,
    where_it_fits,
)
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training.sweep.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults take minutes on a CPU; the paper trains a residual net for 100 epochs a cell."""

    data: Annotated[classify.Data, limits.Without("cifar")] = "fashion-mnist"  # data set
    made_up: bool = False  # synthetic data in place of the data set; nothing is downloaded
    cifar: limits.OwnFile = None  # folder with the binary files of CIFAR-10, in place of --data
    net: Literal["perceptron", "convolutional", "residual"] = "convolutional"  # network
    # training images; few, so that a small net can fit noisy labels
    train_size: limits.Images = 5000
    # validation images, with clean labels; all choices are made on them
    valid_size: limits.Images = 5000
    # fraction of noisy labels, which weight decay should help against (paper: none)
    noise: limits.Share = 0.4
    # units of a hidden layer; a convolutional net has 1/16 of it as channels, a residual net 1/2
    hidden: limits.Size = 128
    epochs: limits.Count = 60  # passes over the training data (paper: 100)
    batch_size: limits.Count = 100  # images in a batch (paper: 128)
    methods: Methods = ("adam", "adamw", "adamw_paper", "sgd", "sgdw")  # optimizers to compare
    # learning rates, as multiples of each method's unit
    rates: limits.Rates = (0.1, 0.3, 1.0, 3.0, 10.0)
    # weight decays, as multiples of each method's unit
    decays: limits.Leasts = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    processes: limits.Processes = 1  # trainings to run in parallel
    seed: limits.Seed = 0  # random seed

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"perceptron": 1, "convolutional": 16, "residual": 8}[self.net]
        limits.check("hidden", Annotated[int, limits.Range(least)], self.hidden)


SMOKE = Config(
    made_up=True, net="perceptron", train_size=200, valid_size=200, hidden=32, epochs=3,
    batch_size=20, methods=("adam", "adamw"), rates=(1.0, 3.0, 10.0), decays=(0.0, 1.0, 10.0),
)  # fmt: skip
PERCEPTRON = Config(net="perceptron")
PAPER = Config(
    net="residual",
    train_size=45_000,
    noise=0.0,
    epochs=100,
    batch_size=128,
    methods=("adam", "adamw_paper", "sgd", "sgdw"),
)  # theirs, with --cifar FOLDER
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train every cell, take the best of each method on valid, and read test once."""
    alone = replace(config, processes=1)
    axes = {"method": config.methods, "rate": config.rates, "decay": config.decays}
    given = partial(trial, alone), axes, out.path, "error"
    rows = train_all(*given, about=asdict(alone), workers=config.processes)
    found: dict[str, float] = {}
    for method in config.methods:
        here, without = of_method(rows, method), of_method(rows, method, decays=False)
        best, bare = (on_test(config, each[0], axes, out.path) for each in (here, without))
        found |= {
            f"error_{method}": best, f"error_{method}_without": bare,
            f"valid_{method}": here[0][1]["error"], f"fit_{method}": here[0][1]["fit"],
            f"fit_{method}_without": max(row[1]["fit"] for row in without),
            f"regret_{method}": regret(here, config.rates),
        }  # fmt: skip
        if (related := correlation(here)) == related:
            found[f"correlation_{method}"] = related
    pairs = ("adamw", "adam"), ("adamw_paper", "adam"), ("sgdw", "sgd")
    for new, old in (pair for pair in pairs if set(pair) <= set(config.methods)):
        if found[f"error_{old}"]:
            found[f"{new}_over_{old}"] = found[f"error_{new}"] / found[f"error_{old}"]
        fitting = [where_it_fits(rows, method, old)[:1] for method in (new, old)]
        if all(fitting):
            errors = [on_test(config, each[0], axes, out.path) for each in fitting]
            found[f"{new}_over_{old}_where_it_fits"] = errors[0] / errors[1]
    train, _, test = parts_of(config)
    found["baseline_nearest_mean"] = classify.nearest_mean(train, test)
    cell = of_method(rows, config.methods[-1])[0][0]
    (out / "control").mkdir(exist_ok=True)
    control = trial(replace(alone, noise=1.0), cell, out / "control")
    found["control_random_labels"] = control["error"]
    heat_maps(rows, out / "heat_maps.png")
    return Result(found, picture="heat_maps.png")
