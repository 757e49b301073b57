"""Writing sequences token by token: greedy, sampling, and beam search, all in batches.

What is decoded is a function, `step(tokens, state)`: the last token of each hypothesis (N,) and a
state to scores of what follows (N, V), in any normalization, and the state after it. A state is a
tensor, a tuple, list or dict of states, or anything with `map`; the batch is dimension 1 of every
tensor, as in all recurrent layers here and in torch.nn, and in `nn.attention.Memory`. What is the
same for all hypotheses of an input, and large, such as what is attended to, comes as `PerInput`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.nn.rules import Rules

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Decoded:
    """One sequence.

    Attributes:
        tokens: without start and end.
        log_probability: of the tokens and the end, in nats, under the model alone.
        score: what it was ranked by: that, over a penalty of its length in a beam search.
    """

    tokens: list[int]
    log_probability: float
    score: float


@dataclass(frozen=True)
class PerInput:
    """A part of a state that all hypotheses of an input share, so that a beam copies nothing.

    Its batch are the inputs that are still searched; their N hypotheses, equally many of each, lie
    one input after the other. Queries (N, H) of them are folded to (N / inputs, inputs, H), which
    is how attention takes several queries of each input.

    Attributes:
        value: a state.

    Examples:
        >>> memory = PerInput(torch.zeros(7, 2, 5))
        >>> memory.fold(torch.zeros(6, 4), inputs=2).shape
        torch.Size([3, 2, 4])
    """

    value: Any

    @staticmethod
    def fold(query: Tensor, inputs: int) -> Tensor:
        """(N, H) of the hypotheses of some inputs to (N / inputs, inputs, H)."""
        return query.unflatten(0, (inputs, -1)).transpose(0, 1)

    @staticmethod
    def unfold(found: Tensor) -> Tensor:
        """What `fold` gave, back to (N, H)."""
        return found.transpose(0, 1).flatten(0, 1)


def reorder(state: Any, index: Tensor, inputs: Tensor | None = None) -> Any:
    """A state whose batch, dimension 1 of every tensor, is what an index (N,) picks.

    Args:
        state: a tensor, or tuples, lists and dicts of them, or objects with `map`.
        index: of the hypotheses that stay.
        inputs: of the inputs that stay, for what is `PerInput`; as `index` by default.

    Raises:
        TypeError: it is something else.

    Examples:
        >>> h, c = reorder((torch.zeros(2, 3, 5), torch.zeros(2, 3, 5)), torch.tensor([2, 2, 0, 1]))
        >>> h.shape
        torch.Size([2, 4, 5])
    """
    if isinstance(state, PerInput):
        return PerInput(reorder(state.value, index if inputs is None else inputs))
    if isinstance(state, Tensor):
        return state.index_select(1, index)
    if state is None or isinstance(state, int | float | str):
        return state
    if isinstance(state, dict):
        return {name: reorder(part, index, inputs) for name, part in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(reorder(part, index, inputs) for part in state))
    if isinstance(state, tuple | list):
        return type(state)(reorder(part, index, inputs) for part in state)
    if hasattr(state, "map"):
        return state.map(lambda part: part.index_select(1, index))
    raise TypeError(
        "reorder needs tensors, tuples, lists and dicts of them, or objects with map; got "
        f"{type(state).__name__}"
    )


def join(states: Sequence[Any]) -> Any:
    """The states of several sequences as one state of all of them, in a batch; see `reorder`.

    Args:
        states: of one model, at least one of them, in the order that they get in the batch.

    Raises:
        ValueError: there is none.
        TypeError: they are something else, or are not built alike.

    Examples:
        >>> h, c = join([(torch.zeros(2, 1, 5), torch.zeros(2, 1, 5))] * 3)
        >>> h.shape
        torch.Size([2, 3, 5])
    """
    if not states:
        raise ValueError("join needs at least one state; got none")
    first = states[0]
    kinds = sorted({type(each).__name__ for each in states})
    parts: Any = [each if isinstance(each, tuple | list | dict) else () for each in states]
    if len(kinds) > 1 or len({len(each) for each in parts}) > 1:
        raise TypeError(f"join needs states that are built alike; got {', '.join(kinds)}")
    if isinstance(first, Tensor):
        return torch.cat([*states], 1)
    if first is None:
        return None
    if isinstance(first, dict):
        return {name: join([each[name] for each in states]) for name in first}
    if isinstance(first, tuple | list):
        joined = [join(each) for each in zip(*states, strict=True)]
        return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
    raise TypeError(f"join needs tensors, or tuples, lists and dicts of them; got {kinds[0]}")


def narrowed(
    logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Tensor:
    """Scores (..., V) of the tokens that sampling draws from; -inf for the others.

    Args:
        logits: in any normalization.
        temperature: what they are divided by, above 0.
        top_k: so many of the likeliest, with all that are as likely as the last; 0 for all.
        top_p: the fewest of the likeliest that have this probability together, in 0..1.

    Raises:
        ValueError: a number is out of range.

    Source: Holtzman et al. (2020), "The Curious Case of Neural Text Degeneration", section 3.1.
    """
    if not temperature > 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            "sampling needs temperature above 0, top_k of at least 0, top_p above 0 and at most 1; "
            f"got {temperature}, {top_k}, {top_p}"
        )
    if top_k:
        least = logits.topk(min(top_k, logits.shape[-1])).values[..., -1:]
        logits = logits.where(logits >= least, -math.inf)
    logits = logits / temperature
    if top_p < 1:
        ordered, place = logits.sort(dim=-1, descending=True, stable=True)
        odds = ordered.softmax(-1)
        beyond = odds.cumsum(-1) - odds >= top_p
        logits = logits.masked_fill(torch.zeros_like(beyond).scatter(-1, place, beyond), -math.inf)
    return logits


@torch.no_grad()
def greedy(step: Step, state: Any, start: Tensor, rules: Rules) -> list[Decoded]:
    """The likeliest token each time.

    Args:
        step: what is decoded; see the module.
        state: of B sequences, before their first token.
        start: (B,) integers, what `step` gets first.
        rules: where it ends, and what may come.

    Raises:
        ValueError: the rules leave no token that may follow.

    Examples:
        >>> def step(tokens, state):  # counts down
        ...     return torch.eye(9)[tokens - 1], state
        >>> greedy(step, None, torch.tensor([4, 2]), Rules(end=0, longest=10))[0].tokens
        [3, 2, 1]
    """
    return _one_by_one(step, state, start, rules, lambda scores: scores.argmax(-1))


@torch.no_grad()
def sample(
    step: Step,
    state: Any,
    start: Tensor,
    rules: Rules,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[Decoded]:
    """Tokens drawn at random; arguments as of `greedy` and `narrowed`.

    Args:
        step: what is decoded.
        state: of B sequences.
        start: (B,) integers.
        rules: where it ends, and what may come.
        temperature: below 1 plays safe, above 1 is wild.
        top_k: draw from the k likeliest only.
        top_p: draw from the fewest that have this probability together.
        generator: of random numbers; torch's own by default.

    Raises:
        ValueError: a number is out of range, or the rules leave no token that may follow.
    """

    def draw(scores: Tensor) -> Tensor:
        odds = narrowed(scores, temperature, top_k, top_p).softmax(-1)
        return torch.multinomial(odds, 1, generator=generator)[:, 0]

    return _one_by_one(step, state, start, rules, draw)


def _one_by_one(
    step: Step, state: Any, start: Tensor, rules: Rules, choose: Callable[[Tensor], Tensor]
) -> list[Decoded]:
    B = len(start)
    written = start.new_zeros(B, 0)
    states = None if rules.constraint is None else rules.constraint.start(B).to(start.device)
    total = torch.zeros(B, dtype=torch.float64, device=start.device)
    live, token = torch.arange(B, device=start.device), start
    found: list[Decoded | None] = [None] * B
    while len(live):
        logits, state = step(token, state)
        odds = _log_odds(logits)
        scores = rules.apply(odds, written, states)
        if bool((scores.amax(-1) == -math.inf).any()):
            raise ValueError("decoding needs a token that may follow; got rules that forbid all")
        token = choose(scores)
        total = total + odds.gather(1, token[:, None])[:, 0].double()
        ended = token == rules.end
        for i in ended.nonzero()[:, 0].tolist():
            value = total[i].item()
            found[int(live[i])] = Decoded(written[i].tolist(), value, value)
        stays = (~ended).nonzero()[:, 0]
        if states is not None and rules.constraint is not None:
            states = rules.constraint.next(states, token)[stays]
        written = torch.cat([written, token[:, None]], 1)[stays]
        if len(stays) < len(live):
            state = reorder(state, stays)
        live, token, total = live[stays], token[stays], total[stays]
    return [each for each in found if each is not None]


@torch.no_grad()
def beam_search(
    step: Step,
    state: Any,
    start: Tensor,
    rules: Rules,
    beam: int = 5,
    n_best: int = 1,
    length_penalty: float = 0.0,
) -> list[list[Decoded]]:
    """The best sequences that are found by following the best beginnings.

    Of each input `beam` unfinished beginnings are followed. One that ends is kept if it is among
    the best `beam` of all continuations at that time. The search of an input stops when nothing
    that is followed can be better than the `n_best` it has. Each input is searched by itself: what
    else is in the batch changes nothing.

        score = log p(y | x) / ((5 + |y|) / 6)^length_penalty,    |y| with the end

    Args:
        step: what is decoded; see the module.
        state: of B sequences, before their first token.
        start: (B,) integers, what `step` gets first.
        rules: where it ends, and what may come.
        beam: beginnings that are followed; 1 is greedy.
        n_best: how many sequences to return.
        length_penalty: above 0 favours long sequences.

    Returns:
        For each of B inputs, sequences with the best score first; fewer than n_best where the rules
        or the number of tokens allow no more.

    Raises:
        ValueError: a number is out of range.

    Source: Wu et al. (2016), "Google's Neural Machine Translation System", section 7, without
    coverage.
    """
    _check_beam(beam, n_best, length_penalty)
    B, device = len(start), start.device
    found: list[list[Decoded]] = [[] for _ in range(B)]
    live = torch.arange(B, device=device)  # inputs that are still searched
    token, written = start, start.new_zeros(B, 1, 0)  # of each input one beginning, then more
    total = torch.zeros(B, 1, dtype=torch.float64, device=device)
    states = None if rules.constraint is None else rules.constraint.start(B).to(device)
    while len(live):
        width, length = total.shape[1], written.shape[2]
        logits, state = step(token, state)
        V = logits.shape[1]
        scores = rules.apply(_log_odds(logits), written.flatten(0, 1), states).double()
        sums = (total[..., None] + scores.view(-1, width, V)).flatten(1)
        best, place = sums.topk(min(2 * beam, width * V))
        parent, chosen = place // V, place % V
        ends = (chosen == rules.end) & (best > -math.inf)
        penalty = _penalty(length + 1, length_penalty)
        for i, rank in ends[:, :beam].nonzero().tolist():
            value = best[i, rank].item()
            tokens = written[i, parent[i, rank]].tolist()
            found[int(live[i])].append(Decoded(tokens, value, value / penalty))
        # of what goes on, the best; what ends or is forbidden comes last
        going = best.masked_fill(chosen == rules.end, -math.inf)
        total, rank = going.sort(dim=1, descending=True, stable=True)
        total, rank = total[:, :beam], rank[:, :beam]
        parent, chosen = parent.gather(1, rank), chosen.gather(1, rank)
        hope = total[:, 0] / _penalty(rules.longest + 1, length_penalty)
        stays = [
            i for i, (input_, most) in enumerate(zip(live.tolist(), hope.tolist(), strict=True))
            if most > -math.inf and not _settled(found[input_], n_best, most)
        ]  # fmt: skip
        keep = torch.tensor(stays, dtype=torch.long, device=device)
        live, total, parent, chosen = live[keep], total[keep], parent[keep], chosen[keep]
        before = (keep[:, None] * width + parent).flatten()
        written = torch.cat([written.flatten(0, 1)[before], chosen.view(-1, 1)], 1)
        written, token = written.view(*total.shape, length + 1), chosen.flatten()
        state = reorder(state, before, keep)
        if states is not None and rules.constraint is not None:
            states = rules.constraint.next(states[before], token)
    return [sorted(each, key=lambda one: -one.score)[:n_best] for each in found]


def _check_beam(beam: int, n_best: int, length_penalty: float) -> None:
    if beam < 1 or not 1 <= n_best <= beam or length_penalty < 0:
        raise ValueError(
            "beam_search needs beam of at least 1, n_best from 1 to beam, length_penalty of at "
            f"least 0; got {beam}, {n_best}, {length_penalty}"
        )


def _settled(found: list[Decoded], n_best: int, most: float) -> bool:
    """Whether the best are known, where nothing that comes has a score above `most`."""
    scores = sorted((each.score for each in found), reverse=True)
    return len(scores) >= n_best and scores[n_best - 1] >= most


def _penalty(length: int, power: float) -> float:
    return ((5 + length) / 6) ** power


def _log_odds(logits: Tensor) -> Tensor:
    """Log-probabilities, in float32 or wider."""
    wide = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    return wide.log_softmax(-1)
