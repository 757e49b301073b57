"""Weight decay apart from the gradient, in both meanings, for any optimiser of torch.

Added to the loss (L2), a decay is divided by what an adaptive optimiser divides the gradient by, so
that weights with large gradients hardly decay. Here it multiplies the weights themselves, before
the update that the gradient makes. Two meanings are in use, and who ports a number from one to the
other is wrong by a factor of the learning rate, usually 1,000:

    "rate":      w <- w - lr * decay * w               torch.optim.AdamW
    "schedule":  w <- w - (lr / first lr) * decay * w  the paper; the rate can be tuned alone
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from swiftrnn.training.techniques.attached import Attached

Meaning = Literal["rate", "schedule"]
FIRST = "first_lr"  # of a group: the rate at which the factor of its schedule is 1
LAST = "last_lr"  # of a group: the rate that its momentum is multiplied by


def decoupled(optimizer: torch.optim.Optimizer, by: Meaning = "rate") -> "Decoupled":
    """Take the weight decay of an optimiser's groups out of its gradients.

    From now on each group's `weight_decay`, as it is at that step, multiplies the weights, once in
    every step, those that have a gradient. Groups may be added and states loaded, and copies of the
    optimiser do the same. Nothing happens in a step that a GradScaler leaves out. To call it again
    changes nothing.

    Args:
        optimizer: any of torch.optim but LBFGS, or like them, with `weight_decay` in its groups.
        by: what the decay is multiplied by: the learning rate, or that over the first one. The
            first one is a group's `max_lr` where OneCycleLR has put one; else its `initial_lr` if
            there is a scheduler already, or the rate it has now, or when it is added.

    Returns:
        A handle, whose `remove()` ends it: the decay is then the optimiser's own again.

    Raises:
        ValueError: there is no such meaning, or there is another one already; a group has no
            decay to take, also later; or a first rate is not above 0.
        TypeError: the optimiser evaluates its loss several times in a step.

    Examples:
        >>> weight = nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1, weight_decay=0.5)
        >>> _ = decoupled(optimizer, by="schedule")
        >>> weight.grad = torch.zeros(2)
        >>> optimizer.step()
        >>> weight.data
        tensor([0.5000, 0.5000])

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", algorithms 1, 2.
    """
    if by not in ("rate", "schedule"):
        raise ValueError(f"decoupled needs by of rate or schedule; got {by!r}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise TypeError(
            "decoupled needs an optimiser with one gradient in a step; got LBFGS; add to its loss"
        )
    for group in optimizer.param_groups:
        _decay_of(group)
    found = Decoupled.of(optimizer)
    if found is None:
        found = Decoupled(optimizer, by)
        found.note_first()
    if found.by != by:
        raise ValueError(
            f"decoupled needs one meaning for an optimiser; got {by!r} after {found.by!r}; "
            "call remove() of the first handle before"
        )
    return found


class Decoupled(Attached):
    """What `decoupled` attaches: shrinks the weights, and hides the decay while torch steps."""

    def __init__(self, optimizer: torch.optim.Optimizer, by: Meaning) -> None:
        super().__init__(optimizer, by)
        self.by: Meaning = by
        self._hidden: list[tuple[dict[str, Any], float]] = []
        self._firsts: list[Any] = []

    def note_first(self) -> None:
        """Keep each group's first rate, where that is needed."""
        for group in self.optimizer.param_groups if self.by == "schedule" else ():
            if FIRST not in group:
                group[FIRST] = _fixed(group.get("initial_lr", group["lr"]))

    def before(self, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        """See `Attached`; the gradient of a closure comes before the decay, as Lightning steps."""
        self.saving()  # the step before may have raised
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)  # args[0]: itself
        given = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
            rest = {k: v for k, v in kwargs.items() if k != "closure"}
            given = (self.optimizer, lambda: loss, *args[2:]), rest
        self.note_first()
        skipped, groups = self.skipped(), self.optimizer.param_groups
        decays = [_decay_of(group) for group in groups]
        for group, decay in zip(groups, decays, strict=True):
            if decay and not skipped:
                self._shrink(group, decay)
        for group, decay in zip(groups, decays, strict=True):
            self._hidden.append((group, decay))
            group["weight_decay"] = 0
        return given

    def _shrink(self, group: dict[str, Any], decay: float) -> None:
        weights = [p for p in group["params"] if p.grad is not None]
        if not weights:
            return
        rate = group["lr"]
        if self.by == "schedule":
            first = group.get("max_lr", group[FIRST])
            if not first > 0:
                raise ValueError(
                    "decoupled by schedule needs a first rate above 0 in each group; "
                    f"got {float(first):g}; give one to the optimiser, and let a scheduler lower it"
                )
            rate = rate / first
        with torch.set_grad_enabled(group.get("differentiable", False)):
            torch._foreach_mul_(weights, 1 - rate * decay)  # pyright: ignore

    def after(self) -> None:
        """See `Attached`."""
        self.saving()

    def saving(self) -> None:
        """See `Attached`: groups show their decay to all but the step."""
        for group, decay in self._hidden:
            group["weight_decay"] = decay
        self._hidden.clear()

    def loading(self) -> None:
        """See `Attached`."""
        self.saving()
        self._firsts = [group.get(FIRST) for group in self.optimizer.param_groups]

    def loaded(self) -> None:
        """See `Attached`: states without a first rate, or of a version that moved the decay."""
        for group, first in zip(self.optimizer.param_groups, self._firsts, strict=True):
            if not group.get("weight_decay", True) and "decay" in group:
                group["weight_decay"] = group.pop("decay")
            if first is not None and FIRST not in group:
                group[FIRST] = _fixed(group.get("initial_lr", first))

    def remove(self) -> None:
        """End it; the decay is the optimiser's own again."""
        self.saving()
        for group in self.optimizer.param_groups:
            group.pop(FIRST, None)
        super().remove()


