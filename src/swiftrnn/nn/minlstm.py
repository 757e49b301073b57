"""minLSTM, an LSTM whose gates do not look back."""

from typing import Any

from torch import Tensor

from swiftrnn.nn._ends import Ends
from swiftrnn.nn._gated import gated_cell, gated_layer
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops._stack import Cell


class MinLSTM(Recurrent):
    """A layer with an input and a forget gate that add up to 1, without a product at every step.

        i[t] = sigmoid(W_i x[t] + b_i)
        f[t] = sigmoid(W_f x[t] + b_f)
        h[t] = (f[t] * h[t-1] + i[t] * (W_h x[t] + b_h)) / (f[t] + i[t])

    f / (f + i) is computed in log space: it neither overflows nor divides 0 by 0 where both gates
    are shut. Arguments, input and output are those of torch.nn.GRU; the state is
    h, which is also the cell. Parameters of layer k: `weight_ih_l{k}` (3H, I) and `bias_ih_l{k}`
    (3H), with the rows of i, f and h in this order, that of torch.nn.LSTM. There is no `weight_hh`.

    Example:
        >>> import torch
        >>> output, h_n = MinLSTM(8, 16, batch_first=True)(torch.randn(2, 5, 8))
        >>> output.shape, h_n.shape
        (torch.Size([2, 5, 16]), torch.Size([1, 2, 16]))

    Source: Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3.2.
    """

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H = self.hidden_size
        bias: dict[str, tuple[int, ...]] = {"bias_ih": (3 * H,)} if self.bias else {}
        return {"weight_ih": (3 * H, input_size)} | bias

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
            x, weights, state, ends, self.hidden_size, "min_lstm", reverse=direction == 1
        )

    def cell(self, weights: dict[str, Tensor]) -> Cell:
        """See `Recurrent`."""
        return gated_cell(weights, self.hidden_size, "min_lstm")
