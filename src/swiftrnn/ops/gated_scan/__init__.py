"""gated_scan: minGRU and QRNN after their matrix product, gates and recurrence in one pass."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops.gated_scan import reference


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    output: int = 0,
    tanh: int = 0,
    update: int = 0,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
) -> tuple[Tensor | bool | None, ...]:
    """Valid inputs; `output`: with an output gate."""
    real, G = _native.state_dtype(dtype), 3 if output else 2
    return (
        torch.randn(T, B, G * H).to(dtype),
        torch.randn(G * H).to(real),
        torch.randn(B, H).to(real),
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
        bool(tanh),
        bool(update),
        bool(reverse),
    )


def _fake_forward(
    gates: Tensor, _: Tensor, initial: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor]:
    T, B, H = *gates.shape[:2], initial.shape[-1]
    states = initial.new_empty(T, B, H) if rest[-1] else initial.new_empty(0)
    return gates.new_empty(T, B, H), torch.empty_like(initial), states


def _fake_backward(gates: Tensor, bias: Tensor, initial: Tensor, *_: object) -> tuple[Tensor, ...]:
    return torch.empty_like(gates), torch.empty_like(bias), torch.empty_like(initial)


_INPUTS = (
    "Tensor gates, Tensor bias, Tensor initial, Tensor? lengths, Tensor? reset, bool tanh, "
    "bool update, bool reverse"
)
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}, bool keep) -> (Tensor, Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor states, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor)",
    reference=reference.forward,
    fake_forward=_fake_forward,
    fake_backward=_fake_backward,
    tensors=5,
    differentiable=(0, 1, 2),
    saved=(2,),
    state=2,
    sample=_sample,
    cases=(
        dict(T=1, B=1, H=1),
        dict(T=0, B=2, H=3),
        dict(T=5, B=0, H=3),
        dict(T=63, B=3, H=257, output=1, tanh=1),
        dict(T=63, B=3, H=257, update=1, ragged=1),
        dict(T=17, B=5, H=33, tanh=1, ragged=1, reverse=1),
        dict(T=17, B=5, H=33, update=1, tanh=1, reverse=1),
        dict(T=33, B=2, H=40, output=1, ragged=1),
        dict(T=33, B=2, H=140, output=1, resets=1),
        dict(T=17, B=3, H=33, update=1, ragged=1, resets=1, reverse=1),
        dict(T=33, B=2, H=40, output=1, update=1),
        dict(T=64, B=8, H=512, output=1, tanh=1),
        dict(T=64, B=8, H=512, update=1),
    ),
)
_gated_scan = OP.register()


def gated_scan(
    gates: Tensor,
    bias: Tensor,
    initial: Tensor,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    tanh: bool = False,
    update: bool = False,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run a gated recurrence along time, given its matrix product.

        f[t] = sigmoid(gates_f[t] + bias_f)             u[t] = g(gates_u[t] + bias_u)
        c[t] = f[t] * c[t-1] + (1 - f[t]) * u[t]
        h[t] = sigmoid(gates_o[t] + bias_o) * c[t], or c[t] without an output gate

    QRNN is the case of an output gate and tanh. minGRU is the case of `update` and no output gate.

    Args:
        gates: (T, B, 2H), candidate u, then forget f; or (T, B, 3H), then output o.
        bias: of the gates, (2H) or (3H).
        initial: (B, H), c before the first step; float32 beside 16-bit gates.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero, as at the
            start of a sequence.
        tanh: whether g is tanh; else it is the identity.
        update: whether the first gate is an update gate z = 1 - f, and the second the candidate.
        reverse: run time from the end to the start.

    Returns:
        output (T, B, H): h, in the dtype of gates.
        final (B, H): c after the last step (the first one if `reverse`).

    Raises:
        TypeError, ValueError: dtypes, shapes or devices do not fit together.

    Example:
        >>> import torch
        >>> output, final = gated_scan(torch.randn(5, 2, 6), torch.zeros(6), torch.zeros(2, 3))
        >>> output.shape, final.shape
        (torch.Size([5, 2, 3]), torch.Size([2, 3]))

    Source: Bradbury et al. (2017), "Quasi-Recurrent Neural Networks", arXiv:1611.01576, section
    2.1; Feng et al. (2024), "Were RNNs All We Needed?", arXiv:2410.01201, section 3.1.
    """
    check_tensor("gated_scan", "initial", initial, ("B", "H"), (None,) * 2, None)
    B, H = initial.shape
    check_tensor("gated_scan", "gates", gates, ("T", "B", "G"), (None, B, None), None)
    T, _, G = gates.shape
    if G not in (2 * H, 3 * H):
        raise ValueError(
            f"gated_scan needs gates (T, B, 2H) or (T, B, 3H) with H = {H} from initial; got "
            f"{tuple(gates.shape)}; check the rows of the product"
        )
    check_tensor("gated_scan", "initial", initial, ("B", "H"), (B, H), gates, state=True)
    check_tensor("gated_scan", "bias", bias, ("G",), (G,), gates, state=True)
    real = _native.state_dtype(gates.dtype)
    return _gated_scan(
        gates.contiguous(),
        bias.to(real).contiguous(),
        initial.to(real).contiguous(),
        check_lengths("gated_scan", lengths, T, B, gates.device),
        check_reset("gated_scan", reset, T, B, gates.device),
        tanh,
        update,
        reverse,
    )
