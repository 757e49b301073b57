"""Places taken from torch.nn.LSTM and torch.nn.GRU keep torch's contract, or refuse by name."""

import copy
import gc
import pickle
import re

import pytest
import torch
from tests.nn.test_layers import LAYERS, STREAMING, draw, each_direction, each_layer, make
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils.rnn import pack_padded_sequence

from swiftrnn.nn import (
    QRNN,
    RGLRU,
    SRU,
    InPlaceOfGRU,
    InPlaceOfLSTM,
    MinGRU,
    SRUPlusPlus,
    convert,
    remove_weight_drop,
    weight_drop,
)
from swiftrnn.nn import place as places

PLACES = {"LSTM": InPlaceOfLSTM, "GRU": InPlaceOfGRU}
each_place = pytest.mark.parametrize("mode", PLACES)
named = dict(ids=lambda kind: kind.__name__)
STATES = [kind for kind in LAYERS if not make(kind).state_is_output]


def placed(mode, kind=SRU, I=4, H=6, layers=2, h0="refuse", **options):
    model = nn.ModuleDict({"rnn": getattr(nn, mode)(I, H, layers, **options)})
    convert(model, kind, h0=h0)
    return model["rnn"]


def states(state):
    return state if isinstance(state, tuple) else (state,)


# ------------------------------------------------------------------------ states


@each_layer
@each_direction
@each_place
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_states_are_those_of_torch(kind, bidirectional, mode, dtype):
    options = dict(bidirectional=bidirectional, batch_first=True, dtype=dtype)
    theirs, x = getattr(nn, mode)(4, 6, 2, **options), torch.randn(3, 5, 4, dtype=dtype)
    ours = placed(mode, kind, **options)
    output, state = ours(x)
    expected = theirs(x)[1]
    assert type(state) is type(expected)
    for found, like in zip(states(state), states(expected), strict=True):
        assert type(found) is torch.Tensor
        assert (found.shape, found.dtype) == (like.shape, like.dtype)
    h = states(state)[0]
    torch.testing.assert_close(h[-2 if bidirectional else -1], output[:, -1, :6])
    nn.Linear(6, 2, dtype=dtype)(h[-1])
    for found, like in zip(states(ours(x[0])[1]), states(theirs(x[0])[1]), strict=True):
        assert found.shape == like.shape


@pytest.mark.parametrize("kind", [k for k in STREAMING if make(k).state_is_output], **named)
def test_a_gru_goes_on_from_its_last_output(kind):
    gru, x = InPlaceOfGRU(make(kind)), draw(7, 3, 6)
    whole, last = gru(x)
    first, h = gru(x[:4])
    second, found = gru(x[4:], h.clone())
    torch.testing.assert_close((torch.cat([first, second]), found), (whole, last))


@pytest.mark.parametrize("kind", STATES, **named)
def test_a_gru_whose_outputs_do_not_tell_its_state_refuses_to_go_on(kind):
    gru, x = InPlaceOfGRU(make(kind)), draw(7, 3, 6)
    _, h = gru(x)
    message = rf"^{kind.__name__} in the place of GRU has a state of its own.*InPlaceOfGRU$"
    for given in (h, h.detach(), h.detach().clone()):
        with pytest.raises(ValueError, match=message):
            gru(x, given)
    torch.testing.assert_close(gru(x, torch.zeros_like(h))[0], gru(x)[0])


@each_place
@pytest.mark.parametrize(
    ("given", "said"),
    [(lambda s: torch.ones_like(s), "h0? that is not zero"),
     (lambda s: nn.Parameter(torch.zeros_like(s)), "h0? that requires grad"),
     (lambda s: torch.full_like(s, float("nan")), "h0? that is not zero")],
)  # fmt: skip
def test_an_h0_without_a_use_is_refused_at_the_call(mode, given, said):
    rnn, x = placed(mode), torch.randn(5, 3, 4)
    h = given(torch.zeros(2, 3, 6))
    hx = (h, torch.zeros(2, 3, 6)) if mode == "LSTM" else h
    message = rf"^SRU in the place of {mode} at rnn has .*; got {said}; .*h0='ignore' to convert$"
    with pytest.raises(ValueError, match=message):
        rnn(x, hx)
    told = placed(mode, h0="ignore")
    torch.testing.assert_close(told(x, hx)[0], told(x)[0])


