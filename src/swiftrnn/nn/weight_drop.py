"""Weight drop: dropout on the weights of a recurrent layer."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

M = TypeVar("M", bound=nn.Module)


class _Dropped(nn.Module):
    """A weight with so many of its numbers at 0, while training."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, weight: Tensor) -> Tensor:
        return nn.functional.dropout(weight, self.p, self.training)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """So that a weight may be assigned, and an older state dict be copied in by name."""
        return weight

    def extra_repr(self) -> str:
        return f"p={self.p}"


def weight_drop(layer: M, names: str | tuple[str, ...] = "weight", p: float = 0.5) -> M:
    """Drop numbers of a layer's matrices anew for each call, while training.

    One mask holds for all time steps of a call, so the recurrence sees one matrix; what is kept is
    divided by 1 - p. In eval mode nothing changes. It is a parametrisation of torch: the weights
    are in `layer.parametrizations`, and `remove_weight_drop` gives the plain layer back.

    Args:
        layer: any of our layers, or of torch's (torch.nn.LSTM then takes its slower path); changed
            in place. A `step` draws a mask of its own.
        names: beginnings of the names of parameters with two dimensions or more: "weight_hh" is
            what the paper drops of an LSTM; our layers have no matrices between states, "weight"
            drops all that they have.
        p: probability that a number is dropped, in 0..1.

    Returns:
        The layer.

    Raises:
        ValueError: no such parameter, one that is dropped already, or p out of range.

    Example:
        >>> import torch
        >>> from swiftrnn.nn import QRNN
        >>> layer = weight_drop(QRNN(4, 8), p=0.2)
        >>> output, state = layer(torch.randn(5, 2, 4))
        >>> remove_weight_drop(layer)
        QRNN(4, 8)

    Source: Merity et al. (2018), "Regularizing and Optimizing LSTM Language Models",
    arXiv:1708.02182, section 2; Wan et al. (2013), "Regularization of Neural Networks using
    DropConnect".
    """
    if not 0 <= p <= 1:
        raise ValueError(f"weight_drop needs p in 0..1; got {p}")
    starts = (names,) if isinstance(names, str) else tuple(names)
    found = [n for n, w in layer.named_parameters() if w.dim() > 1 and n.startswith(starts)]
    if not found:
        have = ", ".join(n for n, w in layer.named_parameters() if w.dim() > 1) or "none"
        raise ValueError(
            f"weight_drop needs names of matrices of {type(layer).__name__} ({have}); "
            f"got {', '.join(starts)}; name one that is there and not dropped yet"
        )
    for name in found:
        *path, own = name.split(".")
        parametrize.register_parametrization(layer.get_submodule(".".join(path)), own, _Dropped(p))
    return layer


@torch.no_grad()
def remove_weight_drop(layer: M) -> M:
    """Undo `weight_drop`: the weights are parameters again, as they were learnt.

    Args:
        layer: what `weight_drop` was given; changed in place.

    Returns:
        The layer.
    """
    training = layer.training
    layer.eval()  # a parametrisation leaves what it gives; in training that has holes
    for module in list(layer.modules()):
        if not parametrize.is_parametrized(module):
            continue
        for name, parts in list(module.parametrizations.items()):  # pyright: ignore
            if any(isinstance(part, _Dropped) for part in parts):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return layer.train(training)
