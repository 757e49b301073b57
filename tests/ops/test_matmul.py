"""The products in C, for every instruction set of this machine, against float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.ops import _matmul, _native

find_level = _matmul.level.__wrapped__  # past its cache
LEVELS = list(range(1, _matmul.level() + 1))
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-3}
SIZES = st.one_of(st.integers(0, 70), st.sampled_from([96, 130, 517]))  # 512 deep, 48 wide
pytestmark = pytest.mark.skipif(not LEVELS, reason="no AVX2, or no C kernels here")


@pytest.fixture(params=LEVELS, ids=lambda n: {1: "avx2", 2: "avx512"}[n], scope="module")
def level(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_matmul, "level", lambda: request.param)
        yield request.param


def draw(rows, columns, dtype, gap=0):
    """A matrix whose rows lie further apart than they are long, with nan in between."""
    whole = torch.full((rows, columns + gap), torch.nan, dtype=dtype)
    whole[:, :columns] = torch.randn(rows, columns)
    return whole[:, :columns]


def close(actual, expected):
    tolerance = TOLERANCE[actual.dtype]
    torch.testing.assert_close(actual.double(), expected, rtol=tolerance, atol=tolerance)


@given(SIZES, SIZES, SIZES, st.integers(0, 5), st.booleans(), st.booleans(), st.data())
def test_rows_times_a_weight(level, R, I, G, gap, turned, add, data):
    dtype = data.draw(st.sampled_from(list(TOLERANCE)))
    x = draw(R, I, dtype, gap)
    weight = draw(I, G, dtype, gap).t() if turned else draw(G, I, dtype, gap)
    whole = torch.randn(R, G + gap, dtype=dtype)
    before, out = whole.clone(), whole[:, :G]
    _matmul.Packed(weight).times(x, out, add)
    expected = x.double() @ weight.double().t()
    close(out, expected + before[:, :G].double() if add else expected)
    assert torch.equal(whole[:, G:], before[:, G:])  # what lies beside is not touched


@given(SIZES, SIZES, SIZES, st.integers(0, 5), st.data())
def test_outer_products_are_added(level, R, G, I, gap, data):
    dtype = data.draw(st.sampled_from(list(TOLERANCE)))
    left, right = draw(R, G, dtype, gap), draw(R, I, dtype, gap)
    whole = torch.randn(G, I + gap, dtype=dtype)
    before = whole.clone()
    _matmul.add_outer(whole[:, :I], left, right)
    close(whole[:, :I], before[:, :I].double() + left.double().t() @ right.double())
    assert torch.equal(whole[:, I:], before[:, I:])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_neither_threads_nor_the_rows_beside_change_a_bit(level, threads):
    x, weight = torch.randn(257, 600), torch.randn(130, 600)
    out, one, total, two = (torch.empty(257, 130) for _ in range(4))
    total, two = torch.zeros(600, 130), torch.zeros(600, 130)
    before = torch.get_num_threads()
    packed = _matmul.Packed(weight)
    for row in range(257):
        packed.times(x[row : row + 1], one[row : row + 1])
    try:
        torch.set_num_threads(1)
        _matmul.add_outer(two, x, one)
        torch.set_num_threads(threads)
        _matmul.Packed(weight).times(x, out)
        _matmul.add_outer(total, x, out)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(out, one)
    assert torch.equal(total, two)


def test_both_factors_may_lie_anyhow(level):
    x, weight = torch.randn(600, 70).t(), torch.randn(9, 600)  # columns of x lie side by side
    out = torch.empty(70, 9)
    _matmul.Packed(weight).times(x, out)
    close(out, x.double() @ weight.double().t())
    ones, total = torch.ones(1, 9).expand(70, 9), torch.zeros(600, 9)  # one row, seventy times
    _matmul.add_outer(total, x, ones)
    close(total, x.double().t() @ ones.double())


def test_numbers_that_are_none_stay_where_they_are(level):
    x, weight = torch.randn(20, 30), torch.randn(17, 30)
    x[3, 4], x[5, 6] = torch.nan, torch.inf
    out = torch.empty(20, 17)
    _matmul.Packed(weight).times(x, out)
    kept = [row for row in range(20) if row not in (3, 5)]
    assert torch.isfinite(out[kept]).all()
    assert out[3].isnan().all()
    assert (out[5] == weight[:, 6].sign() * torch.inf).all()


def test_without_the_kernels_there_is_no_level(monkeypatch):
    monkeypatch.setattr(_native, "library", lambda: None)
    assert find_level() == 0
    assert not _matmul.can_multiply(torch.bfloat16)
