"""Our layers in the places of torch's, in models that were written for those."""

import copy

import pytest
import torch
from tests.nn.test_layers import (
    LAYERS,
    STREAMING,
    close,
    draw,
    each_direction,
    each_layer,
    flat,
    make,
)
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from swiftrnn.nn import QRNN, SRU, InPlaceOfLSTM, convert


class Tagger(nn.Module):
    """As found in many repositories."""

    def __init__(self, rnn=nn.LSTM):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.encoder = rnn(8, 6, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.decoder = nn.ModuleList([nn.GRU(12, 6), nn.Linear(6, 3)])

    def forward(self, tokens, lengths):
        self.encoder.flatten_parameters()
        packed = pack_padded_sequence(self.embed(tokens), lengths, True, enforce_sorted=False)
        packed, (h, c) = self.encoder(packed)
        padded, _ = pad_packed_sequence(packed, batch_first=True)
        layers = self.encoder.num_layers * (2 if self.encoder.bidirectional else 1)
        assert h.shape == flat(c)[0].shape == (layers, len(tokens), self.encoder.hidden_size)
        output, _ = self.decoder[0](padded.transpose(0, 1), hx=h[-1:])
        return self.decoder[1](output)


def tokens():
    return torch.randint(0, 50, (3, 7)), torch.tensor([7, 2, 5])


@each_layer
def test_a_model_runs_and_learns_after_it(kind):
    model = Tagger().eval()
    expected = model(*tokens()).shape
    lines = convert(model, kind, h0="state")
    assert [line.split(":")[0] for line in lines] == ["encoder", "decoder.0"]
    assert all(line.endswith("untrained") and kind.__name__ in line for line in lines)
    assert not any(isinstance(m, nn.LSTM | nn.GRU) for m in model.modules())
    assert not model.encoder.training
    output = model.train()(*tokens())
    assert output.shape == expected
    output.square().sum().backward()
    trained = [p.grad for name, p in model.named_parameters() if "weight_ih" in name]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in trained)


def test_one_that_stands_in_two_places_stays_one():
    shared = nn.LSTM(4, 4).double()
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    assert len(convert(model, SRU, highway_bias=-1.0)) == 2
    assert model["a"] is model["b"][0]
    assert model["a"].highway_bias == -1
    assert model["a"].weight_ih_l0.dtype == torch.float64


def test_what_cannot_be_replaced_is_refused_before_anything_changes():
    model = nn.ModuleDict({"a": nn.GRU(4, 4), "deep": nn.Sequential(nn.LSTM(4, 4, proj_size=2))})
    with pytest.raises(ValueError, match=r"without proj_size; got 2 at deep\.0"):
        convert(model)
    assert isinstance(model["a"], nn.GRU)
    with pytest.raises(
        ValueError, match=r"needs a model that holds .*; got LSTM\(4, 4\); write SRU"
    ):
        convert(nn.LSTM(4, 4))
    assert convert(nn.Linear(2, 2)) == []


@each_layer
@each_direction
def test_h_is_every_layers_last_output(kind, bidirectional):
    layer = make(kind, bidirectional=bidirectional)
    lstm, x, lengths = InPlaceOfLSTM(copy.deepcopy(layer)), draw(7, 3, 6), torch.tensor([5, 7, 1])
    output, last = layer(x, lengths=lengths)
    packed, (h, c) = lstm(pack_padded_sequence(x, lengths, enforce_sorted=False))
    torch.testing.assert_close(pad_packed_sequence(packed)[0], output)
    torch.testing.assert_close(c, flat(last)[0])
    forwards = output[lengths - 1, torch.arange(3)][:, :6]
    torch.testing.assert_close(h[-2 if bidirectional else -1], forwards)
    if bidirectional:
        torch.testing.assert_close(h[-1], output[0, :, 6:])
    _, (h, _) = lstm(x[:, 0])  # unbatched, and all of one length
    assert h.shape == (4 if bidirectional else 2, 6)


WHOLE = [kind for kind in STREAMING if make(kind).state_is_tensor]


@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.__name__)
def test_the_pair_of_states_goes_on(kind):
    lstm, x = InPlaceOfLSTM(make(kind)), draw(7, 3, 6)
    whole, (h, c) = lstm(x)
    first, pair = lstm(x[:4])
    second, (last_h, last_c) = lstm(x[4:], pair)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    close((last_h, last_c), (h, c))
    zeros = torch.zeros(2, 3, 6, dtype=torch.float64)
    torch.testing.assert_close(lstm(x, (zeros, zeros))[0], whole)  # as many models begin


@pytest.mark.parametrize("state", [torch.zeros(2, 3, 6), (torch.zeros(1),) * 3])
def test_a_state_that_is_no_pair_is_refused(state):
    with pytest.raises(ValueError, match=r"needs hx as a pair \(h, c\); got"):
        InPlaceOfLSTM(LAYERS[0](6, 6, 2))(torch.randn(4, 3, 6), state)


def test_it_is_saved_loaded_and_copied():
    lstm = InPlaceOfLSTM(QRNN(4, 4))
    other = copy.deepcopy(lstm)
    other.load_state_dict(lstm.state_dict())
    x = torch.randn(3, 2, 4)
    assert torch.equal(other(x)[0], lstm(x)[0])
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = lstm.nothing
