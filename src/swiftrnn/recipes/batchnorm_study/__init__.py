"""What batch normalisation does: speed, smoothness with and without a scale, covariate shift.

Paper: Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?".
Differs: six convolutions on 5,000 images of Fashion-MNIST for VGG on CIFAR-10; scale-free units.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial

from swiftrnn.recipes.batchnorm_study.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.batchnorm_study.figures import panels
from swiftrnn.recipes.batchnorm_study.model import LAST, built, chosen, parts_of, table, trial
from swiftrnn.recipes.batchnorm_study.norms import norm
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults take minutes on a CPU; the paper trains a VGG net on 50,000 colour images."""

    data: classify.Data = "fashion-mnist"  # data set
    made_up: bool = False  # synthetic data in place of the data set; nothing is downloaded
    train_size: limits.Images = 5000  # training images
    valid_size: limits.Images = 5000  # validation images, on which the error is reported
    width: limits.Size = 16  # channels of the first two convolutions; the others have twice as many
    he: bool = True  # He initialization; with torch's default the plain net does not learn
    steps: limits.Count = 200  # training steps
    batch_size: limits.Batch = 100  # images in a step, and in every measurement
    # normalizations to compare
    norms: limits.Words = ("none", "batch", "noisy", "centring", "scaling", "layer", "group")
    rates: limits.Rates = (0.03, 0.1, 0.3)  # learning rates of gradient descent without momentum
    every: limits.Count = 5  # steps between two measurements of the loss landscape
    # step length, relative to each layer's norm, at which networks are compared
    relative: limits.Inside = 0.01
    level: limits.Positive = 0.8  # training loss at which networks are compared
    iterations: limits.Several = 40  # largest number of Lanczos iterations
    processes: limits.Processes = 1  # trainings to run in parallel
    seed: limits.Seed = 0  # random seed

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("every", self.every, self.steps)
        for name in self.norms:  # said before the first training, not after it
            norm(name, self.width)


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, width=8, steps=30, batch_size=50,
    norms=("none", "batch"), rates=(0.1, 0.3), every=5, level=1.0, iterations=10,
)  # fmt: skip
TORCH_WEIGHTS = Config(he=False)  # a plain net on a plateau: flat, smooth, and untrained
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train with every norm at every rate; choose the rate by training loss; read test once."""
    alone = replace(config, processes=1)
    axes = {"norm": config.norms, "rate": config.rates}
    rows = train_all(
        partial(trial, alone), axes, out.path, "error", asdict(alone), config.processes
    )
    found = table(config, rows, axes, out.path)
    train, _, test = parts_of(config)
    found["baseline_nearest_mean"] = classify.nearest_mean(train, test)
    if not rows:
        raise ValueError(f"batchnorm_study needs rates that train; got {config.rates}; try smaller")
    point, control = (chosen(rows, "batch") or rows[0])[0], out / "control"
    control.mkdir(exist_ok=True)
    if not (control / LAST).exists():
        trial(alone, point, control, share=1.0)
    net = weights.built(lambda: built(config, train, point["norm"]), control / LAST)
    found["control_random_labels"] = classify.measured(net, test, train.scale())["error"]
    panels(config, rows, axes, out.path)
    return Result(found, picture="panels.png")
