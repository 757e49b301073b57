"""Calls `cpu.c`, and computes the weight's gradient as one product over all steps."""

import torch
from torch import Tensor

from swiftrnn.ops import _native

LANES = 16  # numbers of a vector in cpu.c, to which the rows of a weight are filled up
ROWS = 4  # sequences that go through time together in cpu.c
_forward = _native.Kernel("leaky_rnn_forward", "p" * 7 + "iiiiiid")
_backward = _native.Kernel("leaky_rnn_backward", "p" * 10 + "iiiiiid")


def _wide(H: int) -> int:
    return -(-H // LANES) * LANES


def _packed(weight: Tensor) -> Tensor:
    """A weight (H, H) with rows of whole vectors, zeros at their ends."""
    found = weight.new_zeros(len(weight), _wide(len(weight)))
    found[:, : len(weight)] = weight
    return found


def _space(weight: Tensor, count: int) -> Tensor:
    """Room for so many groups of rows."""
    return weight.new_empty(count * ROWS * _wide(len(weight)))


def _threads(T: int, B: int, H: int) -> int:
    """How many, each with some groups of rows."""
    return min(max(1, -(-B // ROWS)), _native.threads(T * B * H * max(H // LANES, 1)))


def forward(
    input: Tensor,
    weight: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    relu: bool,
    leak: float,
) -> tuple[Tensor, Tensor]:
    """See `Op`: output and final."""
    T, B, H = input.shape
    output, final, threads = torch.empty_like(input), initial.clone(), _threads(T, B, H)
    _forward(
        input.dtype, input, _packed(weight.t()), lengths, reset, final, output,
        _space(weight, 2 * threads), T, B, H, reverse, relu, threads, leak,
    )  # fmt: skip
    return output, final


def backward(
    input: Tensor,
    weight: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    relu: bool,
    leak: float,
    output: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of input, weight and initial."""
    T, B, H = input.shape
    d_input, rates = torch.empty_like(input), torch.empty_like(input)
    carry, threads = grad_final.clone(), _threads(T, B, H)
    _backward(
        input.dtype, _packed(weight), initial, lengths, reset, output, grad, d_input, rates, carry,
        _space(weight, 3 * threads), T, B, H, reverse, relu, threads, leak,
    )  # fmt: skip
    left, right = (each.view(T * B, H).to(weight.dtype) for each in (d_input, rates))
    return d_input, left.t() @ right, carry
