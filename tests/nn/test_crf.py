"""nn.CRF, against all sequences of tags one by one."""

import math
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
        (lambda: CRF(0), "CRF needs num_tags of at least 1, an integer; got 0"),
        (
            lambda: CRF(2, allowed=some_allowed()),
            r"CRF needs allowed.transitions of shape \(2, 2\); got \(3, 3\)",
        ),
        (
            lambda: CRF(2)(torch.zeros(1, 1, 2), torch.zeros(1, 1).long(), reduction="all"),
            "CRF needs reduction of none, sum, mean or token_mean; got 'all'",
        ),
        (
            lambda: CRF(2).n_best(torch.zeros(1, 1, 2), 0),
            "n_best needs n of at least 1, an integer; got 0",
        ),
    ],
)
def test_bad_input_gets_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("call", ["forward", "decode", "n_best", "marginals", "span_probabilities"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_too_few_features_are_said_of_emissions_and_of_num_tags(call, batch_first):
    layer, x, tags = CRF(10, batch_first), torch.randn(4, 2, 3), torch.zeros(4, 2).long()
    more = {"forward": (tags,), "n_best": (2,), "span_probabilities": (tags, [])}.get(call, ())
    message = (
        rf"CRF\(10\) needs emissions \({'B, T' if batch_first else 'T, B'}, K\) with K = num_tags "
        r"= 10; got \(4, 2, 3\); give a score for each tag, or build CRF\(3\)"
    )
    with pytest.raises(ValueError, match=message):
        getattr(layer, call)(x, *more)
    with pytest.raises(ValueError, match=r"CRF needs emissions of shape \(T, B, K\); got \(4, 2\)"):
        getattr(layer, call)(x[..., 0], *more)
    with pytest.raises(TypeError, match=r"CRF needs a floating-point emissions; got torch.int64"):
        getattr(layer, call)(x.long(), *more)


NEVER_MORE = Allowed(torch.ones(2, 2).bool(), torch.zeros(2).bool(), torch.ones(2).bool())
NUMBERS = Allowed(torch.zeros(2, 2), torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: CRF(True), ValueError, "num_tags of at least 1, an integer; got True"),
        (lambda: CRF(2.0), ValueError, "num_tags of at least 1, an integer; got 2.0"),
        (lambda: CRF(2, "False"), TypeError, "batch_first of True or False; got 'False'"),
        (lambda: CRF(2, allowed=[1, 1]), TypeError, "allowed of the kind nn.Allowed; got list"),
        (lambda: CRF(2, allowed=NUMBERS), TypeError, "transitions of torch.bool; got torch.float"),
        (lambda: CRF(2, allowed=NEVER_MORE), ValueError, "allowed.start with a tag that is allo"),
        (lambda: CRF(2).n_best(torch.zeros(1, 1, 2), 1.5), ValueError, "an integer; got 1.5"),
        (
            lambda: CRF(2)(torch.zeros(3, 1, 2), torch.zeros(1, 3).long()),
            ValueError,
            r"one tag for each step, of shape \(3, 1\) .*; got \(1, 3\); they are \(T, B\)",
        ),
        (lambda: CRF(2)(torch.zeros(3, 1, 2), [0]), TypeError, "a tensor of tags; got list"),
    ],
)
def test_what_does_not_fit_gets_one_clear_line(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_no_best_path_is_an_error_and_no_path():
    never = Allowed(torch.eye(2).bool(), torch.tensor([True, False]), torch.tensor([False, True]))
    x = torch.zeros(3, 2, 2)
    with pytest.raises(ValueError, match=r"CRF.decode needs .* got -inf for sequence 0; allow a"):
        CRF(2, allowed=never).decode(x)
    x[1, 1, 0] = torch.nan
    with pytest.raises(ValueError, match=r"CRF.decode needs .* got nan for sequence 1"):
        CRF(2).decode(x)
    assert CRF(2).decode(x, [3, 1]).shape == (3, 2)  # beyond the length


def test_nan_is_no_probability():
    layer, x = CRF(2), torch.zeros(3, 2, 2)
    x[1, 1, 0] = torch.nan
    tags = torch.zeros(3, 2).long()
    sure, unknown = layer.span_probabilities(x, tags, [(0, 0, 1), (1, 0, 1)])
    assert 0 < sure < 1
    assert math.isnan(unknown)
    assert layer.marginals(x)[:, 1].isnan().all()
    assert layer.n_best(x, 2)[1][:, 1].isnan().all()


def test_probabilities_of_long_sequences_keep_their_digits():
    torch.manual_seed(0)
    layer, T = CRF(5), 2000
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=10)
    x = 10 * torch.randn(T, 1, 5)
    tags = layer.decode(x)
    exact = CRF(5, dtype=torch.float64)
    exact.load_state_dict(layer.state_dict())
    spans = [(0, 0, 2), (0, 999, 1004), (0, T - 1, T), (0, 0, T)]
    found = layer.span_probabilities(x, tags, spans)
    assert found == pytest.approx(exact.span_probabilities(x.double(), tags, spans), rel=1e-6)
    marginal = exact.marginals(x.double())[-1, 0, tags[-1, 0]]
    assert found[2] == pytest.approx(float(marginal), rel=1e-6)
    paths, odds = layer.n_best(x, 3)
    loss = [exact(x.double(), path).exp().item() for path in paths]
    assert [1 / q for q in loss] == pytest.approx(odds[:, 0].tolist(), rel=1e-5)
    torch.testing.assert_close(layer.marginals(x).double(), exact.marginals(x.double()),
                               rtol=2e-6, atol=2e-6)  # fmt: skip


def test_lengths_may_be_a_list(crf, emissions):
    tags = crf.decode(emissions, LENGTHS)
    loss = crf(emissions, tags, LENGTHS, "token_mean")
    assert crf(emissions, tags.int(), LENGTHS.tolist(), "token_mean") == loss
    right = crf.n_best(emissions, 2, LENGTHS)
    for a, e in zip(crf.n_best(emissions, 2, LENGTHS.tolist()), right, strict=True):
        assert torch.equal(a, e)


@pytest.mark.parametrize("wanted", ["loss", "token_mean", "marginals", "decode", "n_best"])
def test_another_default_device_changes_nothing(wanted):
    torch.manual_seed(0)
    crf, x, tags = CRF(3), torch.randn(5, 2, 3), torch.randint(3, (5, 2))
    parts = {
        "loss": lambda: torch.autograd.grad(crf(x, tags), [*crf.parameters()]),
        "token_mean": lambda: [crf(x, tags, [5, 3], "token_mean").detach()],
        "marginals": lambda: [crf.marginals(x, [5, 3])],
        "decode": lambda: [crf.decode(x)],
        "n_best": lambda: crf.n_best(x, 2),
    }
    expected = parts[wanted]()
    with torch.device("meta"):
        found = parts[wanted]()
    for a, e in zip(found, expected, strict=True):
        assert torch.equal(a, e)
