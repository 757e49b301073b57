"""The information plane of small networks: who compresses, and by which estimator.

Paper: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR.
Differs: a rule of our own on 4,096 patterns for theirs; Adam at 1e-3 for 3,000 epochs.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn import limits
from swiftrnn.recipes.information_plane import data, measure
from swiftrnn.recipes.information_plane.figures import planes
from swiftrnn.recipes.information_plane.model import Activation
from swiftrnn.training.grid import folder_of, train_all


@dataclass(frozen=True)
class Config(limits.Checked):
    """Theirs but for the rule and the optimiser; 50 networks of each kind, as theirs."""

    activations: Annotated[tuple[Activation, ...], limits.Different()] = ("tanh", "relu")
    networks: limits.Size = 50  # of each activation, with seeds of their own
    group: limits.Size = 10  # of them train at once in one process
    bits: Literal[8, 12] = 12  # of a pattern, 8 or 12: the points of a cube or of an icosahedron
    widths: limits.Sizes = (10, 7, 5, 4, 3)  # of the hidden layers
    softness: limits.Least0 = 0.0  # of the classes' border, in deviations; 0 for sharp labels
    train_share: limits.Inside = 0.8  # of the patterns; information is measured on all of them
    epochs: limits.Several = 3000  # theirs: 10,000
    records: limits.Several = 30  # epochs that are measured, evenly on a logarithmic scale
    since: limits.Count = 100  # at which patterns are mostly learnt; changes count from this epoch
    batch_size: limits.Count0 = 256  # 0 takes all at once
    rate: limits.Positive = 1e-3  # of Adam; theirs: 4e-4 in their code, plain SGD in the paper
    bins: limits.Several = 30  # on [-1, 1]
    bins_unbounded: limits.Several = 100  # between the least and the largest activation
    variances: limits.Rates = (0.1, 1e-3)  # of the kernels' noise: the paper's, their code's
    closely: limits.Count = 5  # networks whose gradients and nearest neighbours are looked at
    processes: limits.Processes = 2  # that work beside one another, a thread each
    seed: limits.Seed = 0  # of all that is drawn

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.at_most("since", self.since, self.epochs - 1)


SMOKE = Config(
    networks=3, group=3, bits=8, epochs=200, records=8, since=50, batch_size=32, rate=3e-3,
    variances=(0.1,), closely=2, processes=1,
)  # fmt: skip
ALL = Config(activations=("tanh", "relu", "softsign", "linear"))
FULL_BATCH = Config(batch_size=0, rate=3e-3)  # one step an epoch; does noise compress?
CLAIMS: dict[str, float] = {}  # theirs are pictures
PICTURE = "planes.png"  # of the run folder, for the documentation
HEADLINE = ("drop_binned_tanh", "drop_net_input_tanh", "drop_kde_0.1_tanh", "drop_binned_relu",
            "change_kde_0.1_relu", "live_relu", "accuracy_tanh", "accuracy_relu")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train groups of networks, measure every layer, and say who compresses."""
    alone = replace(config, processes=1)
    groups = range(-(-config.networks // config.group))
    axes = {"activation": config.activations, "group": list(groups)}
    how = "accuracy", asdict(alone), config.processes
    train_all(partial(measure.trial, alone), axes, out, *how)
    task, live = data.made(config), {}
    found = {"baseline_count": data.by_count(task)} | measure.control(config, task)
    found |= measure.exact(config)
    for activation in config.activations:
        points = [{"activation": activation, "group": group} for group in groups]
        results = measure.together([folder_of(axes, point, out) for point in points])
        verdicts = measure.verdicts(config, results)
        found |= {f"{name}_{activation}": value for name, value in verdicts.items()}
        if verdicts["live"]:
            live[activation] = results
    if live:
        planes(config, live, out / PICTURE)
    return found
