"""The products through every library, against float64."""

import pytest
import torch
from torch import nn

from swiftrnn.ops import _matmul, _product

DTYPES = [torch.float64, torch.float32, torch.bfloat16]
TOLERANCE = {
    torch.float64: (1e-12, 1e-12),
    torch.float32: (1e-5, 1e-4),
    torch.bfloat16: (1e-2, 0.5),
}


def close(actual, expected, dtype):
    rtol, atol = TOLERANCE[dtype]
    torch.testing.assert_close(actual.double(), expected.double(), rtol=rtol, atol=atol)


@pytest.fixture(params=["ours", "libraries"], autouse=True)
def way(request, monkeypatch):
    """Our kernel where it runs, and as on a machine where it does not."""
    if request.param == "libraries":
        monkeypatch.setattr(_matmul, "level", lambda: 0)
    elif not _matmul.level():
        pytest.skip("no AVX2, or no C kernels here")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 63, 64, 300, 1100])
@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_rows_times_a_weight(dtype, rows, blocks, transposed):
    x = torch.randn(rows, 40).to(dtype)
    weight = torch.randn(24, 40).to(dtype)
    weight = weight.t().contiguous().t() if transposed else weight
    exact = x.double() @ weight.double().t()
    product = _product.times(weight, rows, blocks)
    for few in (rows, 1, 5):  # the last block is shorter than what the weight was packed for
        out = torch.full((len(x[:few]), 24), torch.nan, dtype=dtype)
        close(product(x[:few], out, False), exact[:few], dtype)  # in out, or a library's own
        _product.write(product, x[:few], out, False)
        close(out, exact[:few], dtype)
        assert product(x[:few], out, True) is out
        close(out, 2 * exact[:few], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 255, 1100])
@pytest.mark.parametrize(("G", "I"), [(70, 24), (24, 70), (24, 24)])
def test_add_outer(dtype, rows, G, I):
    left, right = torch.randn(rows, G).to(dtype), torch.randn(rows, I).to(dtype)
    total = _product.zeros_for_outer(torch.empty(G, I, dtype=dtype))
    assert total.shape == (G, I)
    assert not total.any()
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
