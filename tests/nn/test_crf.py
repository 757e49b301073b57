"""nn.CRF, against all sequences of tags one by one."""

from itertools import pairwise, product

import pytest
import torch

from swiftrnn.nn import CRF, Allowed

T, B, K = 4, 3, 3
LENGTHS = torch.tensor([4, 2, 3])


def some_allowed():
    transitions = torch.ones(K, K, dtype=torch.bool)
    transitions[0, 2] = transitions[1, 1] = False
    return Allowed(
        transitions, torch.tensor([True, True, False]), torch.tensor([True, False, True])
    )


@pytest.fixture(params=[None, "some"])
def crf(request):
    torch.manual_seed(0)
    layer = CRF(K, allowed=some_allowed() if request.param else None, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    return layer


@pytest.fixture
def emissions():
    return torch.randn(T, B, K, dtype=torch.float64)


def odds(crf, emissions, b):
    """The probability of each allowed sequence of tags."""
    A, start, end = crf.scores()
    scores = {}
    for path in product(range(K), repeat=int(LENGTHS[b])):
        score = start[path[0]] + end[path[-1]]
        score = score + sum(emissions[t, b, tag] for t, tag in enumerate(path))
        scores[path] = score + sum(A[i, j] for i, j in pairwise(path))
    p = torch.stack(list(scores.values())).softmax(0)
    return {path: float(p[i].detach()) for i, path in enumerate(scores) if p[i] > 0}


def test_the_loss_is_that_of_its_tags(crf, emissions):
    tags = crf.decode(emissions, LENGTHS)
    loss = crf(emissions, tags, LENGTHS, "none")
    for b in range(B):
        path = tuple(tags[: LENGTHS[b], b].tolist())
        assert float(loss[b].detach()) == pytest.approx(
            -torch.tensor(odds(crf, emissions, b)[path], dtype=torch.float64).log().item()
        )
    assert crf(emissions, tags, LENGTHS) == loss.mean()
    assert crf(emissions, tags, LENGTHS, "sum") == loss.sum()
    assert crf(emissions, tags, LENGTHS, "token_mean") == loss.sum() / 9


def test_the_best_sequences_come_in_order(crf, emissions):
    n = 30
    paths, found = crf.n_best(emissions, n, LENGTHS)
    assert torch.equal(paths[0], crf.decode(emissions, LENGTHS))
    for b in range(B):
        expected = sorted(odds(crf, emissions, b).items(), key=lambda item: -item[1])[:n]
        for i, (path, p) in enumerate(expected):
            assert tuple(paths[i, : LENGTHS[b], b].tolist()) == path
            assert float(found[i, b]) == pytest.approx(p)
        assert not found[len(expected) :, b].any()


def test_marginals_are_sums_over_sequences(crf, emissions):
    found = crf.marginals(emissions, LENGTHS)
    expected = torch.zeros_like(found)
    for b in range(B):
        for path, p in odds(crf, emissions, b).items():
            for t, tag in enumerate(path):
                expected[t, b, tag] += p
    torch.testing.assert_close(found, expected)


def test_the_probability_of_a_span_is_a_sum_over_sequences(crf, emissions):
    one = emissions[:, :1]
    tags = crf.decode(one)
    spans = [(0, 1, 3), (0, 0, 4), (0, 3, 4)]
    found = crf.span_probabilities(one, tags, spans)
    for (_, first, end), p in zip(spans, found, strict=True):
        wanted = tuple(tags[first:end, 0].tolist())
        every = odds(crf, emissions, 0).items()
        assert p == pytest.approx(sum(q for path, q in every if path[first:end] == wanted))


def test_what_is_not_allowed_never_comes_out(emissions):
    layer = CRF(K, allowed=some_allowed(), dtype=torch.float64)
    for tags, n in zip(layer.decode(emissions * 9, LENGTHS).t().tolist(), LENGTHS, strict=True):
        pairs = list(pairwise(tags[:n]))
        assert (0, 2) not in pairs
        assert (1, 1) not in pairs
        assert tags[0] != 2
        assert tags[n - 1] != 1
    bad = torch.full((T, B), 1)
    assert layer(emissions, bad, LENGTHS) == torch.inf


def test_batch_first_only_transposes(crf, emissions):
    other = CRF(K, batch_first=True, dtype=torch.float64)
    other.load_state_dict(crf.state_dict())
    for name in ("transitions", "start", "end"):
        setattr(other, f"_no_{name}", getattr(crf, f"_no_{name}"))
    x, tags = emissions.transpose(0, 1), crf.decode(emissions, LENGTHS)
    assert torch.equal(other.decode(x, LENGTHS), tags.t())
    torch.testing.assert_close(other(x, tags.t(), LENGTHS), crf(emissions, tags, LENGTHS))
    torch.testing.assert_close(
        other.marginals(x, LENGTHS), crf.marginals(emissions, LENGTHS).transpose(0, 1)
    )
    paths, _ = other.n_best(x, 2, LENGTHS)
    assert torch.equal(paths, crf.n_best(emissions, 2, LENGTHS)[0].transpose(1, 2))


def test_trains_towards_its_tags():
    torch.manual_seed(0)
    layer, tags = CRF(K), torch.tensor([[0, 1], [1, 2], [0, 1], [1, 2]])
    optimizer = torch.optim.SGD(layer.parameters(), 0.5)
    emissions = torch.zeros(4, 2, K)
    before = float(layer(emissions, tags).detach())
    for _ in range(200):
        optimizer.zero_grad()
        layer(emissions, tags).backward()
        optimizer.step()
    assert float(layer(emissions, tags).detach()) < 1.5 < before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CRF(0), "CRF needs num_tags of at least 1; got 0"),
        (
            lambda: CRF(2, allowed=some_allowed()),
            r"CRF needs allowed.transitions of shape \(2, 2\); got \(3, 3\)",
        ),
        (
            lambda: CRF(2)(torch.zeros(1, 1, 2), torch.zeros(1, 1).long(), reduction="all"),
            "CRF needs reduction of none, sum, mean or token_mean; got 'all'",
        ),
        (lambda: CRF(2).n_best(torch.zeros(1, 1, 2), 0), "n_best needs n of at least 1; got 0"),
    ],
)
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()
