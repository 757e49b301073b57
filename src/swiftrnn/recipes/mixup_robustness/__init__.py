"""mixup against labels that are wrong: errors at the best and the last epoch, and calibration.

Paper: Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", section 3.4.
Differs: a perceptron on 5,000 images of Fashion-MNIST for PreActResNet-18 on CIFAR-10; Adam.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial

from swiftrnn.data import images
from swiftrnn.recipes.mixup_robustness.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.mixup_robustness.figures import curves
from swiftrnn.recipes.mixup_robustness.model import (
    at_the_same_rate,
    chosen,
    parts_of,
    table,
    trial,
)
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training.sweep.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults take minutes on a CPU; the paper trains a residual net on 50,000 images."""

    data: classify.Data = "fashion-mnist"  # data set
    made_up: bool = False  # synthetic data in place of the data set; nothing is downloaded
    # training images; few, so that a small net can fit noisy labels
    train_size: limits.Images = 5000
    # validation images, with clean labels; rates and epochs are chosen on them
    valid_size: limits.Images = 5000
    hidden: limits.Size = 128  # units of each of the two hidden layers
    # passes over the training data, until plain training fits 95 % of the labels, noisy ones too
    epochs: limits.Count = 80
    batch_size: limits.Count = 100  # images in a batch
    # fractions of noisy labels (paper: 0.2 to 0.8)
    noises: limits.Shares = (0.0, 0.2, 0.4, 0.5, 0.8)
    alphas: limits.Leasts = (0.0, 0.2, 1.0, 8.0, 32.0)  # alpha of mixup; 0 trains without it
    rates: limits.Rates = (3e-4, 1e-3, 3e-3)  # peak learning rates of Adam; cosine decay
    processes: limits.Processes = 1  # trainings to run in parallel
    seed: limits.Seed = 0  # random seed


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=32, epochs=30, batch_size=20,
    noises=(0.4,), alphas=(0.0, 8.0), rates=(3e-3,),
)  # fmt: skip
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train at every noise, alpha and rate; choose on valid; read test once."""
    alone = replace(config, processes=1)
    axes = {"noise": config.noises, "alpha": config.alphas, "rate": config.rates}
    about = asdict(alone)
    rows = train_all(partial(trial, alone), axes, out.path, "last", about, config.processes)
    found = table(config, rows, axes, out.path)
    for noise in (n for n in config.noises if n):
        plain = found[f"last_{100 * noise:.0f}_plain"]
        for alpha in (a for a in config.alphas if a):
            tag = f"{100 * noise:.0f}_mixup_{alpha:g}"
            if plain:  # without errors there is nothing to compare with
                found[f"over_plain_{tag}"] = found[f"last_{tag}"] / plain
                same = at_the_same_rate(config, rows, axes, out.path, noise, alpha)
                found[f"over_plain_same_rate_{tag}"] = same
    train, _, test = parts_of(config)
    for noise in config.noises:
        noisy = images.corrupted(train, noise, config.seed)
        found[f"baseline_nearest_mean_{100 * noise:.0f}"] = classify.nearest_mean(noisy, test)
    rate = chosen(rows, config.noises[-1], 0.0, "last")[0]["rate"]
    point = {"noise": 1.0, "alpha": 0.0, "rate": rate}
    (out / "control").mkdir(exist_ok=True)
    found["control_random_labels"] = trial(alone, point, out / "control")["last"]
    curves(rows, axes, out.path)
    return Result(found, picture="curves.png")
