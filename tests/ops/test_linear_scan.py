"""linear_scan against closed forms, and what it says of bad input."""

import re

import pytest
import torch

from swiftrnn.ops import linear_scan


def test_constant_decay_is_a_geometric_sum():
    decay = torch.full((50, 1, 2), 0.75, dtype=torch.float64)
    output, final = linear_scan(decay, torch.ones_like(decay))
    steps = torch.arange(1, 51, dtype=torch.float64)
    expected = (1 - 0.75**steps) / 0.25
    torch.testing.assert_close(output[:, 0, 0], expected)
    torch.testing.assert_close(final, expected[-1].expand(1, 2))


def test_reverse_is_the_flipped_scan():
    decay, x = torch.rand(9, 2, 33), torch.randn(9, 2, 33)
    output, final = linear_scan(decay, x, reverse=True)
    flipped, last = linear_scan(decay.flip(0), x.flip(0))
    assert torch.equal(output, flipped.flip(0))
    assert torch.equal(final, last)


def test_sixteen_bits_keep_a_state_of_thirty_two():
    decay, x = torch.ones(600, 1, 1, dtype=torch.bfloat16), torch.ones(600, 1, 1).bfloat16()
    output, final = linear_scan(decay, x)
    assert output.dtype == torch.bfloat16
    assert final.dtype == torch.float32
    assert final.item() == 600  # a bfloat16 state would stop at 256
    half = linear_scan(decay.half(), x.half())[1]
    assert half.item() == 600


def test_sixteen_bits_round_ties_to_even():
    state = 1 + torch.arange(64) / 128  # neighbours in bfloat16; half a step more is a tie
    x = torch.full((1, 1, 64), 2.0**-8).bfloat16()
    output, final = linear_scan(torch.ones_like(x), x, state[None])
    assert torch.equal(output[0], final.bfloat16())
    assert (output[0] > state).sum() == 32


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (dict(decay=torch.zeros(5, 2, 4)), ValueError, "got (5, 2, 4)"),
        (dict(input=torch.zeros(5, 3)), ValueError, "(T, B, H)"),
        (dict(initial=torch.zeros(3)), ValueError, "B = 2, H = 3; got (3,)"),
        (dict(decay=torch.zeros(5, 2, 3).bfloat16()), TypeError, "got torch.bfloat16"),
        (dict(input=None), TypeError, "got NoneType"),
    ],
)
def test_says_what_it_needs_and_what_it_got(change, kind, message):
    good = dict(decay=torch.zeros(5, 2, 3), input=torch.zeros(5, 2, 3))
    with pytest.raises(kind, match=re.escape(message)):
        linear_scan(**(good | change))
