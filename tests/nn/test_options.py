"""What the options of layers may be, at construction and later: wrong kinds are never taken."""

import copy
import pickle

import numpy as np
import pytest
import torch
from tests.nn.test_layers import each_layer, each_plain_layer, make
from torch import nn

from swiftrnn.nn import (
    HGRN,
    QRNN,
    RGLRU,
    SRU,
    CausalConv,
    Encoder,
    MinGRU,
    MinLSTM,
    NgramEmbedding,
    SRUPlusPlus,
    StackLSTM,
    TokenEmbedding,
    weight_drop,
)

NAMED = [SRU, QRNN, MinGRU, MinLSTM, RGLRU, HGRN, SRUPlusPlus]
each_named = pytest.mark.parametrize("kind", NAMED, ids=lambda kind: kind.__name__)
WRONG = [  # of what every layer takes
    ("bias", 1, "bias as True or False; got 1"),
    ("bias", None, "bias as True or False; got None"),
    ("batch_first", "False", "batch_first as True or False; got 'False'"),
    ("bidirectional", "no", "bidirectional as True or False; got 'no'"),
    ("bidirectional", 2, "bidirectional as True or False; got 2"),
    ("dropout", True, "dropout as a number in 0..1; got True"),
    ("dropout", "0.5", "dropout as a number in 0..1; got '0.5'"),
    ("dropout", None, "dropout as a number in 0..1; got None"),
    ("num_layers", True, "num_layers as an integer; got True"),
    ("num_layers", 2.0, "num_layers as an integer; got 2.0"),
    ("num_layers", "2", "num_layers as an integer; got '2'"),
    ("input_size", 6.0, "input_size as an integer; got 6.0"),
    ("hidden_size", False, "hidden_size as an integer; got False"),
    ("dtype", torch.int64, "dtype as a floating-point torch.dtype; got torch.int64"),
    ("dtype", torch.complex64, "dtype as a floating-point torch.dtype; got torch.complex64"),
    ("dtype", "float32", "dtype as a floating-point torch.dtype; got 'float32'"),
]


@each_named
@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_a_wrong_kind_is_refused_by_name(kind, name, value, said):
    with pytest.raises(TypeError, match=f"^{kind.__name__} needs {said}$"):
        kind(**({"input_size": 6, "hidden_size": 6} | {name: value}))


@each_named
@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.5, float("inf")])
def test_dropout_lies_in_0_to_1(kind, value):
    with pytest.raises(ValueError, match=r"needs dropout in 0\.\.1; got"):
        kind(6, 6, dropout=value)


@each_named
def test_what_is_proj_size_in_an_lstm_is_nothing_else_here(kind):
    """The eighth positional argument of torch.nn.LSTM: it was taken for a device."""
    with pytest.raises(TypeError, match="positional argument"):
        kind(6, 6, 1, True, False, 0.0, False, 0)
    with pytest.raises(TypeError, match="proj_size"):
        kind(6, 6, proj_size=2)


@each_named
def test_numbers_of_numpy_are_numbers(kind):
    layer = kind(np.int64(6), np.int32(6), np.int64(2), dropout=np.float32(0.5))
    assert type(layer.hidden_size) is int
    assert type(layer.dropout) is float
    assert repr(layer) == repr(kind(6, 6, 2, dropout=0.5))


