"""Small classifiers of images: what recipes about training share, from batches to calibration."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from swiftrnn.data.images import Images
from swiftrnn.runs import limits
from swiftrnn.training.best import Best
from swiftrnn.training.fit import Fitted, fit
from swiftrnn.training.techniques.mixup import draw, generator_of
from swiftrnn.training.techniques.schedule import Schedule, scheduler

BEST = "best.safetensors"  # the weights of the epoch that was best on valid
BINS = 15  # of confidence, in `measures`
Data = Annotated[Literal["fashion-mnist", "mnist"], limits.Without("made_up")]  # of a recipe
Optimizer = Callable[[nn.Module], torch.optim.Optimizer]


def perceptron(inputs: int, hidden: int, classes: int) -> nn.Sequential:
    """A multilayer perceptron with two hidden layers of rectified linear units."""
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, classes),
    )  # fmt: skip


def convolutional(shape: torch.Size, width: int, hidden: int, classes: int) -> nn.Sequential:
    """A small convolutional net: two convolutions with strides of 2, and a hidden layer.

    Strides in place of pooling make a step on a CPU much shorter.

    Args:
        shape: of an image, (S, S) or (C, S, S).
        width: channels of the first convolution; the second has twice as many.
        hidden: units of the layer that reads them.
        classes: K.
    """
    colours, side = (1 if len(shape) == 2 else shape[0]), shape[-1]
    left = -(-side // 4)
    return nn.Sequential(
        nn.Unflatten(1, (colours, side, side)),
        nn.Conv2d(colours, width, 5, stride=2, padding=2), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(2 * width * left**2, hidden), nn.ReLU(),
        nn.Linear(hidden, classes),
    )  # fmt: skip


class Shuffled:
    """Batches of (x, y) in an order that torch's random state decides, over and over."""

    def __init__(self, x: Tensor, y: Tensor, batch_size: int) -> None:
        self.x, self.y, self.batch_size = x, y, batch_size

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in torch.randperm(len(self.y)).split(self.batch_size):
            yield self.x[rows], self.y[rows]


class Classifier(L.LightningModule):
    """A net, its optimiser and schedule, and mixup if alpha is above 0.

    Args:
        net: (B, features) to (B, K).
        optimizer: makes one for it.
        schedule: of the update; multiplies the rate.
        alpha: of mixup; 0 is training without.
        seed: of what mixup draws.
    """

    def __init__(
        self, net: nn.Module, optimizer: Optimizer, schedule: Schedule, alpha: float, seed: int
    ) -> None:
        super().__init__()
        self.net, self.alpha, self.seed = net, alpha, seed
        self.optimizer, self.schedule = optimizer, schedule
        self.criterion = nn.CrossEntropyLoss(reduction="none")

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes."""
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The mean loss of a batch."""
        x, y = batch
        if not self.alpha:
            return cross_entropy(self(x), y)
        mix = draw(len(x), self.alpha, generator=generator_of(self.seed, self.global_step))
        return mix.loss(self.criterion, self(mix.inputs(x)), y)

    def configure_optimizers(self) -> Any:
        """As they were given."""
        optimizer = self.optimizer(self.net)
        rates = scheduler(optimizer, self.schedule)
        return [optimizer], [{"scheduler": rates, "interval": "step"}]


def train(
    model: Classifier,
    train: Images,
    valid: Images,
    out: Path,
    epochs: int,
    batch_size: int,
    name: str = "",
    progress: bool = True,
) -> Fitted:
    """Train, measure each epoch on valid, and keep the weights of the epoch that was best there.

    Args:
        model: is left with its last weights; those of the best epoch lie in `out`.
        train: whose labels may be wrong.
        valid: whose labels are right.
        out: the run folder; a training in it that was killed goes on.
        epochs: passes over train.
        batch_size: examples of an update.
        name: for the progress line.
        progress: whether there is one.

    Returns:
        What was done: the history has the error on valid, in percent, of every epoch.
    """
    scale = train.scale()
    batches = Shuffled(train.scaled(*scale), train.labels, batch_size)
    x, y, best = valid.scaled(*scale), valid.labels, Best(out / BEST, "error", higher=False)

    def each_epoch(now: Any) -> dict[str, float]:
        error = measures(now(x), y)["error"]
        best.offer(now, error)
        return {"error": error}

    return fit(
        model, batches, out=out, steps=epochs * len(batches), valid=each_epoch, every=1 / epochs,
        resume=True, name=name, progress=progress,
    )  # fmt: skip


def measures(scores: Tensor, y: Tensor) -> dict[str, float]:
    """How good and how well calibrated scores (N, K) of classes y (N) are.

    Returns:
        error: percent whose likeliest class is wrong.
        nll: negative log-likelihood of y, in nats, the mean.
        ece: expected calibration error: by how much confidence and accuracy differ, the mean over
            15 bins of confidence, each weighed by how many fall into it; 0..1.

    Raises:
        ValueError: there is nothing to measure.

    Examples:
        >>> found = measures(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1]))
        >>> found["error"], round(found["ece"], 3)
        (50.0, 0.5)

    Source: Guo et al. (2017), "On Calibration of Modern Neural Networks", section 2.
    """
    if not len(y):
        raise ValueError("measures needs at least one example; got none")
    odds = scores.double().softmax(1)
    sure, found = odds.max(1)
    right = (found == y).double()
    bins = (sure * BINS).long().clamp(max=BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64).index_add_(0, bins, right - sure)
    return {
        "error": 100 * (1 - right.mean().item()),
        "nll": cross_entropy(scores.double(), y).item(),
        "ece": (gaps.abs().sum() / len(y)).item(),
    }


@torch.no_grad()
def measured(model: nn.Module, part: Images, scale: tuple[float, float]) -> dict[str, float]:
    """The `measures` of a model on images, brought to the scale that it was trained at."""
    return measures(model(part.scaled(*scale)), part.labels)


@torch.no_grad()
def nearest_mean(train: Images, test: Images) -> float:
    """The error, in percent, of taking the class whose mean image is the nearest: a baseline."""
    x, z = train.scaled(0, 1), test.scaled(0, 1)
    means = torch.stack([x[train.labels == k].mean(0) for k in range(len(train.names))])
    found = torch.cdist(z, means.nan_to_num(nan=torch.inf)).argmin(1)
    return 100 * (found != test.labels).double().mean().item()
