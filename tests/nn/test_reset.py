"""A reset starts a new sequence inside another: as if the two were apart."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nn.test_layers import (
    STREAMING,
    Attending,
    close,
    draw,
    each_direction,
    each_layer,
    flat,
    make,
)
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from swiftrnn.nn import QRNN


def segments(reset, length):
    """The parts (start, end) of a sequence between its resets."""
    starts = [0, *(t for t in range(1, length) if reset[t])]
    return list(zip(starts, [*starts[1:], length], strict=True))


def apart(layer, x, state, reset):
    """One sequence, part by part: outputs and the last state, directions starting afresh."""
    parts, directions = segments(reset, len(x)), 2 if layer.bidirectional else 1
    given = layer.split_state(state, 1)
    zeros = layer.split_state(layer.map_state(torch.zeros_like, state), 1)
    outputs, lasts = [], []
    for start, end in parts:
        first, last = start == 0 and not reset[0], end == len(x)
        used = [(first, last)[i % directions] for i in range(len(given))]
        here = [g if use else z for g, z, use in zip(given, zeros, used, strict=True)]
        output, final = layer(x[start:end], layer.join_state(here))
        outputs.append(output)
        lasts.append(layer.split_state(final, 1))
    ends = lasts[-1], lasts[0]
    joined = [ends[i % directions][i] for i in range(len(given))]
    return torch.cat(outputs), layer.join_state(joined)


@each_layer
@each_direction
@pytest.mark.parametrize("I", [4, 6, 12])
def test_reset_equals_sequences_apart(kind, bidirectional, I):
    torch.manual_seed(I)
    layer, x = make(kind, I, bidirectional=bidirectional), draw(9, 5, I).requires_grad_()
    lengths, reset = torch.tensor([9, 6, 1, 9, 8]), torch.rand(9, 5) < 0.4
    reset[0, 0], reset[6, 1] = True, True  # at the very start; just where a sequence has ended
    start = layer.map_state(torch.randn_like, layer(x.detach())[1])
    output, state = layer(x, start, lengths, reset)
    weights = torch.randn_like(output)
    gradient = torch.autograd.grad((output * weights).sum(), x, retain_graph=True)[0]
    for b, n in enumerate(lengths):
        row = slice(b, b + 1)
        one = layer.map_state(lambda s, row=row: s[:, row], start)
        expected, last = apart(layer, x[:n, row], one, reset[:n, b])
        torch.testing.assert_close(output[:n, row], expected)
        close(layer.map_state(lambda s, row=row: s[:, row], state), last)
        alone = torch.autograd.grad((expected * weights[:n, row]).sum(), x)[0]
        torch.testing.assert_close(gradient[:, b], alone[:, b])


@each_layer
def test_the_state_before_a_reset_gets_no_gradient(kind):
    layer, x = make(kind), draw(5, 2, 6)
    start = layer.map_state(lambda s: torch.randn_like(s).requires_grad_(), layer(x)[1])
    reset = torch.tensor([[True, False], *[[False, False]] * 4])
    output, _ = layer(x, start, reset=reset)
    parts = [part for part in flat(start) if part.numel()]  # QRNN has no window of width 0
    for gradient in torch.autograd.grad(output.sum(), parts):
        assert not gradient[:, 0].any()
        assert gradient[:, 1].any()


@settings(deadline=None, max_examples=40)
@given(T=st.integers(0, 8), data=st.data())
def test_two_halves_make_the_whole(T, data):
    kind, cut = data.draw(st.sampled_from(STREAMING)), data.draw(st.integers(0, T))
    options = {"window": data.draw(st.integers(1, 4))} if kind is QRNN else {}
    layer, x, reset = make(kind, **options), draw(T, 2, 6), torch.rand(T, 2) < 0.3
    whole, last = layer(x, reset=reset)
    start, state = layer(x[:cut], reset=reset[:cut])
    end, final = layer(x[cut:], state, reset=reset[cut:])
    torch.testing.assert_close(torch.cat([start, end]), whole)
    close(final, last)


@each_layer
def test_what_lies_before_a_reset_does_not_matter(kind):
    layer, x, reset = make(kind), draw(6, 2, 6), torch.zeros(6, 2, dtype=torch.bool)
    reset[3] = True
    output, state = layer(x, reset=reset)
    x[:3] = 7.0 if kind is Attending else torch.nan  # attention multiplies it by 0
    other, same = layer(x, reset=reset)
    assert torch.equal(other[3:], output[3:])
    close(same, state)


@each_layer
@each_direction
def test_every_layout_takes_resets(kind, bidirectional):
    layer, x, reset = make(kind, bidirectional=bidirectional), draw(7, 3, 6), torch.rand(7, 3) < 0.4
    lengths = torch.tensor([4, 7, 2])
    output, state = layer(x, lengths=lengths, reset=reset)
    packed, last = layer(pack_padded_sequence(x, lengths, enforce_sorted=False), reset=reset)
    torch.testing.assert_close(pad_packed_sequence(packed)[0], output)
    close(last, state)
    one, last = layer(x[:4, 0], reset=reset[:4, 0])
    torch.testing.assert_close(one, output[:4, 0])
    close(last, layer.map_state(lambda s: s[:, 0], state))
    layer.batch_first = True
    turned, last = layer(x.transpose(0, 1), lengths=lengths, reset=reset.T)
    torch.testing.assert_close(turned.transpose(0, 1), output)
    close(last, state)


@pytest.mark.parametrize(
    ("reset", "error", "said"),
    [
        (torch.zeros(5, 2), TypeError, "needs reset of torch.bool; got torch.float32"),
        ([True] * 5, TypeError, "needs reset of torch.bool; got list"),
        (torch.zeros(2, 5).bool(), ValueError, r"needs reset \(T, B\) of \(5, 2\); got \(2, 5\)"),
    ],
)
@each_layer
def test_bad_resets_are_refused(kind, reset, error, said):
    with pytest.raises(error, match=f"{kind.__name__} {said}"):
        kind(6, 6)(torch.randn(5, 2, 6), reset=reset)