OWN = [
    (SRU, "version", "2", ValueError, "version of 1, 2; got '2'"),
    (SRU, "version", 2.0, ValueError, "version of 1, 2; got 2.0"),
    (SRU, "version", True, ValueError, "version of 1, 2; got True"),
    (SRU, "tanh", 1, TypeError, "tanh as True or False; got 1"),
    (SRU, "skip", "False", TypeError, "skip as True or False; got 'False'"),
    (SRU, "rescale", None, TypeError, "rescale as True or False; got None"),
    (SRU, "project_input", 1, TypeError, "project_input as True or False; got 1"),
    (SRU, "norm", True, ValueError, "norm of none, before, after; got True"),
    (SRU, "norm", None, ValueError, "norm of none, before, after; got None"),
    (SRU, "highway_bias", "-2", TypeError, "highway_bias as a number; got '-2'"),
    (SRU, "highway_bias", float("nan"), ValueError, "highway_bias as a finite number; got nan"),
    (SRU, "variational_dropout", True, TypeError, "variational_dropout as a number in"),
    (SRU, "projection_size", 2.0, TypeError, "projection_size as an integer; got 2.0"),
    (SRU, "projection_size", -1, ValueError, "projection_size of at least 0; got -1"),
    (QRNN, "window", True, TypeError, "window as an integer; got True"),
    (QRNN, "window", 2.0, TypeError, "window as an integer; got 2.0"),
    (QRNN, "pooling", "fio", ValueError, "pooling of f, fo, ifo; got 'fio'"),
    (QRNN, "pooling", ["f"], ValueError, "pooling of f, fo, ifo; got "),
    (QRNN, "zoneout", "0", TypeError, "zoneout as a number in"),
    (MinGRU, "zoneout", 2, ValueError, r"zoneout in 0\.\.1; got 2"),
    (MinLSTM, "zoneout", True, TypeError, "zoneout as a number in"),
    (RGLRU, "num_heads", 2.0, TypeError, "num_heads as an integer; got 2.0"),
    (RGLRU, "num_heads", 4, ValueError, "num_heads that divide hidden_size 6; got 4"),
    (SRUPlusPlus, "num_heads", True, TypeError, "num_heads as an integer; got True"),
    (SRUPlusPlus, "causal", "yes", TypeError, "causal as True or False; got 'yes'"),
    (SRUPlusPlus, "inner_norm", 0, TypeError, "inner_norm as True or False; got 0"),
    (SRUPlusPlus, "attention_every", 1.0, TypeError, "attention_every as an integer; got 1.0"),
    (SRUPlusPlus, "attention_last", -1, ValueError, "attention_last of at least 0; got -1"),
    (SRUPlusPlus, "projection_dropout", "0", TypeError, "projection_dropout as a number in"),
    (SRUPlusPlus, "projection_size", 1, ValueError, "projection_size of at least 3 with inner"),
    (SRUPlusPlus, "projection_size", 2, ValueError, "a norm of so few numbers has no gradient"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "name", "value", "error", "said"), OWN)
def test_own_options_are_checked(kind, name, value, error, said):
    with pytest.raises(error, match=f"^{kind.__name__} needs .*{said}"):
        kind(6, 6, **{name: value})


@each_layer
def test_options_set_later_take_effect(kind):
    layer, x = make(kind), torch.randn(5, 3, 6, dtype=torch.float64)
    assert torch.equal(layer(x)[0], layer(x)[0])
    layer.dropout = 0.5
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.dropout = 0.0
    output = layer(x)[0]
    layer.batch_first = True
    torch.testing.assert_close(layer(x.transpose(0, 1))[0].transpose(0, 1), output)


@each_layer
@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", 7), ("input_size", 5), ("num_layers", 1), ("bidirectional", True),
     ("bias", False)],
)  # fmt: skip
def test_options_that_made_the_parameters_stay(kind, name, value):
    layer = make(kind)
    old = getattr(layer, name)
    setattr(layer, name, old)
    with pytest.raises(ValueError, match=rf"needs .*{name}|build a new layer"):
        setattr(layer, name, value)
    assert getattr(layer, name) == old
    assert layer(torch.randn(5, 3, 6, dtype=torch.float64))[0].shape == (5, 3, 6)


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (lambda: QRNN(6, 6), "window", 3),
        (lambda: QRNN(6, 6), "pooling", "ifo"),
        (lambda: SRU(6, 6), "version", 1),
        (lambda: SRU(6, 6), "norm", "before"),
        (lambda: SRU(4, 6), "skip", False),
        (lambda: SRU(4, 6), "project_input", True),
        (lambda: SRU(6, 6), "projection_size", 3),
        (lambda: RGLRU(6, 6), "num_heads", 2),
        (lambda: SRUPlusPlus(6, 6, 2), "attention_every", 2),
        (lambda: SRUPlusPlus(6, 6, 2), "attention_last", 1),
        (lambda: SRUPlusPlus(6, 6), "inner_norm", False),
        (lambda: SRUPlusPlus(6, 6), "projection_size", 8),
    ],
)
def test_own_options_that_made_the_parameters_stay(make, name, value):
    layer = make()
    with pytest.raises(ValueError, match=f"needs the {name} that its parameters were made for"):
        setattr(layer, name, value)
    assert layer(torch.randn(5, 3, layer.input_size))[0].shape == (5, 3, 6)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("dropout", 1.5, ValueError), ("dropout", "0.5", TypeError), ("batch_first", 1, TypeError),
     ("zoneout", -1, ValueError), ("recompute", 1, TypeError)],
)  # fmt: skip
def test_what_is_set_later_is_checked_too(name, value, error):
    layer = MinGRU(6, 6)
    with pytest.raises(error, match=f"MinGRU needs {name}"):
        setattr(layer, name, value)


