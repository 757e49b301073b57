"""leaky_rnn: against its reference, a loop of scalars, finite differences and torch.nn.RNN."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.ops.test_ops import FLOOR, ROOM, error, is_real, run

from swiftrnn import ops
from swiftrnn.ops import leaky_rnn
from swiftrnn.ops.leaky_rnn import OP

CASES = [
    pytest.param(case, dtype, id=f"{'-'.join(f'{k}{v}' for k, v in case.items())}-{dtype}")
    for case, dtype in product(OP.cases, FLOOR)
]
need_kernels = pytest.mark.skipif(not OP.has_kernel("cpu"), reason="the C kernels are not built")


@pytest.mark.parametrize(("case", "dtype"), CASES)
def test_matches_reference(case, dtype):
    inputs = OP.sample(**case, dtype=dtype)
    wide = [x.double() if is_real(x) else x for x in inputs]
    exact, weights = run(OP, OP.reference, wide)
    same, _ = run(OP, OP.reference, inputs, weights)
    actual, _ = run(OP, leaky_rnn, inputs, weights)
    for i, (a, s, e) in enumerate(zip(actual, same, exact, strict=True)):
        assert a.shape == e.shape
        assert a.dtype == s.dtype
        assert error(a, e) <= ROOM * error(s, e) + 4 * FLOOR[dtype], f"value {i}"


def test_it_is_the_equation_number_by_number():
    torch.manual_seed(0)
    input, weight, initial = torch.randn(4, 2, 3), torch.randn(3, 3), torch.randn(2, 3)
    for relu in (False, True):
        f = (lambda v: max(v, 0.0)) if relu else math.tanh
        output, final = leaky_rnn(
            input.double(), weight.double(), initial.double(), relu=relu, leak=0.2
        )
        for b in range(2):
            x = initial[b].tolist()
            for t in range(4):
                sums = [sum(float(weight[i, j]) * f(x[j]) for j in range(3)) for i in range(3)]
                x = [0.8 * x[i] + 0.2 * (sums[i] + float(input[t, b, i])) for i in range(3)]
                assert output[t, b].tolist() == pytest.approx(x, abs=1e-12)
            assert final[b].tolist() == pytest.approx(x, abs=1e-12)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_without_leak_it_is_the_rnn_of_torch(nonlinearity):
    torch.manual_seed(0)
    layer = torch.nn.RNN(5, 40, nonlinearity=nonlinearity).double()
    x, relu = torch.randn(20, 3, 5).double(), nonlinearity == "relu"
    f = torch.relu if relu else torch.tanh
    inputs = x @ layer.weight_ih_l0.t() + layer.bias_ih_l0 + layer.bias_hh_l0
    output, _ = leaky_rnn(inputs, layer.weight_hh_l0, relu=relu, leak=1.0)
    torch.testing.assert_close(f(output), layer(x)[0])


@need_kernels
@pytest.mark.parametrize("relu", [0, 1])
def test_gradients_equal_finite_differences(relu):
    torch.manual_seed(0)
    inputs = OP.sample(T=5, B=5, H=3, ragged=1, resets=1, relu=relu, dtype=torch.float64)
    inputs = [x.requires_grad_() if is_real(x) else x for x in inputs]
    assert torch.autograd.gradcheck(leaky_rnn, inputs)


def test_the_reference_has_second_gradients():
    inputs = OP.sample(T=3, B=2, H=2, ragged=1, resets=1, dtype=torch.float64)
    inputs = [x.requires_grad_() if is_real(x) else x for x in inputs]
    with ops.references():
        assert torch.autograd.gradgradcheck(leaky_rnn, inputs)


@need_kernels
def test_is_registered_well():
    inputs = OP.sample(T=6, B=3, H=5)
    output, final = OP.raw["forward"](*inputs)
    grads = torch.randn_like(output), torch.randn_like(final)
    for part, arguments in (("forward", inputs), ("backward", (*inputs, output, *grads))):
        torch.library.opcheck(
            OP.raw[part], arguments,
            test_utils=("test_schema", "test_faketensor", "test_aot_dispatch_dynamic"),
        )  # fmt: skip


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 20), st.integers(0, 9), st.booleans())
def test_two_halves_make_the_whole(T, B, H, cut, relu):
    cut = min(cut, T)
    input, weight, initial, *_ = OP.sample(T, B, H, torch.float64)
    whole, final = leaky_rnn(input, weight, initial, relu=relu)
    first, state = leaky_rnn(input[:cut], weight, initial, relu=relu)
    second, last = leaky_rnn(input[cut:], weight, state, relu=relu)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(last, final)


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_padding_and_other_sequences_change_nothing(T, B, random):
    lengths = torch.tensor([random.randint(0, T) for _ in range(B)])
    input, weight, initial, *_ = OP.sample(T, B, 7, torch.float64)
    output, final = leaky_rnn(input, weight, initial, lengths)
    for b, length in enumerate(lengths.tolist()):
        alone, last = leaky_rnn(input[:length, b : b + 1], weight, initial[b : b + 1])
        torch.testing.assert_close(output[:length, b : b + 1], alone)
        torch.testing.assert_close(final[b : b + 1], last)
        assert (output[length:, b] == 0).all()


@need_kernels
def test_threads_change_nothing():
    inputs = OP.sample(T=40, B=13, H=70, ragged=1)
    before = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            output, final = leaky_rnn(*inputs)
            found.append((output, final))
        assert all(a.equal(b) for other in found[1:] for a, b in zip(found[0], other, strict=True))
    finally:
        torch.set_num_threads(before)


def test_it_compiles_and_exports():
    inputs = OP.sample(T=6, B=3, H=5)
    want = leaky_rnn(*inputs)
    compiled = torch.compile(leaky_rnn, fullgraph=True, backend="aot_eager")
    for a, b in zip(compiled(*inputs), want, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"weight": torch.zeros(3, 4)}, ValueError, r"weight of shape \(H, H\).*got \(3, 4\)"),
        ({"weight": torch.zeros(4, 4)}, ValueError, r"weight of shape \(H, H\) with H = 3, H = 3"),
        (
            {"initial": torch.zeros(3, 3)},
            ValueError,
            r"initial of shape \(B, H\) with B = 2, H = 3",
        ),
        ({"input": torch.zeros(5, 3)}, ValueError, r"input of shape \(T, B, H\)"),
        ({"input": torch.zeros(5, 2, 3, dtype=torch.long)}, TypeError, "floating-point input"),
        ({"leak": 0.0}, ValueError, "leak above 0 and at most 1; got 0.0"),
        ({"leak": 1.5}, ValueError, "leak above 0 and at most 1; got 1.5"),
        ({"leak": math.nan}, ValueError, "leak above 0 and at most 1; got nan"),
        ({"lengths": torch.tensor([1, 9])}, ValueError, r"lengths in 0\.\.5; got 1\.\.9"),
        ({"reset": torch.zeros(5, 2)}, TypeError, r"reset of torch\.bool"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(change, error, said):
    given = {"input": torch.zeros(5, 2, 3), "weight": torch.zeros(3, 3)} | change
    with pytest.raises(error, match=said):
        leaky_rnn(**given)
