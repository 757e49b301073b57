"""rg_lru: the real-gated linear recurrent unit after its matrix product."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, untraced
from swiftrnn.ops.rg_lru import reference


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
) -> tuple[Tensor | bool | None, ...]:
    """Valid inputs, with rates as those of a fresh layer."""
    real = _native.state_dtype(dtype)
    return (
        torch.randn(T, B, 2 * H).to(dtype),
        torch.randn(T, B, H).to(dtype),
        torch.randn(2 * H).to(real),
        -torch.empty(H).uniform_(-5, 0).exp().to(real),
        torch.randn(B, H).to(real),
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
        bool(reverse),
    )


def _fake_forward(gates: Tensor, skip: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    initial, keep = rest[2], rest[-1]
    states = initial.new_empty(skip.shape) if keep else initial.new_empty(0)
    return gates.new_empty(skip.shape), torch.empty_like(initial), states


def _fake_backward(*inputs: Any) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(x) for x in inputs[:5])


def _prepare(
    gates: Tensor,
    skip: Tensor,
    bias: Tensor,
    rate: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Any, ...]:
    """The inputs of `rg_lru`, checked, as the op takes them."""
    _check(gates, skip, bias, rate, initial)
    (T, B), real = skip.shape[:2], _native.state_dtype(gates.dtype)
    return (
        dense(gates),
        dense(skip),
        dense(bias.to(real)),
        dense(rate.to(real)),
        dense(initial.to(real)),
        check_lengths("rg_lru", lengths, T, B, gates.device),
        check_reset("rg_lru", reset, T, B, gates.device),
        reverse,
    )


@untraced
def _check(gates: Tensor, skip: Tensor, bias: Tensor, rate: Tensor, initial: Tensor) -> None:
    check_tensor("rg_lru", "skip", skip, ("T", "B", "H"), (None,) * 3, None)
    T, B, H = skip.shape
    check_tensor("rg_lru", "gates", gates, ("T", "B", "2H"), (T, B, 2 * H), skip)
    for name, x, shape in (("bias", bias, (2 * H,)), ("rate", rate, (H,))):
        check_tensor("rg_lru", name, x, ("2H" if name == "bias" else "H",), shape, skip, state=True)
    check_tensor("rg_lru", "initial", initial, ("B", "H"), (B, H), skip, state=True)


def _outputs(gates: Tensor, *inputs: Any) -> tuple[Any, ...]:
    skip, initial = inputs[0], inputs[3]
    return (
        (skip.shape, gates.dtype),
        (initial.shape, initial.dtype),
        (skip.shape, initial.dtype),
    )


_INPUTS = (
    "Tensor gates, Tensor skip, Tensor bias, Tensor rate, Tensor initial, Tensor? lengths, "
    "Tensor? reset, bool reverse"
)
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}, bool keep) -> (Tensor, Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor states, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=_prepare,
    outputs=_outputs,
    fake_forward=_fake_forward,
    fake_backward=_fake_backward,
    tensors=7,
    differentiable=(0, 1, 2, 3, 4),
    saved=(2,),
    state=4,
    timed=(6,),
    skips=True,
    sample=_sample,
    cases=(
        dict(T=1, B=1, H=1),
        dict(T=0, B=2, H=3),
        dict(T=5, B=0, H=3),
        dict(T=63, B=3, H=257),
        dict(T=17, B=5, H=33, ragged=1, reverse=1),
        dict(T=33, B=3, H=140, ragged=1, resets=1),
        dict(T=64, B=8, H=512),
    ),
)
_rg_lru = OP.register()


def rg_lru(
    gates: Tensor,
    skip: Tensor,
    bias: Tensor,
    rate: Tensor,
    initial: Tensor,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run a linear recurrence with a gated decay along time, given its matrix product.

        r[t] = sigmoid(gates_r[t] + bias_r)         i[t] = sigmoid(gates_i[t] + bias_i)
        a[t] = exp(rate * r[t])
        h[t] = a[t] * h[t-1] + sqrt(1 - a[t]^2) * i[t] * skip[t]

    Args:
        gates: (T, B, 2H), of recurrence r, then of input i.
        skip: (T, B, H), what goes into the state, usually the layer's input.
        bias: (2H), of both gates.
        rate: (H), below 0: the logarithm of the decay where r is 1.
        initial: (B, H), h before the first step; float32 beside 16-bit gates.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero, as at the
            start of a sequence.
        reverse: run time from the end to the start.

    Returns:
        output (T, B, H): h, in the dtype of gates.
        final (B, H): h after the last step (the first one if `reverse`).

    Raises:
        TypeError, ValueError: dtypes, shapes or devices do not fit together.

    Examples:
        >>> import torch
        >>> gates, x, rate = torch.randn(5, 2, 6), torch.randn(5, 2, 3), torch.full((3,), -0.1)
        >>> output, final = rg_lru(gates, x, torch.zeros(6), rate, torch.zeros(2, 3))
        >>> output.shape, final.shape
        (torch.Size([5, 2, 3]), torch.Size([2, 3]))

    Source: De et al. (2024), "Griffin: Mixing Gated Linear Recurrences with Local Attention for
    Efficient Language Models", arXiv:2402.19427, section 2.4. The slope of the square root is held
    below 1000, as in RecurrentGemma's code.
    """
    return _rg_lru(*_prepare(gates, skip, bias, rate, initial, lengths, reset, reverse))
