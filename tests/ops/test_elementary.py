"""The exponential and the hyperbolic tangent inside the kernels, against 50-digit values."""

import mpmath
import pytest
import torch

from swiftrnn import ops


def sigmoid_by_kernel(x):
    """With u = 0, c[-1] = 1 and no other input, c[0] is the sigmoid of the forget gate."""
    H = x.numel()
    gates = torch.zeros(1, 1, 3 * H, dtype=x.dtype)
    gates[0, 0, H : 2 * H] = x
    zero = torch.zeros(2, H, dtype=x.dtype)
    return ops.sru(gates, None, zero, zero, torch.ones(1, H, dtype=x.dtype))[1][0]


def tanh_by_kernel(x):
    """With a shut forget gate and an open reset gate, h[0] is the tanh of u."""
    H = x.numel()
    gates = torch.zeros(1, 1, 3 * H, dtype=x.dtype)
    gates[0, 0, :H], gates[0, 0, H : 2 * H], gates[0, 0, 2 * H :] = x, -1e4, 1e4
    zero = torch.zeros(2, H, dtype=x.dtype)
    return ops.sru(gates, None, zero, zero, tanh=True)[0][0, 0]


def exact_sigmoid(v):
    return 1 / (1 + mpmath.exp(-v))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("kernel", "exact", "reach", "units"),
    [(sigmoid_by_kernel, exact_sigmoid, 15.0, 4), (tanh_by_kernel, mpmath.tanh, 9.0, 4)],
    ids=["sigmoid", "tanh"],
)
def test_errors_are_a_few_units_in_the_last_place(dtype, kernel, exact, reach, units):
    x = torch.cat(
        [torch.linspace(-reach, reach, 4001, dtype=dtype), torch.randn(500, dtype=dtype) * 1e-3]
    )
    with mpmath.workdps(50):
        wanted = [exact(mpmath.mpf(v)) for v in x.tolist()]
        errors = [abs((mpmath.mpf(a) - w) / w) if w else abs(a)
                  for a, w in zip(kernel(x).tolist(), wanted, strict=True)]  # fmt: skip
    assert max(errors) < units * torch.finfo(dtype).eps


def test_far_values_saturate():
    far = torch.tensor([-1e30, -200.0, 200.0, 1e30, float("-inf"), float("inf")])
    below = sigmoid_by_kernel(far)[[0, 1, 4]]
    assert (below >= 0).all()
    assert (below < 1e-18).all()
    assert (sigmoid_by_kernel(far)[[2, 3, 5]] == 1).all()
    assert tanh_by_kernel(far[:4]).tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sigmoid_of_nothing_is_one_half(dtype):
    none = torch.tensor([0.0, -0.0, 1e-45, -1e-45, 1e-37, -1e-30], dtype=dtype)
    assert sigmoid_by_kernel(none).tolist() == [0.5] * 6
