"""StackLSTM: whole batches against one step after the other, and searches against all ways."""

import math

import pytest
import torch

from swiftrnn.nn import StackLSTM
from swiftrnn.nn.encoder import KINDS
from swiftrnn.nn.stack_lstm import OUT, REDUCE, SHIFT

LENGTHS = torch.tensor([6, 2, 0, 5])
SPANS = [[(0, 0, 2), (1, 2, 3), (0, 5, 6)], [(1, 0, 2)], [], []]


def make(kind="sru", num_types=2, layers=1):
    torch.manual_seed(0)
    model = StackLSTM(kind, 5, 6, num_types, layers, action_size=3).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def actions_of(n, spans):
    found, at = [], 0
    for kind, first, end in [*sorted(spans, key=lambda s: s[1]), (0, n, n)]:
        found += [OUT] * (first - at)
        if first < end:
            found += [SHIFT] * (end - first) + [REDUCE + kind]
        at = end
    return found


def last(encoder, rows, empty):
    """What a layer says after some rows (each (1, features)), each time from the beginning."""
    if not rows:
        return empty[None]
    return encoder(torch.stack(rows), torch.tensor([len(rows)]))[-1]


def odds_of(model, x, t, stack, outputs, actions):
    """Log-probabilities of the next action for one sentence x (n, 1, I)."""
    layers, n = model.layers, len(x)
    left = [x[i] for i in reversed(range(t, n))]
    seen = [
        last(layers["stack"], stack, model.empty["stack"]),
        last(layers["words"], left, model.empty["words"]),
        last(layers["outputs"], outputs, model.empty["outputs"]),
        last(layers["actions"], [model.action.weight[a][None] for a in actions],
             model.empty["actions"]),
    ]  # fmt: skip
    logits = model.readout(torch.relu(model.inner(torch.cat(seen, -1))))[0]
    for action in range(len(logits)):
        possible = {SHIFT: t < n, OUT: t < n and not stack}.get(action, bool(stack))
        if not possible:
            logits = logits.index_fill(0, torch.tensor(action), -torch.inf)
    return logits.log_softmax(0)


def act(model, x, action, t, stack, outputs, actions):
    """The situation after an action."""
    stack, outputs, actions = list(stack), list(outputs), [*actions, action]
    if action == SHIFT:
        return t + 1, [*stack, x[t]], outputs, actions
    if action == OUT:
        return t + 1, stack, [*outputs, x[t]], actions
    words = torch.stack(stack)
    ends = model.both.ends(
        model.both(words, torch.tensor([len(stack)])), torch.tensor([len(stack)])
    )
    entity = torch.relu(model.compose(ends) + model.kind.weight[action - REDUCE])
    return t, [], [*outputs, entity], actions


def score(model, x, actions):
    """Log-probability of a way through a sentence, step by step."""
    situation, total = (0, [], [], []), torch.zeros((), dtype=torch.float64)
    for action in actions:
        total = total + odds_of(model, x, *situation)[action]
        situation = act(model, x, action, *situation)
    return total


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2])
def test_whole_batches_equal_one_step_after_the_other(kind, layers):
    model, x = make(kind, layers=layers), draw(6, 4, 5).requires_grad_()
    loss = model(x, LENGTHS, SPANS)
    slow = [-score(model, x[:n, b : b + 1], actions_of(int(n), SPANS[b]))
            for b, n in enumerate(LENGTHS)]  # fmt: skip
    torch.testing.assert_close(loss, torch.stack(slow))
    weights, leaves = draw(4), [x, *model.parameters()]
    found = torch.autograd.grad((loss * weights).sum(), leaves)
    right = torch.autograd.grad((torch.stack(slow) * weights).sum(), leaves)
    for a, e in zip(found, right, strict=True):
        torch.testing.assert_close(a, e)


def ways(model, x, situation=(0, [], [], []), total=0.0):
    """Every way through a sentence, and its log-probability."""
    if situation[0] == len(x) and not situation[1]:
        yield tuple(situation[3]), float(total)
        return
    for action, p in enumerate(odds_of(model, x, *situation)):
        if p > -torch.inf:
            yield from ways(model, x, act(model, x, action, *situation), total + float(p))


