"""The Triton kernels of `crf` against the reference: on a GPU, or in Triton's interpreter.

Without a GPU: `TRITON_INTERPRET=1 pytest tests/ops/test_triton_crf.py`, and, in another process,
`pytest tests/ops/test_triton_crf.py` for what is compiled.
"""

import inspect
import os

import pytest
import torch

triton = pytest.importorskip("triton", reason="Triton is not installed (pip install triton)")
from swiftrnn import ops  # noqa: E402
from swiftrnn.ops import _native  # noqa: E402
from swiftrnn.ops.crf import OP, reference  # noqa: E402
from swiftrnn.ops.crf import triton as kernels  # noqa: E402

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
runs = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no GPU here, and TRITON_INTERPRET is not 1"
)
compiles = pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 6e-2, torch.float16: 1e-2}
TARGETS = [("cuda", 80, 32), ("cuda", 90, 32), ("cuda", 100, 32), ("hip", "gfx942", 64)]
IO = ("emissions", "d_emissions")
WHOLE = {"lengths": "*i64", "tags": "*i64", "back": "*i32", "path": "*i64", "arrived_at": "*fp64"}


def drawn(case, dtype):
    torch.manual_seed(0)
    inputs = OP.sample(**case, dtype=dtype)
    return [x.to(DEVICE) if isinstance(x, torch.Tensor) else x for x in inputs]


def exact(inputs, weights):
    """Losses and gradients of the reference in float64."""
    given = [x.double().requires_grad_() if i < 4 else x for i, x in enumerate(inputs)]
    (loss,) = reference.forward(*given)
    if not loss.requires_grad:
        return loss.detach(), [torch.zeros_like(x) for x in given[:4]]
    grads = torch.autograd.grad((loss * weights).sum(), given[:4], allow_unused=True)
    pairs = zip(grads, given[:4], strict=True)
    return loss.detach(), [torch.zeros_like(x) if g is None else g for g, x in pairs]


@runs
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", OP.cases, ids=str)
def test_equals_the_reference(case, dtype):
    inputs, close = drawn(case, dtype), TOLERANCE[dtype]
    weights = torch.randn(case["B"], dtype=torch.float64, device=DEVICE)
    expected, grads = exact(inputs, weights)
    loss, totals, alphas = kernels.forward(*inputs, True)
    scale = max(1.0, float(expected.abs().max()) if len(expected) else 1.0)
    torch.testing.assert_close(loss.double(), expected, rtol=close, atol=close * scale)
    found = kernels.backward(*inputs, totals, alphas, weights.to(loss.dtype))
    for a, e in zip(found, grads, strict=True):
        torch.testing.assert_close(a.double(), e, rtol=close, atol=close * scale)
    assert torch.equal(kernels.forward(*inputs, False)[0], loss)


@runs
@pytest.mark.parametrize("case", OP.cases, ids=str)
def test_the_best_path_is_the_reference_s(case):
    inputs = drawn(case, torch.float64)[:5]
    score, path = kernels.viterbi(*inputs)
    right_score, right_path = reference.viterbi(*inputs)
    torch.testing.assert_close(score, right_score)
    assert torch.equal(path, right_path)


@runs
def test_among_equals_the_lowest_tags_win():
    zeros = [torch.zeros(*shape, device=DEVICE) for shape in ((5, 2, 20), (20, 20), (20,), (20,))]
    assert not kernels.viterbi(*zeros, None)[1].any()


@runs
def test_where_no_path_is_allowed_gradients_are_nothing():
    emissions, transitions, start, end, _, _ = drawn(dict(T=3, B=2, K=4), torch.float64)
    transitions.fill_(-torch.inf)
    inputs = (emissions, transitions, start, end, None, None)
    loss, totals, alphas = kernels.forward(*inputs, True)
    assert (loss == -torch.inf).all()
    for grad in kernels.backward(*inputs, totals, alphas, torch.ones_like(loss)):
        assert not grad.any()


@runs
def test_a_wrong_tag_reads_nothing_and_says_so_by_nan():
    inputs = drawn(dict(T=3, B=2, K=4, tagged=1), torch.float32)
    inputs[5][1, 0] = 10**9
    loss = kernels.forward(*inputs, True)[0]
    assert loss[0].isnan()
    assert loss[1].isfinite()


@pytest.mark.skipif(DEVICE == "cpu", reason="no GPU here")
def test_the_op_takes_it_on_a_gpu():
    inputs = drawn(dict(T=70, B=33, K=21, ragged=1, tagged=1), torch.float32)
    expected, grads = exact(inputs, torch.ones(33, dtype=torch.float64, device=DEVICE))
    given = [x.requires_grad_() if i < 4 else x for i, x in enumerate(inputs)]
    loss = ops.crf(*given)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-3)
    for a, e in zip(torch.autograd.grad(loss.sum(), given[:4]), grads, strict=True):
        torch.testing.assert_close(a.double(), e, rtol=1e-3, atol=1e-3)


@compiles
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: str(target[1]))
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("part", ["_forward", "_backward", "_viterbi"])
def test_compiles_for_every_target(part, dtype, target):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    short = {torch.float32: "fp32", torch.float64: "fp64", torch.bfloat16: "bf16",
             torch.float16: "fp16"}  # fmt: skip
    kernel, kinds = getattr(kernels, part), {}
    for name in inspect.signature(kernel.fn).parameters:
        if name.isupper() and len(name) > 1:
            kinds[name] = "constexpr"
        elif name in "TBK":
            kinds[name] = "i32"
        else:
            wide = short[dtype if name in IO else _native.state_dtype(dtype)]
            kinds[name] = WHOLE.get(name, f"*{wide}")
    constants = {name: 1 for name, kind in kinds.items() if kind == "constexpr"}
    source = ASTSource(fn=kernel, signature=kinds, constexprs=constants | {"WIDE": 32})
    options = {"num_warps": kernels.warps(32)}
    binary = triton.compile(source, target=GPUTarget(*target), options=options).asm
    assert binary["amdgcn" if target[0] == "hip" else "cubin"]


@compiles
def test_length_and_batch_are_in_no_specialisation():
    for part in ("_forward", "_backward", "_viterbi"):
        fixed = {p.name for p in getattr(kernels, part).params if p.do_not_specialize}
        assert fixed == {"T", "B"}
