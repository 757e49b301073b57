"""Training layer by layer with HSIC, without back-propagation between layers.

Paper: Ma, Lewis and Kleijn (2020), "The HSIC Bottleneck: Deep Learning without Back-Propagation".
Differs: layers are truly apart, test data never decides how it is normalised, Adam.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from swiftrnn import limits
from swiftrnn.recipes.hsic_bottleneck.figures import curves
from swiftrnn.recipes.hsic_bottleneck.model import best_of, on_test, parts_of, trial
from swiftrnn.training import classify, folder
from swiftrnn.training.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The paper's net at a quarter of its width; all but 5,000 of the training images."""

    data: classify.Data = "mnist"
    made_up: bool = False  # learn where a bright square is, without any data
    train_size: limits.Images = 55_000  # theirs: 60,000, without a part to choose on
    valid_size: limits.Images = 5000  # rates are chosen there
    hidden: limits.Size = 256  # units of a layer; theirs: 1024
    layers: limits.Depth = 3  # of so many units, before one of as many as classes; theirs: 5
    epochs: limits.Count = 5  # as theirs
    # as theirs; HSIC compares all pairs of a batch
    batch_size: Annotated[int, limits.Range(4, 10_000)] = 256
    # width of the kernels in units of sqrt(dimensions); theirs: 5 and 6
    sigma: limits.Positive = 5.0
    beta: limits.Least0 = 100.0  # weight of what a layer tells of the labels; theirs: 200 and 1000
    epsilon: limits.Positive = 1e-5  # of the normalised HSIC, as theirs
    rates: limits.Rates = (1e-3, 3e-3)  # of Adam; theirs: SGD at 1e-3
    processes: limits.Processes = 1  # that train beside one another
    seed: limits.Seed = 0  # of all that is drawn


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=16, layers=1, epochs=8, batch_size=40,
    rates=(1e-2,),
)  # fmt: skip
FASHION = Config(data="fashion-mnist")
CLAIMS = {  # read off their figure 4, test accuracy in percent after 5 epochs
    "mnist_backprop": 97.81, "mnist_hsic_argmax": 96.88,
    "fashion_mnist_backprop": 87.37, "fashion_mnist_hsic_argmax": 86.48,
}  # fmt: skip
PICTURE = "curves.png"  # of the run folder, for the documentation
HEADLINE = ("accuracy_backprop", "accuracy_hsic_class_mean", "accuracy_hsic_argmax",
            "accuracy_hsic_format", "accuracy_hsic_hidden_format", "points_below_backprop",
            "points_above_random", "baseline_random_hidden_class_mean",
            "control_random_labels")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train both ways at every rate, choose on valid, and read test once."""
    alone = replace(config, processes=1)
    axes = {"method": ("hsic", "backprop"), "rate": config.rates}
    rows = train_all(
        partial(trial, alone), axes, out, "error", about=asdict(alone), workers=config.processes
    )
    chosen = {method: best_of(rows, method) for method in axes["method"]}
    found = {f"accuracy_{name}": value for method, row in chosen.items()
             for name, value in on_test(config, method, row[0], axes, out).items()}  # fmt: skip
    random = on_test(config, "random", {}, axes, out)
    found |= {f"baseline_{name}": value for name, value in random.items()}
    train, _, test = parts_of(config)
    found["baseline_pixels_class_mean"] = 100 - classify.nearest_mean(train, test)
    control = out / "control"
    control.mkdir(exist_ok=True)
    point = {**chosen["hsic"][0], "shuffled": True}
    if not (control / "metrics.json").exists():
        folder.write_json(control / "metrics.json", trial(alone, point, control))
    found["control_random_labels"] = 100 - folder.read_json(control / "metrics.json")["error"]
    found["points_below_backprop"] = found["accuracy_backprop"] - found["accuracy_hsic_class_mean"]
    best_random = max(random["random_class_mean"], random["random_hidden_class_mean"])
    found["points_above_random"] = found["accuracy_hsic_class_mean"] - best_random
    curves(chosen, axes, found, out)
    return found
