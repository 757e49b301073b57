"""Encoder: every kind of layer with lengths."""

import pytest
import torch

from swiftrnn.nn import Encoder
from swiftrnn.nn.encoder import KINDS
from swiftrnn.ops._reverse import reverse

LENGTHS = torch.tensor([6, 2, 4, 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_sequence_is_read_as_if_alone(kind, bidirectional, layers):
    torch.manual_seed(0)
    encoder = Encoder(kind, 3, 4, layers, bidirectional).double()
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    x[torch.arange(6)[:, None] >= LENGTHS] = torch.nan
    output = encoder(x, LENGTHS)
    assert output.shape == (6, 4, encoder.output_size)
    ends = encoder.ends(output, LENGTHS)
    for b, n in enumerate(LENGTHS):
        alone = encoder(x[:n, b : b + 1], n[None])
        torch.testing.assert_close(output[:n, b], alone[:, 0])
        assert not output[n:, b].any()
        torch.testing.assert_close(ends[b, :4], alone[-1, 0, :4])
        torch.testing.assert_close(ends[b, 4:], alone[0, 0, 4:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(0, 3), (4, 0)])
def test_nothing_gives_nothing(kind, sizes):
    encoder = Encoder(kind, 3, 4)
    output = encoder(torch.randn(*sizes, 3), torch.zeros(sizes[1], dtype=torch.int64))
    assert output.shape == (*sizes, 8)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_packed_and_padded_are_the_same(kind, layers):
    padded = Encoder(kind, 3, 4, layers)
    packed = Encoder(kind, 3, 4, layers, packed=True)
    for i, directions in enumerate(padded.layers):
        for suffix, layer in zip(("", "_reverse"), directions, strict=True):
            for name, value in layer.named_parameters():
                target = packed.whole.get_parameter(name.replace("_l0", f"_l{i}") + suffix)
                target.data.copy_(value.data)
    x = torch.randn(6, 4, 3)
    for lengths in (LENGTHS, torch.tensor([0, 6, 0, 2])):
        torch.testing.assert_close(padded(x, lengths), packed(x, lengths))


def test_only_the_valid_part_is_turned_round():
    x = torch.randn(6, 4, 2)
    turned = reverse(x, LENGTHS)
    for b, n in enumerate(LENGTHS):
        assert torch.equal(turned[:n, b], x[:n, b].flip(0))
        assert torch.equal(turned[n:, b], x[n:, b])
    assert torch.equal(reverse(turned, LENGTHS), x)


def test_other_kinds_are_refused():
    with pytest.raises(ValueError, match=r"Encoder needs a kind of sru, .*, gru; got 'rnn'"):
        Encoder("rnn", 2, 2)
