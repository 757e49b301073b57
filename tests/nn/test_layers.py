"""What every recurrent layer promises: the contract of torch.nn.GRU."""

import copy
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from swiftrnn import ops
from swiftrnn.nn import HGRN, QRNN, RGLRU, SRU, MinGRU, MinLSTM, SRUPlusPlus


class ProjectedSRU(SRU):
    def __init__(self, *args, **options):
        own = dict(norm="before", projection_size=3, project_input=True, rescale=True)
        super().__init__(*args, **own, **options)


class NormedSRU(SRU):
    def __init__(self, *args, **options):
        super().__init__(*args, norm="after", skip=False, tanh=True, **options)


class TransformedSRU(SRU):
    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        width = max(hidden_size, 1) * (2 if bidirectional else 1)
        sizes = [max(input_size, 1)] + [width] * (num_layers - 1)
        transforms = [
            nn.Sequential(
                nn.Linear(size, 5, device=device, dtype=dtype),
                nn.Tanh(),
                nn.Linear(5, (3 if size == width else 4) * width, device=device, dtype=dtype),
            )
            for size in sizes
        ]
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            device=device, dtype=dtype, transform=transforms,
        )  # fmt: skip


class WideQRNN(QRNN):
    def __init__(self, *args, **options):
        super().__init__(*args, window=3, pooling="ifo", **options)


class SimpleQRNN(QRNN):
    def __init__(self, *args, **options):
        super().__init__(*args, window=1, pooling="f", **options)


class Attending(SRUPlusPlus):
    def __init__(self, *args, **options):
        super().__init__(*args, projection_size=4, num_heads=2, **options)
        for name, parameter in self.named_parameters():
            if name.startswith("alpha"):
                nn.init.ones_(parameter)


PLAIN = [SRU, QRNN, MinGRU, MinLSTM, RGLRU, HGRN]
OTHERS = [ProjectedSRU, NormedSRU, TransformedSRU, WideQRNN, SimpleQRNN]
STREAMING = [*PLAIN, *OTHERS]  # they see the past alone
LAYERS = [*STREAMING, Attending]
each_plain_layer = pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: kind.__name__)
each_layer = pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
each_streaming_layer = pytest.mark.parametrize("kind", STREAMING, ids=lambda kind: kind.__name__)
each_direction = pytest.mark.parametrize("bidirectional", [False, True])


def flat(state):
    """A state's tensors."""
    return [state] if isinstance(state, Tensor) else [x for part in state for x in flat(part)]


def close(a, b, **options):
    for x, y in zip(flat(a), flat(b), strict=True):
        torch.testing.assert_close(x, y, **options)


def make(kind, I=6, H=6, layers=2, **options):
    return kind(I, H, layers, dtype=torch.float64, **options)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@each_layer
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_shapes_are_those_of_gru(kind, bidirectional, batch_first, layers):
    options = dict(batch_first=batch_first, bidirectional=bidirectional, dtype=torch.float64)
    ours, theirs = kind(5, 7, layers, **options), nn.GRU(5, 7, layers, **options)
    x = draw(4, 3, 5)
    output, state = ours(x)
    expected, h_n = theirs(x)
    assert output.shape == expected.shape
    assert flat(state)[0].shape == h_n.shape
    one, state = ours(x[0])
    expected, h_n = theirs(x[0])
    assert one.shape == expected.shape
    assert flat(state)[0].shape == h_n.shape


@each_plain_layer
def test_parameters_are_named_as_in_torch(kind):
    layer, gru = kind(5, 7, 2, bidirectional=True), nn.GRU(5, 7, 2, bidirectional=True)
    names = {name for name, _ in layer.named_parameters()}
    shared = {name for name, _ in gru.named_parameters() if "hh" not in name}
    assert shared <= names
    own = ("weight_c", "weight_gate", "bias_gate", "decay", "weight_norm", "hy", "lower_bound")
    assert all(any(each in name for each in own) for name in names - shared)
    assert not any("bias" in name for name, _ in kind(5, 7, bias=False).named_parameters())


@each_layer
@each_direction
def test_batch_first_only_transposes(kind, bidirectional):
    layer, x = make(kind, bidirectional=bidirectional), draw(5, 3, 6)
    other = make(kind, bidirectional=bidirectional, batch_first=True)
    other.load_state_dict(layer.state_dict())
    output, state = layer(x)
    transposed, same = other(x.transpose(0, 1))
    torch.testing.assert_close(transposed.transpose(0, 1), output)
    close(same, state)