def spans_of(actions):
    spans, t, depth = [], 0, 0
    for action in actions:
        if action >= REDUCE:
            spans.append((action - REDUCE, t - depth, t))
        depth = depth + 1 if action == SHIFT else 0
        t += action < REDUCE
    return spans


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_wide_beam_finds_the_best_of_all_ways(kind):
    model, x = make(kind), draw(4, 3, 5)
    lengths = torch.tensor([4, 1, 3])
    found = model.decode(x, lengths, beam=200)
    for b, n in enumerate(lengths):
        every = dict(ways(model, x[:n, b : b + 1]))
        assert sum(map(math.exp, every.values())) == pytest.approx(1)
        best = max(every, key=every.get)
        assert found[b][0] == pytest.approx(every[best])
        assert found[b][1] == spans_of(best)


@pytest.mark.parametrize("kind", ["sru", "lstm", "qrnn"])
@torch.no_grad()
def test_greedy_takes_the_likeliest_step_each_time(kind):
    model, x = make(kind), draw(6, 4, 5)
    found = model.decode(x, LENGTHS)
    for b, n in enumerate(LENGTHS):
        one, situation, total = x[:n, b : b + 1], (0, [], [], []), 0.0
        while situation[0] < n or situation[1]:
            odds = odds_of(model, one, *situation)
            total += float(odds.max())
            situation = act(model, one, int(odds.argmax()), *situation)
        assert found[b][0] == pytest.approx(total)
        assert found[b][1] == spans_of(situation[3])


def test_the_loss_is_what_a_search_says_of_the_same_spans():
    model, x = make(), draw(6, 4, 5)
    found = model.decode(x, LENGTHS, beam=3)
    loss = model(x, LENGTHS, [spans for _, spans in found])
    torch.testing.assert_close(-loss, torch.tensor([p for p, _ in found], dtype=torch.float64))


def test_padding_changes_nothing():
    model, x = make(), draw(6, 4, 5)
    other = torch.cat([x, draw(2, 4, 5)])
    other[torch.arange(8)[:, None] >= LENGTHS] = 7.0
    assert torch.equal(model(other, LENGTHS, SPANS), model(x, LENGTHS, SPANS))
    assert model.decode(other, LENGTHS) == model.decode(x, LENGTHS)


def test_learns_what_words_tell():
    torch.manual_seed(0)
    model, optimizer = StackLSTM("mingru", 4, 16, 2), None
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    x = torch.eye(4)[torch.randint(4, (9, 32))]
    lengths = torch.full((32,), 9)
    spans = [[(int(w), t, t + 1) for t, w in enumerate(column) if w < 2]
             for column in x.argmax(-1).t().tolist()]  # fmt: skip
    for _ in range(80):
        optimizer.zero_grad()
        model(x, lengths, spans).mean().backward()
        optimizer.step()
    assert [s for _, s in model.decode(x, lengths)] == spans


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([[(0, 0, 2), (0, 1, 3)]], r"got \(0, 1, 3\) behind word 2"),
        ([[(0, 2, 4)]], r"in 3 words, types below 2; got \(0, 2, 4\)"),
        ([[(2, 0, 1)]], r"types below 2; got \(2, 0, 1\)"),
        ([[(0, 1, 1)]], r"got \(0, 1, 1\)"),
        ([], "needs spans of 1 sentences; got 0"),
    ],
)
def test_spans_that_cannot_be_are_refused(spans, message):
    with pytest.raises(ValueError, match=message):
        make()(draw(3, 1, 5), torch.tensor([3]), spans)
    with pytest.raises(ValueError, match="a beam of at least 1; got 0"):
        make().decode(draw(3, 1, 5), torch.tensor([3]), beam=0)


@pytest.mark.parametrize("kind", ["sru", "lstm"])
def test_every_parameter_has_a_gradient_even_without_spans(kind):
    model = make(kind)
    model(draw(6, 4, 5), LENGTHS, [[]] * 4).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
