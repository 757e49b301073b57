"""Every layer takes what PyTorch's own tests give to its GRU.

Different on purpose: an input of another dtype than the parameters is a TypeError here, and a
ValueError there; `proj_size` belongs to the LSTM alone, and no layer here has it.
"""

import pickle

import pytest
import torch
import torch.backends
from tests.nn.test_layers import close, each_plain_layer, each_streaming_layer, flat
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from swiftrnn import ops

common = pytest.importorskip("torch.testing._internal.common_modules")
torch.backends.__allow_nonbracketed_mutation_flag = True  # importing that forbids it to all tests
GRU = next(info for info in common.module_db if info.module_cls is nn.GRU)
WHERE = dict(device="cpu", dtype=torch.float64, requires_grad=True, training=True)


def samples(**options):
    return GRU.module_inputs_func(GRU, **WHERE, **options)


def made(kind, sample):
    given = sample.constructor_input
    return kind(*given.args, **given.kwargs, dtype=torch.float64)


def data(x):
    return x.data if isinstance(x, PackedSequence) else x


def outputs(layer, *inputs):
    output, state = layer(*inputs)
    return data(output), *flat(state)


@each_streaming_layer
def test_forward_is_that_of_a_batch_of_one(kind):
    for sample in samples():
        layer, given = made(kind, sample), sample.forward_input.args
        batch = 0 if layer.batch_first else 1
        x, *state = given
        one = [x.unsqueeze(batch), *(s.unsqueeze(1) for s in state)]
        output, *last = outputs(layer, *given)
        expected, *finals = outputs(layer, *one)
        close([output, *last], [expected.squeeze(batch), *(f.squeeze(1) for f in finals)])


@each_streaming_layer
def test_first_and_second_gradients_are_those_of_the_reference(kind):
    for sample in samples(with_packed_sequence=True):
        layer, given = made(kind, sample), sample.forward_input.args

        def gradients(layer=layer, given=given):
            leaves = [*(x for x in given if isinstance(x, Tensor)), *layer.parameters()]
            loss = sum(y.square().sum() for y in outputs(layer, *given))
            options = dict(create_graph=True, allow_unused=True)
            first = [g for g in torch.autograd.grad(loss, leaves, **options) if g is not None]
            second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves, **options)
            return [*first, *(g for g in second if g is not None)]

        found = gradients()
        with ops.references():
            close(found, gradients())


@each_streaming_layer
def test_pickled_layers_give_the_same(kind):
    for sample in samples():
        layer, given = made(kind, sample), sample.forward_input.args
        close(outputs(pickle.loads(pickle.dumps(layer)), *given), outputs(layer, *given))


@each_plain_layer
def test_errors_are_of_the_same_kinds(kind):
    for sample in GRU.module_error_inputs_func(GRU, **WHERE):
        given = sample.module_error_input
        arguments = given.constructor_input
        if sample.error_on is common.ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(sample.error_type, match=r"needs .*; got "):
                kind(*arguments.args, **arguments.kwargs)
        else:
            layer = kind(*arguments.args, **arguments.kwargs)
            assert all(isinstance(x, Tensor) for x in given.forward_input.args)
            with pytest.raises(TypeError, match=r"needs input in torch\.float64.*; got torch"):
                layer(*given.forward_input.args)
