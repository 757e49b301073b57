"""The information plane of small networks: who compresses, and by which estimator.

Paper: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR.
Differs: a rule of our own on 4,096 patterns for theirs; Adam at 1e-3 for 3,000 epochs.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from swiftrnn.recipes.information_plane import data, measure
from swiftrnn.recipes.information_plane.figures import planes
from swiftrnn.recipes.information_plane.model import ACTIVATIONS
from swiftrnn.training.grid import folder_of, train_all


@dataclass(frozen=True)
class Config:
    """Theirs but for the rule and the optimiser; 50 networks of each kind, as theirs."""

    activations: tuple[str, ...] = ("tanh", "relu")
    networks: int = 50  # of each activation, with seeds of their own
    group: int = 10  # of them train at once in one process
    bits: int = 12  # of a pattern, 8 or 12: the points of a cube or of an icosahedron
    widths: tuple[int, ...] = (10, 7, 5, 4, 3)  # of the hidden layers
    softness: float = 0.0  # of the classes' border, in deviations; 0 for sharp labels
    train_share: float = 0.8  # of the patterns; information is measured on all of them
    epochs: int = 3000  # theirs: 10,000
    records: int = 30  # epochs that are measured, evenly on a logarithmic scale
    since: int = 100  # an epoch at which the patterns are mostly learnt; changes count from here
    batch_size: int = 256  # 0 takes all at once
    rate: float = 1e-3  # of Adam; theirs: 4e-4 in their code, stochastic gradients in the paper
    bins: int = 30  # on [-1, 1]
    bins_unbounded: int = 100  # between the least and the largest activation
    variances: tuple[float, ...] = (0.1, 1e-3)  # of the kernels' noise: the paper's, their code's
    closely: int = 5  # networks whose gradients and nearest neighbours are looked at
    processes: int = 2  # that work beside one another, a thread each
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = set(self.activations) - set(ACTIVATIONS)
        if unknown or not self.activations or not 0 < self.since < self.epochs:
            raise ValueError(
                f"information_plane needs activations of {', '.join(ACTIVATIONS)} and an epoch "
                f"since before the last one; got {', '.join(self.activations) or 'none'} and "
                f"since {self.since} of {self.epochs}; change them"
            )


SMOKE = Config(
    networks=3, group=3, bits=8, epochs=200, records=8, since=50, batch_size=32, rate=3e-3,
    variances=(0.1,), closely=2, processes=1,
)  # fmt: skip
ALL = Config(activations=("tanh", "relu", "softsign", "linear"))
FULL_BATCH = Config(batch_size=0, rate=3e-3)  # one step an epoch; does noise compress?
RANGES = {"batch_size": (0, 1 << 31)}  # 0 takes all at once
CLAIMS: dict[str, float] = {}  # theirs are pictures
PICTURE = "planes.png"  # of the run folder, for the documentation
HEADLINE = ("drop_binned_tanh", "drop_net_input_tanh", "drop_kde_0.1_tanh", "drop_binned_relu",
            "change_kde_0.1_relu", "live_relu", "accuracy_tanh", "accuracy_relu")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Train groups of networks, measure every layer, and say who compresses."""
    alone = replace(config, processes=1)
    groups = range(-(-config.networks // config.group))
    axes = {"activation": config.activations, "group": list(groups)}
    about = asdict(alone)
    train_all(partial(measure.trial, alone), axes, out, "accuracy", about, config.processes)
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
