"""Decoding: against brute force, alone and in a batch, and under every rule."""

import itertools
import math
from collections import namedtuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from swiftrnn.nn import HGRN, QRNN, RGLRU, SRU, MinGRU, SRUPlusPlus
from swiftrnn.nn.attention import Memory
from swiftrnn.nn.decoding import PerInput, beam_search, greedy, join, narrowed, reorder, sample
from swiftrnn.nn.rules import Automaton, Rules

END = 0
seeds = st.integers(0, 10_000)


class Toy:
    """A model whose scores depend on all that was written: its state is a hash of it."""

    def __init__(self, seed, V=4, bias=0.0):
        draw = torch.Generator().manual_seed(seed)
        self.table = 2 * torch.randn(97, V, generator=draw, dtype=torch.float64)
        self.table[:, END] += bias

    def state(self, B):
        return torch.arange(B).view(1, B, 1) * 13, {"step": torch.zeros(1, B)}

    def step(self, tokens, state):
        kept, about = state
        kept = (kept * 31 + tokens[:, None] + 7) % 97
        return self.table[kept[0, :, 0]], (kept, {"step": about["step"] + 1})

    def score(self, b, tokens):
        """log p of tokens and the end, one after the other, from the definition."""
        kept, total, before = 13 * b, 0.0, 1
        for token in [*tokens, END]:
            kept = (kept * 31 + before + 7) % 97
            total += self.table[kept].log_softmax(0)[token].item()
            before = token
        return total


def start(B):
    return torch.ones(B, dtype=torch.long)


def every(V, rules, allowed=lambda _: True):
    """All sequences that the rules leave."""
    for length in range(rules.shortest, rules.longest + 1):
        for tokens in itertools.product(range(1, V), repeat=length):
            grams = [*zip(*(tokens[i:] for i in range(rules.no_repeat)), strict=False)]
            repeats = rules.no_repeat and len(set(grams)) < len(grams)
            if not repeats and allowed(tokens):
                yield [*tokens]


def penalized(score, tokens, power):
    return score / ((5 + len(tokens) + 1) / 6) ** power


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 2), st.integers(0, 2), st.floats(0, 2), st.integers(1, 4))
def test_a_wide_beam_finds_what_brute_force_finds(seed, shortest, no_repeat, power, n_best):
    toy, rules = Toy(seed), Rules(END, 4, shortest, no_repeat)
    found = beam_search(
        toy.step, toy.state(3), start(3), rules, beam=400, n_best=n_best, length_penalty=power
    )
    for b, each in enumerate(found):
        ranked = sorted(every(4, rules), key=lambda y: -penalized(toy.score(b, y), y, power))
        assert [one.tokens for one in each] == ranked[:n_best]


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(1, 6), st.floats(0, 2))
def test_scores_are_those_of_the_model_sorted_and_distinct(seed, beam, power):
    toy, rules = Toy(seed, V=9, bias=1.0), Rules(END, 12)
    found = beam_search(
        toy.step, toy.state(4), start(4), rules, beam, n_best=beam, length_penalty=power
    )
    for b, each in enumerate(found):
        assert len(each) == beam
        assert len({tuple(one.tokens) for one in each}) == beam
        assert [one.score for one in each] == sorted((one.score for one in each), reverse=True)
        for one in each:
            score = toy.score(b, one.tokens)
            assert one.log_probability == pytest.approx(score, abs=1e-9)
            assert one.score == pytest.approx(penalized(score, one.tokens, power), abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(0, 3), st.integers(0, 3))
def test_a_beam_of_one_is_greedy(seed, shortest, no_repeat):
    toy, rules = Toy(seed, V=7), Rules(END, 9, shortest, no_repeat)
    one = [each for (each,) in beam_search(toy.step, toy.state(5), start(5), rules, beam=1)]
    assert one == greedy(toy.step, toy.state(5), start(5), rules)
    for b, each in enumerate(one):
        assert each.log_probability == pytest.approx(toy.score(b, each.tokens))
        assert shortest <= len(each.tokens) <= 9


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 5))
def test_what_else_is_in_the_batch_changes_nothing(seed, beam):
    toy, rules = Toy(seed, V=8, bias=0.5), Rules(END, 15)
    state = toy.state(16)
    whole = beam_search(toy.step, state, start(16), rules, beam, n_best=beam)
    for b in range(16):
        alone = reorder(state, torch.tensor([b]))
        assert beam_search(toy.step, alone, start(1), rules, beam, n_best=beam) == [whole[b]]
    assert greedy(toy.step, state, start(16), rules)[3:4] == greedy(
        toy.step, reorder(state, torch.tensor([3])), start(1), rules
    )


