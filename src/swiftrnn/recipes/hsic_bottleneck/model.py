"""Blocks that learn by HSIC, each alone; the same net with back-propagation; and one untrained."""

import itertools
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning import seed_everything
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from swiftrnn.analysis.samples.hsic import whitened
from swiftrnn.analysis.samples.kernels import Gaussian
from swiftrnn.data import images
from swiftrnn.data.images import Images
from swiftrnn.recipes.hsic_bottleneck.readout import accuracies
from swiftrnn.runs import folder
from swiftrnn.tasks.image_classification import Shuffled
from swiftrnn.training import weights
from swiftrnn.training.fit import fit
from swiftrnn.training.sweep.grid import folder_of

LAST = "last.safetensors"
Row = tuple[dict[str, Any], dict[str, float]]


def kernel_of(x: Tensor, sigma: float, epsilon: float) -> Tensor:
    """The whitened kernel matrix of a batch, exp(-d² / (2 sigma² dimensions))."""
    return whitened(Gaussian(sigma * math.sqrt(x.shape[1]))(x, x), epsilon)


def losses(hidden: Sequence[Tensor], x: Tensor, y: Tensor, config: Any) -> list[Tensor]:
    """nHSIC(Z, X) - beta nHSIC(Z, Y) of every layer Z (equation 6).

    Both are products with Z's matrix, so one matrix of X and Y is enough for all layers.
    """
    with torch.no_grad():
        about = kernel_of(x, config.sigma, config.epsilon)
        about = about - config.beta * kernel_of(y, config.sigma, config.epsilon)
    return [(kernel_of(z, config.sigma, config.epsilon) * about).sum() for z in hidden]


class Bottleneck(L.LightningModule):
    """Blocks of Linear, BatchNorm without weights, and ReLU, that learn by HSIC, each alone.

    The last one has a unit for each class. With `backprop` a linear layer is in its place, and all
    learn together by cross-entropy.
    """

    def __init__(self, config: Any, inputs: int, classes: int, rate: float, backprop: bool) -> None:
        super().__init__()
        self.config, self.rate, self.backprop, self.classes = config, rate, backprop, classes
        sizes = [inputs, *[config.hidden] * config.layers, *([] if backprop else [classes])]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b, affine=False), nn.ReLU())
            for a, b in itertools.pairwise(sizes)
        )
        self.readout = nn.Linear(config.hidden, classes) if backprop else None

    def forward(self, x: Tensor) -> list[Tensor]:
        """What each block gives, (B, units); with back-propagation the scores come last.

        Blocks that learn by HSIC get their input detached: no gradient passes between them.
        """
        found = [x]
        for block in self.blocks:
            found.append(block(found[-1] if self.backprop else found[-1].detach()))
        return found[1:] if self.readout is None else [*found[1:], self.readout(found[-1])]

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """The sum of the layers' own losses, or the cross-entropy."""
        x, y = batch
        hidden = self(x)
        if self.readout is not None:
            return cross_entropy(hidden[-1], y)
        labels = one_hot(y, self.classes).to(x.dtype)
        return torch.stack(losses(hidden, x, labels, self.config)).sum()

    def configure_optimizers(self) -> Any:
        """Adam, whose state is each weight's own, so layers stay apart there too."""
        return torch.optim.Adam(self.parameters(), lr=self.rate, fused=True)


def parts_of(config: Any) -> tuple[Images, Images, Images]:
    """Train, valid and test."""
    return images.three_parts(
        config.data, config.train_size, config.valid_size, config.seed, config.made_up
    )


def built(config: Any, train: Images, method: str, rate: float) -> Bottleneck:
    """A net with new weights."""
    inputs = train.pixels[0].numel()
    return Bottleneck(config, inputs, len(train.names), rate, method == "backprop")


def trial(config: Any, point: dict[str, Any], out: Path) -> dict[str, float]:
    """Train; percent wrong on valid at the end, by the method's own readout."""
    torch.set_num_threads(1)  # several trainings share the machine
    seed_everything(config.seed, verbose=False)
    train, valid, _ = parts_of(config)
    if point.get("shuffled"):
        train = images.corrupted(train, 1.0, config.seed)
    model = built(config, train, point["method"], point["rate"])
    x = train.scaled(*train.scale())
    batches = Shuffled(x, train.labels, config.batch_size)
    held = valid.scaled(*train.scale())

    def each_epoch(now: Any) -> dict[str, float]:
        return {"error": 100 - own(now, (x, train.labels), (held, valid.labels))}

    fitted = fit(
        model, batches, out=out, steps=config.epochs * len(batches), valid=each_epoch,
        every=1 / config.epochs, resume=True, progress=False,
    )  # fmt: skip
    weights.save(model, out / LAST)
    errors = [each["error"] for each in fitted.history]
    folder.write_json(out / "history.json", {"error": errors})
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return {"error": errors[-1]}


def own(model: Bottleneck, train: tuple[Tensor, Tensor], held: tuple[Tensor, Tensor]) -> float:
    """Accuracy on held-out images in percent: the scores' own, or of the nearest class mean."""
    if model.backprop:
        return 100 * float((model(held[0])[-1].argmax(1) == held[1]).double().mean())
    seen, new = (model(part[0])[-1] for part in (train, held))
    return accuracies((seen, train[1]), (new, held[1]), ("class_mean",))["class_mean"]


def best_of(rows: Sequence[Row], method: str) -> Row:
    """The rate that is best on valid."""
    return min((r for r in rows if r[0]["method"] == method), key=lambda row: row[1]["error"])


def on_test(
    config: Any, method: str, point: dict[str, Any], axes: Any, out: Path
) -> dict[str, float]:
    """Accuracies on test by every readout; of `random`, of a net that learnt nothing."""
    torch.set_num_threads(1)
    train, _, test = parts_of(config)
    seed_everything(config.seed, verbose=False)
    x, new = (part.scaled(*train.scale()) for part in (train, test))
    if point:
        where = folder_of(axes, point, out) / LAST
        model = weights.built(lambda: built(config, train, method, point["rate"]), where)
    else:
        model = built(config, train, method, config.rates[0])
        for rows in x.split(config.batch_size):  # its means and variances, as training finds them
            model(rows)
        model.eval()
    with torch.no_grad():
        if model.backprop:
            return {method: own(model, (x, train.labels), (new, test.labels))}
        seen, held = model(x), model(new)
    found = {}
    for name, layer, ways in [("", -1, ("class_mean", "argmax", "format")),
                              ("hidden_", -2, ("class_mean", "format"))]:  # fmt: skip
        parts = (seen[layer], train.labels), (held[layer], test.labels)
        for way, value in accuracies(*parts, ways).items():
            found[f"{method}_{name}{way}"] = value
    return found
