"""The adaptive softmax, held against its definition and against torch's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from swiftrnn.nn import AdaptiveSoftmax

EDGES = [(), (1,), (7,), (3, 4), (2, 11, 19)]


def made(cutoffs, classes=20, size=6, dtype=torch.float64):
    torch.manual_seed(3)
    return AdaptiveSoftmax(size, classes, cutoffs, dtype=dtype)


def by_definition(softmax, x, target):
    """-log p of one class, from sums of exponentials."""
    edges = [0, *softmax.cutoffs, softmax.num_classes]
    scores = softmax.weight @ x + softmax.bias
    head = scores[: edges[1]]
    if softmax.cutoffs:
        head = torch.cat([head, softmax.cluster_weight @ x + softmax.cluster_bias])
    total = head.exp().sum().log()
    if target < edges[1]:
        return total - head[target]
    i = sum(target >= each for each in softmax.cutoffs)
    cluster = scores[edges[i] : edges[i + 1]]
    return total - head[edges[1] + i - 1] + cluster.exp().sum().log() - scores[target]


@pytest.mark.parametrize("cutoffs", EDGES)
def test_each_loss_and_gradient_is_that_of_the_definition(cutoffs):
    softmax, x = made(cutoffs), torch.randn(20, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.randperm(20)
    inputs = [x, *softmax.parameters()]
    found = softmax(x, targets)
    wanted = torch.stack([by_definition(softmax, *each) for each in zip(x, targets, strict=True)])
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    weights = torch.randn(20, dtype=torch.float64)
    pairs = [torch.autograd.grad(each @ weights, inputs) for each in (found, wanted)]
    torch.testing.assert_close(*pairs, rtol=1e-10, atol=1e-12)


@settings(deadline=None)
@given(st.lists(st.integers(1, 18), unique=True, max_size=4), st.integers(0, 5), st.integers(0, 3))
def test_probabilities_add_up_to_one_and_are_those_of_the_losses(cutoffs, T, B):
    softmax = made(sorted(cutoffs), 19, 4)
    x, targets = torch.randn(T, B, 4, dtype=torch.float64), torch.randint(0, 19, (T, B))
    found = softmax.log_prob(x)
    assert found.shape == (T, B, 19)
    torch.testing.assert_close(found.exp().sum(-1), torch.ones(T, B, dtype=torch.float64))
    torch.testing.assert_close(-found.gather(2, targets[..., None])[..., 0], softmax(x, targets))
    torch.testing.assert_close(softmax.logits(x).log_softmax(-1), found)


def test_it_is_torchs_where_that_has_no_smaller_projections():
    ours, theirs = made((4, 9)), nn.AdaptiveLogSoftmaxWithLoss(6, 20, [4, 9], 1.0, True).double()
    with torch.no_grad():
        theirs.head.weight.copy_(torch.cat([ours.weight[:4], ours.cluster_weight]))
        theirs.head.bias.copy_(torch.cat([ours.bias[:4], ours.cluster_bias]))
        for tail, a, b in zip(theirs.tail, (4, 9), (9, 20), strict=True):
            tail[0].weight.copy_(torch.eye(6))
            tail[1].weight.copy_(ours.weight[a:b])
        ours.bias[4:] = 0  # theirs has none there
    x, targets = torch.randn(50, 6, dtype=torch.float64), torch.randint(0, 20, (50,))
    torch.testing.assert_close(ours(x, targets), -theirs(x, targets).output)
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))


def test_without_clusters_it_is_a_linear_layer_and_a_softmax():
    ours, linear = made(()), nn.Linear(6, 20).double()
    linear.load_state_dict(ours.state_dict())
    x, targets = torch.randn(5, 6, dtype=torch.float64), torch.randint(0, 20, (5,))
    torch.testing.assert_close(ours.logits(x), linear(x))
    wanted = nn.functional.cross_entropy(linear(x), targets, reduction="none")
    torch.testing.assert_close(ours(x, targets), wanted)


def test_many_rows_take_the_kernel_and_give_the_same():
    single, double = (made((50, 200), 500, 64, dtype) for dtype in (torch.float32, torch.float64))
    double.load_state_dict({k: v.double() for k, v in single.state_dict().items()})
    x, targets = torch.randn(900, 64), torch.randint(0, 500, (900,))
    near = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(single(x, targets).double(), double(x.double(), targets), **near)
    for each, rows in ((single, x), (double, x.double())):
        each(rows, targets).mean().backward()
    torch.testing.assert_close(single.weight.grad.double(), double.weight.grad, **near)


def test_its_weight_can_be_that_of_an_embedding():
    softmax, embedding = made((5,), dtype=torch.float32), nn.Embedding(20, 6)
    softmax.weight = embedding.weight
    softmax(embedding(torch.arange(20)), torch.arange(20)).sum().backward()
    assert embedding.weight.grad.abs().sum(1).gt(0).all()
    assert len([*nn.ModuleList([softmax, embedding]).parameters()]) == 4


def test_half_precision_sums_in_float32():
    softmax = made((5,)).bfloat16()
    x = torch.randn(7, 6, dtype=torch.bfloat16)
    assert softmax(x, torch.arange(7)).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        found = made((5,), dtype=torch.float32)(x.float(), torch.arange(7))
    assert found.dtype == torch.float32


def test_a_target_that_is_to_be_ignored_costs_nothing():
    found = made((5,))(torch.randn(3, 6, dtype=torch.float64), torch.tensor([-100, 2, 9]))
    assert found[0] == 0
    assert (found[1:] > 0).all()


@pytest.mark.parametrize("target", [20, -1])
@pytest.mark.parametrize("cutoffs", [(), (5, 9)])
def test_a_target_that_is_no_class_is_an_error(cutoffs, target):
    with pytest.raises(IndexError, match=r"Target -?\d+ is out of bounds"):
        made(cutoffs)(torch.randn(1, 6, dtype=torch.float64), torch.tensor([target]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cutoffs": (0,)}, {"cutoffs": (20,)}, {"cutoffs": (5, 5)}, {"cutoffs": (9, 5)},
        {"cutoffs": (2.5,)}, {"in_features": 0}, {"num_classes": 0}, {"num_classes": True},
    ],
)  # fmt: skip
def test_sizes_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="AdaptiveSoftmax needs sizes of at least 1, and cutoffs"):
        AdaptiveSoftmax(**{"in_features": 6, "num_classes": 20} | wrong)


@pytest.mark.parametrize(("x", "targets"), [((4, 6), (3,)), ((4, 5), (4,)), ((4, 2, 6), (4,))])
def test_shapes_that_do_not_fit_are_refused(x, targets):
    with pytest.raises(ValueError, match=r"AdaptiveSoftmax needs x \(..., 6\) and targets"):
        made((5,))(torch.randn(x, dtype=torch.float64), torch.zeros(targets, dtype=torch.long))