def test_a_gru_may_be_told_to_take_h0_for_its_state():
    gru, x, h = placed("GRU", h0="state"), torch.randn(5, 3, 4), torch.randn(2, 3, 6)
    plain = SRU(4, 6, 2)
    plain.load_state_dict(gru.state_dict())
    h.requires_grad_()
    torch.testing.assert_close(gru(x, h)[0], plain(x, h)[0])
    gru(x, h)[0].sum().backward()
    assert h.grad.any()


def test_a_lstm_goes_on_from_what_it_returned():
    lstm, x = placed("LSTM"), torch.randn(6, 3, 4)
    whole, _ = lstm(x)
    _, (h, c) = lstm(x[:4])
    detached = tuple(s.detach() for s in (h, c))
    for pair in ((h, c), [h, c], detached):
        torch.testing.assert_close(lstm(x[4:], pair)[0], whole[4:])
    torch.testing.assert_close(lstm(x[4:, :2], (h[:, :2], c[:, :2]))[0], whole[4:, :2])
    with pytest.raises(ValueError, match="has no h0; got h that is not zero"):
        lstm(x[4:], (h.detach()[:, [2, 1, 0]], c.detach()[:, [2, 1, 0]]))  # whose is it?
    other = placed("LSTM")
    with pytest.raises(ValueError, match="has no h0"):
        other(x[4:], detached)


def test_long_streams_keep_no_memory_of_states_that_are_gone():
    lstm, x = placed("LSTM"), torch.randn(1, 3, 4)
    hx = None
    with torch.no_grad():
        for _ in range(200):
            _, hx = lstm(x, hx)
    assert len(places._returned[lstm]) <= 2 * places.FEW
    alive = len(places._returned)
    del lstm
    gc.collect()
    assert len(places._returned) == alive - 1


@pytest.mark.parametrize("make", [lambda: QRNN(4, 6), lambda: SRUPlusPlus(4, 6, causal=True)])
def test_a_state_that_a_pair_cannot_hold_is_not_cut_silently(make):
    lstm, x = InPlaceOfLSTM(make()), torch.randn(7, 3, 4)
    whole, _ = lstm(x)
    _, (h, c) = lstm(x[:4])
    with pytest.raises(ValueError, match=r"keeps more than c, which \(h, c\) cannot hold; got c"):
        lstm(x[4:], (h.detach(), c.detach()))
    zeros = torch.zeros_like(c)
    torch.testing.assert_close(lstm(x, (zeros, zeros))[0], whole)


@each_place
def test_a_step_has_the_same_states(mode):
    rnn, x = placed(mode, MinGRU, batch_first=True), torch.randn(3, 5, 4)
    whole, last = rnn(x)
    state, outputs = None, []
    with torch.no_grad():
        for t in range(5):
            output, state = rnn.step(x[:, t], state)
            outputs.append(output)
    torch.testing.assert_close(torch.stack(outputs, 1), whole)
    torch.testing.assert_close(state, last)


@each_place
@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda s: s[:, :1], ValueError, r"\(layers \* directions, B, H\) of \(2, 3, 6\); got"),
        (lambda s: s[:1], ValueError, r"of \(2, 3, 6\); got \(1, 3, 6\)"),
        (lambda s: s[0], ValueError, r"of \(2, 3, 6\); got \(3, 6\)"),
        (lambda s: s.long(), TypeError, "tensor of floats; got torch.int64"),
        (lambda s: 0, TypeError, "tensor of floats; got int"),
    ],
)  # fmt: skip
def test_a_state_of_another_shape_is_refused_also_if_it_is_not_used(mode, wrong, error, said):
    zeros, x = torch.zeros(2, 3, 6), torch.randn(5, 3, 4)
    for h0 in ("refuse", "ignore"):
        rnn = placed(mode, h0=h0)
        bad = [wrong(zeros)] if mode == "GRU" else [(wrong(zeros), zeros), (zeros, wrong(zeros))]
        for hx in bad:
            with pytest.raises(error, match=said):
                rnn(x, hx)
    packed = pack_padded_sequence(x, torch.tensor([5, 4, 1]))
    hx = (zeros, zeros) if mode == "LSTM" else zeros
    assert rnn(packed, hx)[0].data.shape == (10, 6)
    one = (zeros[:, 0], zeros[:, 0]) if mode == "LSTM" else zeros[:, 0]
    assert rnn(x[:, 0], one)[0].shape == (5, 6)
    with pytest.raises(
        ValueError, match=r"\(layers \* directions, H\) of \(2, 6\); got \(2, 3, 6\)"
    ):
        rnn(x[:, 0], hx)


