"""The one op spec: what an op is, and how it reaches PyTorch.

An op is a folder. `reference.py` is the definition of correct. `cpu.py` (over `cpu.c`) and
`triton.py`, where they exist, give the same numbers faster. Tests, benchmarks and docs read
`swiftrnn.ops.OPS`, so an op that is declared is tested, timed and listed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native

BACKENDS = {"cpu": "cpu", "cuda": "triton"}  # device type -> module in the op's folder
DTYPES = (*_native.DTYPES, torch.float16)  # all that some kernel takes


@dataclass(frozen=True)
class Op:
    """A differentiable function of tensors, some of which may be None, and of flags.

    A backend module has `forward(*inputs)` and `backward(*inputs, *saved_outputs, *output_grads)`.
    Both take and give dense tensors and know nothing of autograd. Where `forward` gives more than
    the `public` outputs, to be saved for `backward` and never shown to the caller, it gets one
    more flag, `keep`: without it those outputs are empty.
    """

    package: str  # the op's folder, as its `__name__`
    forward_schema: str  # inputs -> outputs, in the language of torch.library
    backward_schema: str  # inputs, saved outputs, output gradients -> input gradients
    reference: Callable[..., tuple[Tensor, ...]]  # readable PyTorch; autograd differentiates it
    fake_forward: Callable  # empty outputs of the right shape, for torch.compile
    fake_backward: Callable
    tensors: int  # so many inputs are tensors or None; the others are flags
    differentiable: tuple[int, ...]  # the inputs whose gradients `backward` returns, in order
    sample: Callable[..., tuple[Any, ...]]  # valid inputs, for tests and timing
    cases: tuple[dict[str, int], ...]  # arguments of `sample`; corner cases first
    saved: tuple[int, ...]  # the outputs that `backward` needs
    state: int  # the input that is the state before the first step; the second output is the last
    timed: tuple[int, ...] = ()  # inputs after the gates that may have a row for each time
    public: int = 2  # how many outputs the caller sees
    skips: bool = False  # whether the second input is a skip: (T, B, H), or None
    raw: dict[str, Callable] = field(default_factory=dict)  # "forward", "backward": no autograd

    @property
    def keep(self) -> tuple[bool, ...]:
        """The flag that makes `forward` keep what the caller never sees; empty if nothing is."""
        return (True,) if max(self.saved) >= self.public else ()

    @property
    def name(self) -> str:
        """The op's own name: that of its folder."""
        return self.package.rpartition(".")[2]

    def has_kernel(self, device: str, dtype: torch.dtype = torch.float32) -> bool:
        """Whether a backend of `device` can run `dtype` here; if not, the reference runs."""
        module = BACKENDS.get(device)
        if module is None or not _there(f"{self.package}.{module}"):
            return False
        found = _native.library() is not None if module == "cpu" else _there("triton")
        return found and dtype in (_native.DTYPES if module == "cpu" else DTYPES)

    def kernel(self, part: str, device: str = "cpu") -> Callable:
        """The backend's own `forward` or `backward`, past the dispatcher."""
        return getattr(import_module(f"{self.package}.{BACKENDS[device]}"), part)

    def register(self) -> Callable[..., Any]:
        """Tell PyTorch about the op and return the function to call."""
        forward = self._define("forward", self.forward_schema, self.fake_forward)
        self._define("backward", self.backward_schema, self.fake_backward)
        kernels = {
            (device, dtype)
            for device in BACKENDS
            for dtype in DTYPES
            if self.has_kernel(device, dtype)
        }
        function, reference = _function(self), self.reference
        public, tensors, discard = self.public, self.tensors, tuple(not k for k in self.keep)

        def call(*inputs: Any) -> Any:
            if (inputs[0].device.type, inputs[0].dtype) not in kernels or transformed():
                return reference(*inputs)
            if torch.is_grad_enabled() and any(
                x is not None and x.requires_grad for x in inputs[:tensors]
            ):
                return function.apply(*inputs)  # pyright: ignore[reportReturnType]
            return forward(*inputs, *discard)[:public]

        return call

    def _define(self, part: str, schema: str, fake: Callable) -> Callable:
        name = f"swiftrnn::{self.name}_{part}"
        torch.library.define(name, schema)
        torch.library.register_fake(name, fake)
        for device in BACKENDS:
            torch.library.impl(name, device, self._lazy(part, device))
        self.raw[part] = getattr(torch.ops.swiftrnn, f"{self.name}_{part}").default
        return self.raw[part]

    def _lazy(self, part: str, device: str) -> Callable:
        def kernel(*args: Any) -> Any:  # imported at the first call, so Triton stays optional
            return self.kernel(part, device)(*args)

        return kernel


@cache
def _there(module: str) -> bool:
    return find_spec(module) is not None


_ASKED = ContextVar("references", default=False)


@contextmanager
def references() -> Iterator[None]:
    """Run the references in place of the kernels: slower, and differentiable in every way.

    Kernels have first gradients only. In here there are gradients of gradients
    (`create_graph=True`) and forward mode (`torch.autograd.forward_ad`); torch.func (vmap, jvp,
    hessian) takes the references by itself. Not for code that is compiled.

    Example:
        >>> import torch
        >>> from swiftrnn.nn import MinGRU
        >>> layer, x = MinGRU(2, 2), torch.randn(3, 1, 2, requires_grad=True)
        >>> with references():
        ...     slope = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)[0]
        >>> torch.autograd.grad(slope.square().sum(), x)[0].shape
        torch.Size([3, 1, 2])
    """
    before = _ASKED.set(True)
    try:
        yield
    finally:
        _ASKED.reset(before)


def transformed() -> bool:
    """Whether torch.func (vmap, grad, jvp) is at work, or references were asked for."""
    if torch.compiler.is_compiling():
        return False
    return _ASKED.get() or torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore


def _function(op: Op) -> type[torch.autograd.Function]:
    """The op as a differentiable function; gradients of gradients go through the reference."""
    forward, backward = op.raw["forward"], op.raw["backward"]
    public, tensors, differentiable = op.public, op.tensors, op.differentiable
    kept, keep = op.saved, op.keep

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
            outputs = forward(*inputs, *keep)
            ctx.save_for_backward(*inputs[:tensors], *(outputs[i] for i in kept))
            ctx.flags = inputs[tensors:]
            return outputs[:public]

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
            saved = ctx.saved_tensors
            inputs = (*saved[:tensors], *ctx.flags)
            dense = [g.contiguous() for g in output_grads]
            grads: list[Tensor | None] = [None] * len(inputs)
            for i, grad in zip(
                differentiable, backward(*inputs, *saved[tensors:], *dense), strict=True
            ):
                grads[i] = grad if ctx.needs_input_grad[i] else None
            return tuple(grads)

    return Function
