"""The kernels of an op, ready to be timed, and the check that comes before."""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from swiftrnn.bench.layers import Call, Work
from swiftrnn.bench.timing import copy_call
from swiftrnn.ops import _native
from swiftrnn.ops._op import Op

COPY_BYTES = 128 << 20  # beyond any cache
ARITHMETIC = {"add", "sub", "rsub", "mul", "div", "neg", "sigmoid", "tanh"}


def kernel_calls(
    op: Op, B: int, T: int, H: int, dtype: torch.dtype = torch.float32
) -> dict[str, tuple[Call, int]]:
    """The kernels of an op, without autograd, ready to be timed.

    Args:
        op: one of `swiftrnn.ops.OPS`.
        B: batch.
        T: time steps.
        H: channels.
        dtype: of the inputs.

    Returns:
        forward (keeps nothing), forward kept (with what only backward needs, if that is more),
        backward, and copy, a plain copy to hold them against: a call each, and the bytes it must
        move, each array once.
    """
    inputs, outputs, given = _arguments(op, T, B, H, dtype)
    forward, backward, discard = op.raw["forward"], op.raw["backward"], [not k for k in op.keep]
    small = _arguments(op, 3, 2, 5, dtype)[2]
    read = [x for i, x in enumerate(given) if _is_read(op, small, i)]
    calls = {
        "forward": (
            lambda: forward(*inputs, *discard),
            _bytes(*inputs, *forward(*inputs, *discard)),
        ),
        "forward kept": (lambda: forward(*inputs, *op.keep), _bytes(*inputs, *outputs)),
        "backward": (lambda: backward(*given), _bytes(*read, *backward(*given))),
        "copy": copy_call(COPY_BYTES),
    }
    return {mode: c for mode, c in calls.items() if op.keep or mode != "forward kept"}


def _arguments(op: Op, T: int, B: int, H: int, dtype: torch.dtype) -> tuple[tuple, tuple, tuple]:
    """Inputs, outputs, and the arguments of backward."""
    torch.manual_seed(0)
    inputs = op.sample(T=T, B=B, H=H, dtype=dtype)
    outputs = op.raw["forward"](*inputs, *op.keep)
    grads = (torch.randn_like(y) for y in outputs[: op.public])
    return inputs, outputs, (*inputs, *(outputs[i] for i in op.saved), *grads)


def _is_read(op: Op, given: tuple, i: int) -> bool:
    """Whether backward's result depends on its argument i: nan goes in, does nan come out?"""
    if not _is_real(given[i]):
        return isinstance(given[i], Tensor)
    poisoned = (*given[:i], torch.full_like(given[i], torch.nan), *given[i + 1 :])
    return any(g.isnan().any() for g in op.raw["backward"](*poisoned))


def _bytes(*arrays: object) -> int:
    tensors = {a.data_ptr(): a for a in arrays if isinstance(a, Tensor)}
    return sum(a.numel() * a.element_size() for a in tensors.values())


def operations(op: Op) -> float:
    """What the forward of an op's reference computes per channel and time step.

    A sigmoid or a tanh counts as one operation.

    Examples:
        >>> from swiftrnn.ops import OPS
        >>> {op.name: operations(op) for op in OPS}["linear_scan"]
        2.0
    """
    T, B, H = 4, 2, 8
    inputs = _arguments(op, T, B, H, torch.float32)[0]
    with _Counter() as counter:
        op.reference(*inputs)
    return counter.numbers / (T * B * H)


class _Counter(TorchDispatchMode):
    """Counts the numbers that arithmetic gives."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in ARITHMETIC:
            self.numbers += found.numel()
        return found


def scan_work(op: Op, mode: str, B: int, T: int, H: int) -> Work:
    """A kernel of an op in float32: a mode of `kernel_calls`, with the operations of a forward."""
    call, size = kernel_calls(op, B, T, H)[mode]
    return Work(call, size, operations(op) * T * B * H if mode == "forward" else None)


def check_parity(op: Op) -> None:
    """Hold the C kernels of an op against its reference in float64, before any time is taken.

    Raises:
        RuntimeError: the kernels are not loaded, or a number is off.
    """
    if not op.has_kernel("cpu"):
        raise RuntimeError(
            f"a benchmark of {op.name} needs its C kernels; got none, because {_native.why()}; "
            "install a C compiler and install swiftrnn again"
        )
    inputs, outputs, given = _arguments(op, 17, 3, 67, torch.float32)
    exact = [x.double().requires_grad_() if _is_real(x) else x for x in inputs]
    expected, grads = op.reference(*exact), given[-op.public :]
    actual_grads = op.raw["backward"](*given)
    losses = [(y * g.double()).sum() for y, g in zip(expected, grads, strict=True)]
    wanted = {
        i: a for i, a in zip(op.differentiable, actual_grads, strict=True) if _is_real(inputs[i])
    }
    expected_grads = torch.autograd.grad(sum(losses[1:], losses[0]), [exact[i] for i in wanted])
    pairs = [
        *zip(outputs[: op.public], expected, strict=True),
        *zip(wanted.values(), expected_grads, strict=True),
    ]
    for actual, right in pairs:
        if not torch.allclose(actual.double(), right, rtol=1e-4, atol=1e-5):
            worst = (actual.double() - right).abs().max().item()
            raise RuntimeError(
                f"a benchmark of {op.name} needs kernels that agree with the reference; got a "
                f"difference of {worst:.3g}; mend the kernel before timing it"
            )


def _is_real(x: object) -> bool:
    return isinstance(x, Tensor) and x.is_floating_point()
