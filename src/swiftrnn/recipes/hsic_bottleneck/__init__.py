"""Training layer by layer with HSIC, without back-propagation between layers.

Paper: Ma, Lewis and Kleijn (2020), "The HSIC Bottleneck: Deep Learning without Back-Propagation".
Differs: layers are truly apart, test data never decides how it is normalised, Adam.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated

from swiftrnn.recipes.hsic_bottleneck.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.hsic_bottleneck.figures import curves
from swiftrnn.recipes.hsic_bottleneck.model import best_of, on_test, parts_of, trial
from swiftrnn.runs import folder, limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training.sweep.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The paper's network at a quarter of its width; 5,000 training images for validation."""

    data: classify.Data = "mnist"  # data set
    made_up: bool = False  # synthetic data in place of the data set; nothing is downloaded
    train_size: limits.Images = 55_000  # training images (paper: 60,000, without validation)
    valid_size: limits.Images = 5000  # validation images; learning rates are chosen on them
    hidden: limits.Size = 256  # units of a layer (paper: 1024)
    # layers of that many units, before one with a unit for each class (paper: 5)
    layers: limits.Depth = 3
    epochs: limits.Count = 5  # passes over the training data (paper: 5)
    # images in a batch, all pairs of which HSIC compares (paper: 256)
    batch_size: Annotated[int, limits.Range(4, 10_000)] = 256
    sigma: limits.Positive = 5.0  # kernel width, in units of sqrt(dimensions) (paper: 5 and 6)
    beta: limits.Least0 = 100.0  # weight of the dependence on the labels (paper: 200 and 1000)
    epsilon: limits.Positive = 1e-5  # regularization of the normalized HSIC (paper: 1e-5)
    rates: limits.Rates = (1e-3, 3e-3)  # learning rates of Adam (paper: SGD at 1e-3)
    processes: limits.Processes = 1  # trainings to run in parallel
    seed: limits.Seed = 0  # random seed


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=16, layers=1, epochs=8, batch_size=40,
    rates=(1e-2,),
)  # fmt: skip
FASHION = Config(data="fashion-mnist")
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train both ways at every rate, choose on valid, and read test once."""
    alone = replace(config, processes=1)
    axes = {"method": ("hsic", "backprop"), "rate": config.rates}
    rows = train_all(
        partial(trial, alone),
        axes,
        out.path,
        "error",
        about=asdict(alone),
        workers=config.processes,
    )
    chosen = {method: best_of(rows, method) for method in axes["method"]}
    found: dict[str, float] = {}
    for method, row in chosen.items():
        measured = on_test(config, method, row[0], axes, out.path)
        found |= {f"accuracy_{name}": value for name, value in measured.items()}
    random = on_test(config, "random", {}, axes, out.path)
    found |= {f"baseline_{name}": value for name, value in random.items()}
    train, _, test = parts_of(config)
    found["baseline_pixels_class_mean"] = 100 - classify.nearest_mean(train, test)
    control = out / "control"
    control.mkdir(exist_ok=True)
    point = {**chosen["hsic"][0], "shuffled": True}
    if not (control / folder.METRICS).exists():
        folder.end(control, trial(alone, point, control))
    found["control_random_labels"] = 100 - folder.number(control / folder.METRICS, "error")
    found["points_below_backprop"] = found["accuracy_backprop"] - found["accuracy_hsic_class_mean"]
    best_random = max(random["random_class_mean"], random["random_hidden_class_mean"])
    found["points_above_random"] = found["accuracy_hsic_class_mean"] - best_random
    curves(chosen, axes, found, out.path)
    return Result(found, picture="curves.png")
