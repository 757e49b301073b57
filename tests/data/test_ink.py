"""Ink: found whatever its colour, and brought to a size and a place."""

import torch

from swiftrnn.data.ink import cropped, placed


def page(ground=255, ink=0):
    image = torch.full((60, 100), ground, dtype=torch.uint8)
    image[20:30, 40:80] = ink
    return image


def test_ink_is_cut_out_bright_whatever_its_colour():
    for image in (page(), page(0, 255), page(200, 90), page(30, 60)):
        found = cropped(image)
        assert found.shape == (10, 40)
        assert (found == 255).all()


def test_there_is_no_ink_on_an_empty_page():
    assert cropped(page(255, 255)) is None
    assert (placed(page(7, 7), (32, 32), (20, 20)) == 0).all()


def test_ink_is_placed_in_the_middle_as_large_as_fits():
    found = placed(page(), (32, 32), (22, 22))
    rows, columns = (found > 127).any(1).nonzero()[:, 0], (found > 127).any(0).nonzero()[:, 0]
    assert (len(columns), len(rows)) == (22, 6)
    assert abs(columns.float().mean() - 15.5) <= 0.5
    assert abs(rows.float().mean() - 15.5) <= 0.5


def test_a_single_pixel_is_placed():
    image = torch.full((5, 5), 255, dtype=torch.uint8)
    image[4, 0] = 0
    assert (placed(image, (32, 32), (20, 20)) == 255).sum() == 400
