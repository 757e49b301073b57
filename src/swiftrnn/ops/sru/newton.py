"""SRU in parallel over time: Newton's method on all of its states at once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from swiftrnn.ops.linear_scan import linear_scan
from swiftrnn.ops.sru import prepare, run

WITHIN = 64  # units in the last place of 1: the largest residual of a state, beside 1 + its size


class NewtonReport(NamedTuple):
    """What a solve took."""

    iterations: int  # linear recurrences that were solved for all times
    serial: int  # sequences that did not converge and were run step by step
    residual: float  # largest |c[t] - F(c[t-1])| / (1 + |c[t]|) of those that did


def sru_newton(
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
    *,
    tolerance: float | None = None,
    max_iterations: int = 16,
) -> tuple[Tensor, Tensor, NewtonReport]:
    """Run `sru` without waiting for the last step: the same outputs, found for all times at once.

    The forget gate of version 2 looks at c[t-1], so no scan gives c. But its Jacobian is diagonal:
    Newton's method on the whole of c is a linear recurrence per iteration,

        J[t] = f[t] + (c[t-1] - u[t]) * f[t] * (1 - f[t]) * weight_c[0]
        c'[t] = J[t] * c'[t-1] + F(c[t-1]) - J[t] * c[t-1]

    with f and F, the step, at the last iterate; it starts from the states without weight_c.
    Sequences whose residual stays too large are run step by step. Gradients are those of `sru`.

    It does many times the work of the serial kernel, and can pay only where time is long and there
    are so few channels that the hardware idles: on a CPU it is slower, see docs/benchmarks.md; on
    a GPU it is not measured. `nn.SRU` does not take it by itself.

    Args:
        gates: (T, B, 3H) or (T, B, 4H); this and the next as in `sru`.
        skip: (T, B, H) or None.
        weight_c: (2, H).
        bias: (2, H).
        initial: (B, H); zeros by default.
        mask: (B, H) or None.
        lengths: (B) or None.
        reset: (T, B) of bool or None.
        scale: what the skip is multiplied by.
        tanh: whether g is tanh.
        reverse: run time from the end to the start.
        tolerance: the largest residual of a state, beside 1 + its size; by default 64 units in the
            last place of 1 (7.6e-6 in float32, 1.4e-14 in float64).
        max_iterations: linear recurrences to solve before giving up, at least 1.

    Returns:
        output (T, B, H) and final (B, H), as from `sru`, and what it took.

    Raises:
        TypeError, ValueError: as `sru`; or `max_iterations` is below 1.

    Examples:
        >>> import torch
        >>> gates, x = torch.randn(50, 2, 9), torch.randn(50, 2, 3)
        >>> output, final, report = sru_newton(gates, x, torch.randn(2, 3), torch.zeros(2, 3))
        >>> output.shape, report.serial
        (torch.Size([50, 2, 3]), 0)

    Source: Lim et al. (2024), "Parallelizing non-linear sequential models over the sequence
    length", arXiv:2309.12252; Danieli et al. (2026), "ParaRNN"; for diagonal Jacobians.
    """
    if max_iterations < 1:
        raise ValueError(f"sru_newton needs max_iterations of at least 1; got {max_iterations}")
    inputs = prepare(
        gates, skip, weight_c, bias, initial, mask, lengths, reset, scale, tanh, reverse
    )
    if tolerance is None:
        tolerance = WITHIN * torch.finfo(inputs[4].dtype).eps
    with torch.no_grad():
        states, iterations, residual = _solve(inputs, tolerance, max_iterations)
    solved = residual <= tolerance  # nan is not
    lost, good = (~solved).nonzero().flatten(), solved.nonzero().flatten()
    worst = float(residual[good].max()) if len(good) else 0.0
    report = NewtonReport(iterations, len(lost), worst)
    if not len(lost):
        return *_outputs(inputs, states), report
    parts = [_outputs(_some(inputs, good), states[:, good]), run(*_some(inputs, lost))]
    back = torch.cat([good, lost]).argsort()
    outputs, finals = zip(*parts, strict=True)
    return torch.cat(outputs, 1)[:, back], torch.cat(finals)[back], report


def _some(inputs: tuple[Any, ...], which: Tensor) -> tuple[Any, ...]:
    """Some of the sequences."""
    gates, skip, weight_c, bias, initial, mask, lengths, reset, *flags = inputs
    gates, skip, reset = (
        None if x is None else x[:, which].contiguous() for x in (gates, skip, reset)
    )
    initial, mask, lengths = (None if x is None else x[which] for x in (initial, mask, lengths))
    return gates, skip, weight_c, bias, initial, mask, lengths, reset, *flags


def _before(c: Tensor, initial: Tensor, reset: Tensor | None, reverse: bool) -> Tensor:
    """The state before each step."""
    parts = [c[1:], initial[None]] if reverse else [initial[None], c[:-1]]
    before = torch.cat(parts)[: len(c)]
    return before if reset is None else torch.where(reset[..., None], 0, before)


def _linearised(inputs: tuple[Any, ...], before: Tensor) -> tuple[Tensor, Tensor]:
    """F, the states after a step from those before it, and how much of those it holds, J."""
    gates, _, weight_c, bias, initial, *_ = inputs
    H = initial.shape[1]
    u, raw = (gates[..., k * H : (k + 1) * H].to(initial.dtype) for k in (0, 1))
    f = torch.sigmoid(raw + weight_c[0] * before + bias[0])
    return u + f * (before - u), f + (before - u) * f * (1 - f) * weight_c[0]


def _inside(inputs: tuple[Any, ...]) -> Tensor | None:
    """Where sequences have not ended, (T, B, 1); None for everywhere."""
    gates, lengths = inputs[0], inputs[6]
    if lengths is None:
        return None
    return (torch.arange(len(gates), device=gates.device)[:, None] < lengths)[..., None]


def _recur(inputs: tuple[Any, ...], J: Tensor, F: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """The solution of c[t] = F[t] + J[t] * (c[t-1] - before[t]), held where sequences end."""
    initial, lengths, reset, reverse = inputs[4], *inputs[6:8], inputs[10]
    c, final = linear_scan(J, F - J * before, initial, lengths, reset, reverse)
    inside = _inside(inputs)
    return (c if inside is None else torch.where(inside, c, initial if reverse else final)), final


def _solve(inputs: tuple[Any, ...], tolerance: float, most: int) -> tuple[Tensor, int, Tensor]:
    """All states (T, B, H), how many recurrences that took, and what each sequence is off by."""
    initial, reset, reverse = inputs[4], inputs[7], inputs[10]
    nowhere, inside = initial.new_zeros(()), _inside(inputs)
    iteration, residual = 1, initial.new_zeros(initial.shape[0])
    F, J = _linearised((inputs[0], None, 0 * inputs[2], *inputs[3:]), nowhere)
    c, _ = _recur(inputs, J, F, nowhere)  # as if the gate did not look back
    for iteration in range(1, most + 1):
        before = _before(c, initial, reset, reverse)
        F, J = _linearised(inputs, before)
        off = (c - F).abs() / (1 + c.abs())
        off = off if inside is None else torch.where(inside, off, 0)
        residual = off.amax((0, 2)) if off.numel() else residual
        if iteration == most or bool((residual <= tolerance).all()):
            break
        c, _ = _recur(inputs, J, F, before)
    return c, iteration, residual


def _outputs(inputs: tuple[Any, ...], states: Tensor) -> tuple[Tensor, Tensor]:
    """Output and final state from the states, with the gradients of the whole recurrence.

    One more step of Newton's method, whose Jacobian is held fixed: by the implicit function
    theorem its gradients are those of the solution.
    """
    gates, skip, weight_c, bias, initial, mask, _, reset, scale, tanh, reverse = inputs
    H, fixed = initial.shape[1], _before(states, initial.detach(), reset, reverse)
    F, J = _linearised(inputs, fixed)
    c, final = _recur(inputs, J.detach(), F, fixed)
    before = _before(c, initial, reset, reverse)
    r = gates[..., 2 * H : 3 * H].to(initial.dtype) + weight_c[1] * before + bias[1]
    r = torch.sigmoid(r) if mask is None else torch.sigmoid(r) * mask
    s = gates[..., 3 * H :] if gates.shape[-1] == 4 * H else skip
    s = torch.zeros_like(c) if s is None else scale * s.to(initial.dtype)
    h, inside = s + ((c.tanh() if tanh else c) - s) * r, _inside(inputs)
    return (h if inside is None else torch.where(inside, h, 0)).to(gates.dtype), final
