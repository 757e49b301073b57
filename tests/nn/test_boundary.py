"""What reaches the kernels: whatever torch does meanwhile, the right numbers or one clear line."""

import copy
import io
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from tests.nn.test_layers import (
    LAYERS,
    PLAIN,
    STREAMING,
    Attending,
    TransformedSRU,
    close,
    draw,
    each_layer,
    each_streaming_layer,
    flat,
    make,
)
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd import forward_ad
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

from swiftrnn import ops
from swiftrnn.nn import CRF, SRU, CausalConv, Linear

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore:.*legacy TorchScript:DeprecationWarning"
)


class Model(nn.Module):
    """A layer between others, as people have it."""

    def __init__(self, layer):
        super().__init__()
        self.before, self.layer = nn.Linear(6, 6, dtype=torch.float64), layer
        self.after = nn.Linear(layer.hidden_size, 2, dtype=torch.float64)

    def forward(self, x):
        output, _ = self.layer(self.before(x).tanh())
        return self.after(output)


def gradients(function, x, layer):
    """Of x and all parameters, by a sum of squares."""
    own = x.detach().clone().requires_grad_()
    loss = function(own).square().sum()
    found = torch.autograd.grad(loss, [own, *layer.parameters()], allow_unused=True)
    return [g for g in found if g is not None]


def of_state(layer, x):
    return flat(layer(x)[1])[0]


# gradients of gradients


@each_streaming_layer
def test_a_penalty_on_gradients_counts(kind):
    model, x = Model(make(kind)), draw(5, 2, 6).requires_grad_()

    def penalised(references):
        with ops.references() if references else nullcontext():
            slope = torch.autograd.grad(model(x).sum(), x, create_graph=True)[0]
            loss = model(x).mean() + 10 * (slope.norm() - 1) ** 2
            found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        return [g for g in found if g is not None]

    close(penalised(False), penalised(True))


@each_streaming_layer
@pytest.mark.parametrize("bidirectional", [False, True])
def test_second_gradients_equal_finite_differences(kind, bidirectional):
    layer = make(kind, 3, 3, 1, bidirectional=bidirectional)
    lengths, names = torch.tensor([3, 2]), dict(layer.named_parameters())

    def run(x, *weights):
        options = {"lengths": lengths}
        output, state = functional_call(
            layer, dict(zip(names, weights, strict=True)), (x,), options
        )
        return output, *flat(state)

    weights = [p.detach().requires_grad_() for p in names.values()]
    assert torch.autograd.gradgradcheck(
        run, (draw(3, 2, 3).requires_grad_(), *weights), fast_mode=True
    )


def test_attention_has_second_gradients_where_references_are_asked_for():
    layer, x = make(Attending), draw(3, 2, 6).requires_grad_()

    def second():
        slope = torch.autograd.grad(layer(x)[0].sum(), x, create_graph=True)[0]
        return torch.autograd.grad(slope.square().sum(), x)[0]

    with pytest.raises(RuntimeError, match="is not implemented"):
        second()
    with ops.references():
        assert second().isfinite().all()


def test_third_gradients_are_there():
    layer, x = make(SRU, 3, 3, 1), draw(3, 1, 3).requires_grad_()

    def third(references):
        with ops.references() if references else nullcontext():
            value = layer(x)[0].sum()
            for _ in range(3):
                value = torch.autograd.grad(value, x, create_graph=True)[0].square().sum()
        return value

    close(third(False), third(True))


def test_a_linear_layer_has_second_gradients():
    layer, x = Linear(8, 4), torch.randn(300, 8, requires_grad=True)
    slope = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)[0]
    found = torch.autograd.grad(slope.square().sum(), layer.weight)[0]
    y = nn.functional.linear(x, layer.weight, layer.bias)
    slope = torch.autograd.grad(y.square().sum(), x, create_graph=True)[0]
    torch.testing.assert_close(found, torch.autograd.grad(slope.square().sum(), layer.weight)[0])


