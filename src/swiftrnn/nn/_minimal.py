"""What minGRU and minLSTM share: everything but their gates."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from swiftrnn.nn._autocast import under_autocast
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._gated import gated_cell, gated_layer, zoned
from swiftrnn.nn._options import SHARED, Check, probability
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops import _stack
from swiftrnn.ops._blocked import multiplies_alone
from swiftrnn.ops.gated_scan import OP, Cell


class Minimal(Recurrent):
    """Layers whose state is their output, and whose gates see one step of the input."""

    state_is_output = True
    cell_options = ("zoneout",)
    checks: ClassVar[dict[str, Check]] = SHARED | {"zoneout": probability}
    kind: ClassVar[Cell]
    count: ClassVar[int]  # of the gates, with what they let in

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        zoneout: float = 0.0,
    ) -> None:
        self.zoneout = zoneout
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        rows = self.count * self.hidden_size
        bias: dict[str, tuple[int, ...]] = {"bias_ih": (rows,)} if self.bias else {}
        return {"weight_ih": (rows, input_size)} | bias

    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,  # noqa: ARG002
        direction: int,
    ) -> tuple[Tensor, Tensor]:
        """See `Recurrent`."""
        H, reverse = self.hidden_size, direction == 1
        floor = zoned(self.zoneout, self.training, x, x.shape[0], H)
        return gated_layer(x, weights, state, ends, H, self.kind, floor, reverse)

    def sees_padding(self, x: Tensor) -> bool:
        """See `Recurrent`."""
        return under_autocast(x) or not multiplies_alone(OP, x)

    def cell(self, weights: dict[str, Tensor]) -> _stack.Cell:
        """See `Recurrent`."""
        return gated_cell(weights, self.hidden_size, self.kind, self.zoneout)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        shown = [f"zoneout={self.zoneout}"] if self.zoneout else []
        return ", ".join([super().extra_repr(), *shown])
