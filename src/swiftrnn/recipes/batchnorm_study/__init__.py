"""What batch normalisation does: speed, smoothness with and without a scale, covariate shift.

Paper: Santurkar et al. (2018), "How Does Batch Normalization Help Optimization?".
Differs: six convolutions on 5,000 images of Fashion-MNIST for VGG on CIFAR-10; scale-free units.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from swiftrnn import limits
from swiftrnn.recipes.batchnorm_study.figures import panels
from swiftrnn.recipes.batchnorm_study.model import LAST, built, chosen, parts_of, table, trial
from swiftrnn.recipes.batchnorm_study.norms import norm
from swiftrnn.training import classify, weights
from swiftrnn.training.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """Sizes for minutes on a CPU; theirs: a VGG net on 50,000 images in colour."""

    data: classify.Data = "fashion-mnist"
    made_up: bool = False  # learn where a bright square is, without any data
    train_size: limits.Images = 5000  # images
    valid_size: limits.Images = 5000  # images, whose error is reported
    width: limits.Size = 16  # channels of the first two convolutions; twice as many of the others
    he: bool = True  # weights drawn as He et al. do; with torch's the plain net learns nothing
    steps: limits.Count = 200  # of a training; four times as many images as there are
    batch_size: limits.Batch = 100  # of a step, and of the images that are always measured
    norms: limits.Words = ("none", "batch", "noisy", "centring", "scaling", "layer", "group")
    rates: limits.Rates = (0.03, 0.1, 0.3)  # of gradient descent without momentum
    every: limits.Count = 5  # steps between two looks at the landscape
    relative: limits.Inside = 0.01  # a step of this share of each layer's norm, to compare nets by
    level: limits.Positive = 0.8  # of the loss, at which nets are compared
    iterations: limits.Several = 40  # of Lanczos, at most
    processes: limits.Processes = 1  # that train beside one another
    seed: limits.Seed = 0  # of all that is drawn

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
CLAIMS: dict[str, float] = {}  # theirs are bands in pictures, without a table
PICTURE = "panels.png"  # of the run folder, for the documentation
HEADLINE = ("loss_none", "loss_batch", "steps_to_level_none", "steps_to_level_batch",
            "over_plain_beta", "over_plain_own_beta", "over_plain_beta_by_rate",
            "control_random_labels")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train with every norm at every rate; choose the rate by training loss; read test once."""
    alone = replace(config, processes=1)
    axes = {"norm": config.norms, "rate": config.rates}
    rows = train_all(partial(trial, alone), axes, out, "error", asdict(alone), config.processes)
    found = table(config, rows, axes, out)
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
    panels(config, rows, axes, out)
    return found
