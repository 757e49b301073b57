"""Each layer against its equations, written once more with torch's own pieces."""

import math

import pytest
import torch

from swiftrnn.nn import HGRN, QRNN, RGLRU, SRU, CausalConv, Linear, MinGRU, MinLSTM


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("window", [1, 2, 4])
@pytest.mark.parametrize("pooling", ["f", "fo", "ifo"])
def test_qrnn_is_a_convolution_and_a_pooling(window, pooling):
    I, H = 3, 5
    layer, x = QRNN(I, H, window=window, pooling=pooling, dtype=torch.float64), draw(9, 2, I)
    weight = layer.weight_ih_l0.view(-1, window, I).flip(1).transpose(1, 2)  # oldest tap first
    padded = torch.nn.functional.pad(x.permute(1, 2, 0), (window - 1, 0))
    gates = torch.nn.functional.conv1d(padded, weight, layer.bias_ih_l0).permute(2, 0, 1)
    z, f, *rest = gates.split(H, -1)
    z, f = z.tanh(), f.sigmoid()
    o = rest[0].sigmoid() if rest else torch.ones_like(f)
    i = rest[1].sigmoid() if len(rest) > 1 else 1 - f
    c, outputs = torch.zeros(2, H, dtype=torch.float64), []
    for t in range(9):
        c = f[t] * c + i[t] * z[t]
        outputs.append(o[t] * c)
    output, (last, windows) = layer(x)
    torch.testing.assert_close(output, torch.stack(outputs))
    torch.testing.assert_close(last[0], c)
    assert torch.equal(windows[0], x[9 - (window - 1) :])


def test_mingru_follows_its_equation():
    layer, x, h = MinGRU(3, 5, dtype=torch.float64), draw(9, 2, 3), draw(1, 2, 5)
    output, last = layer(x, h)
    weight, bias, h = layer.weight_ih_l0, layer.bias_ih_l0, h[0]
    for t in range(9):
        z = (x[t] @ weight[:5].T + bias[:5]).sigmoid()
        h = (1 - z) * h + z * (x[t] @ weight[5:].T + bias[5:])
        torch.testing.assert_close(output[t], h)
    torch.testing.assert_close(last[0], h)


def test_minlstm_follows_its_equation():
    layer, x, h = MinLSTM(3, 5, dtype=torch.float64), draw(9, 2, 3), draw(1, 2, 5)
    output, last = layer(x, h)
    gates, h = x @ layer.weight_ih_l0.T + layer.bias_ih_l0, h[0]
    i, f, new = gates[..., :5].sigmoid(), gates[..., 5:10].sigmoid(), gates[..., 10:]
    for t in range(9):
        h = (f[t] * h + i[t] * new[t]) / (f[t] + i[t])
        torch.testing.assert_close(output[t], h)
    torch.testing.assert_close(last[0], h)


@pytest.mark.parametrize("bias", [-1e4, 1e4])
def test_minlstm_with_both_gates_shut_or_open_takes_half_of_each(bias):
    layer, x = MinLSTM(3, 5), torch.randn(4, 2, 3)
    with torch.no_grad():
        layer.weight_ih_l0[:10] = 0
        layer.bias_ih_l0[:10] = bias  # f / (f + i) would be 0 / 0
    output, _ = layer(x, torch.ones(1, 2, 5))
    new = x[0] @ layer.weight_ih_l0[10:].T + layer.bias_ih_l0[10:]
    torch.testing.assert_close(output[0], (1 + new) / 2)
    output.sum().backward()
    assert torch.isfinite(layer.weight_ih_l0.grad).all()


@pytest.mark.parametrize("I", [5, 3])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tanh", [False, True])
def test_sru_follows_its_equations(I, version, tanh):
    H = 5
    layer = SRU(
        I, H, dtype=torch.float64, version=version, tanh=tanh, rescale=True, highway_bias=-1.0
    )
    x, c = draw(9, 2, I), draw(1, 2, H)
    output, last = layer(x, c)
    assert hasattr(layer, "weight_c_l0") == (version == 2)
    c, rows = c[0], layer.weight_ih_l0.split(H)
    v = layer.weight_c_l0 if version == 2 else torch.zeros(2 * H, dtype=torch.float64)
    for t in range(9):
        f = (x[t] @ rows[1].T + v[:H] * c + layer.bias_ih_l0[:H]).sigmoid()
        r = (x[t] @ rows[2].T + v[H:] * c + layer.bias_ih_l0[H:]).sigmoid()
        c = f * c + (1 - f) * (x[t] @ rows[0].T)
        s = x[t] * math.sqrt(1 + 2 * math.exp(-1)) if I == H else x[t] @ rows[3].T
        torch.testing.assert_close(output[t], s + ((c.tanh() if tanh else c) - s) * r)
    torch.testing.assert_close(last[0], c)