@settings(deadline=None, max_examples=40)
@given(seeds)
def test_a_larger_beam_that_finds_all_is_never_worse_than_greedy(seed):
    toy, rules = Toy(seed), Rules(END, 4)
    wide = beam_search(toy.step, toy.state(3), start(3), rules, beam=400)
    narrow = greedy(toy.step, toy.state(3), start(3), rules)
    for (best,), other in zip(wide, narrow, strict=True):
        assert best.score >= other.score - 1e-12


def test_what_ends_below_the_beam_is_not_kept():
    """The end is second at each step: a beam of one must not take it."""
    table = torch.tensor([[0.0, 9, 0], [1.0, 0, 2], [1.0, 2, 0]]).double()

    def step(tokens, state):
        return table[tokens], state

    found = beam_search(step, None, start(1), Rules(END, 6), beam=1)
    assert found[0][0].tokens == [2, 1, 2, 1, 2, 1]


def of_table(rows):
    """A step whose odds depend on the last token alone."""
    odds = torch.tensor(rows).double()
    return lambda tokens, state: (odds[tokens].log(), state)


def test_a_search_goes_on_while_a_longer_sequence_could_be_better():
    step = of_table([[1, 0, 0], [0.5, 0, 0.5], [1e-9, 0, 1 - 1e-9]])  # 2 goes on till it must end

    def found(power, longest):
        rules = Rules(END, longest)
        return beam_search(step, None, start(1), rules, beam=3, length_penalty=power)[0][0].tokens

    assert found(0.0, 12) == []
    assert found(9.0, 12) == [2] * 12


def test_an_end_takes_no_place_of_what_goes_on():
    step = of_table([[1, 0, 0, 0], [0.5, 0, 0.3, 0.2], [0.01, 0.99, 0, 0], [1, 0, 0, 0]])
    found = beam_search(step, None, start(1), Rules(END, 2), beam=2, n_best=2)
    assert [one.tokens for one in found[0]] == [[], [3]]


# --------------------------------------------------------------------- rules


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(1, 3))
def test_an_n_gram_comes_once(seed, n):
    toy, rules = Toy(seed, V=6, bias=-9.0), Rules(END, 20, no_repeat=n)
    for each in (
        *greedy(toy.step, toy.state(2), start(2), rules),
        *itertools.chain(*beam_search(toy.step, toy.state(2), start(2), rules, 3, 3)),
        *sample(toy.step, toy.state(2), start(2), rules),
    ):
        grams = [*zip(*(each.tokens[i:] for i in range(n)), strict=False)]
        assert len(set(grams)) == len(grams)


def balanced(most=3):
    """Brackets 1 and 2 that close, at most so deep; a state is the depth."""
    table = torch.full((most + 1, 4), -1)
    for depth in range(most + 1):
        table[depth, 1] = depth + 1 if depth < most else -1
        table[depth, 2] = depth - 1
        table[depth, 3] = depth
    table[0, END] = 0
    return Automaton(table)


def closes(tokens):
    depths = [*itertools.accumulate({1: 1, 2: -1, 3: 0}[each] for each in tokens)]
    return not depths or (min(depths) >= 0 and depths[-1] == 0 and max(depths) <= 3)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_an_automaton_leaves_what_it_accepts(seed):
    toy, rules = Toy(seed), Rules(END, 4, constraint=balanced())
    found = beam_search(toy.step, toy.state(2), start(2), rules, beam=400, n_best=3)
    for b, each in enumerate(found):
        ranked = sorted(every(4, rules, closes), key=lambda y: -toy.score(b, y))
        assert [one.tokens for one in each] == ranked[:3]
    longer = Rules(END, 40, constraint=balanced())
    for each in itertools.chain(*beam_search(toy.step, toy.state(4), start(4), longer, 3, 3)):
        assert closes(each.tokens)


def test_a_dead_end_is_no_sequence():
    table = torch.tensor([[-1, 1, 2, -1], [-1, -1, -1, -1], [2, -1, -1, -1]])
    toy, rules = Toy(1), Rules(END, 5, constraint=Automaton(table))
    for each in beam_search(toy.step, toy.state(3), start(3), rules, beam=4, n_best=4):
        assert [one.tokens for one in each] == [[2]]
    stuck = Rules(END, 5, constraint=Automaton(torch.tensor([[-1, 0, -1, -1]])))
    assert beam_search(toy.step, toy.state(1), start(1), stuck) == [[]]
    with pytest.raises(ValueError, match="rules that forbid all"):
        greedy(toy.step, toy.state(1), start(1), stuck)