@each_place
def test_graphs_check_h0_when_they_run(mode):
    torch._dynamo.reset()
    rnn, x, zeros = placed(mode), torch.randn(5, 3, 4), torch.zeros(2, 3, 6)
    hx = (zeros, zeros.clone()) if mode == "LSTM" else zeros
    bad = (zeros + 1, zeros) if mode == "LSTM" else zeros + 1
    compiled = torch.compile(rnn, fullgraph=True, backend="aot_eager")
    exported = torch.export.export(rnn.eval(), (x, hx)).module()
    for graph in (compiled, exported):
        torch.testing.assert_close(graph(x, hx)[0], rnn(x)[0])
        with pytest.raises(RuntimeError, match="that is not zero"):
            graph(x, bad)


# -------------------------------------------------- names, attributes, weights


@each_place
def test_names_are_those_of_a_swap_by_hand(mode):
    hand = SRU(4, 6, 2, bidirectional=True)
    rnn = placed(mode, bidirectional=True)
    assert list(rnn.state_dict()) == list(hand.state_dict())
    assert [n for n, _ in rnn.named_parameters()] == [n for n, _ in hand.named_parameters()]
    rnn.load_state_dict(hand.state_dict())
    x = torch.randn(5, 3, 4)
    torch.testing.assert_close(rnn(x)[0], hand(x)[0])
    assert isinstance(rnn, SRU)
    assert isinstance(rnn, PLACES[mode])
    assert (rnn.mode, rnn.proj_size) == (mode, 0)


@each_place
def test_attributes_that_are_set_take_effect(mode):
    rnn, x = placed(mode), torch.randn(5, 3, 4)
    output, _ = rnn(x)
    rnn.batch_first = True
    torch.testing.assert_close(rnn(x.transpose(0, 1))[0].transpose(0, 1), output)
    rnn.dropout = 0.9
    assert not torch.equal(rnn(x.transpose(0, 1))[0].transpose(0, 1), output)
    with pytest.raises(ValueError, match="SRU needs the hidden_size"):
        rnn.hidden_size = 8


MISSING = ["weight_hh_l0", "bias_hh_l1_reverse", "weight_hr_l0", "all_weights", "_all_weights",
           "_flat_weights", "_flat_weights_names", "check_forward_args"]  # fmt: skip


@each_place
@pytest.mark.parametrize("name", MISSING)
def test_names_that_ours_cannot_have_say_so_with_the_place(mode, name):
    rnn = placed(mode)
    assert not hasattr(rnn, name)
    message = f"^SRU in the place of {mode} at rnn has no {name}: SRU has other weights"
    with pytest.raises(AttributeError, match=message):
        getattr(rnn, name)
    with pytest.raises(AttributeError, match=message):
        setattr(rnn, name, nn.Parameter(torch.zeros(3)))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = rnn.nothing


@each_place
def test_states_are_permuted_as_in_torch(mode):
    rnn, order = placed(mode), torch.tensor([2, 0, 1])
    state = getattr(nn, mode)(4, 6, 2)(torch.randn(5, 3, 4))[1]
    expected = getattr(nn, mode)(4, 6, 2).permute_hidden(state, order)
    torch.testing.assert_close(rnn.permute_hidden(state, order), expected)
    assert rnn.permute_hidden(state, None) is state


@each_place
def test_pruning_and_norms_and_weight_drop_find_the_weights(mode):
    rnn, x = placed(mode), torch.randn(5, 3, 4)
    before = rnn(x)[0]
    prune.l1_unstructured(rnn, "weight_ih_l0", amount=0.5)
    assert int((rnn.weight_ih_l0 == 0).sum()) == rnn.weight_ih_l0.numel() // 2
    assert not torch.allclose(rnn(x)[0], before)
    prune.remove(rnn, "weight_ih_l0")
    parametrizations.weight_norm(rnn, "weight_ih_l1")
    normed = rnn(x)[0]
    with torch.no_grad():
        rnn.parametrizations.weight_ih_l1.original0.mul_(2)
    assert not torch.allclose(rnn(x)[0], normed)
    parametrize.remove_parametrizations(rnn, "weight_ih_l1")
    weight_drop(rnn, "weight_ih", p=0.5)
    assert not torch.equal(rnn(x)[0], rnn(x)[0])
    twin = copy.deepcopy(rnn)
    assert not torch.equal(twin(x)[0], twin(x)[0])
    remove_weight_drop(rnn)
    assert torch.equal(rnn(x)[0], rnn(x)[0])
    assert isinstance(rnn, PLACES[mode])
    assert isinstance(twin, PLACES[mode])


