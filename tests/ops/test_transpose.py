"""The transposition behind the weight gradient, in C and without."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.ops import _native
from swiftrnn.ops._transpose import transposed

DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@given(st.integers(0, 70), st.integers(0, 70), st.integers(0, 9), st.sampled_from(DTYPES))
def test_any_shape_and_any_distance_between_rows(R, C, gap, dtype):
    x = torch.randn(R, C + gap).to(dtype)[:, :C]
    found = transposed(x)
    assert torch.equal(found, x.t())
    assert found.is_contiguous()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_ones_on_any_number_of_threads(threads):
    x, before = torch.randn(1037, 301), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert torch.equal(transposed(x), x.t())
    finally:
        torch.set_num_threads(before)


def test_without_kernels_and_for_other_dtypes_torch_does_it(monkeypatch):
    x = torch.randn(40, 30)
    assert torch.equal(transposed(x.half()), x.half().t())
    assert torch.equal(transposed(x.t()), x)  # columns lie side by side: nothing to call C for
    monkeypatch.setattr(_native, "library", lambda: None)
    assert torch.equal(transposed(x), x.t())
    assert transposed(x).is_contiguous()
