"""minLSTM, an LSTM whose gates do not look back."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from swiftrnn import ops
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._recurrent import Recurrent, for_product
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops._product import linear


class MinLSTM(Recurrent):
    """A layer with an input and a forget gate that add up to 1, without a product at every step.

        i[t] = sigmoid(W_i x[t] + b_i)
        f[t] = sigmoid(W_f x[t] + b_f)
        h[t] = (f[t] * h[t-1] + i[t] * (W_h x[t] + b_h)) / (f[t] + i[t])

    f / (f + i) is computed as sigmoid(log f - log i), which neither overflows nor divides 0 by 0
    where both gates are shut. Arguments, input and output are those of torch.nn.GRU; the state is
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
        x, weight = for_product(x, weights["weight_ih"])
        real, H = state_dtype(x.dtype), self.hidden_size
        products = linear(x, weight, None).to(real)
        if self.bias:
            products = products + weights["bias_ih"].to(real)
        i, f, h = products.split(H, -1)
        gates = torch.cat([h, softplus(-i) - softplus(-f)], -1)
        if state is None:
            state = gates.new_zeros(x.shape[1], H)
        output, last = ops.gated_scan(
            gates, gates.new_zeros(2 * H), state.to(real), *ends, reverse=direction == 1
        )
        return output.to(x.dtype), last
