"""mixup against labels that are wrong: errors at the best and the last epoch, and calibration.

Paper: Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", section 3.4.
Differs: a perceptron on 5,000 images of Fashion-MNIST for PreActResNet-18 on CIFAR-10; Adam.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from swiftrnn import limits
from swiftrnn.data import images
from swiftrnn.recipes.mixup_robustness.figures import curves
from swiftrnn.recipes.mixup_robustness.model import (
    at_the_same_rate,
    chosen,
    parts_of,
    table,
    trial,
)
from swiftrnn.training import classify
from swiftrnn.training.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """Sizes for minutes on a CPU; theirs: 200 epochs of a residual net on 50,000 images."""

    data: classify.Data = "fashion-mnist"
    made_up: bool = False  # learn where a bright square is, without any data
    train_size: limits.Images = 5000  # images, so that a small net can learn their labels by heart
    # images with right labels, as theirs; rates and epochs are chosen there
    valid_size: limits.Images = 5000
    hidden: limits.Size = 128  # units of each of the two hidden layers
    # until plain training knows at least 95 % of the labels, the wrong ones too
    epochs: limits.Count = 80
    batch_size: limits.Count = 100
    # of labels drawn anew; theirs: 0.2-0.8
    noises: limits.Shares = (0.0, 0.2, 0.4, 0.5, 0.8)
    # of mixup; 0 is training without
    alphas: limits.Leasts = (0.0, 0.2, 1.0, 8.0, 32.0)
    rates: limits.Rates = (3e-4, 1e-3, 3e-3)  # of Adam, falling along a cosine
    processes: limits.Processes = 1  # that train beside one another
    seed: limits.Seed = 0  # of all that is drawn


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=32, epochs=30, batch_size=20,
    noises=(0.4,), alphas=(0.0, 8.0), rates=(3e-3,),
)  # fmt: skip
CLAIMS = {  # theirs, table 2: test error, percent, of PreActResNet-18 on CIFAR-10
    "best_20_plain": 12.7, "last_20_plain": 16.6, "best_20_mixup_8": 5.9, "last_20_mixup_8": 6.4,
    "best_50_plain": 18.8, "last_50_plain": 44.6, "best_50_mixup_32": 11.3,
    "last_50_mixup_32": 12.7, "best_80_plain": 36.5, "last_80_plain": 73.9,
    "best_80_mixup_32": 25.3, "last_80_mixup_32": 30.9,
}  # fmt: skip
PICTURE = "curves.png"  # of the run folder, for the documentation
HEADLINE = ("last_40_plain", "last_40_mixup_8", "over_plain_40_mixup_8", "best_40_plain",
            "ece_40_plain", "ece_40_mixup_8", "control_random_labels")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train at every noise, alpha and rate; choose on valid; read test once."""
    alone = replace(config, processes=1)
    axes = {"noise": config.noises, "alpha": config.alphas, "rate": config.rates}
    about = asdict(alone)
    rows = train_all(partial(trial, alone), axes, out, "last", about, config.processes)
    found = table(config, rows, axes, out)
    for noise in (n for n in config.noises if n):
        plain = found[f"last_{100 * noise:.0f}_plain"]
        for alpha in (a for a in config.alphas if a):
            tag = f"{100 * noise:.0f}_mixup_{alpha:g}"
            found[f"over_plain_{tag}"] = found[f"last_{tag}"] / plain
            same = at_the_same_rate(config, rows, axes, out, noise, alpha)
            found[f"over_plain_same_rate_{tag}"] = same
    train, _, test = parts_of(config)
    for noise in config.noises:
        noisy = images.corrupted(train, noise, config.seed)
        found[f"baseline_nearest_mean_{100 * noise:.0f}"] = classify.nearest_mean(noisy, test)
    rate = chosen(rows, config.noises[-1], 0.0, "last")[0]["rate"]
    point = {"noise": 1.0, "alpha": 0.0, "rate": rate}
    (out / "control").mkdir(exist_ok=True)
    found["control_random_labels"] = trial(alone, point, out / "control")["last"]
    curves(rows, axes, out)
    return found
