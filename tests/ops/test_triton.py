"""The Triton kernels against the references: on a GPU, or in Triton's interpreter.

Without a GPU: `TRITON_INTERPRET=1 pytest tests/ops/test_triton.py`, and, in another process because
Triton decides when it is imported, `pytest tests/ops/test_triton.py` for what is compiled.
"""

import inspect
import os
import re
import subprocess
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from swiftrnn import ops
from swiftrnn.ops import OPS, _fused, _native

triton = pytest.importorskip("triton", reason="Triton is not installed (pip install triton)")
from swiftrnn.ops._triton import MANY, fitting, reading  # noqa: E402

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
runs = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no GPU here, and TRITON_INTERPRET is not 1"
)
compiles = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 6e-2, torch.float16: 1e-2}
MOST = {"T": 6, "B": 3, "H": 140}  # the interpreter takes a millisecond for a step of a program
TARGETS = [("cuda", 80, 32), ("cuda", 90, 32), ("cuda", 100, 32), ("hip", "gfx942", 64)]
IN_REAL = {"initial", "final", "states", "weight_c", "bias", "floor", "mask"} | {
    "sums", "state", "end", "products", "grad_final", "d_initial",
}  # fmt: skip
CONSTANTS = {  # of an op's kernels, where not every one is 1
    "sru": [{"SKIP": 3}],
    "gated_scan": [
        {"CELL": "min_lstm", "GATES": 3, "FLOOR": 3},
        {"CELL": "qrnn_ifo", "GATES": 4, "FLOOR": 3},
        {"CELL": "hgrn", "GATES": 2, "FLOOR": 1},
    ],
}
KERNELS = [
    (op, part, constants | summary)
    for op in OPS
    for part in ("_forward", "_backward")
    for constants in CONSTANTS.get(op.name, [{}])
    for summary in ([{}] if op.name == "sru" else [{"SUMMARY": 0}, {"SUMMARY": 1}])
]

CASES = [(op, case, 1) for op in OPS for case in op.cases] + [
    (op, case, stretches)
    for op in OPS
    if op.name != "sru"
    for case in op.cases
    for stretches in (3,)
    if case["T"] > 3 and case["B"]
]


def small(case):
    return {name: min(size, MOST.get(name, size)) for name, size in case.items()}


def real(x):
    return isinstance(x, Tensor) and x.is_floating_point()


def values(op, function, inputs, weights):
    inputs = [x.detach().clone().requires_grad_() if real(x) else x for x in inputs]
    outputs = function(*inputs)
    loss = sum((y.double() * w).sum() for y, w in zip(outputs, weights, strict=True))
    leaves = [inputs[i] for i in op.differentiable if inputs[i] is not None]
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    grads = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
    return [*outputs, *grads]


@runs
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("op", "case", "stretches"), CASES,
                         ids=lambda x: getattr(x, "name", None))  # fmt: skip
def test_equals_the_reference(op, case, stretches, dtype, monkeypatch):
    if stretches > 1:
        module = import_module(f"{op.package}.triton")
        monkeypatch.setattr(module, "stretches_of", lambda *_: stretches)
    inputs = [x.to(DEVICE) if isinstance(x, Tensor) else x
              for x in op.sample(**small(case), dtype=dtype)]  # fmt: skip
    kernel = import_module(f"{op.package}.triton")
    outputs = kernel.forward(*inputs, *op.keep)
    weights = [torch.randn_like(y, dtype=torch.float64) for y in outputs[: op.public]]
    wide = [x.double() if real(x) else x for x in inputs]
    expected = values(op, op.reference, wide, weights)
    grads = [w.to(y.dtype) for w, y in zip(weights, outputs, strict=False)]
    saved = [outputs[i] for i in op.saved]
    given = kernel.backward(*inputs, *saved, *grads)
    given = [g if g.numel() else torch.zeros_like(inputs[i])  # a constant has none
             for g, i in zip(given, op.differentiable, strict=True)
             if inputs[i] is not None]  # fmt: skip
    for found, exact in zip([*outputs[: op.public], *given], expected, strict=True):
        assert found.shape == exact.shape
        scale = TOLERANCE[dtype]
        torch.testing.assert_close(found.double(), exact, rtol=scale, atol=scale)


