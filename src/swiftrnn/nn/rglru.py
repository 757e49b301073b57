"""RG-LRU, the real-gated linear recurrent unit of Griffin and RecurrentGemma."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from swiftrnn import ops
from swiftrnn.nn._autocast import for_product
from swiftrnn.nn._ends import Ends
from swiftrnn.nn._options import SHARED, Check, at_least
from swiftrnn.nn._recurrent import Recurrent
from swiftrnn.ops._blocked import project
from swiftrnn.ops._native import state_dtype
from swiftrnn.ops._plain import dense, eager
from swiftrnn.ops._product import linear
from swiftrnn.ops._stack import Cell
from swiftrnn.ops.rg_lru import OP

SHARPNESS = 8.0  # c of the paper
SLOWEST, FASTEST = 0.999, 0.9  # decays of a fresh layer, before the gate


class RGLRU(Recurrent):
    """A linear recurrence whose decay is gated, with inputs scaled to keep the variance.

        u[t] = x[t], or W x[t] + b where I is not H
        r[t] = sigmoid(W_r u[t] + b_r)
        i[t] = sigmoid(W_i u[t] + b_i)
        a[t] = exp(-8 r[t] softplus(d))
        h[t] = a[t] * h[t-1] + sqrt(1 - a[t]^2) * i[t] * u[t]

    W_r and W_i are block-diagonal, a block for each head. Arguments, input, output and states are
    those of torch.nn.GRU. Parameters of layer k: `weight_ih_l{k}` (H, I) and `bias_ih_l{k}` (H) of
    u, where I is not H; `weight_gate_l{k}` (2, heads, H / heads, H / heads) and `bias_gate_l{k}`
    (2, H), r then i; `decay_l{k}` (H), d. The recurrence and its decays are computed in float32
    where the input has 16 bits, because a lies close to 1.

    The first input of a sequence is scaled like all others, so that no state equals one of zeros
    and halves make the whole; RecurrentGemma's code multiplies that one input by 1 instead.

    Args:
        input_size: of the arguments of torch.nn.GRU, as are hidden_size, num_layers, bias,
            batch_first, dropout, bidirectional, device and dtype; see `Recurrent`.
        num_heads: blocks of the gates' matrices; divides H.

    Examples:
        >>> import torch
        >>> output, h_n = RGLRU(16, 16, num_heads=4)(torch.randn(5, 3, 16))
        >>> output.shape, h_n.shape
        (torch.Size([5, 3, 16]), torch.Size([1, 3, 16]))

    Source: De et al. (2024), "Griffin: Mixing Gated Linear Recurrences with Local Attention for
    Efficient Language Models", arXiv:2402.19427, section 2.4.
    """

    state_is_output = True
    checks: ClassVar[dict[str, Check]] = SHARED | {"num_heads": at_least(1)}

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
        num_heads: int = 1,
    ) -> None:
        self.num_heads = num_heads
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype,
        )  # fmt: skip

    def check_options(self) -> None:
        """See `Recurrent`."""
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"RGLRU needs num_heads that divide hidden_size {self.hidden_size}; "
                f"got {self.num_heads}"
            )

    def parameter_shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        """See `Recurrent`."""
        H, size = self.hidden_size, self.hidden_size // self.num_heads
        shapes: dict[str, tuple[int, ...]] = {}
        if input_size != H:
            shapes = {"weight_ih": (H, input_size)} | ({"bias_ih": (H,)} if self.bias else {})
        gates: dict[str, tuple[int, ...]] = {"weight_gate": (2, self.num_heads, size, size)}
        return shapes | gates | ({"bias_gate": (2, H)} if self.bias else {}) | {"decay": (H,)}

    def reset_parameters(self) -> None:
        """Reinitialise every parameter: decays exp(-softplus(d)) between 0.9 and 0.999."""
        for name, parameter in self.raw_parameters():
            if name.startswith("weight"):
                nn.init.normal_(parameter, std=1 / math.sqrt(parameter.shape[-1]))
            elif name.startswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.uniform_(parameter, FASTEST**2, SLOWEST**2)
                with torch.no_grad():  # softplus(d) = -log(square) / 2
                    parameter.copy_(torch.expm1(-parameter.log() / 2).log())

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
        x, weight = for_product(x, weights["weight_gate"])
        if "weight_ih" in weights:
            bias = weights.get("bias_ih")
            bias = None if bias is None else bias.to(x.dtype)
            x = linear(x, weights["weight_ih"].to(x.dtype), bias)
        real, H = state_dtype(x.dtype), self.hidden_size
        bias = weights.get("bias_gate")
        bias = x.new_zeros(2 * H, dtype=real) if bias is None else bias.to(real).flatten()
        rate = -SHARPNESS * softplus(weights["decay"].to(real))
        state = x.new_zeros(x.shape[1], H, dtype=real) if state is None else state.to(real)
        rest = (bias, rate, state.contiguous(), *ends, direction == 1)
        if self.num_heads == 1:
            x = dense(x) if eager() else x  # the skip, too; a trace tells what is new by its object
            return project(OP, x, weight.reshape(2 * H, H), x, *rest)
        heads = x.unflatten(-1, (self.num_heads, -1))
        gates = torch.einsum("tbhi,ghoi->tbgho", heads, weight).flatten(2)
        return ops.rg_lru(gates, x, bias, rate, state, *ends, reverse=direction == 1)

    def cell(self, weights: dict[str, Tensor]) -> Cell | None:
        """See `Recurrent`."""
        if "weight_ih" in weights or self.num_heads > 1:
            return None
        H, decay = self.hidden_size, weights["decay"]
        rate = -SHARPNESS * softplus(decay.to(state_dtype(decay.dtype)))
        weight = weights["weight_gate"].reshape(2 * H, H)
        return Cell("rg_lru", weight, weights.get("bias_gate"), rate)

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        heads = [f"num_heads={self.num_heads}"] if self.num_heads > 1 else []
        return ", ".join([super().extra_repr(), *heads])
