"""The information plane of small networks: who compresses, and by which estimator.

Paper: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR.
Differs: a rule of our own on 4,096 patterns for theirs; Adam at 1e-3 for 3,000 epochs.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Literal

from swiftrnn.recipes.information_plane import data, measure
from swiftrnn.recipes.information_plane.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.information_plane.figures import planes
from swiftrnn.recipes.information_plane.model import Activation
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.training.sweep.grid import folder_of, train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """The paper's defaults except for the rule and the optimizer; 50 networks of each kind."""

    # activation functions to compare
    activations: Annotated[tuple[Activation, ...], limits.Different()] = ("tanh", "relu")
    networks: limits.Size = 50  # networks of each activation, each with its own seed
    group: limits.Size = 10  # networks that one process trains at once
    bits: Literal[8, 12] = 12  # bits of an input pattern: 8 for a cube, 12 for an icosahedron
    widths: limits.Sizes = (10, 7, 5, 4, 3)  # units of the hidden layers
    # softness of the class boundary, in standard deviations; 0 for hard labels
    softness: limits.Least0 = 0.0
    # fraction of the patterns used for training; information is measured on all
    train_share: limits.Inside = 0.8
    epochs: limits.Several = 3000  # passes over the training data (paper: 10,000)
    records: limits.Several = 30  # epochs that are measured, evenly spaced on a logarithmic scale
    since: limits.Count = 100  # epoch from which changes count, when most patterns are learnt
    batch_size: limits.Count0 = 256  # patterns in a batch; 0 for all
    rate: limits.Positive = 1e-3  # learning rate of Adam (authors' code: 4e-4; paper: plain SGD)
    bins: limits.Several = 30  # bins on [-1, 1]
    # bins from the smallest to the largest activation, for unbounded functions
    bins_unbounded: limits.Several = 100
    # noise variances of the kernel estimator: the paper's, and the authors' code's
    variances: limits.Rates = (0.1, 1e-3)
    closely: limits.Count = 5  # networks whose gradients and nearest neighbours are also measured
    processes: limits.Processes = 2  # processes that work in parallel, with one thread each
    seed: limits.Seed = 0  # random seed

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("since", self.since, self.epochs - 1)


SMOKE = Config(
    networks=3, group=3, bits=8, epochs=200, records=8, since=50, batch_size=32, rate=3e-3,
    variances=(0.1,), closely=2, processes=1,
)  # fmt: skip
ALL = Config(activations=("tanh", "relu", "softsign", "linear"))
FULL_BATCH = Config(batch_size=0, rate=3e-3)  # one step an epoch; does noise compress?
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train groups of networks, measure every layer, and say who compresses."""
    alone = replace(config, processes=1)
    groups = range(-(-config.networks // config.group))
    axes = {"activation": config.activations, "group": list(groups)}
    how = "accuracy", asdict(alone), config.processes
    train_all(partial(measure.trial, alone), axes, out.path, *how)
    task, live = data.made(config), {}
    found = {"baseline_count": data.by_count(task)} | measure.control(config, task)
    found |= measure.exact(config)
    for activation in config.activations:
        points = [{"activation": activation, "group": group} for group in groups]
        results = measure.together([folder_of(axes, point, out.path) for point in points])
        verdicts = measure.verdicts(config, results)
        found |= {f"{name}_{activation}": value for name, value in verdicts.items()}
        if verdicts["live"]:
            live[activation] = results
    if live:
        planes(config, live, out / "planes.png")
    return Result(found, picture="planes.png")
