"""What modules of other packages say of themselves is carried over, or refused by name."""

import copy

import pytest
import torch
from tests.nn.test_published import draw, made_up, qrnn_in_their_way
from tests.nn.test_sru_plus_plus import published
from torch import nn

from swiftrnn.nn import load_qrnn, load_sru, load_sru_plus_plus


class QRNNLayer(nn.Module):
    """As torchqrnn's looks from outside."""

    def __init__(self, inputs, H, window=1, zoneout=0, output_gate=True, save_prev_x=False):
        super().__init__()
        self.window, self.zoneout, self.output_gate = window, zoneout, output_gate
        self.save_prev_x, self.prevX, self.use_cuda = save_prev_x, None, False
        self.input_size, self.hidden_size = inputs, H
        self.linear = nn.Linear(window * inputs, (3 if output_gate else 2) * H).double()


class QRNN(nn.Module):
    def __init__(self, I=4, H=6, layers=1, dropout=0.0, **options):
        super().__init__()
        sizes = [I] + [H] * (layers - 1)
        self.layers = nn.ModuleList(QRNNLayer(n, H, **options) for n in sizes)
        self.num_layers, self.dropout, self.bidirectional = layers, dropout, False
        self.batch_first = False


class FastaiLayer(QRNNLayer):
    def __init__(self, *sizes, backward=False, **options):
        super().__init__(*sizes, **options)
        self.batch_first, self.backward = True, backward


class Fastai(nn.Module):
    def __init__(self, layers=1, bidirectional=False, **options):
        super().__init__()
        self.layers = nn.ModuleList(FastaiLayer(6, 6, **options) for _ in range(layers))
        if bidirectional:
            self.layers_bwd = nn.ModuleList(
                FastaiLayer(6, 6, backward=True, **options) for _ in range(layers)
            )
        self.n_layers, self.batch_first, self.dropout = layers, True, 0.1
        self.bidirectional = bidirectional


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize("layers", [1, 2])
def test_qrnn_is_what_its_module_says(window, gate, layers):
    """One layer of window 2 was read as one of window 1 with twice the input; 6 gates as 3."""
    module = QRNN(layers=layers, window=window, output_gate=gate, dropout=0.3, zoneout=0.25)
    layer, x = load_qrnn(module.eval()), draw(6, 2, 4)
    assert (layer.input_size, layer.hidden_size, layer.window) == (4, 6, window)
    assert (layer.pooling, layer.dropout, layer.zoneout) == ("fo" if gate else "f", 0.3, 0.25)
    assert not layer.training
    layer.zoneout = 0.0
    expected, last = qrnn_in_their_way(x, module.state_dict(), layers, 3 if gate else 2, window)
    output, (c, _) = layer(x)
    torch.testing.assert_close((output, c), (expected, last))
    assert load_qrnn(module.train()).training


def test_zoneout_of_qrnn_is_ours():
    """While it does not train, f is multiplied by 1 - zoneout, in their code and by ours."""
    module, x = QRNN(zoneout=0.25).eval(), draw(6, 2, 4)
    z, f, o = module.layers[0].linear(x).chunk(3, -1)
    c, outputs = torch.zeros(2, 6).double(), []
    for t in range(6):
        keep = 0.75 * f[t].sigmoid()
        c = keep * z[t].tanh() + (1 - keep) * c
        outputs.append(o[t].sigmoid() * c)
    torch.testing.assert_close(load_qrnn(module)(x)[0], torch.stack(outputs))


def test_a_lone_layer_of_qrnn_is_loaded():
    layer = load_qrnn(QRNNLayer(4, 6, window=2, zoneout=0.1), batch_first=True)
    assert (layer.input_size, layer.window, layer.zoneout) == (4, 2, 0.1)
    assert layer.batch_first


@pytest.mark.parametrize("window", [1, 2])
def test_fastais_two_directions_are_two(window):
    module, x = Fastai(bidirectional=True, window=window), draw(3, 5, 6)
    layer = load_qrnn(module)
    assert (layer.batch_first, layer.bidirectional, layer.dropout) == (True, True, 0.1)
    weights = module.state_dict()
    for name, part, y in (("layers", slice(0, 6), x), ("layers_bwd", slice(6, 12), x.flip(1))):
        state = {n.replace(f"{name}.", "layers."): w for n, w in weights.items() if name + "." in n}
        expected = qrnn_in_their_way(y.transpose(0, 1), state, 1, 3, window)[0].transpose(0, 1)
        expected = expected.flip(1) if "bwd" in name else expected
        torch.testing.assert_close(layer(x)[0][..., part], expected)
    again = load_qrnn(weights, window=window)
    assert again.bidirectional


def changed(module, change):
    change(module)
    return module


def without_bias(module):
    module.layers[0].linear.bias = None


