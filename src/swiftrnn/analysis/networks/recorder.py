"""What layers give on a fixed set of inputs, and how sure their gradients are, while they learn."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
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
        inputs: its argument, samples first; a tuple of several arguments, or a mapping of keyword
            arguments. Tensors stay as they are; arrays, lists and DataFrames of floating point get
            the dtype of the module's parameters. What is no array is passed on.
        layers: names as in `module.named_modules()`; None takes every module without children
            that runs.
        chunk: samples at a time; None takes all at once. Only for modules whose tensors all have
            samples first.

    Raises:
        TypeError: an array in the inputs is not one of numbers.
        ValueError: a layer is not there; chunk is not positive; or inputs have unequal lengths and
            are to be chunked.

    Attributes:
        history: activations by layer, (n, ...) on the layer's device, by step.

    Examples:
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh())
        >>> with Recorder(net, torch.eye(2), ["1"]) as recorder:
        ...     recorder.record(0)["1"].shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        module: Module,
        inputs: Any,
        layers: Iterable[str] | None = None,
        chunk: int | None = None,
    ) -> None:
        there = dict(module.named_modules())
        self._all = layers is None
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
        self.module, self.chunk = module, chunk
        self.inputs = _arguments(module, inputs)
        self._calls()  # says what does not fit before anything runs
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
                first = _first_tensor(output)
                if first is None:
                    raise RuntimeError(
                        f"record needs layers that give tensors; got {type(output).__name__} of "
                        f"{name or 'the module'}; leave it out"
                    )
                self._now[name] = first.detach().clone()  # later layers may work in place

        return keep

    def _calls(self) -> list[tuple[list[Any], dict[str, Any], int]]:
        """Arguments, keyword arguments and the number of samples of each chunk."""
        given, names = self.inputs
        tensors = [each for each in given if isinstance(each, Tensor) and each.ndim]
        sizes = sorted({len(each) for each in tensors})
        if self.chunk is None or not tensors:
            parts = [given]
        elif len(sizes) > 1:
            raise ValueError(
                "Recorder needs inputs of as many samples for chunks; got "
                f"{', '.join(map(str, sizes))}; leave chunk out"
            )
        else:
            starts = range(0, max(1, sizes[0]), self.chunk)
            parts = [[each[at : at + self.chunk] if isinstance(each, Tensor) and each.ndim else each
                      for each in given] for at in starts]  # fmt: skip
        split = len(given) - len(names)
        return [(part[:split], dict(zip(names, part[split:], strict=True)),
                 next((len(e) for e in part if isinstance(e, Tensor) and e.ndim), 0))
                for part in parts]  # fmt: skip

    @torch.no_grad()
    def record(self, step: int, keep: bool = True) -> dict[str, Tensor]:
        """Run the inputs through the module and keep what the layers give.

        Args:
            step: such as the epoch, for `history`.
            keep: False leaves `history` as it is.

        Returns:
            Activations by layer, (n, ...), samples first; of a layer that gives several tensors, in
            a tuple or a mapping, the first, and of one that runs several times the last.

        Raises:
            RuntimeError: outside the `with`; a layer did not run, or gives no tensor; or its
                outputs do not have samples first and cannot be put together from chunks.
        """
        if not self._handles:
            raise RuntimeError("record needs its hooks; got none; call it inside `with Recorder`")
        parts: dict[str, list[Tensor]] = {name: [] for name in self.layers}
        calls = self._calls()
        with _evaluating(self.module):
            for arguments, keywords, size in calls:
                self._now = {}
                try:
                    self.module(*arguments, **keywords)
                    for name, each in self._now.items():
                        if len(calls) > 1 and (not each.ndim or len(each) != size):
                            raise RuntimeError(
                                f"record needs outputs with samples first for chunks; got "
                                f"{tuple(each.shape)} of {name or 'the module'} for {size} "
                                "samples; leave chunk out"
                            )
                        parts[name].append(each)
                finally:
                    self._now = None
        idle = [name for name, each in parts.items() if len(each) < len(calls)]
        if idle and not (self._all and all(not parts[name] for name in idle)):
            raise RuntimeError(
                f"record needs layers that run; got {', '.join(idle)}, which did not; leave it out"
            )
        found = {name: each[0] if len(each) == 1 else torch.cat(each)
                 for name, each in parts.items() if each}  # fmt: skip
        if keep:
            self.history[step] = found
        return found


def _arguments(module: Module, inputs: Any) -> tuple[list[Any], list[str]]:
    """Arguments, the last of them by name, and these names; arrays as tensors."""
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.empty(0))
    if isinstance(inputs, Mapping):
        given, names = list(inputs.values()), [str(name) for name in inputs]
    else:
        given, names = list(inputs) if isinstance(inputs, tuple) else [inputs], []

    def as_tensor(value: Any) -> Any:
        plain = isinstance(value, Tensor | str | bytes | int | float | Mapping | tuple)
        if plain or not (hasattr(value, "__array__") or isinstance(value, list)):
            return value
        found = _check.tensor("Recorder", "inputs", value).to(like.device)
        return found.to(like.dtype) if found.is_floating_point() else found

    return [as_tensor(value) for value in given], names


def _first_tensor(output: Any) -> Tensor | None:
    """The first one in whatever a module gives."""
    if isinstance(output, Tensor):
        return output
    each = output.values() if isinstance(output, Mapping) else output
    if not isinstance(output, Mapping | tuple | list):
        return None
    return next((found for one in each if (found := _first_tensor(one)) is not None), None)


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

    Examples:
        >>> dead_units([[0.0, 1.0], [0.0, 2.0], [0.0, 1.0], [0.0, 1.0]]).tolist()
        [True, False]
    """
    found = _check.numbers("dead_units", "values", values)
    if found.ndim < 2 or found.shape[-2] < 4 or not found.numel():
        raise ValueError(
            f"dead_units needs at least 4 samples (..., n, d) as values; got {tuple(found.shape)}; "
            "give one row for each sample"
        )
    _check.finite("dead_units", "values", found.reshape(-1, found.shape[-1]))
    return (found == found[..., :1, :]).all(-2)


