"""Steps through a whole stack in one call of a kernel, against the full pass."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from swiftrnn import nn
from swiftrnn.nn import _stream
from swiftrnn.ops import _native

pytestmark = pytest.mark.skipif(_native.library() is None, reason="no C kernels here")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 5e-2}
LAYERS = {
    "SRU": lambda **k: nn.SRU(5, 7, 3, **k),
    "skips": lambda **k: nn.SRU(7, 7, 2, rescale=True, highway_bias=-1.0, tanh=True, **k),
    "no skip": lambda **k: nn.SRU(7, 7, 2, skip=False, version=1, bias=False, **k),
    "MinGRU": lambda **k: nn.MinGRU(5, 130, 2, **k),
    "MinLSTM": lambda **k: nn.MinLSTM(5, 7, 2, bias=False, **k),
    "QRNN": lambda **k: nn.QRNN(5, 7, 3, **k),
    "wide window": lambda **k: nn.QRNN(5, 7, 2, window=4, pooling="ifo", **k),
    "no window": lambda **k: nn.QRNN(5, 7, 2, window=1, pooling="f", zoneout=0.3, **k).eval(),
    "RGLRU": lambda **k: nn.RGLRU(7, 7, 2, **k),
}


@pytest.fixture
def calls(monkeypatch):
    """How many times the kernel ran."""
    ran, real = [], _stream.Stack.__call__

    def counted(self, *inputs):
        ran.append(len(inputs))
        return real(self, *inputs)

    monkeypatch.setattr(_stream.Stack, "__call__", counted)
    return ran


def walk(layer, x, state=None):
    outputs = []
    for now in x:
        y, state = layer.step(now, state)
        outputs.append(y)
    return torch.stack(outputs), state


@torch.no_grad()
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("B", [1, 3, 8])
def test_steps_equal_the_full_pass(make, dtype, B, calls):
    layer = make(dtype=dtype)
    x = torch.randn(6, B, layer.input_size).to(dtype)
    _, state = layer(torch.randn(5, B, layer.input_size).to(dtype))
    expected, last = layer(x, state)
    found, after = walk(layer, x, state)
    assert len(calls) == 6
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(found, expected, **close)
    torch.testing.assert_close(after, last, **close)
    torch.testing.assert_close(walk(layer, x)[0], layer(x)[0], **close)


@torch.no_grad()
@pytest.mark.parametrize("change", ["in place", "loaded", "another", "wider", "copied"])
def test_it_steps_with_the_parameters_of_now(change, calls):
    layer, x = nn.SRU(7, 7, 2), torch.randn(4, 1, 7)
    walk(layer, x)
    if change == "in place":
        layer.weight_c_l1.mul_(3)
        layer.bias_ih_l0.add_(1)
    elif change == "loaded":
        layer.load_state_dict(nn.SRU(7, 7, 2).state_dict())
    elif change == "another":
        layer.weight_ih_l0 = torch.nn.Parameter(torch.randn(21, 7))
    elif change == "wider":
        layer, x = layer.double(), x.double()
    else:
        layer = copy.deepcopy(layer)
        layer.weight_ih_l1.zero_()
    torch.testing.assert_close(walk(layer, x)[0], layer(x)[0], rtol=1e-5, atol=1e-5)
    assert len(calls) == 8


def test_where_it_cannot_run_the_layer_steps_as_before(calls):
    x = torch.randn(3, 2, 7)
    layer = nn.SRU(7, 7, 2)
    walk(layer, x)  # gradients
    with torch.no_grad():
        walk(nn.SRU(7, 7, 2, norm="before"), x)
        walk(nn.SRU(7, 7, 2, projection_size=2), x)
        walk(nn.SRU(7, 7, 2, dropout=0.5), x)  # while training
        walk(nn.RGLRU(7, 6, 2, num_heads=2), x)
        walk(nn.MinGRU(7, 1), x)
        walk(layer, torch.randn(3, 9, 7))
        walk(layer, torch.randn(3, 0, 7))
        with torch.autocast("cpu", torch.bfloat16):
            walk(layer, x)
        torch.nn.utils.parametrizations.weight_norm(layer, "weight_ih_l0")
        walk(layer, x)
        with torch.inference_mode():
            walk(nn.SRU(7, 7, 2), x)
    assert calls == []
    with torch.no_grad():
        walk(nn.SRU(7, 7, 2, dropout=0.5).eval(), x)
    assert len(calls) == 3


@torch.no_grad()
@pytest.mark.parametrize("state", [torch.zeros(1, 1, 7), torch.zeros(2, 7), "nothing", (1, 2)])
def test_a_state_that_does_not_fit_is_refused_as_before(state):
    layer, x = nn.SRU(7, 7, 2), torch.randn(1, 7)
    layer.step(x)
    with pytest.raises((ValueError, TypeError), match=r"SRU needs a state \(layers \* directions"):
        layer.step(x, state)


@torch.no_grad()
def test_a_window_that_does_not_fit_is_refused_as_before():
    layer, x, c = nn.QRNN(7, 7, 2), torch.randn(1, 7), torch.zeros(2, 1, 7)
    layer.step(x, c)  # windows of zeros
    with pytest.raises(ValueError, match=r"a window \(window - 1, B, features\) of \(1, 1, 7\)"):
        layer.step(x, (c, (torch.zeros(1, 1, 7), torch.zeros(2, 1, 7))))
    with pytest.raises(ValueError, match=r"QRNN needs a state \(c, windows\) with 2 windows"):
        layer.step(x, (c, (torch.zeros(1, 1, 7),)))


@torch.no_grad()
def test_threads_change_no_bit(monkeypatch):
    monkeypatch.setattr(_native, "threads", lambda _: 2)
    layer, x = nn.SRU(33, 65, 2), torch.randn(1, 33)
    two = layer.step(x)
    monkeypatch.setattr(_native, "threads", lambda _: 1)
    for a, b in zip(two, layer.step(x), strict=True):
        assert torch.equal(a, b)


@torch.no_grad()
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_changes_behind_the_back_of_autograd_are_noticed(make, dtype, calls):
    """Through `.data`, as averages of weights are often put in, no version is counted."""
    layer, other = make(dtype=dtype), make(dtype=dtype)
    x = torch.randn(4, 1, layer.input_size).to(dtype)
    walk(layer, x)
    for parameter, new in zip(layer.parameters(), other.parameters(), strict=True):
        parameter.data.copy_(new.data + 0.25)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(walk(layer, x)[0], layer(x)[0], **close)
    assert len(calls) == 8


@torch.no_grad()
@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (LAYERS["skips"], "tanh", False),
        (LAYERS["skips"], "highway_bias", 1.0),
        (LAYERS["skips"], "skip", False),
        (lambda: nn.QRNN(7, 8, window=1).eval(), "zoneout", 0.9),
        (lambda: nn.QRNN(7, 8, window=1, zoneout=0.9).eval(), "zoneout", 0.0),
    ],
)
def test_options_may_be_changed(make, name, value, calls):
    layer = make()
    x = torch.randn(4, 2, layer.input_size)
    walk(layer, x)
    setattr(layer, name, value)
    torch.testing.assert_close(walk(layer, x)[0], layer(x)[0], rtol=1e-5, atol=1e-5)
    assert len(calls) == 8


@torch.no_grad()
@pytest.mark.parametrize("method", ["run_layer", "start_stack", "start_layer", "finish_layer"])
def test_a_layer_made_from_another_is_not_taken_for_it(method, calls):
    def changed(self, x, *rest, **more):
        found = getattr(nn.SRU, method)(self, x, *rest, **more)
        if method == "run_layer":
            return found[0] + 1, found[1]
        return {**found} if method == "start_layer" else found + 1

    kind = type("Mine", (nn.SRU,), {method: changed})
    layer, x = kind(7, 7, 2), torch.randn(4, 2, 7)
    torch.testing.assert_close(walk(layer, x)[0], layer(x)[0], rtol=1e-5, atol=1e-5)
    assert calls == []


@torch.no_grad()
def test_many_streams_may_share_a_layer():
    layer, x = nn.MinGRU(16, 64, 3), torch.randn(50, 8, 1, 16)
    expected = [walk(layer, x[:, i])[0] for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: walk_without_gradients(layer, x[:, i]), range(8)))
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


def walk_without_gradients(layer, x):
    with torch.no_grad():  # is per thread
        return walk(layer, x)[0]


@torch.no_grad()
def test_what_it_gets_stays_as_it_was():
    layer, x, state = nn.SRU(7, 7, 2), torch.randn(1, 7), torch.randn(2, 1, 7)
    before = x.clone(), state.clone()
    layer.step(x, state)
    assert torch.equal(x, before[0])
    assert torch.equal(state, before[1])