@each_place
def test_places_are_copied_and_pickled(mode, tmp_path):
    rnn, x = placed(mode, QRNN), torch.randn(5, 3, 4)
    rnn(x)
    torch.save(rnn, tmp_path / "rnn.pt")
    twins = [copy.deepcopy(rnn), copy.copy(rnn), pickle.loads(pickle.dumps(rnn)),
             torch.load(tmp_path / "rnn.pt", weights_only=False)]  # fmt: skip
    for twin in twins:
        assert type(twin) is type(rnn)
        torch.testing.assert_close(twin(x), rnn(x))
        with pytest.raises(AttributeError, match=f"in the place of {mode} at rnn has no weight_hh"):
            _ = twin.weight_hh_l0


def test_what_is_no_layer_of_ours_takes_no_place():
    for wrong in (nn.LSTM(4, 4), InPlaceOfLSTM(SRU(4, 4)), nn.Linear(4, 4)):
        with pytest.raises(TypeError, match="InPlaceOfLSTM needs a recurrent layer of swiftrnn"):
            InPlaceOfLSTM(wrong)
    with pytest.raises(ValueError, match=r"without parametrizations; got weight_ih_l0; add"):
        InPlaceOfLSTM(weight_drop(SRU(4, 4), "weight_ih"))
    with pytest.raises(ValueError, match="needs h0 of refuse, ignore, state; got 'zero'"):
        InPlaceOfLSTM(SRU(4, 4), h0="zero")


# ---------------------------------------------------------------------- convert


