"""sru against the equations written a second time, and what it says of bad input."""

import re

import numpy as np
import pytest
import torch

from swiftrnn.ops import sru


def oracle(gates, skip, weight_c, bias, c, mask, scale, tanh):
    """One channel at a time, in float64 and plain NumPy: Lei et al. (2018), equations 1 to 4."""
    T, B, G = gates.shape
    H, h = c.shape[1], np.zeros((T, B, c.shape[1]))
    c = c.copy()
    for b in range(B):
        for i in range(H):
            for t in range(T):
                u, uf, ur = (gates[t, b, k * H + i] for k in range(3))
                f = 1 / (1 + np.exp(-(uf + weight_c[0, i] * c[b, i] + bias[0, i])))
                r = 1 / (1 + np.exp(-(ur + weight_c[1, i] * c[b, i] + bias[1, i])))
                c[b, i] = f * c[b, i] + (1 - f) * u
                g = np.tanh(c[b, i]) if tanh else c[b, i]
                s = scale * (gates[t, b, 3 * H + i] if G == 4 * H else skip[t, b, i])
                h[t, b, i] = s + (g - s) * mask[b, i] * r
    return h, c


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("gates_per_channel", [3, 4])
def test_equals_the_oracle(tanh, version, gates_per_channel):
    T, B, H = 9, 3, 5
    draw = np.random.default_rng(0).normal
    gates, skip = draw(size=(T, B, gates_per_channel * H)), draw(size=(T, B, H))
    weight_c, bias, c = draw(size=(2, H)) * (version == 2), draw(size=(2, H)), draw(size=(B, H))
    mask = (draw(size=(B, H)) > 0) / 0.5
    h, final = oracle(gates, skip, weight_c, bias, c, mask, 1.3, tanh)
    tensors = [torch.from_numpy(x) for x in (gates, skip, weight_c, bias, c, mask)]
    tensors[1] = tensors[1] if gates_per_channel == 3 else None
    output, last = sru(*tensors, scale=1.3, tanh=tanh)
    np.testing.assert_allclose(output.numpy(), h, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last.numpy(), final, rtol=1e-12, atol=1e-12)


def test_equals_the_published_package():
    package = pytest.importorskip("sru", reason="the package sru (extra bench) is not installed")
    if getattr(package, "__version__", "2.6.0") != "2.6.0":
        pytest.skip("another release than 2.6.0")
    I, H = 6, 6
    theirs = package.SRUCell(I, H, rescale=True, highway_bias=-1.0, layer_norm=False)
    x, c0 = torch.randn(11, 3, I), torch.randn(3, H)
    with torch.no_grad():
        expected, expected_c = theirs(x, c0)
        weight = theirs.weight.view(I, H, 3).permute(2, 1, 0).reshape(3 * H, I)
        output, c = sru(
            x @ weight.T, x, theirs.weight_c.view(2, H), theirs.bias.view(2, H), c0,
            scale=float(theirs.scale_x),
        )  # fmt: skip
    torch.testing.assert_close(output, expected, rtol=1e-5, atol=3e-6)
    torch.testing.assert_close(c, expected_c, rtol=1e-5, atol=3e-6)


def test_version_1_is_a_linear_scan():
    from swiftrnn.ops import linear_scan

    gates, c0 = torch.randn(9, 2, 15, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    zero, x = torch.zeros(2, 5, dtype=torch.float64), torch.zeros(9, 2, 5, dtype=torch.float64)
    f = gates[..., 5:10].sigmoid()
    states, last = linear_scan(f, (1 - f) * gates[..., :5], c0)
    output, final = sru(gates, x, zero, zero, c0)
    torch.testing.assert_close(output, states * gates[..., 10:].sigmoid())
    torch.testing.assert_close(final, last)


def good():
    return dict(
        gates=torch.zeros(5, 2, 9), skip=torch.zeros(5, 2, 3), weight_c=torch.zeros(2, 3),
        bias=torch.zeros(2, 3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (dict(gates=torch.zeros(5, 2, 8)), ValueError, "(T, B, 3H) or (T, B, 4H) with H = 3"),
        (dict(gates=3), ValueError, "got int"),
        (dict(gates=torch.zeros(5, 2, 12)), ValueError, "either a fourth gate or a skip"),
        (dict(skip=torch.zeros(4, 2, 3)), ValueError, "got (4, 2, 3)"),
        (dict(weight_c=torch.zeros(3)), ValueError, "forget then reset; got (3,)"),
        (dict(bias=torch.zeros(2, 4)), ValueError, "got (2, 4)"),
        (dict(initial=torch.zeros(3, 3)), ValueError, "B = 2, H = 3; got (3, 3)"),
        (dict(initial=torch.zeros(2, 3, dtype=torch.int64)), TypeError, "torch.int64"),
        (dict(skip=torch.zeros(5, 2, 3).double()), TypeError, "got torch.float64"),
        (dict(mask=torch.zeros(1, 3)), ValueError, "mask of shape (B, H)"),
        (dict(lengths=torch.tensor([6, 0])), ValueError, "lengths in 0..5; got 0..6"),
        (dict(lengths=torch.tensor([-1, 0])), ValueError, "got -1..0"),
        (dict(lengths=torch.tensor([1])), ValueError, "(B) with B = 2; got (1,)"),
        (dict(lengths=torch.tensor([1.0, 2.0])), TypeError, "integer lengths; got torch.float32"),
        (dict(skip=torch.zeros(5, 2, 3, device="meta")), ValueError, "on cpu; got meta"),
    ],
)
def test_says_what_it_needs_and_what_it_got(change, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        sru(**(good() | change))
