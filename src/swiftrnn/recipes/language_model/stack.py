"""Layers on top of each other, with the dropout that regularizes a language model.

Between layers one mask holds for all steps of a sequence (variational dropout); elements of weights
are dropped too. Source: Merity et al. (2017), "Regularizing and Optimizing LSTM Language Models".
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from swiftrnn.nn import weight_drop
from swiftrnn.training.techniques.variational_dropout import locked

FROM_STATE = (nn.LSTM, nn.GRU)  # whose products with the state are dropped; ours have none


class Stack(nn.Module):
    """One layer after the other, with dropout between them and on their weights.

    Args:
        build: a layer of a depth, 1 being asked for.
        depth: how many.
        dropout: of what goes from one to the next.
        drop: of elements of their weights.

    Shapes:
        x (T, B, H) and the states of all layers, or None, to the same.
    """

    def __init__(
        self, build: Callable[[int], nn.Module], depth: int, dropout: float, drop: float
    ) -> None:
        super().__init__()
        self.num_layers, self.dropout = depth, dropout
        self.layers = nn.ModuleList(build(1) for _ in range(depth))
        if drop:
            for each in self.layers:
                weight_drop(each, dropped(each), p=drop)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """(T, B, H) and states to the same."""
        return self._through(x, state, stepwise=False)

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """One step of each stream, (B, H), and states to the same."""
        return self._through(x, state, stepwise=True)

    def _through(self, x: Tensor, state: Any, stepwise: bool) -> tuple[Tensor, Any]:
        after = []
        for i, (layer, before) in enumerate(
            zip(self.layers, state or [None] * self.num_layers, strict=True)
        ):
            if i:
                x = locked(x, self.dropout if self.training else 0.0)
            x, now = one_step(layer, x, before) if stepwise else layer(x, before)
            after.append(now)
        return x, tuple(after)


def one_step(layer: Any, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """One step (B, H) through any layer; torch's own have no function for it."""
    if hasattr(layer, "step"):
        return layer.step(x, state)
    y, state = layer(x[None], state)
    return y[0], state


def dropped(layer: nn.Module) -> str:
    """The weights of a layer that are dropped.

    Raises:
        ValueError: it has no such weights.
    """
    if isinstance(layer, FROM_STATE):
        return "weight_hh"
    if any(name.startswith("weight_ih") for name, _ in layer.named_parameters(recurse=False)):
        return "weight_ih"
    raise ValueError(
        f"--weight-drop needs a recurrent layer; got {type(layer).__name__}; leave it out"
    )


def has_lstm(layer: nn.Module) -> bool:
    """Whether torch's LSTM is in it."""
    return any(isinstance(each, nn.LSTM) for each in layer.modules())