class Reads(nn.Module):
    """Reads weights in a function that its forward calls."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 4)
        nn.init.orthogonal_(self.rnn.weight_hh_l0)  # has been done: no reason to refuse

    def reads(self):
        return self.rnn.weight_hh_l0.norm()

    def forward(self, x):
        return self.rnn(x)[0] + self.reads()


class Spells(Reads):
    def forward(self, x):
        """Not weight_hh, which is in a docstring."""
        return self.rnn(x)[0] + sum(getattr(self.rnn, f"weight_hh_l{k}").norm() for k in range(1))


class Flattens(Reads):
    def forward(self, x):
        rnn = self.rnn
        return torch._VF.lstm(x, rnn._flat_weights)


class OfAnother(Reads):
    """Reads such a weight of a layer of its own."""

    def __init__(self):
        super().__init__()
        self.own = nn.Module()
        self.own.weight_hh_l0 = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        return self.rnn(x)[0] + self.own.weight_hh_l0.norm()


class Lists(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 4)
        self.stack = [self.rnn]  # no ModuleList

    def forward(self, x):
        return self.stack[0](x)


class Bound(Lists):
    def __init__(self):
        super().__init__()
        self.stack, self.run = [], self.rnn.forward


def hooked():
    model = nn.Sequential(nn.LSTM(4, 4))
    model[0].register_forward_hook(lambda *_: None)
    return model


def tied():
    model = nn.ModuleList([nn.LSTM(4, 4), nn.LSTM(4, 4)])
    model[1].weight_ih_l0 = model[0].weight_ih_l0
    return model


def frozen():
    return nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4).requires_grad_(False))


def pruned():
    return nn.Sequential(prune.random_unstructured(nn.LSTM(4, 4), "weight_hh_l0", amount=0.5))


def mixed():
    model = nn.Sequential(nn.LSTM(4, 4))
    model[0].bias_hh_l0 = nn.Parameter(torch.zeros(16).double())
    return model


REFUSED = [
    (Reads, r"got rnn, where Reads.reads reads weight_hh_l0; change the model"),
    (Spells, r"got rnn, where Spells.forward reads 'weight_hh_l'; change"),
    (Flattens, r"got rnn, where Flattens.forward reads _flat_weights; change"),
    (lambda: nn.ModuleDict({"deep": nn.ModuleList([Reads()])}), r"got deep\.0\.rnn, where Reads"),
    (Lists, r"got rnn, which Lists holds in stack as well; use a torch.nn.ModuleList"),
    (Bound, r"got rnn, which Bound holds in run as well"),
    (hooked, r"without hooks, which would be lost; got _forward_hooks at 0; remove"),
    (pruned, r"without hooks, which would be lost; got _forward_pre_hooks at 0; remove"),
    (tied, r"weights of their own; got 0, which shares some with 1; undo"),
    (frozen, r"to be trained.*; got parameters without requires_grad at 1; unfreeze"),
    (mixed, r"of one device and dtype; got several at 0"),
    (lambda: nn.Sequential(weight_drop(nn.LSTM(4, 4), "weight_hh")),
     r"without parametrizations; got weight_hh_l0 at 0; remove them"),
    (lambda: nn.DataParallel(Tree()), r"not wrapped yet; got DataParallel around module\.a"),
]  # fmt: skip


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.GRU(4, 4), nn.Sequential(nn.LSTM(4, 4))


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_a_site_that_cannot_be_taken_is_refused_by_name(make, said):
    model = make()
    before = list(model.named_modules())
    with pytest.raises(ValueError, match=f"^convert needs .*{said}"):
        convert(model)
    assert list(model.named_modules()) == before


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (dict(colour=1), TypeError, "^convert cannot replace a: .*colour"),
        (dict(highway_bias="x"), TypeError, "^convert cannot replace a: SRU needs highway_bias"),
        (dict(projection_size=-1), ValueError, "^convert cannot replace a: SRU needs projection"),
        (dict(kind=nn.GRU), TypeError, "^convert needs a kind such as SRU, .*; got <class"),
        (dict(kind=InPlaceOfLSTM), TypeError, "^convert needs a kind such as SRU"),
        (dict(kind="sru"), TypeError, "^convert needs a kind such as SRU, .*; got 'sru'"),
        (dict(h0="zeros"), ValueError, "^convert needs h0 of refuse, ignore, state; got 'zeros'"),
    ],
)
def test_wrong_options_leave_the_model_as_it_was(arguments, error, said):
    model = Tree()
    before = list(model.named_modules())
    with pytest.raises(error, match=said):
        convert(model, **arguments)
    assert list(model.named_modules()) == before


def test_code_that_reads_its_own_weights_is_no_reason():
    model = OfAnother()
    assert len(convert(model)) == 1
    assert model(torch.randn(3, 2, 4)).shape == (3, 2, 4)


def test_cells_subclasses_and_quantized_layers_stay():
    class Mine(nn.LSTM):
        pass

    model = nn.ModuleList([Mine(4, 4), nn.LSTMCell(4, 4), nn.GRUCell(4, 4), nn.RNN(4, 4)])
    before = list(model)
    assert convert(model) == []
    assert list(model) == before


def test_a_parametrized_layer_itself_is_refused():
    with pytest.raises(ValueError, match="needs a model that holds LSTMs or GRUs"):
        convert(weight_drop(nn.LSTM(4, 4), "weight_hh"))


@each_place
def test_a_model_on_meta_is_converted_there(mode):
    model = nn.Sequential(getattr(nn, mode)(4, 6, device="meta"))
    convert(model, RGLRU)
    assert model[0].decay_l0.is_meta
    model = model.to_empty(device="cpu")
    model[0].reset_parameters()
    assert model[0](torch.randn(3, 2, 4))[0].isfinite().all()
    assert re.match("RGLRUInPlaceOf", repr(model[0]))


def test_a_learned_h0_is_refused_at_the_call_and_not_by_ddp():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.h0 = nn.LSTM(4, 6), nn.Parameter(torch.zeros(1, 1, 6))

        def forward(self, x):
            h = self.h0.expand(-1, x.shape[1], -1)
            return self.rnn(x, (h, torch.zeros_like(h)))[0]

    model = Learned()
    convert(model)
    with pytest.raises(ValueError, match=r"at rnn has no h0; got h that requires grad; pass c"):
        model(torch.randn(5, 3, 4))


def test_transforms_look_at_h0_where_they_can():
    lstm, x, zeros = placed("LSTM"), torch.randn(5, 3, 4), torch.zeros(2, 3, 6)
    _, hx = lstm(x)
    hx = tuple(s.detach() for s in hx)
    slope = torch.func.grad(lambda x: lstm(x, hx)[0].sum())(x)
    y = x.clone().requires_grad_()
    torch.testing.assert_close(slope, torch.autograd.grad(lstm(y, hx)[0].sum(), y)[0])
    many = torch.func.vmap(lambda x: lstm(x, (zeros, zeros))[0])(torch.stack([x, x]))
    torch.testing.assert_close(many[0], lstm(x)[0])
    with pytest.raises(ValueError, match=r"got h that is not zero"):
        torch.func.grad(lambda x: lstm(x, (zeros + 1, zeros))[0].sum())(x)
    with pytest.raises(ValueError, match=r"got h under vmap, which cannot be looked at; pass c"):
        torch.func.vmap(lambda h: lstm(x, (h, zeros))[0])(torch.zeros(2, 2, 3, 6))