# ------------------------------------------------------------------- sampling


def test_sampling_draws_as_often_as_is_likely():
    odds = torch.tensor([0.1, 0.2, 0.3, 0.4]).double()

    def step(tokens, state):
        return odds.log().expand(len(tokens), 4), state

    draw = torch.Generator().manual_seed(1)
    found = sample(step, None, start(20_000), Rules(END, 1), generator=draw)
    counts = torch.tensor([sum(each.tokens == [i] for each in found) for i in (1, 2, 3)])
    expected = 20_000 * odds[1:]
    assert (((counts - expected) ** 2) / expected).sum() < 16.3  # 0.1 % of chi squared, 3 degrees
    one = next(each for each in found if each.tokens)  # then the end, which the rules force
    assert one.log_probability == pytest.approx(math.log(odds[one.tokens[0]] * odds[END]))


@settings(deadline=None)
@given(seeds, st.integers(0, 9), st.floats(0.05, 1.0), st.floats(0.2, 3.0))
def test_what_is_drawn_from_is_that_of_the_definition(seed, top_k, top_p, temperature):
    logits = torch.randn(9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = narrowed(logits, temperature, top_k, top_p) > -math.inf
    ranked = sorted(range(9), key=lambda i: -logits[i])[: top_k or 9]
    odds, kept, total = (logits[ranked] / temperature).softmax(0), set(), 0.0
    for i, each in zip(ranked, odds.tolist(), strict=True):
        if total < top_p - 1e-12:
            kept.add(i)
        total += each
    assert set(found.nonzero()[:, 0].tolist()) == kept


def test_the_same_seed_draws_the_same():
    toy = Toy(5, V=9)
    runs = [
        sample(toy.step, toy.state(3), start(3), Rules(END, 9), 2.0, generator=draw)
        for draw in (torch.Generator().manual_seed(seed) for seed in (1, 1, 2))
    ]
    assert runs[0] == runs[1] != runs[2]
    assert sample(toy.step, toy.state(3), start(3), Rules(END, 9), top_k=1) == greedy(
        toy.step, toy.state(3), start(3), Rules(END, 9)
    )


# --------------------------------------------------------------------- states

LAYERS = [
    lambda: SRU(6, 6, num_layers=2), lambda: QRNN(6, 6, window=3), lambda: MinGRU(6, 6),
    lambda: RGLRU(6, 6), lambda: HGRN(6, 6), lambda: SRUPlusPlus(6, 6, causal=True),
    lambda: nn.LSTM(6, 6, 2), lambda: nn.GRU(6, 6),
]  # fmt: skip


class Writer(nn.Module):
    """A small decoder over a layer."""

    def __init__(self, layer):
        super().__init__()
        self.embedding, self.layer = nn.Embedding(7, 6), layer
        self.readout = nn.Linear(6, 7)

    def forward(self, tokens, state=None):
        y, state = self.layer(self.embedding(tokens), state)
        return self.readout(y), state

    def step(self, tokens, state):
        logits, state = self(tokens[None], state)
        return logits[0], state


@pytest.mark.parametrize("make", LAYERS)
def test_states_of_every_layer_follow_their_hypotheses(make):
    torch.manual_seed(0)
    writer = Writer(make()).double().eval()
    with torch.no_grad():
        _, state = writer(torch.randint(0, 7, (5, 6)))
    rules = Rules(END, 8)
    found = beam_search(writer.step, state, start(6), rules, beam=4, n_best=4, length_penalty=0.6)
    for b, each in enumerate(found):
        own = reorder(state, torch.tensor([b]))
        alone = beam_search(writer.step, own, start(1), rules, 4, 4, 0.6)[0]
        assert [one.tokens for one in alone] == [one.tokens for one in each]
        for one in each:  # as a teacher would score it
            tokens = torch.tensor([1, *one.tokens])[:, None]
            with torch.no_grad():
                odds = writer(tokens, own)[0][:, 0].log_softmax(-1)
            wanted = odds[range(len(tokens)), [*one.tokens, END]].sum().item()
            assert one.log_probability == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=30)
