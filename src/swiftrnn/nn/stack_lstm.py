"""Spans found by transitions: words are shifted onto a stack, reduced to an entity, or put out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from swiftrnn.nn._options import at_least, probability
from swiftrnn.nn.encoder import Encoder
from swiftrnn.ops._reverse import reverse

SHIFT, OUT, REDUCE = 0, 1, 2  # REDUCE + type
Spans = Sequence[tuple[int, int, int]]  # of a sentence: type, first word, the word behind the last
Way = tuple[float, list[tuple[int, int, int]]]  # log-probability of a way, and the spans it finds


class Plan(NamedTuple):
    """What happens in a batch whose spans are known, as places in tensors.

    K steps at most, N spans of L words at most, M outputs at most.
    """

    actions: Tensor  # (K, B)
    there: Tensor  # (K, B) bool: whether a sentence has that many steps
    time: Tensor  # (K, B) words taken before the step
    stack: Tensor  # (K, B) row of (L * N) that is on top of the stack, or -1
    put: Tensor  # (K, B) how many outputs there are before the step
    words: Tensor  # (L, N) row of (T * B) of each word of a span
    sizes: Tensor  # (N) words of a span
    types: Tensor  # (N)
    outputs: Tensor  # (M, B) row of (T * B) words and N spans
    output_lengths: Tensor  # (B)


class StackLSTM(nn.Module):
    """Finds spans word by word: SHIFT onto a stack, REDUCE the stack to an entity, or OUT.

    Four recurrent layers tell where it stands: over the words to come (from the end), over the
    stack, over what was put out, and over the actions. Each action has the probability

        softmax(V relu(W (stack, words, outputs, actions) + b) + c)

    among those that are possible: OUT with an empty stack only, so spans have no gaps, and REDUCE
    alone where no word is left. An entity is put out as relu(C (both ends of its words) + E[type]).

    With the spans known, as in training, no step waits for another: the stack starts over for each
    span, so all layers run over whole batches.

    Args:
        kind: of the layers, one of `nn.encoder.KINDS`.
        input_size: I, features of a word.
        hidden_size: H of each layer.
        num_types: Y, types of spans.
        num_layers: on top of each other.
        action_size: of the vector of an action.
        dropout: of the words and of the state, while training.

    Examples:
        >>> import torch
        >>> chunker, lengths = StackLSTM("sru", 8, 16, 2), torch.tensor([5, 3])
        >>> x = torch.randn(5, 2, 8)
        >>> loss = chunker(x, lengths, [[(0, 1, 3)], []])
        >>> loss.shape, len(chunker.decode(x, lengths))
        (torch.Size([2]), 2)

    Source: Lample et al. (2016), "Neural Architectures for Named Entity Recognition", section 3;
    Dyer et al. (2015), "Transition-Based Dependency Parsing with Stack Long Short-Term Memory".
    """

    def __init__(
        self,
        kind: str,
        input_size: int,
        hidden_size: int,
        num_types: int,
        num_layers: int = 1,
        action_size: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        num_types = at_least(1)("StackLSTM", "num_types", num_types)
        action_size = at_least(1)("StackLSTM", "action_size", action_size)
        dropout = probability("StackLSTM", "dropout", dropout)
        I, H, self.num_types = input_size, hidden_size, num_types
        sizes = {"stack": I, "words": I, "outputs": I, "actions": action_size}
        self.layers = nn.ModuleDict(
            {name: Encoder(kind, size, H, num_layers, False) for name, size in sizes.items()}
        )
        self.empty = nn.ParameterDict({name: nn.Parameter(torch.zeros(H)) for name in sizes})
        self.both = Encoder(kind, I, H, num_layers)
        self.compose = nn.Linear(2 * H, I)
        self.kind = nn.Embedding(num_types, I)
        self.action = nn.Embedding(REDUCE + num_types, action_size)
        self.inner = nn.Linear(4 * H, H)
        self.readout = nn.Linear(H, REDUCE + num_types)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor, spans: Sequence[Spans]) -> Tensor:
        """Negative log-likelihood of the actions that give the spans.

        Args:
            x: (T, B, I), the words.
            lengths: (B).
            spans: of each sentence, one after the other.

        Returns:
            (B), nats.

        Raises:
            ValueError: spans overlap, lie outside, or are of another type.
        """
        plan = _Planned(x.shape[0], lengths.tolist(), spans, self.num_types).to(x.device)
        x, here = self.dropout(x), torch.arange(x.shape[1], device=x.device)
        rows = x.flatten(0, 1)
        inside = rows[plan.words]
        stack = self.layers["stack"](inside, plan.sizes).flatten(0, 1)
        table = torch.cat([rows, self._entities(inside, plan.sizes, plan.types)])
        outputs = self.layers["outputs"](table[plan.outputs], plan.output_lengths)
        actions = self.layers["actions"](self.action(plan.actions), plan.there.sum(0))
        before = torch.cat([self.empty["actions"].expand(1, *actions.shape[1:]), actions[:-1]])
        seen = (
            self._or_empty("stack", stack, plan.stack),
            self._at("words", self._words(x, lengths), plan.time, here, plan.time < lengths),
            self._at("outputs", outputs, plan.put - 1, here, plan.put > 0),
            before,
        )
        odds = self._odds(seen, plan.time < lengths, plan.stack >= 0, ~plan.there)
        chosen = odds.gather(2, plan.actions[..., None])[..., 0]
        return -torch.where(plan.there, chosen, 0).sum(0) + self._idle(len(plan.sizes))

    @torch.no_grad()
    def decode(self, x: Tensor, lengths: Tensor, beam: int = 1) -> list[Way]:
        """The likeliest spans of each sentence, as far as a beam sees.

        Args:
            x: (T, B, I), the words.
            lengths: (B).
            beam: how many ways are followed at a time; 1 is greedy.

        Returns:
            Of each sentence its log-probability, and its spans.

        Raises:
            ValueError: beam is below 1.
        """
        return [ways[0] for ways in self.n_best(x, lengths, beam)]

    @torch.no_grad()
    def n_best(self, x: Tensor, lengths: Tensor, beam: int) -> list[list[Way]]:
        """Of each sentence all ways that a beam ends with, the likeliest first; as `decode`."""
        beam = at_least(1)("StackLSTM", "a beam", beam)
        return _Search(self, x, lengths, beam).run()

    # ------------------------------------------------------------------------ parts

    def _words(self, x: Tensor, lengths: Tensor) -> Tensor:
        """What is still to come at each word, (T, B, H)."""
        return reverse(self.layers["words"](reverse(x, lengths), lengths), lengths)

    def _entities(self, words: Tensor, sizes: Tensor, types: Tensor) -> Tensor:
        """Words (L, N, I) of spans to the spans themselves, (N, I)."""
        ends = self.both.ends(self.both(words, sizes), sizes) if len(sizes) else words.new_zeros(
            0, self.both.output_size)  # fmt: skip
        return torch.relu(self.compose(ends) + self.kind(types))

    def _idle(self, entities: int) -> Tensor | float:
        """0 that depends on what no entity used: training together asks for all gradients."""
        if entities:
            return 0.0
        unused = [*self.both.parameters(), *self.layers["stack"].parameters()]
        return 0 * sum(p.sum() for p in unused)

    def _or_empty(self, name: str, rows: Tensor, place: Tensor) -> Tensor:
        if not len(rows):
            return self.empty[name].expand(*place.shape, -1)
        return torch.where((place >= 0)[..., None], rows[place.clamp(min=0)], self.empty[name])

    def _at(self, name: str, x: Tensor, time: Tensor, here: Tensor, there: Tensor) -> Tensor:
        if not x.shape[0]:
            return self.empty[name].expand(*time.shape, -1)
        found = x[time.clamp(0, x.shape[0] - 1), here]
        return torch.where(there[..., None], found, self.empty[name])

    def _odds(
        self, seen: Sequence[Tensor], words_left: Tensor, on_stack: Tensor, free: Tensor
    ) -> Tensor:
        """Log-probability of each action; all are possible where `free`."""
        state = self.dropout(torch.relu(self.inner(torch.cat([*seen], -1))))
        logits = self.readout(state)
        reduce = on_stack[..., None].expand(*on_stack.shape, self.num_types)
        allowed = torch.cat(
            [words_left[..., None], (words_left & ~on_stack)[..., None], reduce], -1
        )
        return logits.masked_fill(~(allowed | free[..., None]), -torch.inf).log_softmax(-1)


class _Planned:
    """Works out a `Plan` sentence by sentence, on the CPU."""

    def __init__(
        self, T: int, lengths: Sequence[int], spans: Sequence[Spans], num_types: int
    ) -> None:
        self.B, self.steps, self.outputs = len(lengths), [], []
        self.words: list[range] = []
        self.types: list[int] = []
        if len(spans) != self.B:
            raise ValueError(f"StackLSTM needs spans of {self.B} sentences; got {len(spans)}")
        for b, (n, found) in enumerate(zip(lengths, spans, strict=True)):
            self._sentence(b, n, sorted(found, key=lambda s: s[1]), T * self.B, num_types)

    def _sentence(self, b: int, n: int, found: Spans, offset: int, num_types: int) -> None:
        steps, outputs, at = [], [], 0
        for kind, first, end in [*found, (0, n, n)]:
            if not (at <= first <= end <= n and 0 <= kind < num_types) or first == end < n:
                raise ValueError(
                    f"StackLSTM needs spans (type, first, end) one after the other in {n} words, "
                    f"types below {num_types}; got {(kind, first, end)} behind word {at}"
                )
            for t in range(at, first):
                steps.append((OUT, t, -1, -1, len(outputs)))
                outputs.append(t * self.B + b)
            if first == end:
                break
            name = len(self.types)
            for t in range(first, end):
                top = (-1, -1) if t == first else (t - 1 - first, name)
                steps.append((SHIFT, t, *top, len(outputs)))
            steps.append((REDUCE + kind, end, end - 1 - first, name, len(outputs)))
            outputs.append(offset + name)
            self.types.append(kind)
            self.words.append(range(first * self.B + b, end * self.B + b, self.B))
            at = end
        self.steps.append(np.array(steps, dtype=np.int64).reshape(-1, 5))
        self.outputs.append(np.array(outputs, dtype=np.int64))

    def to(self, device: torch.device) -> Plan:
        """As tensors."""
        N, counts = len(self.types), np.array([len(s) for s in self.steps])
        columns = [_columns([s[:, i] for s in self.steps]) for i in range(5)]
        actions, time, level, name, put = columns
        there = torch.arange(int(counts.max(initial=0)))[:, None] < torch.from_numpy(counts)
        stack = torch.where(there & (level >= 0), level * N + name, -1)
        sizes = torch.tensor([len(w) for w in self.words], dtype=torch.int64)
        lengths = torch.tensor([len(o) for o in self.outputs], dtype=torch.int64)
        types = torch.tensor(self.types, dtype=torch.int64)
        words = _columns([np.array(w, dtype=np.int64) for w in self.words])
        plan = Plan(actions, there, time, stack, put, words, sizes, types,
                    _columns(self.outputs), lengths)  # fmt: skip
        return Plan(*(each.to(device) for each in plan))


def _columns(rows: Sequence[np.ndarray]) -> Tensor:
    """Sequences as columns (T, B), filled up with 0."""
    found = np.zeros((max(map(len, rows), default=0), len(rows)), dtype=np.int64)
    for b, row in enumerate(rows):
        found[: len(row), b] = row
    return torch.from_numpy(found)


class _Search:
    """Follows `beam` ways through each sentence; a row is one way through one of them."""

    def __init__(self, model: StackLSTM, x: Tensor, lengths: Tensor, beam: int) -> None:
        self.model, self.beam, self.B = model, beam, x.shape[1]
        self.x = x.repeat_interleave(beam, 1)
        self.lengths = lengths.to(x.device).repeat_interleave(beam)
        self.words = model._words(self.x, self.lengths)
        R, device = self.B * beam, x.device
        self.here = torch.arange(R, device=device)
        self.time, self.first, self.depth = torch.zeros(3, R, dtype=torch.int64, device=device)
        first = torch.arange(R, device=device) % beam == 0
        self.score = torch.where(first, x.new_zeros(R), -torch.inf)
        self.seen = {n: model.empty[n].expand(R, -1) for n in ("stack", "outputs", "actions")}
        self.states: dict[str, Any] = dict.fromkeys(self.seen)
        self.history: list[tuple[Tensor, Tensor]] = []  # which row each comes from, and its action

    def run(self) -> list[list[Way]]:
        """Until no way goes on."""
        while bool((live := self._live()).any()):
            self._choose(live)
        scores, starts = self.score.tolist(), range(0, self.B * self.beam, self.beam)
        history = [(parent.tolist(), action.tolist()) for parent, action in self.history[::-1]]
        return [
            [(scores[row], _spans(row, history)) for row in range(start, start + self.beam)
             if scores[row] > -torch.inf]
            for start in starts
        ]  # fmt: skip

    def _live(self) -> Tensor:
        """Which rows are possible ways that go on."""
        return ((self.time < self.lengths) | (self.depth > 0)) & (self.score > -torch.inf)

    def _choose(self, live: Tensor) -> None:
        left, stacked = self.time < self.lengths, self.depth > 0
        words = self.model._at("words", self.words, self.time, self.here, left)
        seen = self.seen["stack"], words, self.seen["outputs"], self.seen["actions"]
        odds = self.model._odds(seen, left, stacked, ~live)
        rest = torch.where(torch.arange(odds.shape[1], device=odds.device) == 0, 0.0, -torch.inf)
        total = self.score[:, None] + torch.where(live[:, None], odds, rest)
        score, place = total.view(self.B, -1).topk(self.beam, 1)
        starts = torch.arange(self.B, device=place.device)[:, None] * self.beam
        parent = (starts + place // odds.shape[1]).flatten()
        action = (place % odds.shape[1]).flatten()
        self.score = score.flatten()
        live = live[parent] & (self.score > -torch.inf)
        self.time, self.first, self.depth = (
            each[parent] for each in (self.time, self.first, self.depth)
        )
        self.seen = {name: each[parent] for name, each in self.seen.items()}
        self.states = {
            name: None if state is None else tree_map(lambda s: s[:, parent], state)
            for name, state in self.states.items()
        }
        action = torch.where(live, action, -1)
        self.history.append((parent, action))
        self._act(action)

    def _act(self, action: Tensor) -> None:
        now = self.x[self.time.clamp(max=self.x.shape[0] - 1), self.here]
        shift, reduce = action == SHIFT, action >= REDUCE
        self.first = torch.where(shift & (self.depth == 0), self.time, self.first)
        self._step("stack", now, shift, fresh=self.depth == 0)
        entity = now
        if bool(reduce.any()):
            rows = reduce.nonzero().flatten()
            sizes = self.depth[rows]
            times = self.first[rows] + torch.arange(int(sizes.max()), device=rows.device)[:, None]
            inside = self.x[times.clamp(max=self.x.shape[0] - 1), rows]
            made = self.model._entities(inside, sizes, action[rows] - REDUCE)
            entity = now.index_copy(0, rows, made)
        self._step("outputs", entity, reduce | (action == OUT))
        self._step("actions", self.model.action(action.clamp(min=0)), action >= 0)
        self.depth = torch.where(reduce, 0, self.depth + shift.long())
        self.seen["stack"] = torch.where(
            (self.depth == 0)[:, None], self.model.empty["stack"], self.seen["stack"]
        )
        self.time = self.time + (shift | (action == OUT)).long()

    def _step(self, name: str, x: Tensor, which: Tensor, fresh: Tensor | None = None) -> None:
        """Let some rows take a step; from the beginning where `fresh`."""
        layer: Any = self.model.layers[name]
        before = self.states[name]
        if before is None:
            before = tree_map(torch.zeros_like, layer.step(x)[1])
        if fresh is not None:
            before = tree_map(lambda s: _keep(s, ~fresh, torch.zeros_like(s)), before)
        y, after = layer.step(x, before)
        self.states[name] = tree_map(lambda a, b: _keep(a, which, b), after, before)
        self.seen[name] = torch.where(which[:, None], y, self.seen[name])


def _spans(row: int, history: Sequence[tuple[list[int], list[int]]]) -> list[tuple[int, int, int]]:
    """Back along the way that ended in a row, the latest step first in history."""
    actions = []
    for parent, action in history:
        actions.append(action[row])
        row = parent[row]
    spans, time, depth = [], 0, 0
    for action in reversed(actions):
        if action >= REDUCE:
            spans.append((action - REDUCE, time - depth, time))
        depth = depth + 1 if action == SHIFT else depth if action < 0 else 0
        time += action in (SHIFT, OUT)
    return spans


def _keep(a: Tensor, which: Tensor, b: Tensor) -> Tensor:
    """a where `which`, else b; their batch is dimension 1."""
    return torch.where(which.view(1, -1, *[1] * (a.dim() - 2)), a, b)