def test_a_crf_has_second_gradients():
    crf, x = CRF(4).double(), draw(5, 2, 4).requires_grad_()
    tags = torch.randint(0, 4, (5, 2))
    assert torch.autograd.gradgradcheck(lambda x: crf(x, tags), (x,))


@each_layer
def test_jacobians_may_be_batched(kind):
    layer, x = make(kind), draw(3, 1, 6)
    jacobian = torch.autograd.functional.jacobian
    close(jacobian(lambda x: layer(x)[0], x, vectorize=True), jacobian(lambda x: layer(x)[0], x))


@each_layer
def test_forward_mode_is_not_lost_without_gradients(kind):
    layer, x, tangent = make(kind), draw(4, 2, 6), draw(4, 2, 6)
    _, expected = torch.func.jvp(lambda x: layer(x)[0], (x,), (tangent,))
    with torch.no_grad(), forward_ad.dual_level():
        output = layer(forward_ad.make_dual(x, tangent))[0]
        close(forward_ad.unpack_dual(output).tangent, expected)


# graphs and traces


@each_streaming_layer
@pytest.mark.parametrize("grad", [False, True])
def test_a_trace_is_right_for_other_sizes(kind, grad):
    model, x = Model(make(kind)), draw(4, 3, 6)
    with torch.set_grad_enabled(grad):
        traced = torch.jit.trace(model, (x,))
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    other = draw(7, 2, 6)
    for same in (traced, torch.jit.load(file)):
        close(same(other), model(other))
        close(gradients(same, other, same), gradients(model, other, model))


class Loss(nn.Module):
    """A random field as people train it; `decode` is what they run."""

    def __init__(self):
        super().__init__()
        self.crf = CRF(6)

    def forward(self, x):
        tags = torch.zeros_like(x[..., 0], dtype=torch.int64)
        return self.crf(x, tags, reduction="none"), self.crf.decode(x)


@pytest.mark.parametrize("kind", [Loss, lambda: CausalConv(6, 6, 3)], ids=["CRF", "CausalConv"])
@pytest.mark.parametrize("T", [1, 4, 40])
def test_traces_of_others_are_right_for_other_sizes(kind, T):
    model = kind()
    with torch.no_grad():
        traced = torch.jit.trace(model, (torch.randn(T, 3, 6),))  # torch's warnings are errors
        for other in (torch.randn(9, 2, 6), torch.randn(1, 1, 6), torch.randn(70, 3, 6)):
            close(traced(other), model(other))


@each_layer
def test_symbolic_tracing_keeps_a_layer_as_one_call(kind):
    model, x = Model(make(kind)), draw(4, 2, 6)
    traced = torch.fx.symbolic_trace(model)
    assert [n.target for n in traced.graph.nodes if n.op == "call_module"][1] == "layer"
    close(traced(x), model(x))
    with pytest.raises(RuntimeError, match=r"needs a model that .* is a part of; got the layer by"):
        torch.fx.symbolic_trace(model.layer)


@each_layer
def test_script_says_what_to_take_instead(kind):
    with pytest.raises(RuntimeError, match=r"cannot be compiled by torch\.jit\.script; take torch"):
        torch.jit.script(Model(make(kind)))


def test_the_old_exporter_says_what_to_call():
    with pytest.raises(RuntimeError, match=r"got torch\.onnx\.export\(dynamo=False\); call swift"):
        torch.onnx.export(Model(make(SRU)), (draw(4, 2, 6),), io.BytesIO(), dynamo=False)