def _decay_of(group: dict[str, Any]) -> float:
    if "weight_decay" not in group:
        raise ValueError(
            f"decoupled needs groups with weight_decay; got {', '.join(sorted(group))}; "
            "give one to each group"
        )
    return group["weight_decay"]


def _fixed(rate: Any) -> Any:
    """A rate that a scheduler, which writes into tensors, does not change."""
    return rate.clone() if isinstance(rate, Tensor) else rate


def carry_rate(optimizer: torch.optim.SGD) -> "Carried":
    """Momentum as in the paper's SGDW: each gradient at the rate of its own step.

    torch's SGD sums gradients and multiplies the sum by the rate of today. At a constant rate the
    two are one. At a rate of 0, where a warm-up starts, a gradient counts nothing, and the momentum
    of before still moves the weights. To call it again changes nothing.

    Args:
        optimizer: torch.optim.SGD with momentum, without dampening and Nesterov's form.

    Returns:
        A handle, whose `remove()` ends it.

    Raises:
        TypeError: it is another optimiser, or with dampening or Nesterov's form, also later.

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", algorithm 1.
    """
    _need_plain(optimizer)
    found = Carried.of(optimizer)
    if found is None:
        found = Carried(optimizer)
        for group in optimizer.param_groups:
            if group["lr"]:
                group.setdefault(LAST, float(group["lr"]))
    return found


def _need_plain(optimizer: torch.optim.Optimizer) -> None:
    known = isinstance(optimizer, torch.optim.SGD)
    if not known or any(g["dampening"] or g["nesterov"] for g in optimizer.param_groups):
        raise TypeError(
            "carry_rate needs torch.optim.SGD without dampening and nesterov; "
            f"got {type(optimizer).__name__}; choose that"
        )


