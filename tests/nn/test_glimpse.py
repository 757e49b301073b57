"""Glimpses: filters against a loop of scalars, windows against sums, gradients, what is refused."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swiftrnn import nn
from swiftrnn.nn.glimpse import boxes, cauchy_filters


def by_hand(c, d, size, window):
    """One bank, number by number, as the paper has it."""
    found = []
    delta, gamma = size / window * (1 - abs(d)), math.exp(1 - 2 * abs(d))
    for i in range(window):
        mu = (size - 1) * (c + 1) / 2 + delta * (i - (window - 1) / 2)
        row = [1 / (math.pi * gamma * (1 + ((a - mu) / gamma) ** 2)) for a in range(size)]
        found.append([each / (sum(row) + 1e-4) for each in row])
    return torch.tensor(found, dtype=torch.float64)


shares = st.floats(-1, 1)


@given(shares, shares, shares, st.integers(1, 12), st.integers(1, 6))
def test_filters_are_those_of_the_paper(y, x, d, size, window):
    found = cauchy_filters(torch.tensor([y, x, d], dtype=torch.float64), size, window)
    assert found.shape == (2, window, size)
    for axis, c in enumerate((y, x)):
        torch.testing.assert_close(found[axis], by_hand(c, d, size, window), rtol=1e-9, atol=1e-12)


def test_windows_are_sums_over_pixels_of_every_channel():
    torch.manual_seed(0)
    images = torch.randn(3, 2, 7, 7, dtype=torch.float64)
    place = 2 * torch.rand(3, 5, 3, dtype=torch.float64) - 1
    seen = nn.Glimpse(4)(images, place)
    assert seen.shape == (3, 5, 2, 4, 4)
    for b in range(3):
        for r in range(5):
            y, x, d = place[b, r].tolist()
            down, across = by_hand(y, d, 7, 4), by_hand(x, d, 7, 4)
            for c in range(2):
                want = sum(
                    images[b, c, i, j] * torch.outer(down[:, i], across[:, j])
                    for i in range(7) for j in range(7)
                )  # fmt: skip
                torch.testing.assert_close(seen[b, r, c], want)


def test_every_gradient_is_right():
    torch.manual_seed(0)
    images = torch.randn(2, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    place = (1.6 * torch.rand(2, 3, 3, dtype=torch.float64) - 0.8).requires_grad_()
    assert torch.autograd.gradcheck(nn.Glimpse(3), (images, place))
    assert torch.autograd.gradgradcheck(nn.Glimpse(3), (images, place))


def test_channels_last_and_others_are_the_same():
    images, place = torch.randn(2, 8, 16, 16), torch.rand(2, 4, 3)
    look = nn.Glimpse(4)
    torch.testing.assert_close(
        look(images, place), look(images.contiguous(memory_format=torch.channels_last), place)
    )


def test_a_constant_image_is_seen_as_nearly_constant():
    seen = nn.Glimpse(4)(torch.ones(1, 1, 32, 32), torch.tensor([[[0.3, -0.9, 0.5]]]))
    assert ((seen > 0.99) & (seen <= 1)).all()


def test_a_narrow_glimpse_sees_the_pixel_that_it_looks_at():
    image = torch.zeros(1, 1, 33, 33)
    image[0, 0, 24, 8] = 1
    look = nn.Glimpse(1)
    here = look(image, torch.tensor([[[0.5, -0.5, 0.99]]]))
    elsewhere = look(image, torch.tensor([[[-0.5, 0.5, 0.99]]]))
    assert here > 0.2
    assert elsewhere < 1e-3


def test_boxes_say_where_the_window_lies():
    whole, right = boxes(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.5]]), 32)
    torch.testing.assert_close(whole, torch.tensor([0.0, 0.0, 1.0, 1.0]))
    torch.testing.assert_close(right, torch.tensor([0.25, 63 / 64 - 0.25, 0.75, 63 / 64 + 0.25]))
    filters = cauchy_filters(torch.tensor([0.0, 1.0, 0.5]), 32, 2)  # its middle is a pixel's
    middle = (filters[1].argmax(-1).float() + 0.5).mean() / 32
    assert abs(middle - (right[1] + right[3]) / 2) < 0.2


@pytest.mark.parametrize(
    ("images", "place"),
    [((2, 1, 8, 9), (2, 1, 3)), ((2, 8, 8), (2, 1, 3)), ((2, 1, 8, 8), (2, 3)),
     ((2, 1, 8, 8), (3, 1, 3))],
)  # fmt: skip
def test_other_shapes_are_refused(images, place):
    with pytest.raises(ValueError, match=r"Glimpse needs images \(B, C, N, N\) and place"):
        nn.Glimpse(4)(torch.zeros(images), torch.zeros(place))


def test_other_places_and_windows_are_refused():
    with pytest.raises(ValueError, match=r"place \(\.\.\., 3\); got \(2, 4\)"):
        cauchy_filters(torch.zeros(2, 4), 8, 2)
    with pytest.raises(ValueError, match=r"Glimpse needs window of at least 1; got 0"):
        nn.Glimpse(0)
    with pytest.raises(TypeError, match=r"Glimpse needs window as an integer; got 2\.5"):
        nn.Glimpse(2.5)


def test_nothing_is_seen_of_no_images():
    assert nn.Glimpse(4)(torch.zeros(0, 1, 8, 8), torch.zeros(0, 2, 3)).shape == (0, 2, 1, 4, 4)
    assert nn.Glimpse(4)(torch.zeros(2, 1, 8, 8), torch.zeros(2, 0, 3)).shape == (2, 0, 1, 4, 4)


def test_it_compiles_and_exports():
    look, images, place = nn.Glimpse(4), torch.randn(2, 3, 16, 16), torch.rand(2, 2, 3)
    exported = torch.export.export(look, (images, place)).module()
    torch.testing.assert_close(exported(images, place), look(images, place))
    assert "window=4" in repr(look)