@pytest.mark.parametrize("T", [0, 1, 255, 256, 300, 4096, 100_003])
@pytest.mark.parametrize("programs", [0, 1, 7, 527, 528, 3000])
def test_stretches_are_long_enough_and_none_is_empty(T, programs):
    count = fitting(T, programs, room=2112)
    steps = -(-T // count)
    assert count == 1 or (steps >= 64 and (count - 1) * steps < T)
    assert count == 1 or count * programs <= 2112
    assert (count > 1) == (T >= 256 and programs <= 528)


@runs
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_without_keeping_the_outputs_are_the_same(op):
    inputs = [x.to(DEVICE) if isinstance(x, Tensor) else x for x in op.sample(T=4, B=2, H=9)]
    forward = import_module(f"{op.package}.triton").forward
    kept = forward(*inputs, *op.keep)
    bare = forward(*inputs, *(False for _ in op.keep))
    for a, b in zip(kept[: op.public], bare[: op.public], strict=True):
        assert torch.equal(a, b)


def projected(op, case, taps, skip, dtype):
    """What `project` takes, in place of the gates of a sample: x, weight, skip and the rest."""
    gates, *rest = (x.to(DEVICE) if isinstance(x, Tensor) else x
                    for x in op.sample(**small(case), dtype=dtype))  # fmt: skip
    (T, B, G), own = gates.shape, rest.pop(0) if op.skips else None
    I = 5 if own is None else own.shape[2]
    x = torch.randn(T + max(taps), B, I, device=DEVICE).to(dtype)
    weight = (torch.randn(G, I * len(taps), device=DEVICE) / I**0.5).to(dtype)
    return [x, weight, x if skip == "x" and own is not None else own, *rest]


@runs
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("taps", [(0,), (0, 1), (2, 0)])
@pytest.mark.parametrize("skip", ["x", "own"])
@pytest.mark.parametrize("op", [op for op in OPS if op.name != "linear_scan"],
                         ids=lambda op: op.name)  # fmt: skip
def test_a_fused_product_changes_nothing(op, skip, taps, dtype):
    """Outputs and all gradients are those of the product and the op, one after the other."""
    if skip == "x" and len(taps) > 1:
        pytest.skip("the skip is as long as the gates")
    case = next(c for c in op.cases if c["T"] > 3 and c["B"] and c.get("skip") != 4)
    inputs, close = projected(op, case, taps, skip, dtype), TOLERANCE[dtype]
    T = len(inputs[0]) - max(taps)

    def plain(x, weight, own, *rest):
        gates = torch.cat([x[tap : tap + T] for tap in taps], -1) @ weight.t()
        own = x if skip == "x" else own
        return op.reference(gates, *([own] if op.skips else []), *rest)

    def fused(x, weight, own, *rest):
        residual = skip == "x" and op.skips
        return _fused.Fused.apply(op, x, weight, None if residual else own, residual, taps, *rest)

    bare = _fused.forward(op, *inputs[:3], taps, inputs[3:], False)
    weights = [torch.randn_like(y, dtype=torch.float64) for y in bare[:2]]
    wide = [x.double() if real(x) else x for x in inputs]
    results = [outputs_and_gradients(f, given, weights, op)
               for f, given in ((plain, wide), (fused, inputs))]  # fmt: skip
    for exact, found in zip(*results, strict=True):
        error = (found.double() - exact).abs().max() / (1 + exact.abs().max())
        assert error < close
    for a, b in zip(bare[:2], results[1], strict=False):
        assert torch.equal(a, b)


def outputs_and_gradients(function, inputs, weights, op):
    """With the gradient of all that an op, or what comes before it, has one of."""
    inputs = [x.detach().clone().requires_grad_() if real(x) else x for x in inputs]
    outputs = function(*inputs)
    loss = sum((y.double() * w).sum() for y, w in zip(outputs, weights, strict=True))
    leaves = [x for x in inputs if real(x)]
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    return [*outputs, *(torch.zeros_like(x) if g is None else g
                        for g, x in zip(grads, leaves, strict=True))]  # fmt: skip


@runs
@pytest.mark.parametrize("need", range(4))
def test_a_fused_product_gives_only_the_gradients_that_are_wanted(need):
    op = next(op for op in OPS if op.name == "sru")
    x, weight, own, *rest = projected(op, dict(T=4, B=2, H=9), (0,), "own", torch.float64)
    given = [x, weight, own, rest[0]]
    given[need].requires_grad_()
    x, weight, own, rest[0] = given
    _fused.Fused.apply(op, x, weight, own, False, (0,), *rest)[0].sum().backward()
    assert [g.grad is not None for g in given] == [i == need for i in range(4)]


SIZES = {"few": dict(T=300, B=17, H=513), "many": dict(T=40, B=300, H=513),
         "stretches": dict(T=600, B=1, H=70)}  # fmt: skip


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU here")
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_the_op_takes_it_on_a_gpu(op, size):
    """Through the dispatcher, at sizes where the interpreter would take minutes."""
    inputs = op.sample(**SIZES[size])
    weights = [torch.randn(y.shape, dtype=torch.float64) for y in getattr(ops, op.name)(*inputs)]
    there = [x.cuda() if isinstance(x, Tensor) else x for x in inputs]
    wide = [x.double() if real(x) else x for x in inputs]
    expected = values(op, op.reference, wide, weights)
    found = values(op, getattr(ops, op.name), there, [w.cuda() for w in weights])
    for a, b in zip(found, expected, strict=True):
        error = (a.double().cpu() - b).abs().max() / (1 + b.abs().max())  # sums lose digits
        assert error < 1e-4


def signature(kernel, dtype, chosen):
    """The types of a kernel's arguments, for arrays of a dtype, and its constants."""
    short = {
        torch.float32: "fp32",
        torch.float64: "fp64",
        torch.bfloat16: "bf16",
        torch.float16: "fp16",
    }
    io, wide = short[dtype], short[_native.state_dtype(dtype)]
    kinds = {}
    for name in inspect.signature(kernel.fn).parameters:
        if name.isupper() and len(name) > 1:
            kinds[name] = "constexpr"
        elif name in "LTBH":
            kinds[name] = "i32"
        elif name in ("scale", "rest"):
            kinds[name] = "fp32"
        elif name in ("lengths", "reset"):
            kinds[name] = "*i64" if name == "lengths" else "*u8"
        else:
            kinds[name] = f"*{wide if name in IN_REAL else io}"
    constants = {name: int(kind == "constexpr") for name, kind in kinds.items() if name.isupper()}
    constants = {name: value for name, value in constants.items() if len(name) > 1}
    return kinds, constants | {name: chosen[name] for name in ("BLOCK", "AHEAD")}


EVERY, SOME = (80, "gfx942"), (torch.float32, torch.bfloat16)  # newer GPUs differ in little


@compiles
@pytest.mark.parametrize(
    ("dtype", "target"),
    [(d, t) for d in TOLERANCE for t in TARGETS if t[1] in EVERY or d in SOME],
    ids=lambda x: str(x[1] if isinstance(x, tuple) else x),
)
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("op", "part", "constants"), KERNELS, ids=lambda x: str(getattr(x, "name", x))
)
def test_compiles_without_spilling(op, part, constants, many, dtype, target, tmp_path):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    kernel = getattr(import_module(f"{op.package}.triton"), part)
    chosen = reading(dtype, target[0] == "hip", many)
    if many and chosen == reading(dtype, target[0] == "hip", False):
        pytest.skip("the same program")
    kinds, usual = signature(kernel, dtype, chosen)
    constants = {name: constants.get(name, value) for name, value in usual.items()}
    aligned = {(i,): [["tt.divisibility", 16]] for i, k in enumerate(kinds.values()) if k[0] == "*"}
    source = ASTSource(fn=kernel, signature=kinds, constexprs=constants, attrs=aligned)
    options = {"num_warps": chosen["num_warps"]}
    binary = triton.compile(source, target=GPUTarget(*target), options=options).asm
    if target[0] == "hip":
        spills = re.findall(r"\.[vs]gpr_spill_count: *(\d+)", binary["amdgcn"])
        assert spills
        few = 2 if dtype == torch.float64 else 0  # scalars, by Triton 3.8; none by 3.7
        assert max(map(int, spills)) <= few
        return
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    (tmp_path / "kernel.cubin").write_bytes(binary["cubin"])
    said = subprocess.run(
        [tool, "--dump-resource-usage", tmp_path / "kernel.cubin"], capture_output=True, text=True
    ).stdout
    usage = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", said))
    assert int(usage["STACK"]) == int(usage["LOCAL"]) == 0
    threads, registers = 32 * chosen["num_warps"], 65536
    assert int(usage["REG"]) * threads * MANY <= registers  # so many programs fit


@compiles
def test_length_and_batch_are_in_no_specialisation():
    for op, part in product(OPS, ("_forward", "_backward")):
        kernel = getattr(import_module(f"{op.package}.triton"), part)
        fixed = {p.name for p in kernel.params if p.do_not_specialize}
        assert fixed - {"L"} == {"T", "B"}
        assert ("L" in fixed) == (op.name != "sru")