@each_layer
@each_direction
@pytest.mark.parametrize("I", [4, 6, 12])
def test_lengths_equal_each_sequence_alone(kind, bidirectional, I):
    layer, x = make(kind, I, bidirectional=bidirectional), draw(7, 4, I)
    lengths = torch.tensor([7, 3, 0, 5])
    start = layer.map_state(torch.randn_like, layer(x)[1])
    output, state = layer(x, start, lengths=lengths)
    for b, n in enumerate(lengths):
        alone = layer.map_state(lambda s, b=b: s[:, b : b + 1], start)
        expected, last = layer(x[:n, b : b + 1], alone)
        torch.testing.assert_close(output[:n, b], expected[:, 0])
        assert not output[n:, b].any()
        close(layer.map_state(lambda s, b=b: s[:, b : b + 1], state), last)


@each_layer
@each_direction
@pytest.mark.parametrize("sorted_", [False, True])
def test_packed_sequences_equal_lengths(kind, bidirectional, sorted_):
    layer, x = make(kind, bidirectional=bidirectional), draw(7, 4, 6)
    lengths = torch.tensor([7, 5, 3, 1] if sorted_ else [3, 7, 1, 5])
    start = layer.map_state(torch.randn_like, layer(x)[1])
    packed = pack_padded_sequence(x, lengths, enforce_sorted=sorted_)
    output, state = layer(packed, start)
    expected, last = layer(x, start, lengths)
    torch.testing.assert_close(pad_packed_sequence(output)[0], expected)
    close(state, last)
    assert torch.equal(output.batch_sizes, packed.batch_sizes)
    if not sorted_:
        assert torch.equal(output.sorted_indices, packed.sorted_indices)


@each_layer
def test_a_packed_sequence_of_ragged_tensors_gets_gradients(kind):
    layer, xs = make(kind), [draw(n, 6).requires_grad_() for n in (2, 5)]
    output, state = layer(pack_sequence(xs, enforce_sorted=False))
    (output.data.sum() + sum(s.sum() for s in flat(state))).backward()
    assert all(x.grad.abs().sum(-1).all() for x in xs)


@settings(deadline=None, max_examples=30)
@given(T=st.integers(0, 9), B=st.integers(1, 3), data=st.data())
def test_two_halves_make_the_whole(T, B, data):
    kind, cut = data.draw(st.sampled_from(STREAMING)), data.draw(st.integers(0, T))
    layer, x = make(kind, data.draw(st.sampled_from([4, 6]))), None
    x = draw(T, B, layer.input_size)
    whole, last = layer(x)
    start, state = layer(x[:cut])
    end, final = layer(x[cut:], state)
    torch.testing.assert_close(torch.cat([start, end]), whole)
    close(final, last)


@each_streaming_layer
@pytest.mark.parametrize("T", [0, 1, 8])
def test_steps_equal_the_full_pass(kind, T):
    layer, x = make(kind), draw(T, 3, 6)
    whole, last = layer(x)
    state, outputs = None, []
    for x_t in x:
        output, state = layer.step(x_t, state)
        outputs.append(output)
    if T:
        torch.testing.assert_close(torch.stack(outputs), whole)
        close(state, last)


@each_layer
def test_a_bidirectional_layer_refuses_to_stream(kind):
    message = f"{kind.__name__}.step needs a layer of one direction; got bidirectional=True"
    with pytest.raises(RuntimeError, match=message):
        make(kind, bidirectional=True).step(draw(3, 6))


@each_plain_layer
@each_direction
def test_two_directions_are_two_layers(kind, bidirectional):
    both, x = make(kind, I=4, layers=1, bidirectional=True), draw(7, 2, 4)
    one = make(kind, I=4, layers=1)
    ending = "_reverse" if bidirectional else ""
    own = {n: n if n == "lower_bound" else n + ending for n in one.state_dict()}  # of the stack
    one.load_state_dict({n: both.state_dict()[name] for n, name in own.items()})
    output, state = both(x)
    expected, last = one(x.flip(0) if bidirectional else x)
    half = output[..., 6:] if bidirectional else output[..., :6]
    torch.testing.assert_close(half, expected.flip(0) if bidirectional else expected)
    torch.testing.assert_close(flat(state)[0][int(bidirectional)], flat(last)[0][0])


