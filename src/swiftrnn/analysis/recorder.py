"""What layers give on a fixed set of inputs, and how sure their gradients are, while they learn."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import Module

from swiftrnn.analysis import _check


class Recorder:
    """Keeps the outputs of chosen layers of any module on a fixed set of inputs.

    A context manager: its hooks are gone at the end, whatever happens inside. Between two calls of
    `record` they do nothing. The module is in evaluation mode while it is recorded, and as it was
    afterwards.

    Args:
        module: the network.
        inputs: its argument, samples first.
        layers: names as in `module.named_modules()`; None takes every module without children.
        chunk: samples at a time; None takes all at once.

    Raises:
        ValueError: a layer is not there; or chunk is not positive.

    Attributes:
        history: activations by layer, (n, ...) on the layer's device, by step.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
        >>> with Recorder(net, torch.eye(2), ["1"]) as recorder:
        ...     recorder.record(0)["1"].shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        module: Module,
        inputs: Tensor,
        layers: Iterable[str] | None = None,
        chunk: int | None = None,
    ) -> None:
        there = dict(module.named_modules())
        if layers is None:
            layers = [name for name, each in there.items() if not any(each.children())]
        self.layers = list(layers)
        missing = [name for name in self.layers if name not in there]
        if missing:
            raise ValueError(
                f"Recorder needs layers of the module; got {', '.join(missing)}; "
                f"there are {', '.join(name for name in there if name)}"
            )
        if chunk is not None and chunk < 1:
            raise ValueError(f"Recorder needs a positive chunk; got {chunk}; leave it out")
        self.module, self.inputs, self.chunk = module, inputs, chunk
        self.history: dict[int, dict[str, Tensor]] = {}
        self._now: dict[str, Tensor] | None = None  # the outputs of one forward pass
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        there = dict(self.module.named_modules())
        self._handles = [
            there[name].register_forward_hook(self._hook(name)) for name in self.layers
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _hook(self, name: str) -> Callable[..., None]:
        def keep(_: Module, __: Any, output: Any) -> None:
            if self._now is not None:
                first = output[0] if isinstance(output, tuple | list) else output
                self._now[name] = first.detach().clone()  # later layers may work in place

        return keep

    @torch.no_grad()
    def record(self, step: int, keep: bool = True) -> dict[str, Tensor]:
        """Run the inputs through the module and keep what the layers give.

        Args:
            step: such as the epoch, for `history`.
            keep: False leaves `history` as it is.

        Returns:
            Activations by layer, (n, ...), samples first; of a layer that gives several tensors the
            first, and of one that runs several times the last.

        Raises:
            RuntimeError: outside the `with`; or a layer did not run.
        """
        if not self._handles:
            raise RuntimeError("record needs its hooks; got none; call it inside `with Recorder`")
        parts: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        with _evaluating(self.module):
            for inputs in self.inputs.split(self.chunk or max(1, len(self.inputs))):
                self._now = {}
                try:
                    self.module(inputs)
                    for name in self.layers:
                        if name not in self._now:
                            raise RuntimeError(
                                f"record needs layers that run; got {name}, which did not; "
                                "leave it out"
                            )
                        parts[name].append(self._now[name])
                finally:
                    self._now = None
        found = {name: torch.cat(each) for name, each in parts.items()}
        if keep:
            self.history[step] = found
        return found


@contextmanager
def _evaluating(module: Module) -> Iterator[None]:
    """Evaluation mode; afterwards each part is as it was."""
    before = {each: each.training for each in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for each, training in before.items():
            each.training = training


def dead_units(values: Any) -> Tensor:
    """Tell which units give the same for every sample: dead ReLUs, units that always saturate.

    What is measured on a layer of them says nothing: its information is 0 at any time.

    Args:
        values: activations (..., n, d), n at least 4.

    Returns:
        Booleans (..., d).

    Raises:
        TypeError: these are no numbers.
        ValueError: fewer than 4 samples, or not finite.

    Example:
        >>> dead_units([[0.0, 1.0], [0.0, 2.0], [0.0, 1.0], [0.0, 1.0]]).tolist()
        [True, False]
    """
    found = _check.numbers("dead_units", "values", values)
    if found.ndim < 2 or found.shape[-2] < 4:
        raise ValueError(
            f"dead_units needs at least 4 samples (..., n, d) as values; got {tuple(found.shape)}; "
            "give one row for each sample"
        )
    _check.finite("dead_units", "values", found.reshape(-1, found.shape[-1]))
    return (found == found[..., :1, :]).all(-2)


def gradient_snr(
    module: Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    chunk: int = 1024,
) -> dict[str, float]:
    """Signal and noise of the gradient of each parameter, over all samples one by one.

    `|mean of the samples' gradients| / |their standard deviations|`, both Euclidean norms over the
    parameter's entries. Below 1 / sqrt(B) the noise of batches of B is larger than the signal.

    Args:
        module: without parts that look at several samples, such as batch normalisation.
        loss: of outputs (1, ...) and targets (1, ...), a scalar.
        inputs: (n, ...), n at least 4: the whole training set.
        targets: (n, ...).
        chunk: samples at a time: memory is chunk x parameters.

    Returns:
        By parameter's name; 0 where no sample has a gradient, inf where all have the same one.

    Raises:
        ValueError: too few samples, unequal lengths, or a positive chunk is missing.

    Example:
        >>> net = torch.nn.Linear(1, 1, bias=False)
        >>> ones = torch.ones(4, 1)
        >>> square = torch.nn.functional.mse_loss
        >>> gradient_snr(net, square, ones, ones * 5)  # four times the same sample
        {'weight': inf}

    Source: Shwartz-Ziv, Tishby (2017), "Opening the Black Box of Deep Neural Networks via
        Information"; Saxe et al. (2018), gradients' phases.
    """
    if len(inputs) < 4:
        raise ValueError(
            f"gradient_snr needs at least 4 samples (n, ...) as inputs; got {len(inputs)}; "
            "give the training set"
        )
    _check.same_length("gradient_snr", inputs=inputs, targets=targets)
    if chunk < 1:
        raise ValueError(f"gradient_snr needs a positive chunk; got {chunk}; leave it out")
    parameters = {name: each.detach() for name, each in module.named_parameters()}

    def one(given: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(module, given, (x[None],)), y[None])

    each = vmap(grad(one), in_dims=(None, 0, 0), randomness="different")
    means = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    squares = {name: torch.zeros_like(mean) for name, mean in means.items()}
    done = 0
    for x, y in zip(inputs.split(chunk), targets.split(chunk), strict=True):
        new = len(x)
        for name, g in each(parameters, x, y).items():  # means merged: sums of squares would cancel
            here = g.double().mean(0)
            step = here - means[name]
            squares[name] += (g.double() - here).square().sum(0)
            squares[name] += step.square() * (done * new / (done + new))
            means[name] += step * (new / (done + new))
        done += new
    found = {}
    for name, mean in means.items():
        signal, noise = float(mean.norm()), float((squares[name] / done).sum().sqrt())
        found[name] = signal / noise if noise else (float("inf") if signal else 0.0)
    return found