QRNNS = [
    (lambda: QRNN(), dict(window=2), "window as the module has it, 1; got 2; leave it away"),
    (lambda: QRNN(), dict(output_gate=False), "output_gate as the module has it, True; got False"),
    (lambda: changed(QRNN(layers=2), lambda m: setattr(m.layers[1], "zoneout", 0.5)), {},
     "one zoneout in all layers; got 0, 0.5; load the layers one by one"),
    (lambda: changed(QRNN(layers=2), lambda m: setattr(m.layers[0], "window", 2)), {},
     "one window in all layers; got 1, 2"),
    (lambda: changed(QRNN(), lambda m: setattr(m.layers[0], "prevX", torch.zeros(1, 2, 4))), {},
     "remembers no input; got prevX"),
    (lambda: changed(QRNN(), without_bias), {}, "weights and biases; got no layers.0.linear.bias"),
    (lambda: changed(QRNN(), lambda m: setattr(m, "more", nn.Linear(2, 2))), {},
     "nothing but weights that it knows; got more.bias, more.weight as well"),
    (lambda: changed(QRNN(), lambda m: m.layers[0].linear.bias.requires_grad_(False)), {},
     "frozen as a whole or not at all"),
    (lambda: Fastai(zoneout=0.1), {}, "zoneout of 0 in fastai's layers.*; got 0.1"),
    (lambda: Fastai(2, bidirectional=True), {}, "one layer if bidirectional.*; got 2"),
    (lambda: Fastai(2, bidirectional=True).state_dict(), {}, "do not see each other; got 2 and 2"),
    (lambda: FastaiLayer(4, 6, backward=True), {}, "that runs forwards; got backward=True"),
    (lambda: QRNN().state_dict(), dict(window=0), "window of at least 1; got 0"),
    (lambda: QRNN().state_dict(), dict(window=3), "3 gates and a window of 3; got"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "said", "message"), QRNNS)
def test_what_qrnn_cannot_be_is_refused(make, said, message):
    with pytest.raises(ValueError, match=f"^load_qrnn needs .*{message}"):
        load_qrnn(make(), **said)


class SRUCell(nn.Module):
    """As sru 2.6's looks from outside."""

    def __init__(self, I, H, directions, state, **options):
        super().__init__()
        for name, value in state.items():
            if name == "scale_x":
                self.register_buffer(name, value)
            elif "." in name:
                norm = getattr(self, "layer_norm", None) or nn.LayerNorm(len(value)).double()
                self.layer_norm = norm
                getattr(norm, name.split(".")[1]).data = value
            else:
                self.register_parameter(name, nn.Parameter(value))
        usual = dict(rnn_dropout=0.0, dropout=0.0, has_skip_term=True, highway_bias=0.0, v1=False,
                     rescale=False, activation_type=0, normalize_after=False, custom_m=None,
                     amp_recurrence_fp16=False, weight_c_init=None)  # fmt: skip
        self.bidirectional, self.input_size, self.hidden_size = directions == 2, I, H
        for name, value in (usual | options).items():
            setattr(self, name, value)


class SRU(nn.Module):
    def __init__(self, H=6, layers=2, directions=1, dropout=0.0, norm="", **options):
        super().__init__()
        O = directions * H
        state = made_up(O, H, layers, directions, True, 0, norm, 2, False, False)
        cells = []
        for k in range(layers):
            prefix = f"rnn_lst.{k}."
            part = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
            p = dropout if k + 1 < layers else 0.0
            cells.append(SRUCell(O, H, directions, part, dropout=p, **options))
        self.rnn_lst, self.bidirectional = nn.ModuleList(cells), directions == 2
        self.dropout, self.rnn_dropout = dropout, options.get("rnn_dropout", 0.0)
        self.has_skip_term = options.get("has_skip_term", True)


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (dict(dropout=0.2), "variational_dropout", 0.2),
        (dict(activation_type=1), "tanh", True),
        (dict(activation_type=0), "tanh", False),
        (dict(has_skip_term=False), "skip", False),
        (dict(directions=2), "bidirectional", True),
        (dict(highway_bias=-3.0), "highway_bias", -3.0),
        (dict(norm="after", normalize_after=True), "norm", "after"),
        (dict(norm="before"), "norm", "before"),
    ],
)
def test_sru_is_what_its_module_says(options, name, value):
    module = SRU(**options)
    layer = load_sru(module.eval())
    assert getattr(layer, name) == value
    assert not layer.training
    stated = "norm_after" if name == "norm" else name
    if stated in ("variational_dropout", "tanh", "skip", "bidirectional"):
        load_sru(module, **{stated: value})
        other = 0.5 if isinstance(value, float) else not value
        with pytest.raises(ValueError, match=rf"^load_sru needs {stated} as the module has it"):
            load_sru(module, **{stated: other})