class Carried(Attached):
    """What `carry_rate` attaches: momentum in units of the rate that it is multiplied by."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer)
        self._still: list[tuple[dict[str, Any], list[Tensor | None]]] = []

    @torch.no_grad()
    def before(self, args: tuple, kwargs: dict) -> None:  # noqa: ARG002
        """See `Attached`."""
        _need_plain(self.optimizer)
        self._still.clear()
        for group in self.optimizer.param_groups:
            now, moved = float(group["lr"]), [self._momentum(p) for p in group["params"]]
            if not now:
                if not self.skipped():
                    kept = [None if each is None else each.clone() for each in moved]
                    self._still.append((group, kept))
                continue
            last = group.get(LAST, now)
            group[LAST] = now
            for each in moved if last != now else ():
                if each is not None:
                    each *= last / now

    @torch.no_grad()
    def after(self) -> None:
        """See `Attached`: at a rate of 0 torch moves nothing, and its momentum takes a gradient."""
        for group, kept in self._still:
            for p, before in zip(group["params"], kept, strict=True):
                moved = self._momentum(p)
                if p.grad is None or moved is None:
                    continue
                if before is None:
                    moved.zero_()
                    continue
                moved.copy_(before * group["momentum"])
                p.sub_(moved * group.get(LAST, 0.0))
        self._still.clear()

    def _momentum(self, p: Tensor) -> Tensor | None:
        return self.optimizer.state[p].get("momentum_buffer") if p in self.optimizer.state else None

    def remove(self) -> None:
        """End it."""
        for group in self.optimizer.param_groups:
            group.pop(LAST, None)
        super().remove()


def decaying(module: nn.Module) -> dict[str, bool]:
    """Whether each parameter is to decay, by its full name.

    Biases and whatever else has one dimension (gains of norms, decays of recurrent layers) do not,
    nor do the tables of embeddings; a weight that is shared is named once.

    Examples:
        >>> decaying(nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2), nn.LayerNorm(2)))
        {'0.weight': False, '1.weight': True, '1.bias': False, '2.weight': False, '2.bias': False}
    """
    tables = {
        id(p)
        for part in module.modules()
        if isinstance(part, nn.Embedding | nn.EmbeddingBag)
        for p in part.parameters(recurse=False)
    }
    return {
        name: p.dim() > 1 and id(p) not in tables and "bias" not in name.rpartition(".")[2]
        for name, p in module.named_parameters()
        if p.requires_grad
    }


def groups(
    module: nn.Module, weight_decay: float, without: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Parameters that decay and those that do not, as groups for an optimiser.

    Args:
        module: whose parameters are trained.
        weight_decay: of those that decay, at least 0.
        without: names of parameters, or of modules with all of theirs, that do not decay either.

    Returns:
        Two groups, each with `params`, `weight_decay` and `names`; an empty one is left out.

    Raises:
        ValueError: the decay is negative, or a name is none of the module's.

    Examples:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        >>> [(g["names"], g["weight_decay"]) for g in groups(model, 0.1, without=["1"])]
        [(['0.weight'], 0.1), (['0.bias', '1.weight', '1.bias'], 0.0)]
    """
    if not weight_decay >= 0:
        raise ValueError(f"groups needs weight_decay of at least 0; got {weight_decay!r}")
    decays, named = decaying(module), dict(module.named_parameters())
    for name in without:
        inside = [each for each in named if each == name or each.startswith(f"{name}.")]
        if not inside:
            raise ValueError(
                f"groups needs names of parameters or modules in without; got {name!r}; "
                f"there are {', '.join(named)}"
            )
        decays |= {each: False for each in inside if each in decays}
    found = []
    for decay in (True, False):
        names = [name for name, does in decays.items() if does == decay]
        given = weight_decay if decay else 0.0
        if names:
            params = [named[name] for name in names]
            found.append({"params": params, "weight_decay": given, "names": names})
    return found


def described(found: list[dict[str, Any]]) -> str:
    """The groups of `groups` as lines to print: what decays by how much, and what does not.

    Examples:
        >>> print(described(groups(nn.Linear(3, 2), 0.1)))
        weight_decay 0.1: 6 numbers in weight
        weight_decay 0: 2 numbers in bias
    """
    lines = []
    for group in found:
        count = sum(p.numel() for p in group["params"])
        decay, names = group["weight_decay"], ", ".join(group["names"])
        lines.append(f"weight_decay {decay:g}: {count:,} numbers in {names}")
    return "\n".join(lines)


def normalised(decay: float, batch_size: int, examples: int, epochs: float) -> float:
    """The decay by schedule that a normalised one means for a budget: less where steps are many.

        decay * sqrt(batch_size / (examples * epochs))

    Args:
        decay: the normalised one, at least 0.
        batch_size: examples of an update.
        examples: of the training set.
        epochs: of the run, or, with restarts, of the current cycle.

    Raises:
        ValueError: a number is out of its range.

    Examples:
        >>> round(normalised(0.05, batch_size=100, examples=10_000, epochs=1), 6)
        0.005

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", appendix B.1.
    """
    if not (decay >= 0 and batch_size > 0 and examples > 0 and epochs > 0):
        raise ValueError(
            "normalised needs a decay of at least 0 and batch_size, examples and epochs above 0; "
            f"got {decay!r}, {batch_size!r}, {examples!r} and {epochs!r}"
        )
    return decay * (batch_size / (examples * epochs)) ** 0.5


def time_scale(decay: float, rate: float) -> float:
    """After how many updates a weight that no gradient moves is 1 / e of what it was.

    So long the weights average over past updates. Infinite without decay, 0 where one update ends
    it all.

    Args:
        decay: at least 0.
        rate: what multiplies it: the learning rate, or the factor of the schedule.

    Examples:
        >>> round(time_scale(0.1, 0.01), 1)
        999.5
    """
    shrunk = 1 - decay * rate
    if shrunk <= 0:
        return 0.0
    return math.inf if shrunk == 1 else -1 / math.log(shrunk)
