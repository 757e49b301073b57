"""Every op in `OPS` against its reference. A new op is covered the moment it is declared."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from swiftrnn import ops
from swiftrnn.ops import OPS

# Largest error beside 1 + |value|, in units of that of the reference run in the same dtype; and an
# absolute floor. One place: widening it is a design decision.
ROOM = 8
FLOOR = {torch.float32: 2e-6, torch.float64: 1e-12, torch.bfloat16: 8e-3}

CASES = [
    pytest.param(op, case, dtype, id=f"{op.name}-{'-'.join(f'{k}{v}' for k, v in case.items())}"
                 f"-{str(dtype).removeprefix('torch.')}")
    for op, dtype in product(OPS, FLOOR)
    for case in op.cases
]  # fmt: skip
each_op = pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
each_case = pytest.mark.parametrize(("op", "case", "dtype"), CASES)


def is_real(x):
    return isinstance(x, Tensor) and x.is_floating_point()


def run(op, function, inputs, weights=None):
    """Outputs, the gradients of their weighted sum, and the weights, drawn if not given."""
    inputs = [x.detach().clone().requires_grad_() if is_real(x) else x for x in inputs]
    outputs = function(*inputs)
    weights = weights or [torch.randn_like(y) for y in outputs]
    loss = sum((y.double() * w.double()).sum() for y, w in zip(outputs, weights, strict=True))
    leaves = [inputs[i] for i in op.differentiable if inputs[i] is not None]
    grads = torch.autograd.grad(loss, leaves, allow_unused=True)
    grads = [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, grads, strict=True)]
    return [y.detach() for y in outputs] + grads, weights


def error(actual, exact):
    if not exact.numel():
        return 0.0
    return float(((actual.double() - exact).abs() / (1 + exact.abs())).max())


@each_case
def test_matches_reference(op, case, dtype):
    inputs = op.sample(**case, dtype=dtype)
    wide = [x.double() if is_real(x) else x for x in inputs]
    exact, weights = run(op, op.reference, wide)
    same, _ = run(op, op.reference, inputs, weights)
    actual, _ = run(op, getattr(ops, op.name), inputs, weights)
    for i, (a, s, e) in enumerate(zip(actual, same, exact, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == s.dtype
        assert error(a, e) <= ROOM * error(s, e) + FLOOR[dtype], f"value {i}"


@each_op
@pytest.mark.parametrize("dtype", FLOOR)
def test_kernels_run_every_dtype(op, dtype, request):
    if request.config.getoption("--no-kernels"):
        pytest.skip("waived by --no-kernels")
    assert op.has_kernel("cpu", dtype)
    assert not op.has_kernel("cpu", torch.float16)


@each_op
def test_is_registered_well(op):
    if not op.has_kernel("cpu"):
        pytest.skip("the C kernels are not built here")
    case = next(c for c in op.cases if min(c["T"], c["B"]) > 1)
    inputs = op.sample(**case)
    for part, arguments in (
        ("forward", (*inputs, *op.keep)),
        ("backward", _backward_inputs(op, inputs)),
    ):
        torch.library.opcheck(
            op.raw[part],
            arguments,
            test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"),
        )


def _backward_inputs(op, inputs):
    outputs = op.raw["forward"](*inputs, *op.keep)
    grads = [torch.randn_like(y) for y in outputs[: op.public]]
    return (*inputs, *(outputs[i] for i in op.saved), *grads)


@each_op
def test_gradients_equal_finite_differences(op):
    case = {k: v for k, v in op.cases[-1].items() if k not in "TBH"} | dict(T=4, B=2, H=3, ragged=1)
    inputs = op.sample(**case, dtype=torch.float64)
    inputs = [x.requires_grad_(i in op.differentiable) if is_real(x) else x
              for i, x in enumerate(inputs)]  # fmt: skip
    assert torch.autograd.gradcheck(getattr(ops, op.name), inputs)


@each_op
def test_references_have_second_gradients_and_forward_mode(op):
    inputs = op.sample(T=3, B=2, H=2, ragged=1, resets=1, dtype=torch.float64)
    inputs = [x.requires_grad_(i in op.differentiable) if is_real(x) else x
              for i, x in enumerate(inputs)]  # fmt: skip
    function, leaf = getattr(ops, op.name), inputs[op.differentiable[0]]
    with ops.references():
        assert torch.autograd.gradgradcheck(function, inputs)
        with torch.autograd.forward_ad.dual_level():
            tangent = torch.randn_like(leaf)
            dual = torch.autograd.forward_ad.make_dual(leaf.detach(), tangent)
            output = function(dual, *(x.detach() if is_real(x) else x for x in inputs[1:]))[0]
            _, forwards = torch.autograd.forward_ad.unpack_dual(output)
    gradient = torch.autograd.grad(function(*inputs)[0].sum(), leaf)[0]
    torch.testing.assert_close((gradient * tangent).sum(), forwards.sum())


@each_op
def test_compiles_whole_with_dynamic_shapes(op):
    function, compiled = getattr(ops, op.name), None
    for T, B in ((6, 2), (9, 3)):
        inputs = op.sample(T=T, B=B, H=8)
        compiled = compiled or torch.compile(
            function, fullgraph=True, dynamic=True, backend="aot_eager"
        )
        expected, weights = run(op, function, inputs)
        actual, _ = run(op, compiled, inputs, weights)
        torch.testing.assert_close(actual, expected)


@each_op
def test_exports(op):
    class Module(torch.nn.Module):
        def forward(self, *inputs):
            return getattr(ops, op.name)(*inputs)

    inputs = op.sample(T=5, B=2, H=8)
    program = torch.export.export(Module(), inputs)
    torch.testing.assert_close(program.module()(*inputs), getattr(ops, op.name)(*inputs))
    if op.has_kernel("cpu"):
        targets = [str(node.target) for node in program.graph.nodes]
        assert f"swiftrnn.{op.name}_forward.default" in targets


@each_op
def test_non_contiguous_inputs_change_nothing(op):
    inputs = op.sample(T=7, B=3, H=10)
    strided = [x.transpose(0, -1).contiguous().transpose(0, -1) if is_real(x) else x
               for x in inputs]  # fmt: skip
    assert any(not x.is_contiguous() for x in strided if is_real(x))
    expected, weights = run(op, getattr(ops, op.name), inputs)
    actual, _ = run(op, getattr(ops, op.name), strided, weights)
    for a, e in zip(actual, expected, strict=True):
        assert torch.equal(a, e)


@each_op
@pytest.mark.parametrize("dtype", FLOOR)
def test_large_values_stay_finite(op, dtype):
    inputs = op.sample(T=5, B=2, H=40, dtype=dtype)
    for size in (1e2, 1e4, 1e30):
        large = [x * size if is_real(x) and i == 0 and op.name == "sru" else x
                 for i, x in enumerate(inputs)]  # fmt: skip
        wide = [x.double() if is_real(x) else x for x in large]
        exact, weights = run(op, op.reference, wide)
        actual, _ = run(op, getattr(ops, op.name), large, weights)
        limit = torch.finfo(dtype).max / 4
        for a, e in zip(actual, exact, strict=True):
            held = e.abs() < limit  # where the exact value fits the dtype
            assert torch.isfinite(a[held]).all()


@each_op
def test_nan_is_not_hidden(op):
    inputs = list(op.sample(T=4, B=1, H=20))
    inputs[0][1, 0, 3] = float("nan")
    output, final = getattr(ops, op.name)(*inputs)
    assert output[1:, 0, 3].isnan().all()
    assert final[0, 3].isnan()
    assert not output[0].isnan().any()


@each_op
@pytest.mark.parametrize("case", [dict(T=300, B=4, H=257), dict(T=90, B=1, H=1000, reverse=1)])
def test_threads_change_no_bit(op, case):
    inputs = op.sample(**case)
    results, weights = [], None
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            values, weights = run(op, getattr(ops, op.name), inputs, weights)
        finally:
            torch.set_num_threads(1)
        results.append(values)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@settings(deadline=None, max_examples=40)
@given(T=st.integers(0, 20), B=st.integers(1, 4), H=st.integers(1, 40), data=st.data())
def test_two_halves_make_the_whole(T, B, H, data):
    cut, op = data.draw(st.integers(0, T)), OPS[data.draw(st.integers(0, len(OPS) - 1))]
    inputs = op.sample(T=T, B=B, H=H)
    times = [is_real(x) and x.dim() == 3 for x in inputs]
    function = getattr(ops, op.name)
    whole, final = function(*inputs)
    first = [x[:cut] if t else x for x, t in zip(inputs, times, strict=True)]
    second = [x[cut:] if t else x for x, t in zip(inputs, times, strict=True)]
    start, second[op.state] = function(*first)
    end, last = function(*second)
    torch.testing.assert_close(torch.cat([start, end]), whole)
    torch.testing.assert_close(last, final)


@settings(deadline=None, max_examples=40)
@given(T=st.integers(1, 12), B=st.integers(1, 5), H=st.integers(1, 20), data=st.data())
def test_padding_changes_nothing(T, B, H, data):
    op, reverse = OPS[data.draw(st.integers(0, len(OPS) - 1))], data.draw(st.booleans())
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, T), min_size=B, max_size=B)))
    inputs = list(op.sample(T=T, B=B, H=H, ragged=1, reverse=int(reverse)))
    at = next(i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.dtype == torch.int64)
    inputs[at] = lengths
    values, weights = run(op, getattr(ops, op.name), inputs)
    inside = torch.arange(T)[:, None, None] < lengths[:, None]
    other = [torch.where(inside, x, torch.nan) if is_real(x) and x.dim() == 3 else x
             for x in inputs]  # fmt: skip
    changed, _ = run(op, getattr(ops, op.name), other, weights)
    assert not values[0].masked_select(~inside).any()
    for a, e in zip(changed, values, strict=True):
        assert torch.equal(a, e)


@each_op
def test_the_registered_op_checks_what_it_is_given(op):
    inputs = op.sample(T=5, B=3, H=4)
    raw, given = op.raw["forward"], [*inputs, *op.keep]
    expected = raw(*given)
    gaps = [torch.stack([x, x], -1)[..., 0] if is_real(x) else x for x in given]
    for a, e in zip(raw(*gaps), expected, strict=True):
        assert torch.equal(a, e)
    for at in (i for i, x in enumerate(inputs) if is_real(x)):
        for spoil in (lambda x: x[..., :-1], lambda x: x[None], lambda x: x.int()):
            with pytest.raises((ValueError, TypeError), match=r"needs .*; got "):
                raw(*(spoil(x) if i == at else x for i, x in enumerate(given)))
    grads = list(_backward_inputs(op, inputs))
    for at in range(len(inputs), len(grads)):
        with pytest.raises(ValueError, match=r"needs in backward what it saved, .*; got "):
            op.raw["backward"](*(x[..., :-1] if i == at else x for i, x in enumerate(grads)))


@each_op
def test_the_registered_op_has_gradients(op):
    inputs = op.sample(T=5, B=3, H=4, dtype=torch.float64)
    values, weights = run(op, getattr(ops, op.name), inputs)
    raw = lambda *given: op.raw["forward"](*given, *op.keep)[: op.public]  # noqa: E731
    for a, e in zip(run(op, raw, inputs, weights)[0], values, strict=True):
        torch.testing.assert_close(a, e)