def test_attention_set_later_fits_the_layer():
    layer = SRUPlusPlus(6, 6)
    layer.num_heads = 2
    with pytest.raises(ValueError, match="num_heads that divide projection_size; got 3 and 4"):
        layer.num_heads = 3
    with pytest.raises(ValueError, match="needs causal=True for a memory"):
        layer.memory_size = 4
    layer.causal = True
    layer.memory_size = 4
    with pytest.raises(ValueError, match="needs causal=True for a memory"):
        layer.causal = False
    assert (layer.num_heads, layer.memory_size, layer.causal) == (2, 4, True)
    both = SRUPlusPlus(6, 6, bidirectional=True)
    with pytest.raises(ValueError, match="either causal or bidirectional; got both"):
        both.causal = True


@each_plain_layer
def test_copies_keep_their_options_checked(kind):
    layer = make(kind, dropout=0.25)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.dropout == 0.25
        with pytest.raises(ValueError, match=r"build a new layer|num_heads"):
            twin.hidden_size = 9


@pytest.mark.parametrize("H", [1, 2, 3, 6])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_small_layers_with_attention_learn_from_their_input(H, bidirectional):
    """Normed, a projection of rank 1 is 0 and one of rank 2 is 1 and -1, whatever comes in."""
    layer = SRUPlusPlus(H, H, bidirectional=bidirectional, dtype=torch.float64)
    x = torch.randn(7, 4, H, dtype=torch.float64)
    layer(x)[1].square().sum().backward()
    assert layer.weight_proj_l0.grad.abs().max() > 1e-3


@each_layer
def test_matrices_are_told_from_vectors_by_their_dimensions(kind):
    """As the docs say: some vectors are called weight_*, which orthogonal_ refuses."""
    layer = make(kind)
    for name, parameter in layer.named_parameters():
        if "weight" in name and parameter.dim() > 1:
            nn.init.orthogonal_(parameter)
    assert layer(torch.randn(5, 3, 6, dtype=torch.float64))[0].isfinite().all()


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: CausalConv(4, 6, 2, 3), TypeError, "positional"),
        (lambda: CausalConv(4, 6, True), TypeError, "CausalConv needs num_layers as an integer"),
        (lambda: CausalConv(4, 6, kernel_size=2.0), TypeError, "CausalConv needs kernel_size as"),
        (lambda: Encoder("sru", 4, 6, 2, "no"), TypeError, "Encoder needs bidirectional as True"),
        (lambda: Encoder("lstm", 4, 6, dropout="0.1"), TypeError, "Encoder needs dropout as a num"),
        (lambda: Encoder("gru", 4, 6, dropout=1.5), ValueError, r"Encoder needs dropout in 0\.\.1"),
        (lambda: Encoder("lstm", 4, 6.0), TypeError, "Encoder needs hidden_size as an integer"),
        (lambda: Encoder("lstm", 4, 6, packed=1), TypeError, "Encoder needs packed as True"),
        (lambda: Encoder("lstm", 4, 6, 0), ValueError, "Encoder needs num_layers of at least 1"),
        (lambda: StackLSTM("sru", 4, 6, 0), ValueError, "StackLSTM needs num_types of at least 1"),
        (lambda: StackLSTM("sru", 4, 6, 2, dropout="x"), TypeError, "StackLSTM needs dropout as"),
        (lambda: StackLSTM("sru", 4, 6, 2, action_size=2.5), TypeError, "StackLSTM needs action_s"),
        (lambda: NgramEmbedding(9, 4, longest=2.0), TypeError, "sizes as integers; got float"),
        (lambda: NgramEmbedding(9, 4, longest=True), TypeError, "sizes as integers; got bool"),
        (lambda: TokenEmbedding("sru", 9, 4, replaced=2), ValueError, "needs replaced in 0..1"),
        (lambda: TokenEmbedding("sru", 9, 4, bigrams="no"), TypeError, "needs bigrams as True or"),
        (lambda: weight_drop(SRU(4, 4), "weight_ih", p="0.5"), TypeError, "p as a number in 0..1"),
        (lambda: weight_drop(SRU(4, 4), "weight_ih", p=True), TypeError, "p as a number in 0..1"),
    ],
)  # fmt: skip
def test_other_modules_check_their_arguments(make, error, said):
    with pytest.raises(error, match=said):
        make()
