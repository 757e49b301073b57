"""One training with one norm at one rate, measured on its way; and what it comes to."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning import seed_everything
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from swiftrnn.analysis.networks.curvature import hessian_ends
from swiftrnn.analysis.networks.landscape import batch_loss, covariate_shift, scan
from swiftrnn.analysis.networks.normalization import second_moments
from swiftrnn.data import images
from swiftrnn.data.images import Images
from swiftrnn.recipes.batchnorm_study.norms import vgg
from swiftrnn.runs import folder
from swiftrnn.tasks import image_classification as classify
from swiftrnn.training import weights
from swiftrnn.training.sweep.grid import folder_of

LAST, HISTORY = "last.safetensors", "history.json"
POINTS = 4  # along a step: 1/2, 1, 2 and 4 times the rate
SELDOM = 5  # scans between two looks at covariate shift
LATEST, SMOOTH = 20, 10  # steps at the end whose mean loss counts; steps of a running mean
MOMENT = 500  # training images whose second moments are taken
ALONG = {  # by name: of the step at the training's rate
    "loss_range": "loss_range", "gradient_change": "relative_gradient_change",
    "beta": "smoothness", "beta_by_rate": "smoothness_by_rate", "own_beta": "own_smoothness",
}  # fmt: skip
Row = tuple[dict[str, Any], dict[str, float]]


def parts_of(config: Any) -> tuple[Images, Images, Images]:
    """Train, valid and test."""
    sizes = config.train_size, config.valid_size
    return images.three_parts(config.data, *sizes, config.seed, config.made_up)


def built(config: Any, train: Images, norm: str) -> nn.Sequential:
    """A net with new weights."""
    return vgg(train.pixels.shape[1:], norm, config.width, len(train.names), config.he)


def trial(config: Any, point: dict[str, Any], out: Path, share: float = 0.0) -> dict[str, float]:
    """Train at a point, looking at the landscape on the way; what was seen is written down.

    Args:
        config: of the recipe.
        point: norm and rate.
        out: for weights and what was seen.
        share: of labels that are drawn at random.

    Returns:
        Percent wrong on valid, and the loss at the end.

    Raises:
        ArithmeticError: the loss is no longer finite.
    """
    torch.set_num_threads(1)  # several trainings share the machine
    seed_everything(config.seed, verbose=False)
    train, valid, _ = parts_of(config)
    x = train.scaled(*train.scale())
    y = images.corrupted(train, share, config.seed).labels
    net = built(config, train, point["norm"])  # convolutions begin alike, whatever the norm
    optimizer = torch.optim.SGD(net.parameters(), lr=point["rate"])  # a step along the gradient
    watch, losses = Watch(config, net, x, y, point["rate"]), []
    order = torch.Generator().manual_seed(config.seed)  # of its own: noise draws from the other
    for step in range(config.steps):
        watch.look(step)
        rows = torch.randint(len(y), (config.batch_size,), generator=order)
        loss = cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise ArithmeticError(f"the loss of {point} is {losses[-1]} at step {step}")
    watch.look(config.steps)
    weights.save(net, out / LAST)
    folder.write_json(out / HISTORY, {"losses": losses, **watch.seen})
    error = classify.measured(net.eval(), valid, train.scale())["error"]
    return {"error": error, "loss": sum(losses[-LATEST:]) / len(losses[-LATEST:])}


class Watch:
    """Looks at the loss of a net in training on one batch, always the same: the first images."""

    def __init__(self, config: Any, net: nn.Module, x: Tensor, y: Tensor, rate: float) -> None:
        rows = slice(config.batch_size)
        self.config, self.net, self.rate = config, net, rate
        self.loss = batch_loss(net, cross_entropy, x[rows], y[rows])
        names = ["step", "loss", "along", *ALONG, "matched_change", "relative_step", "shift_step",
                 "shift", "hessian_step", "sharpness", "own_sharpness", "converged"]  # fmt: skip
        self.seen: dict[str, list[Any]] = {name: [] for name in names}

    def look(self, step: int) -> None:
        """Measure, if it is time to."""
        every = self.config.every
        if step % every == 0:
            self.along(step)
        if step % (SELDOM * every) == 0:
            shifts = covariate_shift(self.net, self.loss, self.rate)
            inner = [name for name, m in self.net.named_modules() if isinstance(m, nn.Conv2d)][1:]
            found = [shifts[name].cosine for name in inner]
            self.note(shift_step=step, shift=sum(found) / len(found))
        if step in (self.config.steps // 2, self.config.steps):
            top = [hessian_ends(self.net, self.loss, ends="largest", own_units=own, tolerance=0.01,
                                iterations=self.config.iterations)
                   for own in (False, True)]  # fmt: skip
            raw, own = (float(each.largest[0]) for each in top)
            self.note(hessian_step=step, sharpness=raw, own_sharpness=own,
                      converged=float(all(each.converged for each in top)))  # fmt: skip

    def along(self, step: int) -> None:
        """Along the training's step, and along one of the same size in the layers' own units."""
        here = scan(self.net, self.loss, self.rate, points=POINTS)
        same = scan(self.net, self.loss, relative=self.config.relative, points=POINTS)
        self.note(step=step, loss=here.loss, relative_step=here.relative_step,
                  matched_change=same.relative_gradient_change,
                  **{name: getattr(here, kind) for name, kind in ALONG.items()})  # fmt: skip
        self.seen["along"].append([finite(value) for value in here.losses.tolist()])

    def note(self, **found: float) -> None:
        """Keep numbers; JSON knows none that are not finite."""
        for name, value in found.items():
            self.seen[name].append(finite(value))


def finite(value: float) -> float | None:
    """None for infinity and nan."""
    return value if math.isfinite(value) else None


def chosen(rows: Sequence[Row], norm: str) -> Row | None:
    """The rate with the least training loss in the end; None where no training stayed finite.

    What is claimed is about training, and errors on valid jump where rates are large.
    """
    return min((r for r in rows if r[0]["norm"] == norm), key=lambda r: r[1]["loss"], default=None)


def history(row: Row, axes: Any, out: Path) -> dict[str, list[Any]]:
    """What was seen in a training."""
    return folder.read_json(folder_of(axes, row[0], out) / HISTORY, ("losses", "loss"))


def smoothed(losses: Sequence[float]) -> list[float]:
    """The mean of each and those before it, up to ten."""
    parts = [losses[max(0, k + 1 - SMOOTH) : k + 1] for k in range(len(losses))]
    return [sum(part) / len(part) for part in parts]


def steps_to(losses: Sequence[float], level: float) -> float:
    """Steps until the running mean of the loss is at a level; nan where it never is."""
    return next((k + 1.0 for k, loss in enumerate(smoothed(losses)) if loss <= level), math.nan)


def at_level(losses: Sequence[float], values: Sequence[float | None], level: float) -> float:
    """A value where the loss first falls to a level, its logarithm along a line; or nan."""
    for k in range(1, len(losses)):
        if losses[k] <= level:
            a, b = values[k - 1], values[k]
            if not a or not b or losses[k - 1] <= level:
                return math.nan
            part = (losses[k - 1] - level) / (losses[k - 1] - losses[k])
            return math.exp((1 - part) * math.log(a) + part * math.log(b))
    return math.nan


def summary(seen: dict[str, list[Any]], level: float) -> dict[str, float]:
    """The numbers of one training: medians over it, and values where its loss is at a level."""
    found = {}
    for name in (*ALONG, "matched_change"):
        found[name] = median(math.inf if value is None else value for value in seen[name])
    for name in ("beta", "own_beta", "gradient_change"):
        found[f"{name}_at_level"] = at_level(seen["loss"], seen[name], level)
    shifts = [value for value in seen["shift"] if value is not None]
    found["shift_cosine"] = sum(shifts) / len(shifts) if shifts else math.nan
    for name in ("sharpness", "own_sharpness"):
        found[name] = math.nan if seen[name][-1] is None else seen[name][-1]
    return found | {"steps_to_level": steps_to(seen["losses"], level)}


def table(config: Any, rows: Sequence[Row], axes: Any, out: Path) -> dict[str, float]:
    """The numbers of every norm at its best rate, by name; only what is defined."""
    train, _, test = parts_of(config)
    found: dict[str, float] = {}
    for norm in config.norms:
        if (row := chosen(rows, norm)) is None:
            continue
        net = weights.built(
            lambda norm=norm: built(config, train, norm), folder_of(axes, row[0], out) / LAST
        )
        here = {"error": classify.measured(net, test, train.scale())["error"]}
        here |= {"valid": row[1]["error"], "loss": row[1]["loss"], "rate": row[0]["rate"]}
        here |= summary(seen := history(row, axes, out), config.level)
        here["sharpness_converged"] = sum(seen["converged"]) / len(seen["converged"])
        moments = second_moments(net, train.scaled(*train.scale())[:MOMENT]).values()
        falls = [each.centred_absolute / each.absolute for each in moments]
        here["centring_helps"] = sum(part < 1 for part in falls) / len(falls)
        here["centring_leaves"] = math.exp(sum(map(math.log, falls)) / len(falls))
        found |= {f"{name}_{norm}": value for name, value in here.items()}
    found |= over_plain(config, rows, axes, out)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def over_plain(config: Any, rows: Sequence[Row], axes: Any, out: Path) -> dict[str, float]:
    """Numbers with batch norm over those without, at the best rate of each, and at plain's."""
    plain, batch = (chosen(rows, norm) for norm in ("none", "batch"))
    if plain is None or batch is None:
        return {}
    same = [("over_plain_same_rate", r) for r in rows if r[0] == plain[0] | {"norm": "batch"}]
    found = {}
    for tag, row in [("over_plain", batch), *same]:
        a, b = (summary(history(r, axes, out), config.level) for r in (plain, row))
        found |= {f"{tag}_{name}": b[name] / a[name] for name in a if a[name]}
    return found