def gradient_snr(
    module: Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    inputs: Any,
    targets: Any,
    chunk: int = 1024,
) -> dict[str, float]:
    """Signal and noise of the gradient of each parameter, over all samples one by one.

    `|mean of the samples' gradients| / |their standard deviations|`, both Euclidean norms over the
    parameter's entries. Below 1 / sqrt(B) the noise of batches of B is larger than the signal.

    Args:
        module: without parts that look at several samples, such as batch normalisation.
        loss: of outputs (1, ...) and targets (1, ...), a scalar.
        inputs: (n, ...), n at least 4: the whole training set; floating point of an array gets the
            module's dtype.
        targets: (n, ...), likewise.
        chunk: samples at a time: memory is chunk x parameters.

    Returns:
        By parameter's name; 0 where no sample has a gradient, inf where all have the same one.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few samples, unequal lengths, inputs or gradients that are not finite, or a
            positive chunk is missing.

    Examples:
        >>> net = torch.nn.Linear(1, 1, bias=False)
        >>> ones = torch.ones(4, 1)
        >>> square = torch.nn.functional.mse_loss
        >>> gradient_snr(net, square, ones, ones * 5)  # four times the same sample
        {'weight': inf}

    Source: Shwartz-Ziv, Tishby (2017), "Opening the Black Box of Deep Neural Networks via
        Information"; Saxe et al. (2018), gradients' phases.
    """
    (inputs, targets), _ = _arguments(module, (inputs, targets))
    if len(inputs) < 4:
        raise ValueError(
            f"gradient_snr needs at least 4 samples (n, ...) as inputs; got {len(inputs)}; "
            "give the training set"
        )
    _check.same_length("gradient_snr", inputs=inputs, targets=targets)
    if chunk < 1:
        raise ValueError(f"gradient_snr needs a positive chunk; got {chunk}; leave it out")
    for name, given in (("inputs", inputs), ("targets", targets)):
        _check.finite("gradient_snr", name, given)
    parameters = {name: each.detach() for name, each in module.named_parameters()}

    def one(given: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(module, given, (x[None],)), y[None])

    each = vmap(grad(one), in_dims=(None, 0, 0), randomness="different")
    means = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
    squares = {name: torch.zeros_like(mean) for name, mean in means.items()}
    first: dict[str, Tensor] = {}  # less it, gradients that are all the same have no noise at all
    done = 0
    for x, y in zip(inputs.split(chunk), targets.split(chunk), strict=True):
        new = len(x)
        for name, g in each(parameters, x, y).items():  # means merged: sums of squares would cancel
            g = g.double() - first.setdefault(name, g[0].double())
            here = g.mean(0)
            step = here - means[name]
            squares[name] += (g - here).square().sum(0)
            squares[name] += step.square() * (done * new / (done + new))
            means[name] += step * (new / (done + new))
        done += new
    found = {}
    for name, mean in means.items():
        signal = float((mean + first[name]).norm())
        noise = float((squares[name] / done).sum().sqrt())
        if not math.isfinite(signal + noise):
            raise ValueError(
                f"gradient_snr needs gradients whose squares are finite; got nan or infinity for "
                f"{name}; look at the loss"
            )
        found[name] = signal / noise if noise else (float("inf") if signal else 0.0)
    return found
