"""minGRU, a GRU whose gate does not look back."""

from typing import Any

from torch import Tensor

from swiftrnn.nn._ends import Ends
from swiftrnn.nn._gated import gated_cell, gated_layer
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops._stack import Cell


class MinGRU(Recurrent):
    """A drop-in for torch.nn.GRU without the matrix product at every step.

        z[t] = sigmoid(W_z x[t] + b_z)
        h[t] = (1 - z[t]) * h[t-1] + z[t] * (W_h x[t] + b_h)

    Arguments, input, output and states are those of torch.nn.GRU; the parameters of layer k are
    `weight_ih_l{k}` (2H, I) and `bias_ih_l{k}` (2H), with the rows of z first. There is no
    `weight_hh`.

    Example:
        >>> import torch
        >>> output, h_n = MinGRU(8, 16, batch_first=True)(torch.randn(2, 5, 8))
        >>> output.shape, h_n.shape
        (torch.Size([2, 5, 16]), torch.Size([1, 2, 16]))

    Source: Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3.1.
    """

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H = self.hidden_size
        bias: dict[str, tuple[int, ...]] = {"bias_ih": (2 * H,)} if self.bias else {}
        return {"weight_ih": (2 * H, input_size)} | bias

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
        return gated_layer(
            x, weights, state, ends, self.hidden_size, "min_gru", reverse=direction == 1
        )

    def cell(self, weights: dict[str, Tensor]) -> Cell:
        """See `Recurrent`."""
        return gated_cell(weights, self.hidden_size, "min_gru")
