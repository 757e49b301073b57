"""leaky_rnn: a recurrent network in continuous time, in steps of Euler's method."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_reset, check_tensor
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, untraced
from swiftrnn.ops.leaky_rnn import reference


def _sample(
    T: int,
    B: int,
    H: int,
    dtype: torch.dtype = torch.float32,
    ragged: int = 0,
    resets: int = 0,
    reverse: int = 0,
    relu: int = 0,
) -> tuple[Tensor | bool | float | None, ...]:
    """Valid inputs; `ragged` draws lengths from 0..T, `resets` resets a fifth of the steps."""
    ends = (
        torch.randint(0, T + 1, (B,)) if ragged else None,
        torch.rand(T, B) < 0.2 if resets else None,
    )
    real = _native.state_dtype(dtype)
    weight, initial = torch.randn(H, H) / H**0.5, torch.randn(B, H)
    given = torch.randn(T, B, H).to(dtype), weight.to(real), initial.to(real)
    return *given, *ends, bool(reverse), bool(relu), 0.3


def _prepare(
    input: Tensor,
    weight: Tensor,
    initial: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    relu: bool,
    leak: float,
) -> tuple[Any, ...]:
    """The inputs of `leaky_rnn`, checked, as the op takes them."""
    _check(input, weight, initial, leak)
    (T, B, H), real = input.shape, _native.state_dtype(input.dtype)
    initial = input.new_zeros(B, H, dtype=real) if initial is None else initial.to(real)
    return (
        dense(input),
        dense(weight.to(real)),
        dense(initial),
        check_lengths("leaky_rnn", lengths, T, B, input.device),
        check_reset("leaky_rnn", reset, T, B, input.device),
        reverse,
        relu,
        leak,
    )


@untraced
def _check(input: Tensor, weight: Tensor, initial: Tensor | None, leak: float) -> None:
    check_tensor("leaky_rnn", "input", input, ("T", "B", "H"), (None,) * 3, None)
    _, B, H = input.shape
    check_tensor("leaky_rnn", "weight", weight, ("H", "H"), (H, H), input, state=True)
    if initial is not None:
        check_tensor("leaky_rnn", "initial", initial, ("B", "H"), (B, H), input, state=True)
    if not 0 < leak <= 1:
        raise ValueError(
            f"leaky_rnn needs leak above 0 and at most 1; got {leak!r}; it is the step of time in "
            "time constants"
        )


def _outputs(input: Tensor, _: Tensor, initial: Tensor, *__: object) -> tuple[Any, ...]:
    return (input.shape, input.dtype), (initial.shape, initial.dtype)


def _fake_backward(input: Tensor, weight: Tensor, initial: Tensor, *_: object) -> Any:
    return tuple(map(torch.empty_like, (input, weight, initial)))


_INPUTS = (
    "Tensor input, Tensor weight, Tensor initial, Tensor? lengths, Tensor? reset, bool reverse, "
    "bool relu, float leak"
)
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}) -> (Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor output, Tensor grad, Tensor grad_final) "
    "-> (Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=_prepare,
    outputs=_outputs,
    fake_forward=lambda input, _, initial, *__: tuple(map(torch.empty_like, (input, initial))),
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
        dict(T=63, B=3, H=257, ragged=1, relu=1),
        dict(T=17, B=5, H=33, ragged=1, reverse=1),
        dict(T=33, B=7, H=100, resets=1),
        dict(T=17, B=9, H=32, ragged=1, resets=1, reverse=1),
        dict(T=50, B=16, H=100),
        dict(T=64, B=1, H=128, reverse=1, relu=1),
    ),
)
_leaky_rnn = OP.register()


def leaky_rnn(
    input: Tensor,
    weight: Tensor,
    initial: Tensor | None = None,
    lengths: Tensor | None = None,
    reset: Tensor | None = None,
    reverse: bool = False,
    relu: bool = False,
    leak: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """Run x[t] = (1 - leak) x[t-1] + leak (W f(x[t-1]) + input[t]) along time.

    That is tau dx/dt = -x + W f(x) + input in steps of leak * tau; f is tanh, or relu.

    Args:
        input: (T, B, H), what comes in at each step, biases and noise among it.
        weight: (H, H), W.
        initial: (B, H), the state x before the first step; zeros by default. Where input is
            bfloat16 or float16 the state is float32, here and in what is returned.
        lengths: (B) integers in 0..T; at and beyond a sequence's length the output is 0 and the
            state is passed on unchanged.
        reset: (T, B) of bool; where it is set, the state before that step is zero.
        reverse: run time from the end to the start.
        relu: whether f is relu.
        leak: step of time over time constant, above 0 and at most 1.

    Returns:
        output (T, B, H): every state x, in the dtype of input; f of it are the rates.
        final (B, H): the state after the last step (the first one if `reverse`).

    Raises:
        ValueError: the shapes or dtypes do not fit together, or leak is out of its range.

    Examples:
        >>> import torch
        >>> output, final = leaky_rnn(torch.ones(2, 1, 1), torch.zeros(1, 1), leak=0.5)
        >>> output.flatten().tolist()
        [0.5, 0.75]

    Source: Beer (1995), "On the Dynamics of Small Continuous-Time Recurrent Neural Networks",
    equation 1; Cueva and Wei (2018), "Emergence of grid-like representations by training recurrent
    neural networks to perform spatial localization", equation 1.
    """
    return _leaky_rnn(*_prepare(input, weight, initial, lengths, reset, reverse, relu, leak))