@each_layer
@each_direction
def test_gradients_equal_finite_differences(kind, bidirectional):
    layer = make(kind, 3, 3, bidirectional=bidirectional)
    x = draw(4, 2, 3).requires_grad_()
    start = layer.map_state(lambda s: torch.randn_like(s).requires_grad_(), layer(x)[1])
    leaves = [x, *flat(start), *layer.parameters()]
    names = [name for name, _ in layer.named_parameters()]
    count = len(flat(start))

    def run(x, *rest):
        state = rebuild(start, iter(rest[:count]))
        weights = dict(zip(names, rest[count:], strict=True))
        lengths = torch.tensor([4, 2])
        output, last = torch.func.functional_call(layer, weights, (x, state, lengths))
        return output, *flat(last)

    assert torch.autograd.gradcheck(run, leaves, fast_mode=True)


def rebuild(like, tensors):
    if isinstance(like, Tensor):
        return next(tensors)
    return tuple(rebuild(part, tensors) for part in like)


@each_layer
@each_direction
def test_state_dict_round_trip_and_copies(kind, bidirectional):
    layer, x = make(kind, bidirectional=bidirectional), draw(5, 2, 6)
    other = make(kind, bidirectional=bidirectional)
    assert not torch.equal(other(x)[0], layer(x)[0])
    other.load_state_dict(layer.state_dict())
    for twin in (other, copy.deepcopy(layer)):
        assert torch.equal(twin(x)[0], layer(x)[0])


@each_layer
def test_meta_device_gives_shapes(kind):
    layer = kind(5, 7, 2, device="meta")
    output, state = layer(torch.empty(4, 3, 5, device="meta"))
    assert output.shape == (4, 3, 7)
    assert flat(state)[0].shape == (2, 3, 7)
    assert output.device.type == "meta"


@each_layer
@pytest.mark.parametrize(("T", "B"), [(0, 2), (3, 0), (1, 1)])
def test_empty_input_gives_empty_output(kind, T, B):
    layer, x = make(kind), draw(T, B, 6).requires_grad_()
    output, state = layer(x)
    assert output.shape == (T, B, 6)
    if T == 0:
        assert not flat(state)[0].any()
    (output.sum() + flat(state)[0].sum()).backward()
    assert x.grad.shape == x.shape


@each_layer
def test_dropout_acts_between_layers_while_training(kind):
    layer, x = make(kind, dropout=0.5), draw(5, 2, 6)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])
    single = make(kind, layers=1, dropout=0.5)
    assert torch.equal(single(x)[0], single(x)[0])


@each_layer
@each_direction
def test_bfloat16_follows_float32_and_keeps_a_wide_state(kind, bidirectional):
    layer = kind(16, 16, 2, bidirectional=bidirectional)
    x = torch.randn(12, 3, 16)
    expected, last = layer(x)
    narrow = copy.deepcopy(layer).bfloat16()
    output, state = narrow(x.bfloat16())
    assert output.dtype == torch.bfloat16
    assert flat(state)[0].dtype == torch.float32
    torch.testing.assert_close(output.float(), expected, rtol=0.1, atol=0.1)
    close(flat(state)[0], flat(last)[0], rtol=0.1, atol=0.1)


@each_layer
def test_autocast_gives_bfloat16_and_float32_gradients(kind):
    layer, x = kind(16, 16, 2), torch.randn(12, 3, 16)
    expected = layer(x)[0]
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = layer(x)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), expected, rtol=0.1, atol=0.1)
    output.float().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in layer.parameters())


def test_compiles_where_torch_cannot_trace_which_devices_have_autocast(monkeypatch):
    """As in torch 2.11."""
    available = torch.compiler.disable(torch.amp.is_autocast_available)
    monkeypatch.setattr(torch.amp, "is_autocast_available", available)
    torch._dynamo.reset()
    layer, x = MinGRU(3, 4), torch.randn(5, 2, 3)
    found = torch.compile(layer, fullgraph=True, backend="eager")(x)[0]
    torch.testing.assert_close(found, layer(x)[0])


