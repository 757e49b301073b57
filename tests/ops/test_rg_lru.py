"""rg_lru where it is hard: decays close to 1 and shut gates; and what it refuses."""

import pytest
import torch

from swiftrnn import ops
from swiftrnn.ops.rg_lru import OP


@pytest.mark.parametrize("rate", [-1e-9, -1e-6, -1e-3, -0.1, -0.2, -1.0, -8.0, -80.0])
@pytest.mark.parametrize("gate", [-40.0, -5.0, 0.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slow_and_fast_decays_are_exact(rate, gate, dtype):
    inputs = (
        torch.full((1, 1, 6), gate),
        torch.ones(1, 1, 3),
        torch.tensor([0.0, 1.0, -1.0]).repeat(2),
        torch.full((3,), rate),
        torch.zeros(1, 3),
    )
    results = []
    for wide in (False, True):
        leaves = [x.to(dtype).to(torch.float64 if wide else dtype) for x in inputs]
        leaves = [x.requires_grad_() for x in leaves]
        ends = (None, None, False)
        output, _ = OP.reference(*leaves, *ends) if wide else ops.rg_lru(*leaves)
        results.append((output, *torch.autograd.grad(output.sum(), leaves)))
    for found, exact in zip(*results, strict=True):
        rtol = 100 * torch.finfo(dtype).eps
        torch.testing.assert_close(found.double(), exact, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize(
    ("i", "shape", "said"),
    [
        (0, (5, 2, 9), r"needs gates of shape \(T, B, 2H\) with T = 5, B = 2, 2H = 6; got"),
        (1, (5, 2), r"needs skip of shape \(T, B, H\); got \(5, 2\)"),
        (2, (3,), r"needs bias of shape \(2H\) with 2H = 6; got \(3,\)"),
        (3, (6,), r"needs rate of shape \(H\) with H = 3; got \(6,\)"),
        (4, (3,), r"needs initial of shape \(B, H\) with B = 2, H = 3; got \(3,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(i, shape, said):
    shapes = [(5, 2, 6), (5, 2, 3), (6,), (3,), (2, 3)]
    shapes[i] = shape
    with pytest.raises(ValueError, match=said):
        ops.rg_lru(*(torch.zeros(s) for s in shapes))
