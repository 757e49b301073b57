"""A model that is looked at elsewhere than where it stands, and comes back as it was."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from swiftrnn.analysis import _check

SMALL, LARGE = 1e-140, 1e150  # norms whose squares are floats with all digits
Loss = Callable[[], Tensor]
"""Gives the loss of the model as it is now, one number, each time that it is called."""
Direction = Sequence[Tensor] | Mapping[str, Tensor]
"""A tensor for each parameter that trains: in the order of `model.parameters()`, or by name."""


class Kept:
    """A model that comes back as it was; a context manager.

    Args:
        model: whatever is called in it may change weights, buffers, modes, gradients and torch's
            random state.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def __enter__(self) -> "Kept":
        self.parameters = [(p, p.data, p.grad) for p in self.model.parameters()]
        self.modes = [(m, m.training) for m in self.model.modules()]
        self.buffers = [(m, name, b, b.data) for m in self.model.modules()
                        for name, b in m._buffers.items() if b is not None]  # fmt: skip
        indices = {p.device.index for p, _, _ in self.parameters if p.is_cuda}
        self.cuda = sorted(i for i in indices if i is not None)
        self.random = torch.get_rng_state(), [torch.cuda.get_rng_state(i) for i in self.cuda]
        self.reset()
        return self

    def __exit__(self, *why: object) -> None:
        self.reset(fresh=False)
        for p, _, gradient in self.parameters:
            p.grad = gradient

    def reset(self, fresh: bool = True) -> None:
        """Everything as it was; with `fresh`, buffers that a call may change are copies."""
        for p, place, _ in self.parameters:
            p.data = place
        for module, name, buffer, content in self.buffers:
            module._buffers[name] = buffer
            buffer.data = content.clone() if fresh else content
        for module, mode in self.modes:
            module.training = mode
        torch.set_rng_state(self.random[0])
        for index, state in zip(self.cuda, self.random[1], strict=True):
            torch.cuda.set_rng_state(state, index)


def is_module(who: str, model: object) -> None:
    """Refuse what is no module.

    Raises:
        TypeError: says what it is.
    """
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        raise TypeError(f"{who} needs a torch.nn.Module; got {kind}; give the model itself")


class Probe:
    """Looks at a model elsewhere than where it stands; a context manager that keeps it as it was.

    Args:
        who: asks, for messages.
        model: whose parameters that require gradients count.
        loss: gives its loss.

    Raises:
        TypeError: the model is no module.
        ValueError: it has nothing to train, or a parameter is not finite.
    """

    def __init__(self, who: str, model: nn.Module, loss: Loss) -> None:
        is_module(who, model)
        self.who, self.model, self.loss, self.kept = who, model, loss, Kept(model)
        self.named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.parameters = list(self.named.values())
        self.places = [p.data for p in self.parameters]
        if not self.parameters:
            raise ValueError(f"{who} needs a model with parameters to train; got none in "
                             f"{type(model).__name__}; give one that has some")  # fmt: skip
        for name, place in zip(self.named, self.places, strict=True):
            _check.finite(who, name, place)

    def __enter__(self) -> "Probe":
        self.kept.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self.kept.__exit__(*why)

    def at(
        self, direction: Sequence[Tensor] = (), distance: float = 0.0, graph: bool = False
    ) -> tuple[float, list[Tensor]]:
        """Loss and gradient at theta - distance * direction.

        Args:
            direction: a tensor for each parameter; none to stay.
            distance: how far.
            graph: whether the gradient can be differentiated again.

        Raises:
            ValueError: the loss is not one number, or does not depend on the parameters; or it is
                not finite where the model stands.
        """
        self.kept.reset()
        for p, d in zip(self.parameters, direction, strict=False):
            p.data = p.data - distance * d
        with torch.enable_grad():
            loss = self.loss()
            kind = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            if not isinstance(loss, Tensor) or loss.numel() != 1:
                raise ValueError(
                    f"{self.who} needs a loss of one number; got {kind}; take its mean"
                )
            if not loss.requires_grad:
                raise ValueError(f"{self.who} needs a loss that depends on parameters; got one "
                                 "without gradient; take it from the model's output")  # fmt: skip
            if not direction and not bool(loss.isfinite().all()):
                raise ValueError(f"{self.who} needs a finite loss where the model stands; got "
                                 f"{loss.item()}; look at its inputs and weights")  # fmt: skip
            found = torch.autograd.grad(
                loss.reshape(()), self.parameters, create_graph=graph, allow_unused=True
            )
        zero = [torch.zeros_like(p) for p in self.parameters]
        gradient = [z if g is None else g for z, g in zip(zero, found, strict=True)]
        return float(loss.detach()), gradient

    def layers(self) -> dict[str, list[int]]:
        """Numbers of the parameters of each layer, in the order in which the layers are called.

        A layer is a module with parameters of its own. Parameters of a module that is never called
        belong to the nearest one around it that is.
        """
        called: dict[str, None] = {}
        handles = [
            m.register_forward_pre_hook(lambda *_, name=name: called.setdefault(name))
            for name, m in self.model.named_modules()
        ]
        try:
            self.kept.reset()
            with torch.no_grad():
                self.loss()
        finally:
            for handle in handles:
                handle.remove()
        owners: dict[str, list[int]] = {}
        for number, name in enumerate(self.named):
            place = name.rpartition(".")[0]
            around = [place, *(place.rsplit(".", k)[0] for k in range(1, place.count(".") + 1)), ""]
            owner = next((each for each in around if each in called), place)
            owners.setdefault(owner, []).append(number)
        order = {name: number for number, name in enumerate(called)}
        ordered = sorted(owners, key=lambda name: order.get(name, len(order)))
        return {name or "model": owners[name] for name in ordered}

    def direction(self, given: Direction | None, gradient: list[Tensor]) -> list[Tensor]:
        """What was asked for, checked; the gradient by default.

        Raises:
            ValueError: it does not fit to the parameters, is not finite, or is zero.
        """
        if given is None:
            found = gradient
        else:
            names = list(self.named)
            listed = [given.get(n) for n in names] if isinstance(given, Mapping) else given
            listed = [None if d is None else _check.tensor(self.who, "direction", d)
                      for d in listed]  # fmt: skip
            shapes = [tuple(p.shape) for p in self.parameters]
            got = [None if d is None else tuple(d.shape) for d in listed]
            if got != shapes:
                raise ValueError(f"{self.who} needs a direction like the parameters, {shapes}; got "
                                 f"{got}; give a tensor for each that trains")  # fmt: skip
            found = [d.detach().to(p) for d, p in zip(listed, self.parameters, strict=True)
                     if d is not None]  # fmt: skip
            for name, d in zip(names, found, strict=True):
                _check.finite(self.who, f"direction of {name}", d)
        if not size(found):
            raise ValueError(
                f"{self.who} needs a direction that leads somewhere; got zero; a loss is flat there"
            )
        return found


def size(tensors: Sequence[Tensor]) -> float:
    """The Euclidean norm of all of them together, summed in float64."""
    total = math.sqrt(sum(float(t.detach().double().square().sum()) for t in tensors))
    if not SMALL < total < LARGE:  # squares were too small or too large, or still are
        largest = max((float(t.detach().abs().max()) for t in tensors if t.numel()), default=0.0)
        if 0 < largest < math.inf:
            scaled = (float((t.detach().double() / largest).square().sum()) for t in tensors)
            return largest * math.sqrt(sum(scaled))
    return total


def positive(who: str, **values: float) -> None:
    """Refuse what is not above 0.

    Raises:
        ValueError: says which.
    """
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{who} needs {name} above 0; got {value:g}; give a finite one")