@each_layer
def test_compiles_whole_with_dynamic_shapes(kind):
    torch._dynamo.reset()
    layer = kind(8, 8, bidirectional=kind in PLAIN)
    compiled = torch.compile(layer, fullgraph=True, dynamic=True, backend="aot_eager")
    for T, B in ((6, 2), (9, 3)):
        x = torch.randn(T, B, 8, requires_grad=True)
        output, state = compiled(x)
        expected, last = layer(x)
        torch.testing.assert_close(output, expected)
        close(state, last)
        grads = torch.autograd.grad(output.square().sum(), [x, *layer.parameters()])
        wanted = torch.autograd.grad(expected.square().sum(), [x, *layer.parameters()])
        close(grads, wanted, rtol=1e-4, atol=1e-5)


@each_layer
def test_exports_with_a_dynamic_batch(kind):
    layer = kind(8, 8, 2).eval()
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(
        layer, (torch.randn(5, 3, 8),), dynamic_shapes={"input": {1: batch}}
    )
    x = torch.randn(5, 7, 8)
    torch.testing.assert_close(program.module()(x)[0], layer(x)[0])


@each_layer
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(input_size=0, hidden_size=4), "input_size of at least 1; got 0"),
        (dict(input_size=3, hidden_size=-4), "hidden_size of at least 1; got -4"),
        (dict(input_size=3, hidden_size=4, num_layers=0), "num_layers of at least 1; got 0"),
        (dict(input_size=3, hidden_size=4, dropout=1.5), "dropout in 0..1; got 1.5"),
    ],
)
def test_construction_says_what_it_needs(kind, arguments, message):
    with pytest.raises(ValueError, match=f"{kind.__name__} needs {re.escape(message)}"):
        kind(**arguments)


@each_layer
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(5, 2, 7),), ValueError, "with I = 6; got (5, 2, 7)"),
        ((torch.zeros(6),), ValueError, "got (6,)"),
        (([1, 2],), TypeError, "got list"),
        ((torch.zeros(5, 2, 6).double(),), TypeError, "input in torch.float32"),
        ((torch.zeros(5, 2, 6, device="meta"),), ValueError, "input on cpu"),
        ((torch.zeros(5, 2, 6), None, torch.tensor([9, 1])), ValueError, "lengths in 0..5"),
    ],
)
def test_input_says_what_it_needs(kind, arguments, error, message):
    with pytest.raises(error, match=f"{kind.__name__} needs .*{re.escape(message)}"):
        kind(6, 6)(*arguments)


@each_plain_layer
def test_states_are_checked(kind):
    layer, x = kind(6, 6, 2), torch.zeros(5, 2, 6)
    _, state = layer(x)
    wrong = layer.map_state(lambda s: s[:, :1], state)
    with pytest.raises(ValueError, match=f"{kind.__name__} needs a .* of .*; got"):
        layer(x, wrong)
    with pytest.raises((TypeError, ValueError), match=f"{kind.__name__} needs a state"):
        layer(x, 3)


@each_layer
def test_lengths_and_packing_exclude_each_other(kind):
    packed = pack_sequence([torch.zeros(3, 6), torch.zeros(2, 6)])
    with pytest.raises(ValueError, match="not both"):
        kind(6, 6)(packed, None, torch.tensor([3, 2]))


@each_layer
def test_functional_transforms_take_the_reference(kind):
    layer, x = make(kind, layers=1), draw(5, 2, 6)
    expected = torch.autograd.grad(layer(x.requires_grad_())[0].square().sum(), x)[0]
    by_func = torch.func.grad(lambda x: layer(x)[0].square().sum())(x.detach())
    torch.testing.assert_close(by_func, expected)
    many = draw(3, 5, 2, 6)
    mapped = torch.vmap(lambda x: layer(x)[0])(many)
    torch.testing.assert_close(mapped, torch.stack([layer(x)[0] for x in many]))
    tangent = draw(5, 2, 6)
    with ops.references():
        slope = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)[0]
        assert torch.autograd.grad(slope.square().sum(), x)[0].any()
    _, jvp = torch.func.jvp(lambda x: layer(x)[0], (x.detach(),), (tangent,))
    vjp = torch.autograd.grad(layer(x)[0], x, torch.ones_like(jvp))[0]
    torch.testing.assert_close((vjp * tangent).sum(), jvp.sum())