def test_sru_starts_where_the_paper_says():
    layer = SRU(300, 300, highway_bias=-2.0)
    rows = layer.weight_ih_l0.split(300)
    spread = [row.std().item() * math.sqrt(300) for row in rows]
    assert spread == pytest.approx([1, math.sqrt(0.5), math.sqrt(0.5)], rel=0.02)
    assert layer.weight_c_l0.std().item() == pytest.approx(math.sqrt(0.5), rel=0.1)
    assert layer.bias_ih_l0.unique().tolist() == [-2, 0]
    wide = SRU(400, 300, highway_bias=-2.0, rescale=True).weight_ih_l0.split(300)[3]
    alpha = math.sqrt(1 + 2 * math.exp(-2))
    assert wide.std().item() * 20 == pytest.approx(alpha, rel=0.02)


def test_variational_dropout_keeps_one_mask_for_a_sequence():
    layer = SRU(64, 64, 2, variational_dropout=0.5)
    layer.reset_parameters()
    x = torch.randn(10, 2, 64)
    first = SRU(64, 64)
    first.load_state_dict({n: layer.state_dict()[n] for n in first.state_dict()})
    seen = {}
    layer.run_layer, plain = _record(layer.run_layer, seen), first(x)[0]
    layer(x)
    dropped = seen[0] == x  # where the mask is 0 the output is the skip
    assert (dropped.all(0) | ~dropped.any(0)).all()
    assert 0.3 < dropped[0].float().mean() < 0.7
    kept = ~dropped.all(0)
    torch.testing.assert_close((seen[0] - x)[:, kept], 2 * (plain - x)[:, kept])
    assert torch.equal(seen[0], seen[0])
    layer.eval()
    torch.testing.assert_close(layer(x)[0], layer(x)[0])


def _record(function, seen):
    def run(x, state, weights, lengths, layer, direction):
        result = function(x, state, weights, lengths, layer, direction)
        seen[layer] = result[0].detach()
        return result

    return run


def test_the_convolution_is_gated_and_residual():
    layer, x = CausalConv(4, 4, num_layers=2, kernel_size=3).double(), draw(20, 2, 4)
    expected = x
    for i, (norm, product) in enumerate(zip(layer.norms, layer.convolutions, strict=True)):
        kernel = product.weight.view(8, 3, 4).transpose(1, 2)
        padded = torch.nn.functional.pad(norm(expected).permute(1, 2, 0), (2 * 3**i, 0))
        y = torch.nn.functional.conv1d(padded, kernel, product.bias, dilation=3**i)
        value, gate = y.permute(2, 0, 1).chunk(2, dim=-1)
        expected = expected + value * gate.sigmoid()
    torch.testing.assert_close(layer(x)[0], expected)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(3,), (300,), (20, 20)])
def test_linear_is_that_of_torch(shape, bias):
    ours, theirs = Linear(12, 7, bias=bias), torch.nn.Linear(12, 7, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(*shape, 12)
    grad, grads = torch.randn(*shape, 7), []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        y = layer(given)
        y.backward(grad)
        grads.append([y.detach(), given.grad, *(p.grad for p in layer.parameters())])
    torch.testing.assert_close(*grads, atol=1e-4, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x), theirs(x))
        assert ours(x).dtype == torch.bfloat16


def test_causal_conv_sees_its_receptive_field_and_nothing_else():
    layer, x = CausalConv(4, 6, num_layers=3, kernel_size=3), torch.randn(60, 1, 4)
    layer = layer.double()
    x = x.double().requires_grad_()
    layer(x)[0][50].sum().backward()
    seen = x.grad.abs().sum((1, 2)).nonzero().flatten()
    assert seen.min() == 50 - (layer.receptive_field - 1)
    assert seen.max() == 50


