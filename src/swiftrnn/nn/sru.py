"""SRU, the simple recurrent unit."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn import ops
from swiftrnn.nn._recurrent import Ends, Recurrent, for_product
from swiftrnn.ops._blocked import can_block, project
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops.sru import OP


class SRU(Recurrent):
    """A recurrent layer whose matrix product does not wait for the last step.

        f[t] = sigmoid(W_f x[t] + v_f * c[t-1] + b_f)
        r[t] = sigmoid(W_r x[t] + v_r * c[t-1] + b_r)
        c[t] = f[t] * c[t-1] + (1 - f[t]) * W_u x[t]
        h[t] = s[t] + (g(c[t]) - s[t]) * m * r[t]

    The skip s is the input, times a constant, where its size allows it (`input_size` equal to
    directions * H; each direction takes its own H features), else W_s x[t].

    Arguments, input and output are those of torch.nn.GRU; the state is c. Parameters of layer k:
    `weight_ih_l{k}` (3H or 4H, I) with the rows of u, f, r (and s) in this order, `bias_ih_l{k}`
    (2H) of f and r, `weight_c_l{k}` (2H), v_f then v_r (absent in version 1).

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device,
            dtype: see `Recurrent`.
        version: 2, or 1 for gates that do not see c (v = 0).
        tanh: whether g is tanh; else it is the identity.
        highway_bias: where b_r starts; negative values let the skip through, which helps deep
            stacks.
        rescale: whether the skip is multiplied by sqrt(1 + 2 exp(highway_bias)), which keeps the
            variance from layer to layer.
        variational_dropout: probability of zeroing a feature of g(c) - s for a whole sequence (m),
            in all layers but the last, while training.

    Example:
        >>> import torch
        >>> layer = SRU(16, 16, num_layers=2)
        >>> output, c = layer(torch.randn(5, 3, 16))
        >>> output.shape, c.shape
        (torch.Size([5, 3, 16]), torch.Size([2, 3, 16]))

    Source: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence",
    EMNLP, section 3; version 1: "Training RNNs as Fast as CNNs", arXiv:1709.02755v1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        version: int = 2,
        tanh: bool = False,
        highway_bias: float = 0.0,
        rescale: bool = False,
        variational_dropout: float = 0.0,
    ) -> None:
        if version not in (1, 2):
            raise ValueError(f"SRU needs version 1 or 2; got {version!r}")
        self.version, self.tanh, self.rescale = version, tanh, rescale
        self.highway_bias = float(highway_bias)
        self.variational_dropout = self.probability("variational_dropout", variational_dropout)
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device, dtype,
        )  # fmt: skip

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H = self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": ((3 if self._skips_input(input_size) else 4) * H, input_size)
        }
        if self.bias:
            shapes["bias_ih"] = (2 * H,)
        if self.version == 2:
            shapes["weight_c"] = (2 * H,)
        return shapes

    def reset_parameters(self) -> None:
        """Draw every parameter anew; c and h keep the variance of x (paper, section 3.2)."""
        H = self.hidden_size
        for name, parameter in self.named_parameters():
            if name.startswith("weight_ih"):
                bound = math.sqrt(3 / parameter.shape[1])
                nn.init.uniform_(parameter, -bound, bound)
                with torch.no_grad():
                    if self.version == 2:
                        parameter[H : 3 * H] *= math.sqrt(0.5)
                    parameter[3 * H :] *= self._scale()
            elif name.startswith("weight_c"):
                nn.init.uniform_(parameter, -math.sqrt(1.5), math.sqrt(1.5))
            else:
                nn.init.zeros_(parameter)
                nn.init.constant_(parameter[H:], self.highway_bias)

    def run_layer(
        self,
        x: Tensor,
        state: Any,
        weights: dict[str, Tensor],
        ends: Ends,
        layer: int,
        direction: int,
    ) -> tuple[Tensor, Tensor]:
        """See `Recurrent`."""
        B, H, features = x.shape[1], self.hidden_size, x.shape[2]
        skips = self._skips_input(features)
        product, weight = for_product(x, weights["weight_ih"])
        vectors = self._vectors(weights, product)
        if state is None:
            state = vectors[0].new_zeros(B, H)
        mask = self._mask(state) if layer < self.num_layers - 1 else None
        rest = (*vectors, state.to(vectors[0].dtype).contiguous(), mask, *ends)
        flags = (self._scale() if skips else 1.0, self.tanh, direction == 1)
        whole = not skips or features == H  # the skip is not half of the input
        if whole and can_block(OP, product):
            return project(OP, product.contiguous(), weight, skips, *rest, *flags)
        gates = nn.functional.linear(product, weight)
        skip = product[..., direction * H : (direction + 1) * H] if skips else None
        return ops.sru(gates, skip, *rest, *flags)

    def _skips_input(self, input_size: int) -> bool:
        return input_size == self.hidden_size * (2 if self.bidirectional else 1)

    def _scale(self) -> float:
        return math.sqrt(1 + 2 * math.exp(self.highway_bias)) if self.rescale else 1.0

    def _vectors(self, weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        """weight_c and bias, (2, H) each, in the dtype of the state; zeros where there are none."""
        dtype, shape = state_dtype(x.dtype), (2, self.hidden_size)
        weight_c, bias = (
            x.new_zeros(shape, dtype=dtype) if w is None else w.to(dtype).view(shape)
            for w in (weights.get("weight_c"), weights.get("bias_ih"))
        )
        return weight_c, bias

    def _mask(self, state: Tensor) -> Tensor | None:
        p = self.variational_dropout
        if not (p and self.training):
            return None
        return nn.functional.dropout(torch.ones_like(state), p)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        usual = {"version": 2, "tanh": False, "highway_bias": 0.0, "rescale": False,
                 "variational_dropout": 0.0}  # fmt: skip
        shown = [f"{k}={getattr(self, k)}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join([super().extra_repr(), *shown])
