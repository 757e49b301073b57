"""Sums over all ways to write a translation, against writing all of them down."""

import itertools

import pytest
import torch
from torch import nn

from swiftrnn.nn.paths import Links, ctc_loss, ctc_read, graph_loss, graph_read


def logits(T, B, V, seed=0):
    return torch.randn(T, B, V, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def collapsed(tokens):
    found = [key for key, _ in itertools.groupby(tokens)]
    return [token for token in found if token != 0]


def test_ctc_sums_over_all_positions():
    scores, targets = logits(5, 3, 4), torch.tensor([[1, 2, 3], [1, 3, 0], [2, 0, 0]])
    lengths, wanted = torch.tensor([5, 4, 2]), torch.tensor([3, 2, 1])
    odds, total = scores.log_softmax(-1), 0.0
    for b in range(3):
        right = targets[: wanted[b], b].tolist()
        every = [
            sum(odds[t, b, token] for t, token in enumerate(tokens))
            for tokens in itertools.product(range(4), repeat=int(lengths[b]))
            if collapsed(tokens) == right
        ]
        total -= torch.stack(every).logsumexp(0)
    assert torch.allclose(ctc_loss(scores, lengths, targets, wanted), total / 6)


def test_ctc_leaves_out_what_does_not_fit():
    scores = logits(3, 2, 4).requires_grad_()
    targets = torch.tensor([[1, 1], [1, 2], [0, 3]])  # 1 1 needs a blank between, 1 2 3 fits
    loss = ctc_loss(scores, torch.tensor([2, 3]), targets, torch.tensor([2, 3]))
    loss.backward()
    assert torch.isfinite(loss)
    assert not scores.grad[:, 0].any()
    assert scores.grad[:, 1].any()


def test_ctc_is_read_position_by_position():
    tokens = torch.randint(0, 3, (9, 40), generator=torch.Generator().manual_seed(0))
    lengths = torch.arange(40) % 10
    for b, found in enumerate(ctc_read(tokens, lengths)):
        assert found == collapsed(tokens[: lengths[b], b].tolist())


def graph(L=5, B=3, V=6, seed=0):
    torch.manual_seed(seed)
    lengths = torch.tensor([5, 4, 2])[:B]
    links = Links(8, 2).double()(torch.randn(L, B, 8, dtype=torch.float64), lengths)
    return logits(L, B, V, seed), links, lengths


def test_links_lead_to_later_vertices_alone():
    _, links, lengths = graph()
    for b, n in enumerate(lengths.tolist()):
        odds = links[b].exp()
        assert torch.allclose(odds[: n - 1].sum(1), torch.ones(n - 1, dtype=torch.float64))
        assert not odds.tril().any()
        assert not odds[:, n:].any()
        assert not odds[n - 1 :].any()


def every_path(odds, links, targets, n):
    """The log-probability of a target along each path from the first vertex to the last."""
    for inner in itertools.combinations(range(1, n - 1), len(targets) - 2):
        path = [0, *inner, n - 1]
        steps = sum(links[a, b] for a, b in itertools.pairwise(path))
        yield steps + sum(odds[v, token] for v, token in zip(path, targets, strict=True))


def test_a_graph_sums_over_all_paths():
    scores, links, lengths = graph()
    targets = torch.tensor([[1, 1, 1], [3, 4, 2], [5, 2, 0], [2, 0, 0]])
    wanted = torch.tensor([4, 3, 2])
    odds, total = scores.log_softmax(-1), 0.0
    for b in range(3):
        right = targets[: wanted[b], b].tolist()
        every = [*every_path(odds[:, b], links[b], right, int(lengths[b]))]
        total -= torch.stack(every).logsumexp(0)
    assert torch.allclose(graph_loss(scores, links, targets, lengths, wanted), total / 6)


def test_gradients_of_a_graph_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer, lengths = Links(4, 2).double(), torch.tensor([4, 3])
    targets, wanted = torch.tensor([[1, 1], [3, 2], [2, 0]]), torch.tensor([3, 2])
    vertices = torch.randn(4, 2, 4, dtype=torch.float64, requires_grad=True)
    readout = nn.Linear(4, 5).double()

    def loss(x):
        return graph_loss(readout(x), layer(x, lengths), targets, lengths, wanted)

    assert torch.autograd.gradcheck(loss, vertices)
    loss(vertices).backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.any() for p in layer.query.parameters())


def test_a_graph_leaves_out_what_does_not_fit():
    scores, links, lengths = graph(B=2)
    scores.requires_grad_()
    targets = torch.tensor([[1, 1], [3, 4], [5, 3], [2, 3], [0, 2]])
    loss = graph_loss(scores, links, targets, lengths, torch.tensor([4, 5]))
    loss.backward()
    assert torch.isfinite(loss)
    assert scores.grad[:, 0].any()
    assert not scores.grad[:, 1].any()  # five tokens, four vertices


def test_a_graph_is_read_along_the_best_step_each_time():
    scores, links, lengths = graph(seed=3)
    links = links.detach()
    odds = scores.log_softmax(-1)
    found = graph_read(scores, links, lengths, left_out=(1,))
    for b, n in enumerate(lengths.tolist()):
        at, right = 0, []
        while at < n - 1:
            at = max(range(at + 1, n), key=lambda v: float(links[b, at, v] + odds[v, b].max()))
            token = int(odds[at, b].argmax())
            if at < n - 1 and token != 1:
                right.append(token)
        assert found[b] == right


def test_what_is_beside_it_changes_nothing():
    scores, links, lengths = graph(seed=5)
    together = graph_read(scores, links, lengths)
    for b, n in enumerate(lengths.tolist()):
        alone = graph_read(scores[:n, b : b + 1], links[b : b + 1, :n, :n], lengths[b : b + 1])
        assert alone == [together[b]]


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_graphs_have_no_word(n):
    lengths = torch.tensor([n])
    links = Links(4, 1)(torch.randn(n, 1, 4), lengths)
    assert graph_read(torch.randn(n, 1, 5), links, lengths) == [[]]
