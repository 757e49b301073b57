"""sru: the simple recurrent unit after its matrix product (versions 1 and 2)."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, untraced
from swiftrnn.ops.sru import reference


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    skip: int = 3,
    dropout: int = 0,
    tanh: int = 0,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
) -> tuple[Tensor | float | bool | None, ...]:
    """Valid inputs; `skip`: 0 none, 3 the input, 4 a fourth gate; `dropout` draws a mask."""
    real = _native.state_dtype(dtype)
    keep = torch.empty(B, H, dtype=real).bernoulli_(0.7) / 0.7
    return (
        torch.randn(T, B, (4 if skip == 4 else 3) * H).to(dtype),
        torch.randn(T, B, H).to(dtype) if skip == 3 else None,
        (torch.randn(2, H) / 2).to(real),
        torch.randn(2, H).to(real),
        torch.randn(B, H).to(real),
        keep if dropout else None,
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
        1.25,
        bool(tanh),
        bool(reverse),
    )


def _fake_forward(gates: Tensor, *inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
    initial, keep = inputs[3], inputs[-1]
    T, B, H = *gates.shape[:2], initial.shape[-1]
    states = initial.new_empty(T, B, H) if keep else initial.new_empty(0)
    return gates.new_empty(T, B, H), torch.empty_like(initial), states


def _fake_backward(
    gates: Tensor, skip: Tensor | None, weight_c: Tensor, bias: Tensor, initial: Tensor, *_: object
) -> tuple[Tensor, ...]:
    d_skip = gates.new_empty(0) if skip is None else torch.empty_like(skip)
    small = (torch.empty_like(x) for x in (weight_c, bias, initial))
    return torch.empty_like(gates), d_skip, *small


def prepare(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor | None,
    mask: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
) -> tuple[Any, ...]:
    """The inputs of `sru`, checked, as the op takes them."""
    _check(gates, skip, weight_c, bias, mask, initial)
    (T, B), H, real = gates.shape[:2], weight_c.shape[1], _native.state_dtype(gates.dtype)
    if initial is None:
        initial = gates.new_zeros(B, H, dtype=real)
    return (
        dense(gates),
        None if skip is None else dense(skip),
        dense(weight_c.to(real)),
        dense(bias.to(real)),
        dense(initial.to(real)),
        None if mask is None else dense(mask.detach().to(real)),
        check_lengths("sru", lengths, T, B, gates.device),
        check_reset("sru", reset, T, B, gates.device),
        float(scale),
        tanh,
        reverse,
    )


@untraced
def _check(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    mask: Tensor | None,
    initial: Tensor | None,
) -> None:
    if not isinstance(weight_c, Tensor) or weight_c.dim() != 2 or weight_c.shape[0] != 2:
        got = tuple(weight_c.shape) if isinstance(weight_c, Tensor) else type(weight_c).__name__
        raise ValueError(f"sru needs weight_c (2, H), forget then reset; got {got}; stack the two")
    H = weight_c.shape[1]
    if not isinstance(gates, Tensor) or gates.dim() != 3 or gates.shape[2] not in (3 * H, 4 * H):
        got = tuple(gates.shape) if isinstance(gates, Tensor) else type(gates).__name__
        raise ValueError(
            f"sru needs gates (T, B, 3H) or (T, B, 4H) with H = {H} from weight_c; got {got}; "
            "check the rows of the product"
        )
    T, B, G = gates.shape
    check_tensor("sru", "gates", gates, ("T", "B", "G"), (T, B, G), None)
    if skip is not None and G == 4 * H:
        raise ValueError(
            f"sru needs either a fourth gate or a skip; got gates {tuple(gates.shape)} and skip "
            f"{tuple(skip.shape)}; pass skip=None or three gates"
        )
    if skip is not None:
        check_tensor("sru", "skip", skip, ("T", "B", "H"), (T, B, H), gates)
    check_tensor("sru", "weight_c", weight_c, ("2", "H"), (2, H), gates, state=True)
    check_tensor("sru", "bias", bias, ("2", "H"), (2, H), gates, state=True)
    for name, given in (("mask", mask), ("initial", initial)):
        if given is not None:
            check_tensor("sru", name, given, ("B", "H"), (B, H), gates, state=True)


def _outputs(gates: Tensor, *inputs: Any) -> tuple[Any, ...]:
    initial = inputs[3]
    all_states = *gates.shape[:2], initial.shape[1]
    return (
        (all_states, gates.dtype),
        (initial.shape, initial.dtype),
        (all_states, initial.dtype),
    )


_INPUTS = (
    "Tensor gates, Tensor? skip, Tensor weight_c, Tensor bias, Tensor initial, Tensor? mask, "
    "Tensor? lengths, Tensor? reset, float scale, bool tanh, bool reverse"
)
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}, bool keep) -> (Tensor, Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor states, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=prepare,
    outputs=_outputs,
    fake_forward=_fake_forward,
    fake_backward=_fake_backward,
    tensors=8,
    differentiable=(0, 1, 2, 3, 4),
    saved=(2,),
    state=4,
    timed=(7,),
    skips=True,
    sample=_sample,
    cases=(
        dict(T=1, B=1, H=1),
        dict(T=0, B=2, H=3),
        dict(T=5, B=0, H=3),
        dict(T=63, B=3, H=257),
        dict(T=63, B=3, H=257, dropout=1, tanh=1, ragged=1),
        dict(T=17, B=5, H=33, skip=4, ragged=1, reverse=1),
        dict(T=17, B=5, H=33, skip=4, tanh=1, dropout=1, resets=1),
        dict(T=17, B=1, H=64, skip=0, tanh=1, reverse=1),
        dict(T=33, B=2, H=40, skip=0, dropout=1, ragged=1),
        dict(T=33, B=3, H=140, ragged=1, resets=1, reverse=1),
        dict(T=64, B=8, H=512),
    ),
)
run = OP.register()


def sru(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor | None = None,
    mask: Tensor | None = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    scale: float = 1.0,
    tanh: bool = False,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run the simple recurrent unit along time, given its matrix product.

        f[t] = sigmoid(gates_f[t] + weight_c[0] * c[t-1] + bias[0])
        r[t] = sigmoid(gates_r[t] + weight_c[1] * c[t-1] + bias[1])
        c[t] = f[t] * c[t-1] + (1 - f[t]) * gates_u[t]
        h[t] = s[t] + (g(c[t]) - s[t]) * mask * r[t],      s[t] = scale * skip[t]

    Version 1 of SRU is the case of zero `weight_c`.

    Args:
        gates: (T, B, 3H), candidate u, then forget f, then reset r; or (T, B, 4H), where the last
            quarter is the skip (then pass `skip=None`).
        skip: (T, B, H), what the output falls back to, usually the layer's input; None for none
            (then h = g(c) * mask * r), or where it is the fourth gate.
        weight_c: (2, H), how the last state enters the forget and the reset gate.
        bias: (2, H), of the forget and the reset gate.
        initial: (B, H), c before the first step; zeros by default; float32 beside 16-bit gates.
        mask: (B, H), a variational dropout mask, usually of 0 and 1 / (1 - p); no gradient.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero, as at the
            start of a sequence.
        scale: what the skip is multiplied by.
        tanh: whether g is tanh; else it is the identity.
        reverse: run time from the end to the start.

    Returns:
        output (T, B, H): h, in the dtype of gates.
        final (B, H): c after the last step (the first one if `reverse`).

    Raises:
        TypeError, ValueError: dtypes, shapes or devices do not fit together.

    Examples:
        >>> import torch
        >>> gates, x = torch.randn(5, 2, 9), torch.randn(5, 2, 3)
        >>> output, final = sru(gates, x, torch.zeros(2, 3), torch.zeros(2, 3))
        >>> output.shape, final.shape
        (torch.Size([5, 2, 3]), torch.Size([2, 3]))

    Source: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence",
    equations 1 to 4; version 1: arXiv:1709.02755v1.
    """
    return run(
        *prepare(gates, skip, weight_c, bias, initial, mask, lengths, reset, scale, tanh, reverse)
    )
