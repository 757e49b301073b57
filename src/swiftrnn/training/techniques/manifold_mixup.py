"""Manifold mixup: a module that mixes its examples at one of its hidden layers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

from swiftrnn.training.techniques.mixup import Mix, rebuilt


@contextmanager
def manifold(
    module: nn.Module,
    names: Sequence[str],
    mix: Mix,
    generator: torch.Generator | None = None,
    batch_dim: int = 0,
) -> Iterator[str]:
    """Manifold mixup: inside, a module mixes at one place, its input or a submodule's output.

    Gives the name of the place; all are equally likely. Each call is mixed: name what forward calls
    once. Of a tuple or list, the first element is. If the backward pass computes the place again
    (activation checkpointing), it belongs inside as well.

    Args:
        module: whose forward is called inside.
        names: of submodules, as in `named_modules`; "" is the module's first positional input.
        mix: also for the loss.
        generator: as in `draw`.
        batch_dim: of what is mixed.

    Raises:
        ValueError: there is no such submodule, or no name; the place was not reached inside.

    Examples:
        >>> from swiftrnn.training.techniques.mixup import draw
        >>> model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> x, y, mix = torch.randn(4, 3), torch.tensor([0, 1, 1, 0]), draw(4, alpha=2.0)
        >>> with manifold(model, ["", "0", "1"], mix) as place:
        ...     output = model(x)
        >>> loss = mix.loss(nn.CrossEntropyLoss(reduction="none"), output, y)

    Source: Verma et al. (2019), "Manifold Mixup: Better Representations by Interpolating Hidden
    States", ICML.
    """
    known = dict(module.named_modules(remove_duplicate=False))
    if not names or not known.keys() >= set(names):
        needed = 'names of submodules, or "" for the input'
        raise ValueError(f"manifold needs {needed}; got {list(names)}; see named_modules")
    place = names[int(torch.randint(len(names), (), generator=generator, device="cpu"))]
    reached = False

    def mix_first(_: nn.Module, *values: Any) -> Any:
        """A hook: before forward values are (arguments,), after it (arguments, output)."""
        nonlocal reached
        value = values[-1]
        if not isinstance(value, tuple | list) or isinstance(value, PackedSequence):
            reached = True
            return mix.inputs(value, batch_dim)
        first = mix.inputs(list(value[:1]), batch_dim)
        reached |= len(first) > 0  # empty where all arguments are keywords
        return rebuilt(value, [*first, *value[1:]])

    hook = known[place].register_forward_hook if place else module.register_forward_pre_hook
    handle = hook(mix_first)
    try:
        yield place
    finally:
        handle.remove()
    if not reached:
        raise ValueError(
            f"manifold needs a place that forward reaches; got no value at {place!r}; "
            "name what forward calls, with a positional argument and not compiled before"
        )