class Names(TorchDispatchMode):
    """Writes down which ops are called."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@each_streaming_layer
def test_a_mode_sees_the_ops(kind):
    layer, x = make(kind), draw(4, 2, 6)
    expected, slopes = layer(x), gradients(lambda x: layer(x)[0], x, layer)
    with Names() as names:
        close(layer(x), expected)
        close(gradients(lambda x: layer(x)[0], x, layer), slopes)
    assert any(name.startswith("swiftrnn.") and "forward" in name for name in names.seen)
    assert any(name.startswith("swiftrnn.") and "backward" in name for name in names.seen)


@each_layer
def test_fake_tensors_give_shapes(kind):
    layer, x = make(kind), draw(4, 2, 6)
    with FakeTensorMode(allow_non_fake_inputs=True):
        output = layer(x)[0]
    assert isinstance(output, FakeTensor)
    assert output.shape == layer(x)[0].shape


@each_layer
def test_another_default_device_changes_nothing(kind):
    layer, x = make(kind).eval(), draw(4, 2, 6)
    lengths = [4, 1]
    expected = layer(x, lengths=torch.tensor(lengths))
    with torch.no_grad(), torch.device("meta"):
        close(layer(x, lengths=torch.tensor(lengths, device="cpu")), expected)
        if kind in STREAMING:
            close(layer.step(x[0])[0], layer(x[:1])[0][0])


# tensors that are not what they seem


def odd(x):
    """The same numbers, with gaps, reversed axes, or a sign in a bit."""
    wide = x.new_zeros(*x.shape, 2)
    wide[..., 0] = x
    turned = x.permute(*reversed(range(x.dim()))).contiguous().permute(*reversed(range(x.dim())))
    return {"gaps": wide[..., 0], "turned": turned, "negated": torch._neg_view(-x)}


@each_layer
@pytest.mark.parametrize("how", ["gaps", "turned", "negated"])
def test_layouts_and_signs_change_nothing(kind, how):
    layer, x = make(kind).eval(), draw(5, 2, 6)
    names = {n: p.detach() for n, p in layer.named_parameters()}
    strange = {n: odd(p)[how].requires_grad_() for n, p in names.items()}
    usual = {n: p.clone().requires_grad_() for n, p in names.items()}
    state = layer(x)[1]
    state = state if kind in STREAMING else None

    def run(weights, x, state):
        output, last = functional_call(layer, weights, (x, state))
        found = torch.autograd.grad(
            sum(y.square().sum() for y in flat((output, last))), list(weights.values()),
            allow_unused=True,
        )  # fmt: skip
        return [*flat((output, last)), *(g for g in found if g is not None)]

    other = layer.map_state(lambda s: odd(s)[how], state)
    close(run(strange, odd(x)[how], other), run(usual, x, state))


@each_layer
def test_expanded_parameters_are_read_as_they_are(kind):
    layer, x = make(kind), draw(5, 2, 6)
    one = {n: draw(*[1] * p.dim()).expand(p.shape) for n, p in layer.named_parameters()}
    close(
        functional_call(layer, one, (x,))[0],
        functional_call(layer, {n: p.contiguous() for n, p in one.items()}, (x,))[0],
    )


@each_layer
@pytest.mark.parametrize("how", ["matmul", "expanded", "negated", "turned"])
def test_gradients_of_states_of_any_layout(kind, how):
    layer, x, V = make(kind), draw(5, 2, 6), draw(1, 7, 6)

    def loss(x):
        h = of_state(layer, x)
        if how == "matmul":
            return torch.matmul(V[..., : h.shape[-1]], h.mT)
        if how == "expanded":
            return h.sum(-1, keepdim=True)
        return torch._neg_view(h) if how == "negated" else h.transpose(0, 2).contiguous()

    def by_reference(x):
        with ops.references():
            return loss(x)

    close(gradients(loss, x, layer), gradients(by_reference, x, layer))


@each_layer
def test_hooks_on_saved_tensors_may_give_other_strides(kind):
    layer, x = make(kind), draw(5, 2, 6)
    expected = gradients(lambda x: layer(x)[0], x, layer)

    def turned(x):
        return odd(x)["turned"] if x.dim() > 1 else x

    def hooked(x):
        with saved_tensors_hooks(lambda x: x, turned):
            return layer(x)[0]

    close(gradients(hooked, x, layer), expected)


def test_hooks_on_saved_tensors_may_not_give_others():
    layer, x = make(SRU), draw(5, 2, 6).requires_grad_()
    with saved_tensors_hooks(lambda x: x, lambda x: x.float()):
        output = layer(x)[0]
    with pytest.raises(ValueError, match=r"needs in backward what it saved, .*; got .*float32"):
        output.sum().backward()


@each_layer
def test_lengths_are_taken_as_they_were(kind):
    layer, x, lengths = make(kind), draw(5, 3, 6), np.array([5, 4, 3])
    expected = gradients(lambda x: layer(x, lengths=torch.tensor([5, 4, 3]))[0], x, layer)

    def run(x):
        lengths[:] = [5, 4, 3]
        output = layer(x, lengths=torch.from_numpy(lengths))[0]
        lengths[:] = 1 << 40
        return output

    close(gradients(run, x, layer), expected)
    lengths[:] = [1, 2, 3]
    close(layer(x, lengths=torch.from_numpy(lengths)), layer(x, lengths=torch.tensor([1, 2, 3])))


def test_a_crf_takes_lengths_and_tags_as_they_were():
    crf, x = CRF(4), torch.randn(5, 2, 4, requires_grad=True)
    lengths, tags = np.array([5, 3]), np.zeros((5, 2), np.int64)

    def slope(lengths, tags):
        loss = crf(x, torch.as_tensor(tags), torch.as_tensor(lengths)).sum()
        if isinstance(lengths, np.ndarray):
            lengths[:], tags[:] = 1 << 40, 1 << 40
        return torch.autograd.grad(loss, x)[0]

    expected = slope(torch.tensor(lengths), torch.tensor(tags))
    torch.testing.assert_close(slope(lengths, tags), expected)


# what is refused

STATES = {
    "meta": (lambda s: s.to("meta"), ValueError, "a state on cpu.*; got meta"),
    "integers": (
        lambda s: s.long(),
        TypeError,
        "a state of a floating-point dtype; got torch.int64",
    ),
    "bool": (lambda s: s.bool(), TypeError, "a state of a floating-point dtype; got torch.bool"),
    "complex": (
        lambda s: s.cfloat(),
        TypeError,
        "a state of a floating-point.*; got torch.complex",
    ),
}


@each_streaming_layer
@pytest.mark.parametrize("name", STATES)
def test_strange_states_are_refused(kind, name):
    change, error, message = STATES[name]
    layer, x = make(kind), draw(3, 2, 6)
    state = change(of_state(layer, x))
    for call in (lambda: layer(x, state), lambda: layer.step(x[0], state)):
        for grad in (False, True):
            with torch.set_grad_enabled(grad), pytest.raises(error, match=message):
                call()


@each_layer
def test_weights_that_do_not_fit_are_refused_by_name(kind):
    x = draw(3, 2, 6)
    found = [n for n, p in make(kind).named_parameters() if n.endswith("_l1") and p.dim() > 1]
    name = found[0] if found else "weight_c_l1"
    changes = {
        "needs .* with its shape of .*; got": lambda w: w[:-1],
        "needs .* in torch.float64, as its input; got torch.float32": lambda w: w.float(),
        "needs .* on cpu, as its input; got meta": lambda w: w.to("meta"),
    }
    for message, change in changes.items():
        layer = make(kind)
        setattr(layer, name, nn.Parameter(change(layer.get_parameter(name).detach())))
        for grad in (False, True):
            with (
                torch.set_grad_enabled(grad),
                pytest.raises((ValueError, TypeError), match=message),
            ):
                layer(x)


@each_streaming_layer
def test_parameters_left_on_meta_are_refused(kind):
    whole, empty = make(kind), make(kind, device="meta")
    some = {n: p for n, p in whole.state_dict().items() if not n.endswith("_l1")}
    empty.load_state_dict(some, assign=True, strict=False)
    for call in (lambda: empty(draw(3, 2, 6)), lambda: empty.step(draw(2, 6))):
        with torch.no_grad(), pytest.raises(ValueError, match=r"needs .*_l1 on cpu.*; got meta"):
            call()


def test_what_has_lost_its_memory_is_refused():
    layer, x = make(SRU), draw(3, 2, 6)
    layer.weight_ih_l1.untyped_storage().resize_(16)
    for call in (lambda: layer(x), lambda: layer.step(x[0])):
        with torch.no_grad(), pytest.raises(ValueError, match="whose storage has 16 bytes"):
            call()


def test_sparse_input_is_refused():
    with pytest.raises(TypeError, match=r"needs a dense input; got torch\.sparse_coo"):
        make(SRU)(draw(3, 6).to_sparse())


def test_a_turned_parameter_is_noticed_by_streams():
    layer, x = make(SRU, 6, 6, 1, bias=False), draw(2, 6)
    layer.weight_ih_l0 = nn.Parameter(layer.weight_ih_l0.detach())
    with torch.no_grad():
        layer.step(x)
        square = layer.weight_ih_l0.data[:6]
        square.copy_(square.clone())
        other = copy.deepcopy(layer)
        other.weight_ih_l0.data = layer.weight_ih_l0.data.view(6, 18).t()
        layer.weight_ih_l0.data = layer.weight_ih_l0.data.view(6, 18).t()
        close(layer.step(x)[0], layer(x[None])[0][0])
        close(layer.step(x)[0], other.step(x)[0])


def test_tensorboard_draws_a_model(tmp_path):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(tmp_path) as writer:
        writer.add_graph(Model(make(SRU)), draw(4, 2, 6))
    (written,) = tmp_path.iterdir()
    assert b"swiftrnn::sru_forward" in written.read_bytes()


@pytest.mark.parametrize("kind", PLAIN)
def test_a_state_that_was_made_from_the_input_counts_once(kind):
    layer, x = make(kind, 6, 6, 1), draw(4, 2, 6).requires_grad_()

    def slope():
        loss = layer(x, 2 * x[:1])[0].square().sum()
        return torch.autograd.grad(loss, x, create_graph=True)[0]

    found = slope()
    with ops.references():
        close(found, slope())


@each_streaming_layer
@pytest.mark.parametrize("how", ["gaps", "turned", "negated"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_trace_is_the_same_whatever_the_layout_of_its_example(kind, how, bidirectional):
    if how == "negated" and kind is TransformedSRU:
        pytest.skip("torch compares the names in two traces, and says that those differ")
    layer = make(kind, bidirectional=bidirectional).eval()
    with torch.no_grad():
        traced = torch.jit.trace(layer, (odd(draw(5, 2, 6))[how],))
        for x in (draw(7, 3, 6), *odd(draw(4, 1, 6)).values()):
            close(traced(x), layer(x))


NOT_DENSE = {
    "nested": lambda x: torch.nested.nested_tensor([x[:, 0], x[:3, 1]]),
    "sparse": torch.Tensor.to_sparse,
    "mkldnn": torch.Tensor.to_mkldnn,
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("form", NOT_DENSE)
@pytest.mark.parametrize("what", [*(kind.__name__ for kind in LAYERS), "CausalConv", "CRF", "op"])
def test_what_is_not_dense_is_refused(what, form):
    called = {kind.__name__: lambda x, kind=kind: kind(6, 6)(x) for kind in LAYERS}
    called |= {"CausalConv": CausalConv(6, 4), "CRF": CRF(6).decode}
    called |= {"op": lambda x: ops.linear_scan(x, x)}
    bad = NOT_DENSE[form](torch.randn(5, 2, 6))
    with pytest.raises(TypeError, match=r"needs a dense \w+; got .*; (pad it|convert it)") as error:
        called[what](bad)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", [None, [[1.0]], torch.ones(5, 2, 7), torch.ones(5, 2, 6).int()])
def test_a_convolution_says_what_it_needs(given):
    with pytest.raises((TypeError, ValueError), match=r"CausalConv needs .*; got "):
        CausalConv(6, 4)(given)
