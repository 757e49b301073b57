"""Calls `cpu.c`."""

import torch
from torch import Tensor

from swiftrnn.ops import _native

_forward = _native.Kernel("linear_scan_forward", "p" * 6 + "iiiii")
_backward = _native.Kernel("linear_scan_backward", "p" * 9 + "iiiii")


def forward(
    decay: Tensor,
    input: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """See `Op`: output and final."""
    T, B, H = input.shape
    output, final = torch.empty_like(input), initial.clone()
    n_threads = _native.threads(T * B * H)
    _forward(input.dtype, decay, input, lengths, reset, final, output, T, B, H, reverse, n_threads)
    return output, final


def backward(
    decay: Tensor,
    input: Tensor,  # noqa: ARG001
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    output: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of decay, input and initial."""
    T, B, H = output.shape
    d_decay, d_input = torch.empty_like(output), torch.empty_like(output)
    carry = grad_final.clone()
    n_threads = _native.threads(T * B * H)
    _backward(
        output.dtype, decay, initial, lengths, reset, output, grad, d_decay, d_input, carry,
        T, B, H, reverse, n_threads,
    )  # fmt: skip
    return d_decay, d_input, carry