def test_a_skip_that_is_not_rescaled_is_not():
    """`scale_x` is used only if the module rescales."""
    module = SRU(rescale=False)
    for cell in module.rnn_lst:
        cell.scale_x.fill_(1.5)
    assert not load_sru(module).rescale
    for cell in module.rnn_lst:
        cell.rescale = True
    assert load_sru(module).rescale


def test_version_1_stays_version_1():
    module = SRU(v1=True)
    for cell in module.rnn_lst:
        cell.weight_c.data.zero_()
        cell.weight_c.requires_grad_(False)
    layer = load_sru(module)
    assert layer.version == 1
    assert not hasattr(layer, "weight_c_l0")
    assert layer.weight_ih_l0.requires_grad
    frozen = load_sru(module.requires_grad_(False))
    assert not any(p.requires_grad for p in frozen.parameters())


SRUS = [
    (lambda: SRU(rnn_dropout=0.2), "rnn_dropout of 0, which our layer has not; got 0.2; set it"),
    (lambda: changed(SRU(), lambda m: setattr(m.rnn_lst[1], "rnn_dropout", 0.1)), "rnn_dropout"),
    (lambda: SRU(activation_type=2), "tanh or no activation; got activation_type 2"),
    (lambda: changed(SRU(), lambda m: setattr(m.rnn_lst[0], "activation_type", 1)),
     "one activation_type in all layers; got 0, 1"),
    (lambda: changed(SRU(), lambda m: setattr(m.rnn_lst[0], "dropout", 0.3)),
     "one dropout in all layers; got 0.0, 0.3"),
    (lambda: changed(SRU(), lambda m: setattr(m.rnn_lst[1], "dropout", 0.3)),
     "dropout of 0 in the last layer, as in an sru.SRU; got 0.3"),
    (lambda: SRU(dropout=0.4).rnn_lst[0], "dropout of 0 in the last layer"),
    (lambda: SRU().state_dict() | {"decoder.weight": draw(2, 2)}, "got decoder.weight as well"),
    (lambda: SRU().state_dict() | {"rnn_lst.0.more": draw(2)}, "got more as well"),
    (lambda: {n.replace("lst.1", "lst.2"): w for n, w in SRU().state_dict().items()},
     "got rnn_lst.2.bias, .* as well"),
    (lambda: changed(SRU(), lambda m: m.rnn_lst[0].bias.requires_grad_(False)),
     "frozen as a whole or not at all"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), SRUS)
def test_what_sru_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=f"^load_sru needs .*{message}"):
        load_sru(make())


class SRUpp(SRU):
    """As that of 3.0.dev looks from outside."""

    def __init__(self, **inside):
        super().__init__()
        state = published(6, 6, 2, 1, 4, [True, True], "none", False, True, False)
        for k, cell in enumerate(self.rnn_lst):
            prefix = f"rnn_lst.{k}."
            part = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
            inner = nn.Module()
            for name in ("linear1", "linear2", "linear3"):
                weight = part[f"transform_module.{name}.weight"]
                linear = nn.Linear(*weight.shape[::-1], bias=False).double()
                linear.weight.data = weight
                setattr(inner, name, linear)
            inner.alpha, inner.layer_norm = nn.Parameter(draw(1)), nn.LayerNorm(4).double()
            usual = dict(num_heads=2, dropout=0.0, attn_dropout=0.0)
            for name, value in (usual | inside).items():
                setattr(inner, name, value)
            del cell.weight
            cell.transform_module = inner


def test_sru_plus_plus_is_what_its_module_says():
    layer = load_sru_plus_plus(SRUpp(dropout=0.1, attn_dropout=0.2).eval())
    assert (layer.num_heads, layer.projection_dropout, layer.attention_dropout) == (2, 0.1, 0.2)
    assert not layer.training
    with pytest.raises(ValueError, match="num_heads as the module has it, 2; got 4"):
        load_sru_plus_plus(SRUpp(), num_heads=4)
    module = SRUpp()
    module.rnn_lst[1].transform_module.attn_dropout = 0.3
    with pytest.raises(ValueError, match=r"one attn_dropout in all layers; got 0\.0, 0\.3"):
        load_sru_plus_plus(module)
    more = copy.deepcopy(SRUpp()).state_dict() | {"rnn_lst.0.transform_module.bias": draw(3)}
    with pytest.raises(ValueError, match=r"got transform_module\.bias as well"):
        load_sru_plus_plus(more)
    module = SRUpp()
    module.rnn_lst[0].rnn_dropout = 0.1
    with pytest.raises(ValueError, match=r"^load_sru_plus_plus needs rnn_dropout of 0"):
        load_sru_plus_plus(module)
