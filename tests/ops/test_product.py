"""The products through every library, against float64."""

import pytest
import torch
from torch import nn

from swiftrnn.ops import _product

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
TOLERANCE = {
    torch.float64: (1e-12, 1e-12),
    torch.float32: (1e-5, 1e-4),
    torch.bfloat16: (1e-2, 0.5),
}


def close(actual, expected, dtype):
    rtol, atol = TOLERANCE[dtype]
    torch.testing.assert_close(actual.double(), expected.double(), rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 63, 64, 300, 1100])
@pytest.mark.parametrize("transposed", [False, True])
def test_rows_times(dtype, rows, transposed):
    x = torch.randn(rows, 40).to(dtype)
    weight = torch.randn(24, 40).to(dtype)
    weight = weight.t().contiguous().t() if transposed else weight
    exact = x.double() @ weight.double().t()
    for blocks in (1, 3):
        ready = _product.packed(weight, rows, blocks)
        close(_product.rows_times(x, ready), exact, dtype)
        for few in (1, 5):  # the last block is shorter than what the weight was packed for
            close(_product.rows_times(x[:few], ready), exact[:few], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 255, 256, 513, 1100])
@pytest.mark.parametrize(("G", "I"), [(70, 24), (24, 70)])
@pytest.mark.parametrize("outer_bytes", [1, 100_000, 1 << 30])
def test_add_outer(monkeypatch, dtype, rows, G, I, outer_bytes):
    monkeypatch.setattr(_product, "OUTER_BYTES", outer_bytes)
    left, right = torch.randn(rows, G).to(dtype), torch.randn(rows, I).to(dtype)
    for as_for in (1, rows):  # laid out for few rows, and for these
        total = _product.zeros_for_outer(torch.empty(G, I, dtype=dtype), as_for)
        start = torch.randn_like(total)
        total.copy_(start)
        _product.add_outer(total, left, right)
        close(total, start.double() + left.double().t() @ right.double(), dtype)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(400,), (20, 20), (3, 2)])
def test_linear(monkeypatch, block_bytes, bias, shape):
    monkeypatch.setattr(_product, "BLOCK_BYTES", block_bytes)
    x = torch.randn(*shape, 16, requires_grad=True)
    weight = torch.randn(9, 16, requires_grad=True)
    leaves = [x, weight, *([torch.randn(9, requires_grad=True)] if bias else [])]
    factor = torch.randn(*shape, 9)

    def values(function, leaves):
        y = function(*leaves, *([] if bias else [None]))
        return [y, *torch.autograd.grad((y * factor.to(y)).sum(), leaves)]

    doubles = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = values(nn.functional.linear, doubles)
    for a, e in zip(values(_product.linear, leaves), expected, strict=True):
        assert a.shape == e.shape
        close(a, e, torch.float32)


def test_linear_gives_only_the_gradients_that_are_needed():
    x, weight = torch.randn(100, 8), torch.randn(4, 8, requires_grad=True)
    _product.linear(x, weight, None).sum().backward()
    assert x.grad is None
    close(weight.grad, x.sum(0).expand(4, 8), torch.float32)


def test_linear_under_transforms_is_torchs_own():
    x, weight = torch.randn(5, 100, 8), torch.randn(4, 8)
    mapped = torch.func.vmap(lambda x: _product.linear(x, weight, None))(x)
    close(mapped, nn.functional.linear(x, weight), torch.float32)
    compiled = torch.compile(_product.linear, backend="eager", fullgraph=True)
    close(compiled(x, weight, None), nn.functional.linear(x, weight), torch.float32)
