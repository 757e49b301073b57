"""A layer that reads tag sequences as a whole: a linear-chain conditional random field."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from swiftrnn import ops
from swiftrnn.ops._check import check_tensor
from swiftrnn.ops._plain import traced, transformed, untraced
from swiftrnn.ops.crf import NEVER
from swiftrnn.ops.crf.reference import exact


class Allowed(NamedTuple):
    """Which tags may follow one another; True allows."""

    transitions: Tensor  # (K, K) bool, from the first index to the second
    start: Tensor  # (K) bool
    end: Tensor  # (K) bool


class CRF(nn.Module):
    """Scores whole sequences of tags: of each tag at each step, and of each pair in a row.

    Its parameters are named and meant as in the package pytorch-crf: `transitions` (K, K), from
    the first index to the second, `start_transitions` (K) and `end_transitions` (K). Called, it
    gives the loss to minimise, a positive number; there the sign is the other one.

    Args:
        num_tags: K, at least 1.
        batch_first: whether emissions and tags are (B, T, ...) rather than (T, B, ...).
        allowed: what may follow what; everything by default. What is not allowed has probability
            0 and never comes out of `decode`.
        device: where the parameters lie.
        dtype: of the parameters.

    Raises:
        ValueError: `num_tags` is below 1, or `allowed` has other shapes or allows nothing.
        TypeError: an argument is of another kind.

    Examples:
        >>> import torch
        >>> crf = CRF(5)
        >>> emissions, tags = torch.randn(7, 2, 5), torch.randint(5, (7, 2))
        >>> crf(emissions, tags).shape, crf.decode(emissions, torch.tensor([7, 3])).shape
        (torch.Size([]), torch.Size([7, 2]))

    Source: Lafferty, McCallum and Pereira (2001), "Conditional Random Fields: Probabilistic Models
    for Segmenting and Labeling Sequence Data", sections 3 and 4.
    """

    def __init__(
        self,
        num_tags: int,
        batch_first: bool = False,
        allowed: Allowed | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(num_tags, int) or isinstance(num_tags, bool) or num_tags < 1:
            raise ValueError(f"CRF needs num_tags of at least 1, an integer; got {num_tags!r}")
        if not isinstance(batch_first, bool):
            raise TypeError(f"CRF needs batch_first of True or False; got {batch_first!r}")
        if allowed is not None and not isinstance(allowed, Allowed):
            raise TypeError(
                f"CRF needs allowed of the kind nn.Allowed; got {type(allowed).__name__}; "
                "give Allowed(transitions, start, end)"
            )
        K, self.num_tags, self.batch_first = num_tags, num_tags, batch_first
        made = {"device": device, "dtype": dtype}
        self.transitions = nn.Parameter(torch.empty(K, K, **made))
        self.start_transitions = nn.Parameter(torch.empty(K, **made))
        self.end_transitions = nn.Parameter(torch.empty(K, **made))
        shapes = {"transitions": (K, K), "start": (K,), "end": (K,)}
        for name, shape in shapes.items():
            given = None if allowed is None else getattr(allowed, name)
            if given is not None:
                _check_rule(name, given, shape)
            forbidden = None if given is None else ~given.to(device=device)
            self.register_buffer(f"_no_{name}", forbidden, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reinitialise every parameter from U(-0.1, 0.1)."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def forward(
        self,
        emissions: Tensor,
        tags: Tensor,
        lengths: Tensor | None = None,
        reduction: str = "mean",
    ) -> Tensor:
        """Negative log-likelihood of tags.

        Args:
            emissions: (T, B, K) scores, or (B, T, K) if `batch_first`.
            tags: (T, B) integers, or (B, T); beyond a length they are not looked at.
            lengths: (B) integers; all are T by default.
            reduction: "none", "sum", "mean" over sequences, or "token_mean" over their steps.

        Returns:
            In nats: a number, or (B) for "none"; inf for tags that are not allowed.

        Raises:
            ValueError, TypeError: shapes, dtypes or values do not fit; the message says which.
        """
        if reduction not in ("none", "sum", "mean", "token_mean"):
            raise ValueError(
                f"CRF needs reduction of none, sum, mean or token_mean; got {reduction!r}"
            )
        x = self._emissions(emissions)
        if not isinstance(tags, Tensor):
            raise TypeError(f"CRF needs a tensor of tags; got {type(tags).__name__}")
        self._check_tags(tags, emissions)
        loss = ops.crf(x, *self.scores(), lengths, self._time_first(tags))
        if reduction == "token_mean":
            T, B = x.shape[:2]
            given = None if lengths is None else torch.as_tensor(lengths, device=x.device)
            return loss.sum() / (T * B if given is None else given.sum())
        return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()

    def scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions (K, K), start and end (K); -inf for what is not allowed."""
        given = self.transitions, self.start_transitions, self.end_transitions
        rules = (getattr(self, f"_no_{name}") for name in ("transitions", "start", "end"))
        found = [s if no is None else s.masked_fill(no, NEVER)
                 for s, no in zip(given, rules, strict=True)]  # fmt: skip
        return found[0], found[1], found[2]

    def decode(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The likeliest tags, (T, B) or (B, T) of int64; 0 beyond a length.

        Raises:
            ValueError: emissions do not fit, or a sequence has no best path: no path is allowed,
                or a score is nan or infinite. In code that is compiled, traced or exported it has
                one of zeros.
        """
        score, path = ops.crf_viterbi(self._emissions(emissions), *self.scores(), lengths)
        graph = torch.compiler.is_compiling() or traced()
        if type(score) is Tensor and not graph and not transformed():
            _check_scores(score)
        return path.t() if self.batch_first else path

    @torch.no_grad()
    def n_best(
        self, emissions: Tensor, n: int, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The n likeliest sequences of tags, the best first.

        Args:
            emissions: as in `forward`.
            n: how many, an integer of at least 1.
            lengths: as in `forward`.

        Returns:
            Tags (n, T, B) or (n, B, T), and the probability of each, (n, B): 0 where there are
            fewer sequences than that, with tags that mean nothing.

        Raises:
            ValueError: n is below 1.

        Source: Seshadri and Sundberg (1994), "List Viterbi decoding algorithms".
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"CRF.n_best needs n of at least 1, an integer; got {n!r}")
        x, *scores = (exact(each) for each in (self._emissions(emissions), *self.scores()))
        total = ops.crf(x, *scores, lengths=lengths)
        score, paths = _n_best(x, *scores, n=n, lengths=lengths)
        odds = (score - total).exp().to(self.transitions.dtype)
        return (paths.transpose(1, 2) if self.batch_first else paths), odds

    def marginals(self, emissions: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Probability of each tag at each step, in the shape of emissions; 0 beyond a length."""
        with torch.enable_grad():
            self._emissions(emissions)
            x = emissions.detach().requires_grad_()
            A, start, end = self.scores()
            total = ops.crf(self._time_first(x), A, start, end, lengths).sum()
            return torch.autograd.grad(total, x)[0]

    @torch.no_grad()
    def span_probabilities(
        self,
        emissions: Tensor,
        tags: Tensor,
        spans: list[tuple[int, int, int]],
        lengths: Tensor | None = None,
    ) -> list[float]:
        """How likely it is that runs of steps have the tags that are given, whatever lies outside.

        Args:
            emissions: as in `forward`.
            tags: as in `forward`.
            spans: of sequence b the steps from first to end, without end: (b, first, end).
            lengths: as in `forward`.

        Returns:
            A probability for each span; nan in a sequence that has none, as emissions are nan.
        """
        x, tags = exact(self._emissions(emissions)), self._time_first(tags)
        A, start, end = map(exact, self.scores())
        before, after = ops.crf_scores(x, A, start, end, lengths)
        total = ops.crf(x, A, start, end, lengths)
        b, first, last = torch.tensor(spans, device=x.device, dtype=torch.int64).view(-1, 3).t()
        size, last = last - first, last - 1
        which = torch.arange(len(spans), device=x.device).repeat_interleave(size)
        t = torch.arange(len(which), device=x.device) - (size.cumsum(0) - size - first)[which]
        row, inside = b[which], t > first[which]  # the first step is in `before`
        now = tags[t, row]
        steps = x[t, row, now] + A[tags[torch.where(inside, t - 1, t), row], now]
        inner = x.new_zeros(len(spans)).index_add(0, which, torch.where(inside, steps, 0))
        head, tail = before[first, b, tags[first, b]], after[last, b, tags[last, b]]
        return (head + inner + tail - total[b]).clamp(max=0).exp().tolist()  # of nan it stays nan

    def _emissions(self, x: Tensor) -> Tensor:
        """Time first, checked."""
        self._check_emissions(x)
        return self._time_first(x)

    @untraced
    def _check_tags(self, tags: Tensor, emissions: Tensor) -> None:
        if tags.shape != emissions.shape[:2]:
            raise ValueError(
                f"CRF needs one tag for each step, of shape {tuple(emissions.shape[:2])} beside "
                f"emissions {tuple(emissions.shape)}; got {tuple(tags.shape)}; they are "
                f"{self._letters()[:-4]}) as batch_first is {self.batch_first}"
            )

    @untraced
    def _check_emissions(self, x: Tensor) -> None:
        check_tensor("CRF", "emissions", x, ("T", "B", "K"), (None,) * 3, None)
        if x.shape[2] != self.num_tags:
            raise ValueError(
                f"CRF({self.num_tags}) needs emissions {self._letters()} with K = num_tags = "
                f"{self.num_tags}; got {tuple(x.shape)}; give a score for each tag, or build "
                f"CRF({x.shape[2]})"
            )

    def _letters(self) -> str:
        return "(B, T, K)" if self.batch_first else "(T, B, K)"

    def _time_first(self, x: Tensor) -> Tensor:
        return x.transpose(0, 1) if self.batch_first and x.dim() > 1 else x

    def extra_repr(self) -> str:
        """The arguments that are not at their defaults."""
        shown = [f"batch_first={self.batch_first}"] if self.batch_first else []
        return ", ".join([str(self.num_tags), *shown])


def _check_rule(name: str, given: Tensor, shape: tuple[int, ...]) -> None:
    if not isinstance(given, Tensor) or given.dtype != torch.bool:
        got = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"CRF needs allowed.{name} of torch.bool; got {got}; True allows")
    if tuple(given.shape) != shape:
        raise ValueError(f"CRF needs allowed.{name} of shape {shape}; got {tuple(given.shape)}")
    if name != "transitions" and not given.is_meta and not given.any():
        raise ValueError(f"CRF needs allowed.{name} with a tag that is allowed; got none")


