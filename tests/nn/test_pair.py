"""Code written for an LSTM's pair (h, c) does not silently cut the state of two layers into two."""

import pytest
import torch
from tests.nn.test_layers import PLAIN, flat
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from swiftrnn.nn import QRNN, SRU, InPlaceOfLSTM, MinGRU

ONE = [kind for kind in PLAIN if kind is not QRNN]  # whose state is a tensor
each_kind = pytest.mark.parametrize("kind", ONE, ids=lambda kind: kind.__name__)
each_two = pytest.mark.parametrize(
    "options", [dict(num_layers=2), dict(bidirectional=True)], ids=["layers", "directions"]
)
MESSAGE = r"needs code that takes its state as one tensor .*; got output, \(h, c\) = \.\.\., which"


@each_kind
@each_two
def test_a_pair_that_is_none_is_refused(kind, options):
    layer, x = kind(4, 6, **options), torch.randn(5, 3, 4)
    packed = pack_padded_sequence(x, torch.tensor([2, 5, 1]), enforce_sorted=False)
    with pytest.raises(TypeError, match=f"^{kind.__name__} {MESSAGE}"):
        output, (h, c) = layer(x)  # noqa: RUF059
    with pytest.raises(TypeError, match=MESSAGE):
        _, (_, _) = layer(packed, None)
    with pytest.raises(TypeError, match=MESSAGE):
        _, (_, _) = layer(input=x[:, 0])
    with pytest.raises(TypeError, match=MESSAGE):
        _, [_, _] = layer.forward(x)


@each_two
def test_a_pair_inside_a_model_is_refused(options):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.state = SRU(4, 6, **options), None

        def forward(self, x):
            self.output, (self.h, c) = self.rnn(x)
            return [c for _ in range(1)]  # which makes a cell of c

    with pytest.raises(TypeError, match=f"^SRU {MESSAGE}"):
        nn.Sequential(Model())(torch.randn(5, 3, 4))


@each_two
def test_a_state_that_is_taken_for_one_is_a_plain_tensor(options):
    layer, x = SRU(4, 6, **options), torch.randn(5, 3, 4)
    output, state = layer(x)
    assert type(state) is torch.Tensor
    both = layer(x)
    assert len(both) == 2
    _, state = layer(x, state)
    first, second = layer(x)[1].unbind(0)
    for (y, s), z in [(layer(x), first)]:
        torch.testing.assert_close((y, s[0]), (output, z))
    a, b = layer(x), (second, first)
    torch.testing.assert_close(a[1][1], b[0])
    output, (h, c) = InPlaceOfLSTM(layer)(x)
    assert h.shape == c.shape == (2, 3, 6)


def test_states_of_other_sizes_speak_for_themselves():
    for layers in (1, 3):
        with pytest.raises(ValueError, match="values to unpack"):
            _, (_, _) = SRU(4, 6, layers)(torch.randn(5, 3, 4))
    output, (c, windows) = QRNN(4, 6, 2)(torch.randn(5, 3, 4))
    assert (c.shape, len(windows)) == ((2, 3, 6), 2)
    assert flat(output)


@each_kind
@pytest.mark.parametrize("pair", [tuple, list])
def test_a_pair_given_as_a_state_is_refused(kind, pair):
    layer, x, c = kind(4, 6), torch.randn(5, 3, 4), torch.zeros(1, 3, 6)
    message = rf"^{kind.__name__} needs a state .*; got {pair.__name__}; it is one tensor and no"
    with pytest.raises(TypeError, match=message):
        layer(x, pair([c, c]))
    with pytest.raises(TypeError, match=message):
        layer.step(x[0], pair([c, c]))


def test_compiled_code_has_no_look_at_its_caller():
    torch._dynamo.reset()
    layer, x = MinGRU(4, 6, 2), torch.randn(5, 3, 4)
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), layer(x))
