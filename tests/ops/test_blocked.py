"""The product in blocks of time, against the product and the op one after the other."""

import pytest
import torch
from torch import nn

from swiftrnn import nn as layers
from swiftrnn import ops
from swiftrnn.ops import OPS, _blocked, _matmul, _native
from swiftrnn.ops.gated_scan.reference import GATES

SRU, GATED = (next(op for op in OPS if op.name == name) for name in ("sru", "gated_scan"))
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 6e-2}
pytestmark = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def values(function, leaves):
    leaves = [x.detach().clone().requires_grad_() for x in leaves]
    output, final = function(*leaves)
    weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
    loss = (output.double() * weights).sum() + (final.double() ** 2).sum()
    return [output, final, *torch.autograd.grad(loss, leaves)]


@pytest.mark.parametrize("steps_per_block", [1, 3, 100])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("skip", ["none", "x", "own"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_blocks_change_nothing(monkeypatch, steps_per_block, reverse, skip, ragged, dtype):
    check(monkeypatch, 5, steps_per_block, reverse, skip, ragged, dtype)


@pytest.fixture(params=["few rows", "chunked", "runs", "runs on 2 threads"])
def from_rows(request, monkeypatch):
    """As for few rows; for many, whose gates lie in chunks; and computed by the kernel itself."""
    few, runs = request.param == "few rows", request.param.startswith("runs")
    before = torch.get_num_threads()
    monkeypatch.setattr(_blocked, "PACKED_ROWS", 1000 if few else 0)
    monkeypatch.setattr(_matmul, "RUN_ROWS", 7)  # two steps of three sequences
    monkeypatch.setattr(_matmul, "SINK_ROWS", 7)
    if not runs:
        monkeypatch.setattr(_blocked, "can_multiply", lambda _: False)
    if request.param.endswith("threads"):
        monkeypatch.setattr(_native, "WORTH_A_THREAD", 1)
        torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("H", [127, 300])  # 128 channels to a chunk
@pytest.mark.parametrize("skip", ["none", "x", "own"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.usefixtures("from_rows")
def test_chunks_of_channels_change_nothing(monkeypatch, H, skip, reverse, dtype):
    check(monkeypatch, H, 3, reverse, skip, True, dtype)


def check(monkeypatch, H, steps_per_block, reverse, skip, ragged, dtype):
    """Holds outputs and all gradients of SRU in blocks against those of the whole."""
    T, B = 8, 3
    I, G = (4, 4 * H) if skip == "none" else (H, 3 * H)
    step_bytes = B * G * torch.empty((), dtype=dtype).element_size()
    monkeypatch.setattr(_blocked, "BLOCK_BYTES", steps_per_block * step_bytes)
    real = _native.state_dtype(dtype)
    x, weight = torch.randn(T, B, I).to(dtype), (torch.randn(G, I) / I**0.5).to(dtype)
    vectors = [torch.randn(2, H).to(real) / 2, torch.randn(2, H).to(real)]
    initial, mask = torch.randn(B, H).to(real), torch.rand(B, H).to(real)
    ends = (torch.tensor([8, 0, 5]), torch.rand(T, B) < 0.3) if ragged else (None, None)
    flags = (1.25, True, reverse)

    own = torch.randn(T, B, H).to(dtype)

    def plain(x, weight, *rest):
        *vectors, given = rest if skip == "own" else (*rest, x if skip == "x" else None)
        return ops.sru(nn.functional.linear(x, weight), given, *vectors, mask, *ends, *flags)

    def blocked(x, weight, *rest):
        *vectors, given = rest if skip == "own" else (*rest, x if skip == "x" else None)
        return _blocked.project(SRU, x, weight, given, *vectors, mask, *ends, *flags)

    leaves = [x, weight, *vectors, initial, *([own] if skip == "own" else [])]
    same(blocked, plain, leaves, dtype)


def same(blocked, plain, leaves, dtype):
    for a, e in zip(values(blocked, leaves), values(plain, leaves), strict=True):
        assert a.dtype == e.dtype
        torch.testing.assert_close(a, e, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("H", [5, 127, 300])
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize("floors", [None, "channels", "all"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.usefixtures("from_rows")
def test_gated_scan_in_blocks(monkeypatch, H, cell, floors, reverse, dtype):
    T, B, I, G = 8, 3, 4, GATES[cell] * H
    step_bytes = B * G * torch.empty((), dtype=dtype).element_size()
    monkeypatch.setattr(_blocked, "BLOCK_BYTES", 3 * step_bytes)
    real, ends = _native.state_dtype(dtype), (torch.tensor([8, 0, 5]), torch.rand(T, B) < 0.3)
    x, weight = torch.randn(T, B, I).to(dtype), (torch.randn(G, I) / 2).to(dtype)
    leaves = [x, weight, torch.randn(G).to(real), torch.randn(B, H).to(real)]
    shape = {None: (), "channels": (H,), "all": (T, B, H)}[floors]
    given = None if floors is None else torch.rand(shape).to(real)
    learnt = floors == "channels" and cell == "hgrn"
    leaves = [*leaves, given] if learnt else leaves

    def plain(x, weight, bias, initial, floor=given):
        gates = nn.functional.linear(x, weight)
        return ops.gated_scan(gates, bias, floor, initial, *ends, cell, reverse)

    def blocked(x, weight, bias, initial, floor=given):
        rest = bias, floor, initial, *ends, cell, reverse
        return _blocked.project(GATED, x, weight, None, *rest)

    same(blocked, plain, leaves, dtype)


@pytest.mark.parametrize("taps", [(1, 0), (0, 1), (3, 2, 1, 0), (0, 2)])
@pytest.mark.parametrize("steps_per_block", [1, 3, 100])
@pytest.mark.parametrize("H", [5, 300])
@pytest.mark.usefixtures("from_rows")
def test_taps_are_inputs_side_by_side(monkeypatch, taps, steps_per_block, H):
    T, B, I = 8, 3, 4
    monkeypatch.setattr(_blocked, "BLOCK_BYTES", steps_per_block * B * 3 * H * 8)
    x, weight = draw(T + max(taps), B, I), draw(3 * H, len(taps) * I)
    leaves = [x, weight, draw(3 * H), draw(B, H)]
    lengths = torch.tensor([8, 0, 5])

    def plain(x, weight, bias, initial):
        gates = nn.functional.linear(torch.cat([x[tap : tap + T] for tap in taps], -1), weight)
        return ops.gated_scan(gates, bias, None, initial, lengths, cell="qrnn_fo")

    def blocked(x, weight, bias, initial):
        rest = bias, None, initial, lengths, None, "qrnn_fo", False
        return _blocked.project(GATED, x, weight, None, *rest, taps=taps)

    same(blocked, plain, leaves, torch.float64)


@pytest.mark.parametrize("layer", ["SRU", "QRNN", "MinGRU", "MinLSTM", "HGRN", "RGLRU"])
def test_threads_change_no_bit(monkeypatch, layer):
    monkeypatch.setattr(_matmul, "SINK_ROWS", 100)  # 12 runs, the last one shorter
    monkeypatch.setattr(_native, "WORTH_A_THREAD", 1)
    module, x = getattr(layers, layer)(260, 260), torch.randn(400, 3, 260, requires_grad=True)
    results, before = [], torch.get_num_threads()
    for threads in (1, 2, 5):  # five: more than there are chunks of channels
        torch.set_num_threads(threads)
        try:
            output, _ = module(x)
            loss = (output * torch.linspace(-1, 1, 260)).sum()
            results.append([output, *torch.autograd.grad(loss, [x, *module.parameters()])])
        finally:
            torch.set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("op", "case"), [(SRU, {"skip": 4}), *((GATED, {"cell": i}) for i in range(len(GATES)))]
)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_kept_may_lie_apart_from_the_gates(op, case, dtype, chunked):
    """As where a library gives a product in memory of its own; SRU's skip is a gate here."""
    inputs = op.sample(6, 3, 130, dtype, **case)
    here, apart = inputs[0].clone(), torch.full_like(inputs[0], torch.nan)
    forward = op.kernel("forward")
    first = forward(here, *inputs[1:], True, None, None, here, chunked)
    second = forward(*inputs, True, None, None, apart, chunked)
    for a, b in zip([here, *first], [apart, *second], strict=True):
        assert torch.equal(a, b)


def test_a_graph_can_be_walked_twice():
    x = torch.randn(6, 2, 4, requires_grad=True)
    weight = torch.randn(12, 4, requires_grad=True)
    rest = (
        torch.zeros(2, 4),
        torch.zeros(2, 4),
        torch.zeros(2, 4),
        None,
        None,
        None,
        1.0,
        False,
        False,
    )
    output, _ = _blocked.project(SRU, x, weight, x, *rest)
    first = torch.autograd.grad(output.sum(), [x, weight], retain_graph=True)
    second = torch.autograd.grad(output.sum(), [x, weight])
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_only_what_needs_a_gradient_gets_one():
    x, weight = torch.randn(6, 2, 4), torch.randn(12, 4, requires_grad=True)
    vectors = torch.zeros(2, 4), torch.zeros(2, 4, requires_grad=True)
    rest = torch.zeros(2, 4), None, None, None, 1.0, False, False
    output, _ = _blocked.project(SRU, x, weight, x, *vectors, *rest)
    output.sum().backward()
    assert x.grad is None
    assert weight.grad.shape == weight.shape
    assert vectors[1].grad.abs().sum() > 0


@pytest.mark.parametrize("layer", ["SRU", "QRNN", "MinGRU"])
def test_without_gradients_the_output_is_the_same(monkeypatch, layer):
    monkeypatch.setattr(_matmul, "RUN_ROWS", 7)  # room for two steps at a time
    module, x = getattr(layers, layer)(260, 260), torch.randn(200, 3, 260)
    output, state = module(x)
    with torch.no_grad():
        again, last = module(x)
    assert torch.equal(output, again)
    if layer == "QRNN":  # beside it, the window
        state, last = state[0], last[0]
    assert torch.equal(state, last)


@pytest.mark.skipif(not _matmul.can_multiply(torch.float64), reason="no products of our own here")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("taps", [(0,), (1, 0)])
def test_what_has_ended_is_not_multiplied(monkeypatch, taps, reverse, threads):
    """Nothing of the padding, nan here, comes into a gradient, not even times 0."""
    monkeypatch.setattr(_native, "threads", lambda _: threads)
    T, B, I, H = 40, 24, 50, 70
    lengths = torch.randint(0, T, (B,))
    x, weight = draw(T + max(taps), B, I), draw(3 * H, I * len(taps)) / I**0.5
    inside = torch.cat([torch.ones(max(taps), B).bool(), torch.arange(T)[:, None] < lengths])
    rest = draw(3 * H), None, draw(B, H), lengths, None, "qrnn_fo", reverse

    def blocked(x, weight):
        return _blocked.project(GATED, x, weight, None, *rest, taps=taps)

    def plain(x, weight):
        seen = torch.cat([x[tap : tap + T] for tap in taps], -1)
        bias, floor, initial, *others = rest
        return ops.gated_scan(seen @ weight.T, bias, floor, initial, *others)

    clean = torch.where(inside[..., None], x, 0)
    expected = values(plain, [clean, weight])
    x[~inside] = torch.nan
    for a, e in zip(values(blocked, [x, weight]), expected, strict=True):
        torch.testing.assert_close(a, e)


@pytest.mark.skipif(not _matmul.can_multiply(torch.float64), reason="no products of our own here")
def test_lengths_that_are_changed_in_place_are_seen():
    layer, x = layers.MinGRU(8, 8), torch.randn(40, 20, 8)
    lengths = torch.full((20,), 20)
    with torch.no_grad():
        layer(x, lengths=lengths)
        lengths += 10
        assert torch.equal(layer(x, lengths=lengths)[0], layer(x, lengths=lengths.clone())[0])
