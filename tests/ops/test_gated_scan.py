"""gated_scan beside linear_scan, and what it refuses."""

from itertools import product

import pytest
import torch

from swiftrnn import ops
from swiftrnn.ops.gated_scan import OP
from swiftrnn.ops.gated_scan.reference import GATES


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def gates_by_hand(cell, parts):
    """f, i, u, o, as the docstring has them, for gates that are not large."""
    s = torch.sigmoid
    if cell == "min_gru":
        return 1 - s(parts[0]), s(parts[0]), parts[1], 1
    if cell == "min_lstm":
        both = s(parts[0]) + s(parts[1])
        return s(parts[1]) / both, s(parts[0]) / both, parts[2], 1
    u, f, *more = parts
    if cell == "hgrn":
        return s(f), 1 - s(f), u * s(u), 1
    return s(f), s(more[1]) if len(more) == 2 else 1 - s(f), u.tanh(), s(more[0]) if more else 1


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("floors", [0, 1, 3])
@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_a_linear_scan_between_gates(cell, floors, reverse):
    T, B, H = 7, 3, 5
    gates, bias, initial = draw(T, B, GATES[cell] * H), draw(GATES[cell] * H), draw(B, H)
    floor = [None, draw(H).sigmoid(), None, draw(T, B, H).sigmoid()][floors]
    ends = torch.tensor([7, 0, 4]), torch.rand(T, B) < 0.3
    f, i, u, o = gates_by_hand(cell, (gates + bias).split(H, -1))
    if floor is not None:
        f, i = floor + (1 - floor) * f, (1 - floor) * i
    c, last = ops.linear_scan(f, i * u, initial, *ends, reverse)
    found, final = ops.gated_scan(gates, bias, floor, initial, *ends, cell, reverse)
    torch.testing.assert_close(found, o * c)
    torch.testing.assert_close(final, last)


@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(20, 20), (100, 100), (300, 299), (1e4, 2e4)])
def test_shut_and_open_gates_are_exact(cell, dtype, sizes):
    """Outputs and gradients where every gate is far out, in all combinations of signs."""
    n = GATES[cell]
    signs = torch.tensor(list(product((-1.0, 1.0), repeat=n)), dtype=dtype)
    gates = (signs * torch.tensor([sizes[k % 2] for k in range(n)], dtype=dtype))[None]
    inputs = gates, torch.zeros(n, dtype=dtype), torch.ones(2**n, 1, dtype=dtype)
    results = []
    for wide in (False, True):
        leaves = [x.double() if wide else x.clone() for x in inputs]
        leaves = [x.requires_grad_() for x in leaves]
        if wide:
            output, _ = OP.reference(*leaves[:2], None, leaves[2], None, None, cell, False)
        else:
            output, _ = ops.gated_scan(*leaves[:2], None, leaves[2], cell=cell)
        results.append((output, *torch.autograd.grad(output.sum(), leaves)))
    for found, exact in zip(*results, strict=True):
        atol = torch.finfo(dtype).eps  # 1 - f has the digits of 1
        torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=atol)


def test_a_floor_of_one_keeps_the_state():
    gates, bias, initial = draw(6, 2, 12), draw(12), draw(2, 3)
    keeps = torch.rand(6, 2, 3) < 0.5
    output, final = ops.gated_scan(gates, bias, keeps.double(), initial, cell="qrnn_ifo")
    c = output / torch.sigmoid(gates + bias)[..., 6:9]
    before = torch.cat([initial[None], c[:-1]])
    torch.testing.assert_close(c[keeps], before[keeps])
    assert (c[~keeps] != before[~keeps]).all()
    torch.testing.assert_close(final, c[-1])


@pytest.mark.parametrize("cell", ["hgrn", "min_gru"])
def test_floors_that_do_not_fit_are_refused(cell):
    given = torch.zeros(5, 2, 6), torch.zeros(6)

    def run(floor, cell=cell):
        ops.gated_scan(*given, floor, torch.zeros(2, 3), cell=cell)

    with pytest.raises(ValueError, match=r"needs floor of shape \(H\) with H = 3; got \(4,\)"):
        run(torch.zeros(4))
    with pytest.raises(ValueError, match=r"needs floor of shape .* T = 5.*; got \(1, 2, 3\)"):
        run(torch.zeros(1, 2, 3))
    with pytest.raises(ValueError, match=r"needs cell of min_gru, .*; got 'gru'"):
        run(None, "gru")


@pytest.mark.parametrize(
    ("gates", "bias", "initial", "said"),
    [
        ((5, 2, 7), (7,), (2, 3), r"needs gates \(T, B, 2H\) for .* H = 3 .*; got \(5, 2, 7\)"),
        ((5, 2, 6), (9,), (2, 3), r"needs bias of shape \(G\) with G = 6; got \(9,\)"),
        ((5, 4, 6), (6,), (2, 3), r"needs gates of shape .* B = 2; got \(5, 4, 6\)"),
        ((5, 2, 6), (6,), (3,), r"needs initial of shape \(B, H\); got \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(gates, bias, initial, said):
    with pytest.raises(ValueError, match=said):
        ops.gated_scan(torch.zeros(gates), torch.zeros(bias), None, torch.zeros(initial))