def test_causal_conv_streams():
    layer, x = CausalConv(4, 6, num_layers=3).double(), draw(70, 2, 4)
    whole, caches = layer(x)
    state, outputs = None, []
    for x_t in x:
        output, state = layer.step(x_t, state)
        outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs), whole)
    for a, b in zip(state, caches, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CausalConv(4, 0), "hidden_size of at least 1; got 0"),
        (lambda: CausalConv(4, 4, kernel_size=1), "kernel_size of at least 2; got 1"),
        (lambda: CausalConv(4, 4)(torch.zeros(5, 2, 3)), "I = 4; got"),
        (lambda: CausalConv(4, 4, 1)(torch.zeros(5, 2, 4), (torch.zeros(2, 2, 4),)), "cache 0 of"),
        (lambda: QRNN(4, 4, window=0), "window of at least 1; got 0"),
        (lambda: SRU(4, 4, version=3), "version of 1, 2; got 3"),
        (lambda: SRU(4, 4, variational_dropout=-1.0), "variational_dropout in 0..1; got -1.0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("I", "heads"), [(6, 1), (6, 3), (4, 2)])
def test_rglru_follows_its_equation(I, heads):
    layer = RGLRU(I, 6, num_heads=heads, dtype=torch.float64)
    torch.nn.init.normal_(layer.bias_gate_l0)
    x, h = draw(9, 2, I), draw(1, 2, 6)
    output, last = layer(x, h)
    u = x if I == 6 else x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    r, i = (
        (u @ torch.block_diag(*weight).T + bias).sigmoid()
        for weight, bias in zip(layer.weight_gate_l0, layer.bias_gate_l0, strict=True)
    )
    a, h = torch.exp(-8 * r * torch.log1p(layer.decay_l0.exp())), h[0]
    for t in range(9):
        h = a[t] * h + (1 - a[t] ** 2).sqrt() * i[t] * u[t]
        torch.testing.assert_close(output[t], h)
    torch.testing.assert_close(last[0], h)


def test_rglru_starts_with_decays_between_its_bounds():
    decay = torch.exp(-torch.nn.functional.softplus(RGLRU(8, 1000).decay_l0))
    assert 0.9 <= decay.min() < 0.91
    assert 0.99 < decay.max() <= 0.999


def test_rglru_learns_where_its_gate_is_shut():
    layer, x = RGLRU(4, 4), torch.randn(3, 2, 4, requires_grad=True)
    with torch.no_grad():
        layer.bias_gate_l0[0] = -1e3  # r = 0, a = 1, and the square root is one of 0
    output, _ = layer(x)
    output.sum().backward()
    assert not output.any()
    gradients = [x.grad, *(p.grad for p in layer.parameters())]
    assert all(g.isfinite().all() for g in gradients)


def test_hgrn_follows_its_equation():
    layer, x, state = HGRN(3, 5, 3, dtype=torch.float64), draw(9, 2, 3), draw(3, 2, 5)
    torch.nn.init.normal_(layer.lower_bound)
    torch.nn.init.normal_(layer.weight_norm_l1)
    output, last = layer(x, state)
    shares = torch.softmax(layer.lower_bound, 0)
    for k, floor in enumerate((0 * shares[0], shares[1], shares[1] + shares[2])):
        own = {name: getattr(layer, f"{name}_l{k}") for name in layer.parameter_shapes(1)}
        u, f, o = (x @ own["weight_ih"].T + own["bias_ih"]).split(5, -1)
        f, h, outputs = floor + (1 - floor) * f.sigmoid(), state[k], []
        for t in range(9):
            h = f[t] * h + (1 - f[t]) * u[t] * u[t].sigmoid()
            normed = h / (h.square().mean(-1, keepdim=True) + 1e-5).sqrt() * own["weight_norm"]
            gated = normed * o[t] * o[t].sigmoid()
            outputs.append(gated @ own["weight_hy"].T + own["bias_hy"])
        torch.testing.assert_close(last[k], h)
        x = torch.stack(outputs)
    torch.testing.assert_close(output, x)
