"""Warm restarts against one cosine, drops and a fixed rate: errors at the end and on the way.

Paper: Loshchilov and Hutter (2017), "SGDR: Stochastic Gradient Descent with Warm Restarts".
Differs: small nets on 10,000 images of Fashion-MNIST for wide residual nets on CIFAR-10.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn import limits
from swiftrnn.recipes.sgdr.figures import curves
from swiftrnn.recipes.sgdr.model import Schedules, best, errors_of, on_test, parts_of, trial
from swiftrnn.training import classify
from swiftrnn.training.grid import train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """Sizes for minutes on a CPU; theirs: 200 epochs of a WRN-28-10 on 50,000 images."""

    data: classify.Data = "fashion-mnist"
    made_up: bool = False  # learn where a bright square is, without any data
    net: Literal["perceptron", "convolutional"] = "perceptron"
    train_size: limits.Images = 10_000
    valid_size: limits.Images = 5000  # rates are chosen there
    # units of each hidden layer; 1/16 of it: first channels
    hidden: Annotated[int, limits.Range(16, 65_536)] = 128
    epochs: limits.Count = 63  # 1 + 2 + ... + 32, so that cycles end with the training; theirs: 200
    batch_size: limits.Count = 100  # theirs: 128
    schedules: Schedules = (
        "fixed",
        "drops",
        "cosine",
        "restarts",
        "restarts_short",
    )
    rates: limits.Rates = (0.02, 0.05, 0.15)  # of SGD with Nesterov's momentum; theirs: 0.05
    decay: limits.Least0 = 5e-4  # L2, as theirs
    shuffled: bool = False  # labels drawn anew, all of them, where nothing can be learnt
    processes: limits.Processes = 1  # that train beside one another
    seed: limits.Seed = 0  # of all that is drawn


SMOKE = Config(
    made_up=True, train_size=200, valid_size=200, hidden=32, epochs=7, batch_size=20,
    schedules=("fixed", "restarts"), rates=(0.05,),
)  # fmt: skip
CLAIMS = {"speedup_restarts_short": 10.0}  # "up to", of AdamWR (Loshchilov and Hutter 2019)
PICTURE = "curves.png"  # of the run folder, for the documentation
HEADLINE = ("error_fixed", "error_drops", "error_cosine", "error_restarts",
            "speedup_restarts_short")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train every schedule at every rate, take the best rate on valid, and read test once."""
    alone = replace(config, processes=1)
    axes = {"schedule": config.schedules, "rate": config.rates}
    given = partial(trial, alone), axes, out, "error"
    rows = train_all(*given, about=asdict(alone), workers=config.processes)
    found, shown = {}, {}
    for name in config.schedules:
        row = best(rows, name)
        errors = errors_of(row, axes, out)
        found |= {f"error_{name}": on_test(config, row, axes, out), f"valid_{name}": errors[-1]}
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
    return found
