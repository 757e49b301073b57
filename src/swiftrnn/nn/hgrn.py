"""HGRN, a gated linear recurrence whose upper layers forget more slowly."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from swiftrnn.nn._autocast import for_product
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._gated import gated_layer
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops._product import linear

EPSILON = 1e-5  # of the norm


class HGRN(Recurrent):
    """A linear recurrence whose forget gate has a floor that rises from layer to layer.

        f[t] = g + (1 - g) * sigmoid(W_f x[t] + b_f)
        h[t] = f[t] * h[t-1] + (1 - f[t]) * silu(W_u x[t] + b_u)
        y[t] = W_y (n * rms_norm(h[t]) * silu(W_o x[t] + b_o)) + b_y

    The floor g of layer k is the sum of the first k of the rows 2 ... num_layers of softmax(l) over
    layers: 0 in the first layer, below 1 in the last. Arguments, input, output y and states h are
    those of torch.nn.GRU. Parameters of layer k: `weight_ih_l{k}` (3H, I) and `bias_ih_l{k}` (3H)
    with the rows of u, f, o, `weight_norm_l{k}` (H), n, `weight_hy_l{k}` (H, H) and `bias_hy_l{k}`
    (H); and of the stack `lower_bound` (num_layers, H), l, for both directions.

    Examples:
        >>> import torch
        >>> output, h_n = HGRN(8, 16, num_layers=2)(torch.randn(5, 3, 8))
        >>> output.shape, h_n.shape
        (torch.Size([5, 3, 16]), torch.Size([2, 3, 16]))

    Source: Qin et al. (2023), "Hierarchically Gated Recurrent Neural Network for Sequence
    Modeling", arXiv:2311.04823, section 3, without complex numbers, as in its later code.
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
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip
        floors = torch.zeros(num_layers, hidden_size, device=device, dtype=dtype)
        self.lower_bound = nn.Parameter(floors)

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H = self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (3 * H, input_size)}
        if self.bias:
            shapes |= {"bias_ih": (3 * H,), "bias_hy": (H,)}
        return shapes | {"weight_norm": (H,), "weight_hy": (H, H)}

    def reset_parameters(self) -> None:
        """Reinitialise every parameter; floors rise evenly from layer to layer."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.raw_parameters():
            if name.startswith("weight_norm"):
                nn.init.ones_(parameter)
            elif name == "lower_bound":
                nn.init.zeros_(parameter)
            else:
                nn.init.uniform_(parameter, -bound, bound)

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
        H, floor = self.hidden_size, self.floors()[layer]
        scan = {
            name: weights[name][: 2 * H] for name in ("weight_ih", "bias_ih") if name in weights
        }
        h, last = gated_layer(x, scan, state, ends, H, "hgrn", floor, reverse=direction == 1)
        x, weight = for_product(x, weights["weight_ih"][2 * H :])
        o = linear(x, weight, None)
        if self.bias:
            o = o + weights["bias_ih"][2 * H :].to(o.dtype)
        norm = weights["weight_norm"].to(h.dtype)
        y = nn.functional.rms_norm(h, (H,), norm, EPSILON) * silu(o)
        y, weight = for_product(y, weights["weight_hy"])
        output = linear(y, weight, None)
        if self.bias:
            output = output + weights["bias_hy"].to(output.dtype)
        return ends.clear(output), last  # where a sequence has ended, not even the bias remains

    def floors(self) -> Tensor:
        """The least that each layer's forget gate lets through, (num_layers, H), in 0..1."""
        shares = torch.softmax(self.lower_bound, 0)
        return shares.cumsum(0) - shares[:1]
