"""gated_scan beside linear_scan, and what it refuses."""

import pytest
import torch

from swiftrnn import ops


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("update", [False, True])
@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_a_linear_scan_between_gates(update, tanh, output, reverse):
    T, B, H = 7, 3, 5
    gates, bias, initial = (
        draw(T, B, (3 if output else 2) * H),
        draw((3 if output else 2) * H),
        draw(B, H),
    )
    ends = torch.tensor([7, 0, 4]), torch.rand(T, B) < 0.3
    parts = (gates + bias).split(H, -1)
    f, u = (1 - parts[0].sigmoid(), parts[1]) if update else (parts[1].sigmoid(), parts[0])
    u = u.tanh() if tanh else u
    c, last = ops.linear_scan(f, (1 - f) * u, initial, *ends, reverse)
    h = parts[2].sigmoid() * c if output else c
    found, final = ops.gated_scan(gates, bias, initial, *ends, tanh, update, reverse)
    torch.testing.assert_close(found, h)
    torch.testing.assert_close(final, last)


@pytest.mark.parametrize(
    ("gates", "bias", "initial", "said"),
    [
        ((5, 2, 7), (7,), (2, 3), r"needs gates \(T, B, 2H\) or .* H = 3 .*; got \(5, 2, 7\)"),
        ((5, 2, 6), (9,), (2, 3), r"needs bias of shape \(G\) with G = 6; got \(9,\)"),
        ((5, 4, 6), (6,), (2, 3), r"needs gates of shape .* B = 2; got \(5, 4, 6\)"),
        ((5, 2, 6), (6,), (3,), r"needs initial of shape \(B, H\); got \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(gates, bias, initial, said):
    with pytest.raises(ValueError, match=said):
        ops.gated_scan(torch.zeros(gates), torch.zeros(bias), torch.zeros(initial))
