"""linear_scan: a first-order linear recurrence, the core of minGRU, QRNN and RG-LRU."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, untraced
from swiftrnn.ops.linear_scan import reference


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
) -> tuple[Tensor | bool | None, ...]:
    """Valid inputs; `ragged` draws lengths from 0..T, `resets` resets a fifth of the steps."""
    ends = (
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
    )
    decay, input = torch.rand(T, B, H).to(dtype), torch.randn(T, B, H).to(dtype)
    return decay, input, torch.randn(B, H).to(_native.state_dtype(dtype)), *ends, bool(reverse)


def _fake_backward(decay: Tensor, input: Tensor, initial: Tensor, *_: object) -> tuple[Tensor, ...]:
    return torch.empty_like(decay), torch.empty_like(input), torch.empty_like(initial)


def _prepare(
    decay: Tensor,
    input: Tensor,
    initial: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Any, ...]:
    """The inputs of `linear_scan`, checked, as the op takes them."""
    _check(decay, input, initial)
    (T, B, H), real = input.shape, _native.state_dtype(input.dtype)
    initial = input.new_zeros(B, H, dtype=real) if initial is None else initial.to(real)
    return (
        dense(decay),
        dense(input),
        dense(initial),
        check_lengths("linear_scan", lengths, T, B, input.device),
        check_reset("linear_scan", reset, T, B, input.device),
        reverse,
    )


@untraced
def _check(decay: Tensor, input: Tensor, initial: Tensor | None) -> None:
    check_tensor("linear_scan", "input", input, ("T", "B", "H"), (None,) * 3, None)
    T, B, H = input.shape
    check_tensor("linear_scan", "decay", decay, ("T", "B", "H"), (T, B, H), input)
    if initial is not None:
        check_tensor("linear_scan", "initial", initial, ("B", "H"), (B, H), input, state=True)


def _outputs(_decay: Tensor, input: Tensor, initial: Tensor, *_: object) -> tuple[Any, ...]:
    return (input.shape, input.dtype), (initial.shape, initial.dtype)


_INPUTS = "Tensor decay, Tensor input, Tensor initial, Tensor? lengths, Tensor? reset, bool reverse"
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}) -> (Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor output, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=_prepare,
    outputs=_outputs,
    fake_forward=lambda _, input, initial, *__: tuple(map(torch.empty_like, (input, initial))),
    fake_backward=_fake_backward,
    tensors=5,
    differentiable=(0, 1, 2),
    saved=(0,),
    state=2,
    sample=_sample,
    cases=(
        dict(T=1, B=1, H=1),
        dict(T=0, B=2, H=3),
        dict(T=5, B=0, H=3),
        dict(T=63, B=3, H=257),
        dict(T=63, B=3, H=257, ragged=1),
        dict(T=17, B=5, H=33, ragged=1, reverse=1),
        dict(T=33, B=3, H=140, resets=1),
        dict(T=17, B=5, H=33, ragged=1, resets=1, reverse=1),
        dict(T=64, B=8, H=512),
        dict(T=64, B=1, H=1024, reverse=1),
    ),
)
_linear_scan = OP.register()


def linear_scan(
    decay: Tensor,
    input: Tensor,
    initial: Tensor | None = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Run h[t] = decay[t] * h[t-1] + input[t] along time, from h[-1] = initial.

    Args:
        decay: (T, B, H), how much of the last state stays, usually in 0..1.
        input: (T, B, H), the dtype of decay; what is added at each step.
        initial: (B, H), the state before the first step; zeros by default. Where input is
            bfloat16 or float16 the state is float32, here and in what is returned.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero, as at the
            start of a sequence.
        reverse: run time from the end to the start.

    Returns:
        output (T, B, H): every state, in the dtype of input.
        final (B, H): the state after the last step (the first one if `reverse`).

    Raises:
        ValueError: the shapes or dtypes do not fit together.

    Examples:
        >>> import torch
        >>> output, final = linear_scan(torch.full((3, 1, 1), 0.5), torch.ones(3, 1, 1))
        >>> output.flatten().tolist()
        [1.0, 1.5, 1.75]

    Source: Blelloch (1990), "Prefix sums and their applications", section 1.4.
    """
    return _linear_scan(*_prepare(decay, input, initial, lengths, reset, reverse))
