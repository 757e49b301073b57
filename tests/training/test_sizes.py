"""Widths of equal size: the nearest of all, by trying each."""

from hypothesis import given
from hypothesis import strategies as st

from swiftrnn.training.sizes import nearest_width


@given(st.integers(1, 9), st.integers(0, 50), st.integers(0, 9), st.integers(1, 20_000))
def test_no_other_width_comes_nearer(square, slope, more, wanted):
    def size(width):
        return square * width * width + slope * width + more

    found = nearest_width(size, wanted)
    best = min(range(1, 200), key=lambda width: abs(size(width) - wanted))
    assert abs(size(found) - wanted) == abs(size(best) - wanted)
    assert found >= 1
