"""SRU by Newton's method, parallel over time, against the recurrence step by step."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swiftrnn import ops
from swiftrnn.ops import OPS

SRU = next(op for op in OPS if op.name == "sru")


def both(inputs, **options):
    """Outputs and all gradients of either; and the report."""
    results, report = [], None
    for function in (ops.sru, ops.sru_newton):
        leaves = [x.detach().clone().requires_grad_() if i in SRU.differentiable and x is not None
                  else x for i, x in enumerate(inputs)]  # fmt: skip
        if function is ops.sru:
            output, final = function(*leaves)
        else:
            output, final, report = function(*leaves, **options)
        weights = torch.linspace(-1, 1, output.numel(), dtype=torch.float64).view(output.shape)
        loss = (output.double() * weights).sum() + (final.double() ** 2).sum()
        wanted = [x for i, x in enumerate(leaves) if i in SRU.differentiable and x is not None]
        grads = torch.autograd.grad(loss, wanted, allow_unused=True)
        results.append([output, final, *grads])
    return *results, report


def same(found, exact, **options):
    for a, e in zip(found, exact, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            assert a.dtype == e.dtype
            torch.testing.assert_close(a, e, **options)


@pytest.mark.parametrize("case", [c for c in SRU.cases if c["T"] <= 63 and c["H"] < 200],
                         ids=lambda c: "-".join(f"{k}{v}" for k, v in c.items()))  # fmt: skip
def test_outputs_and_gradients_are_those_of_the_recurrence(case):
    inputs = SRU.sample(**case, dtype=torch.float64)
    serial, newton, report = both(inputs)
    assert report.serial == 0
    assert report.residual <= 64 * torch.finfo(torch.float64).eps
    same(newton, serial, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_dtypes(dtype):
    inputs = SRU.sample(T=200, B=2, H=20, dtype=dtype)
    serial, newton, report = both(inputs)
    assert report.serial == 0
    room = 1e-4 if dtype == torch.float32 else 5e-2
    same(newton, serial, rtol=room, atol=room)


@settings(deadline=None, max_examples=40)
@given(T=st.integers(0, 60), B=st.integers(0, 3), H=st.integers(1, 9), data=st.data())
def test_any_sizes_and_options(T, B, H, data):
    flags = {name: data.draw(st.integers(0, 1)) for name in
             ("dropout", "tanh", "ragged", "resets", "reverse")}  # fmt: skip
    skip = data.draw(st.sampled_from([0, 3, 4]))
    inputs = SRU.sample(T, B, H, torch.float64, skip=skip, **flags)
    serial, newton, _ = both(inputs)
    same(newton, serial, rtol=1e-8, atol=1e-8)


def test_long_sequences_take_few_iterations():
    inputs = SRU.sample(T=5000, B=1, H=8, dtype=torch.float64)
    _, _, report = both(inputs)
    assert 2 <= report.iterations <= 12
    assert report.serial == 0


def chaotic(T=300):
    """Sequences of which the first is tame and in the others the gate overshoots for ever."""
    gates, skip, weight_c, bias, initial, *rest = SRU.sample(T, 3, 5, torch.float64)
    weight_c = torch.full_like(weight_c, -60.0)
    gates[:, 1:, :5] = 3 * torch.randn(T, 2, 5, dtype=torch.float64)
    gates[:, 0] = 0
    return gates, skip, weight_c, 0 * bias, 0 * initial, *rest


def test_what_does_not_converge_runs_step_by_step():
    serial, newton, report = both(chaotic(), max_iterations=8)
    assert report.serial == 2
    assert report.iterations == 8
    for a, e in zip(newton[:2], serial[:2], strict=True):
        torch.testing.assert_close(a, e, rtol=1e-9, atol=1e-9)
    same(newton, serial, rtol=1e-6, atol=1e-6)


def test_when_nothing_converges_it_is_the_recurrence():
    inputs = SRU.sample(T=40, B=2, H=7, ragged=1, resets=1)
    serial, newton, report = both(inputs, max_iterations=1)
    assert report.serial == 2
    for a, e in zip(newton, serial, strict=True):
        assert torch.equal(a, e)


def test_no_iteration_is_refused():
    with pytest.raises(ValueError, match="needs max_iterations of at least 1; got 0"):
        ops.sru_newton(*SRU.sample(T=4, B=1, H=2), max_iterations=0)