def _check_scores(score: Tensor) -> None:
    wrong = (~score.isfinite()).nonzero()
    if len(wrong):
        b = int(wrong[0])
        raise ValueError(
            f"CRF.decode needs a path with a score for each sequence; got {float(score[b])} for "
            f"sequence {b}; allow a path of its length, and look for nan in the emissions"
        )


def _n_best(
    x: Tensor, transitions: Tensor, start: Tensor, end: Tensor, n: int, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Scores (n, B), -inf where there is no such path, and paths (n, T, B)."""
    T, B, K = x.shape
    if lengths is None:
        lengths = torch.full((B,), T, device=x.device)
    lengths = torch.as_tensor(lengths, device=x.device)
    if not T:
        score = x.new_full((n, B), NEVER)
        score[0] = 0
        return score, torch.zeros(n, 0, B, dtype=torch.int64, device=x.device)
    best = x.new_full((B, K, n), NEVER)  # the n best ways to come to each tag
    best[:, :, 0] = start + x[0]
    back = []
    for t in range(1, T):
        ways = (best[:, :, None] + transitions[:, :, None]).transpose(2, 3).reshape(B, K * n, K)
        most, origin = ways.topk(min(n, K * n), 1)
        here = (most + x[t][:, None]).transpose(1, 2)
        best = torch.where((t < lengths)[:, None, None], here, best)
        back.append(origin.transpose(1, 2))  # (B, K, n): which of K * n ways
    score, place = (best + end[:, None]).flatten(1).topk(min(n, K * n), 1)
    paths = torch.zeros(n, T, B, dtype=torch.int64, device=x.device)
    for t in reversed(range(T)):
        if t + 1 < T:
            earlier = back[t].flatten(1).gather(1, place)
            place = torch.where((t + 1 < lengths)[:, None], earlier, place)
        paths[: place.shape[1], t] = torch.where(t < lengths, (place // n).t(), 0)
    empty = lengths == 0
    score[empty] = NEVER
    score[empty, 0] = 0
    return nn.functional.pad(score.t(), (0, 0, 0, n - score.shape[1]), value=NEVER), paths