@given(seeds, st.integers(1, 4), st.integers(1, 4))
def test_what_inputs_share_is_theirs_however_many_are_followed(seed, beam, B):
    """The scores depend on the input by a table of each, once copied and once shared."""
    toy = Toy(seed, bias=0.5)
    tables = torch.randn(3, B, 4, generator=torch.Generator().manual_seed(seed)).double()

    def copied(tokens, state):
        scores, kept = toy.step(tokens, state[0])
        return scores + state[1].sum(0), (kept, state[1])

    def shared(tokens, state):
        scores, kept = toy.step(tokens, state[0])
        table = state[1].value
        folded = PerInput.fold(scores, table.shape[1]) + table.sum(0)
        return PerInput.unfold(folded), (kept, state[1])

    rules = Rules(END, 5)
    both = [
        beam_search(step, (toy.state(B), of), start(B), rules, beam, min(2, beam), 0.6)
        for step, of in ((copied, tables), (shared, PerInput(tables)))
    ]
    assert both[0] == both[1]
    assert greedy(copied, (toy.state(B), tables), start(B), rules) == greedy(
        shared, (toy.state(B), PerInput(tables)), start(B), rules
    )


def test_a_memory_is_reordered_too_and_what_is_no_state_is_refused():
    memory = Memory(torch.arange(3.0).view(1, 3, 1), torch.zeros(1, 3, 2), torch.ones(1, 3) > 0)
    moved = reorder((memory, None, [memory.keys], 3), torch.tensor([2, 2]))
    assert moved[0].keys.flatten().tolist() == moved[2][0].flatten().tolist() == [2, 2]
    assert moved[1] is None
    assert moved[3] == 3
    with pytest.raises(TypeError, match=r"reorder needs tensors, .*; got object"):
        reorder(object(), torch.tensor([0]))


def test_states_of_single_sequences_join_to_that_of_a_batch():
    state = {"h": torch.randn(2, 3, 5), "pair": (torch.randn(1, 3), [torch.randn(4, 3, 1), None])}
    alone = [reorder(state, torch.tensor([b])) for b in range(3)]
    for found, want in zip(leaves(join(alone)), leaves(state), strict=True):
        assert torch.equal(found, want)
    hidden, _ = join([torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))[1]] * 2)
    assert hidden.shape == (1, 2, 2)
    point = namedtuple("point", "x y")
    assert join([point(torch.zeros(1, 1), None)] * 2).x.shape == (1, 2)
    with pytest.raises(ValueError, match="at least one state; got none"):
        join([])
    for odd in ([object()], [None, torch.zeros(1, 1)], [(None,), (None, None)]):
        with pytest.raises(TypeError, match="join needs"):
            join(odd)


def leaves(state):
    """The tensors of a state, in the order of its parts."""
    parts = [*state.values()] if isinstance(state, dict) else state
    if isinstance(parts, torch.Tensor):
        return [parts]
    return [] if parts is None else [leaf for part in parts for leaf in leaves(part)]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "wrong", [{"end": -1}, {"longest": 0}, {"shortest": 9}, {"no_repeat": -1}, {"shortest": -1}]
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="Rules needs end, shortest and no_repeat of at least 0"):
        Rules(**{"end": 0, "longest": 5} | wrong)


@pytest.mark.parametrize(
    "wrong", [{"beam": 0}, {"n_best": 0}, {"n_best": 9}, {"length_penalty": -1.0}]
)
def test_beams_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="beam_search needs beam of at least 1, n_best from 1"):
        beam_search(Toy(1).step, Toy(1).state(1), start(1), Rules(END, 5), **wrong)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}])
def test_sampling_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="sampling needs temperature above 0"):
        sample(Toy(1).step, Toy(1).state(1), start(1), Rules(END, 5), **wrong)


def test_an_end_that_is_no_token_is_refused():
    with pytest.raises(ValueError, match="Rules needs an end below the 4 tokens; got 4"):
        greedy(Toy(1).step, Toy(1).state(1), start(1), Rules(4, 5))


@pytest.mark.parametrize(
    ("table", "first"),
    [([[0, 2]], 0), ([[-2, 0]], 0), ([[0.0, 0.0]], 0), ([[0, 0]], 1), ([0, 0], 0)],
)
def test_a_table_that_leads_nowhere_is_refused(table, first):
    with pytest.raises(ValueError, match="Automaton needs"):
        Automaton(torch.tensor(table), first)
