"""The one op spec: what an op is, and how it reaches PyTorch.

An op is a folder. `reference.py` is the definition of correct. `cpu.py` (over `cpu.c`) and
`triton.py`, where they exist, give the same numbers faster. Tests, benchmarks and docs read
`swiftrnn.ops.OPS`, so an op that is declared is tested, timed and listed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._plain import as_saved, dense, kinds_of, plain, recorded, transformed
from swiftrnn.ops._reference_grads import by_reference, kernels_can

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
    prepare: Callable[..., tuple[Any, ...]]  # inputs, checked, as kernels take them
    outputs: Callable[..., tuple[Any, ...]]  # shape and dtype of each, with those kept
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
    modules: dict[str, ModuleType] = field(default_factory=dict)  # backends, once imported
    raw: dict[str, Callable] = field(default_factory=dict)  # what `register` registers and gives

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

    @cached_property
    def kernels(self) -> frozenset[tuple[str, torch.dtype]]:
        """The devices and dtypes of which `has_kernel` is true."""
        return frozenset((b, d) for b in BACKENDS for d in DTYPES if self.has_kernel(b, d))

    def kernel(self, part: str, device: str = "cpu") -> Callable:
        """The backend's own `forward` or `backward`, past the dispatcher and past every check."""
        module = self.modules.get(device)
        if module is None:  # imported at the first call, so Triton stays optional
            module = import_module(f"{self.package}.{BACKENDS[device]}")
            self.modules[device] = module
        return getattr(module, part)

    def register(self) -> Callable[..., Any]:
        """Tell PyTorch about the op and return the function to call, of inputs as `prepare` gives.

        Its kernels run where torch only runs; a graph or a trace gets the registered op; whatever
        kernels cannot do, the reference does.
        """
        forward = self._define("forward", self.forward_schema, self.fake_forward, self._forward)
        self._define("backward", self.backward_schema, self.fake_backward, self._backward)
        function, reference, kernels = _function(self), self.reference, self.kernels
        public, tensors, discard = self.public, self.tensors, tuple(not k for k in self.keep)
        above = _with_gradients(self, function)
        torch.library.impl(f"swiftrnn::{self.name}_forward", "Autograd", above)

        def call(*inputs: Any) -> Any:
            device, given = inputs[0].device.type, inputs[:tensors]
            if (device, inputs[0].dtype) not in kernels or transformed():
                return reference(*inputs)
            wanted = needs_gradients(given)
            if torch.compiler.is_compiling() and wanted:
                return function.apply(*inputs)  # pyright: ignore[reportReturnType]
            if recorded():
                _refuse_old_onnx(self.name)
                return forward(*inputs, *discard)[:public]
            if not plain(given):
                return reference(*inputs)
            if wanted:
                return function.apply(*inputs)  # pyright: ignore[reportReturnType]
            return self.kernel("forward", device)(*inputs, *discard)[:public]

        self.raw["call"] = call
        return call

    def _define(self, part: str, schema: str, fake: Callable, kernel: Callable) -> Callable:
        name = f"swiftrnn::{self.name}_{part}"
        torch.library.define(name, schema)
        torch.library.register_fake(name, fake)
        for device in BACKENDS:
            torch.library.impl(name, device, partial(kernel, device))
        self.raw[part] = getattr(torch.ops.swiftrnn, f"{self.name}_{part}").default
        return self.raw[part]

    def _forward(self, device: str, *inputs: Any) -> Any:
        """The kernel as the dispatcher calls it, for any program that knows the op's name."""
        count = len(inputs) - len(self.keep)
        return self.kernel("forward", device)(*self.prepare(*inputs[:count]), *inputs[count:])

    def _backward(self, device: str, *given: Any) -> Any:
        count = len(given) - len(self.saved) - self.public
        inputs = self.prepare(*given[:count])
        outputs = self.outputs(*inputs)
        kinds = [outputs[i] for i in (*self.saved, *range(self.public))]
        rest = as_saved(f"{self.name}_backward", given[count:], kinds)
        return self.kernel("backward", device)(*inputs, *rest)


@cache
def _there(module: str) -> bool:
    return find_spec(module) is not None


def _refuse_old_onnx(name: str) -> None:
    if torch._C._get_tracing_state() is not None and torch.onnx.is_in_onnx_export():
        raise RuntimeError(
            f"the op {name} needs the exporter of ONNX that goes through torch.export; "
            "got torch.onnx.export(dynamo=False); call swiftrnn.deploy.export.to_onnx"
        )


def needs_gradients(tensors: Iterable[Tensor | None]) -> bool:
    """Whether autograd has to know of a call with these inputs."""
    if torch.is_grad_enabled():
        for x in tensors:
            if x is not None and x.requires_grad:
                return True
    return False


def _function(op: Op) -> type[torch.autograd.Function]:
    """The op as a differentiable function; gradients of gradients go through the reference."""
    public, tensors, differentiable = op.public, op.tensors, op.differentiable
    kept, keep = op.saved, op.keep

    def part(name: str, device: torch.device) -> Callable:
        return op.raw[name] if recorded() else op.kernel(name, device.type)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, ...]:
            outputs = part("forward", inputs[0].device)(*inputs, *keep)
            saved = *inputs[:tensors], *(outputs[i] for i in kept)
            ctx.save_for_backward(*saved)
            ctx.flags, ctx.kinds = inputs[tensors:], kinds_of(saved)
            return outputs[:public]

        @staticmethod
        def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
            needs = ctx.needs_input_grad
            saved = as_saved(op.name, ctx.saved_tensors, ctx.kinds)
            inputs = (*saved[:tensors], *ctx.flags)
            if not kernels_can(output_grads):
                return by_reference(op.reference, inputs, needs, output_grads)
            dense_grads = [dense(g) for g in output_grads]
            backward = part("backward", inputs[0].device)
            grads: list[Tensor | None] = [None] * len(inputs)
            for i, grad in zip(
                differentiable, backward(*inputs, *saved[tensors:], *dense_grads), strict=True
            ):
                grads[i] = grad if needs[i] else None
            return tuple(grads)

    return Function


def _with_gradients(op: Op, function: type[torch.autograd.Function]) -> Callable:
    """What the registered forward does above autograd: graphs and traces have gradients, too."""
    raw, tensors, keep = op.raw["forward"], op.tensors, len(op.keep)

    def forward(*inputs: Any) -> Any:
        if not needs_gradients(inputs[:tensors]):
            with torch._C._AutoDispatchBelowAutograd():
                return raw(*inputs)
        outputs = function.apply(*inputs[: len(inputs) - keep])
        if not keep:
            return outputs
        with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
            return (*outputs, *raw(*inputs)[op.public :])  # pyright: ignore

    return forward
