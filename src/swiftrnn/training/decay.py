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
from torch import nn
from torch.utils.hooks import RemovableHandle

Meaning = Literal["rate", "schedule"]
DECAY = "decay"  # where a group keeps it; its own `weight_decay` is 0


def decoupled(optimizer: torch.optim.Optimizer, by: Meaning = "rate") -> RemovableHandle:
    """Take the weight decay of an optimiser's groups out of its gradients.

    Their `weight_decay` becomes 0 and from now on multiplies the weights, once in every step, those
    that have a gradient. Nothing happens in a step that a GradScaler leaves out.

    Args:
        optimizer: any of torch.optim but LBFGS, or like them, with `weight_decay` in its groups.
        by: what the decay is multiplied by: the learning rate, or that over the first one.

    Returns:
        A handle, whose `remove()` ends it.

    Raises:
        ValueError: there is no such meaning, or no decay to take.
        TypeError: the optimiser evaluates its loss several times in a step.

    Example:
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
        if "weight_decay" not in group:
            raise ValueError(
                f"decoupled needs groups with weight_decay; got {', '.join(sorted(group))}; "
                "give one to each group"
            )
        group[DECAY] = group.get(DECAY) or group["weight_decay"]
        group["weight_decay"] = 0
        group.setdefault("initial_lr", group["lr"])

    def shrink(optimizer: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)  # args[0]: itself
        given = None
        if closure is not None:  # as Lightning steps: the gradient comes before the decay
            with torch.enable_grad():
                loss = closure()
            given = (optimizer, lambda: loss), {k: v for k, v in kwargs.items() if k != "closure"}
        skipped = getattr(optimizer, "found_inf", None)  # set by a GradScaler
        if skipped is None or not bool(skipped):
            for group in optimizer.param_groups:
                _shrink(group, by)
        return given

    return optimizer.register_step_pre_hook(shrink)


@torch.no_grad()
def _shrink(group: dict[str, Any], by: Meaning) -> None:
    weights = [p for p in group["params"] if p.grad is not None]
    if group[DECAY] and weights:
        rate = group["lr"] if by == "rate" else group["lr"] / group["initial_lr"]
        torch._foreach_mul_(weights, 1 - rate * group[DECAY])  # pyright: ignore


def carry_rate(optimizer: torch.optim.SGD) -> RemovableHandle:
    """Momentum as in the paper's SGDW: each gradient at the rate of its own step.

    torch's SGD sums gradients and multiplies the sum by the rate of today. At a constant rate the
    two are one. A step at a rate of 0 moves nothing here, though the paper's momentum would.

    Args:
        optimizer: torch.optim.SGD with momentum, without dampening and Nesterov's form.

    Returns:
        A handle, whose `remove()` ends it.

    Raises:
        TypeError: it is another optimiser, or with dampening or Nesterov's form.

    Source: Loshchilov and Hutter (2019), "Decoupled Weight Decay Regularization", algorithm 1.
    """
    groups = optimizer.param_groups
    known = isinstance(optimizer, torch.optim.SGD)
    if not known or any(g["dampening"] or g["nesterov"] for g in groups):
        raise TypeError(
            "carry_rate needs torch.optim.SGD without dampening and nesterov; "
            f"got {type(optimizer).__name__}; choose that"
        )

    @torch.no_grad()
    def rescale(optimizer: Any, *_: Any) -> None:
        for group in optimizer.param_groups:
            now, before = group["lr"], group.get("last_lr", group["lr"])
            if now == before or not now:
                continue
            group["last_lr"] = now
            for p in group["params"]:
                moved = optimizer.state[p].get("momentum_buffer")
                if moved is not None:
                    moved *= before / now

    for group in groups:
        group.setdefault("last_lr", group["lr"])
    return optimizer.register_step_pre_hook(rescale)


def decaying(module: nn.Module) -> dict[str, bool]:
    """Whether each parameter is to decay, by its full name.

    Biases and whatever else has one dimension (gains of norms, decays of recurrent layers) do not,
    nor do the tables of embeddings; a weight that is shared is named once.

    Example:
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

    Example:
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

    Example:
        >>> print(described(groups(nn.Linear(3, 2), 0.1)))
        weight_decay 0.1: 6 numbers in weight
        weight_decay 0: 2 numbers in bias
    """
    lines = []
    for group in found:
        count = sum(p.numel() for p in group["params"])
        decay = group.get(DECAY) or group["weight_decay"]
        lines.append(f"weight_decay {decay:g}: {count:,} numbers in {', '.join(group['names'])}")
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

    Example:
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

    Example:
        >>> round(time_scale(0.1, 0.01), 1)
        999.5
    """
    shrunk = 1 - decay * rate
    if shrunk <= 0:
        return 0.0
    return math.inf if shrunk == 1 else -1 / math.log(shrunk)
