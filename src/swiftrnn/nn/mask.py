"""Which steps of a padded batch are there, and what one computes over those alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from swiftrnn.nn._options import at_least
from swiftrnn.ops._check import check_cu_seqlens, check_lengths
from swiftrnn.ops.crf.reference import log_sum_exp


class SequenceMask:
    """Says of every step of a batch (T, B) whether something is there, and what belongs together.

    Made from what is at hand, turned into what is needed: lengths, booleans, `cu_seqlens`, packed
    rows, masks for attention. Over the steps that are there it computes sums, means, maxima,
    softmax and more. What lies in the others changes nothing, nan and inf neither, not even a
    gradient; nor does their number. Where nothing is there at all, results are 0.

    Tensors are (T, B, ...), time first.

    Args:
        segments: (T, B) integers: 0 where nothing is; steps of a column with the same number
            belong to one sequence, whose steps follow one another.

    Raises:
        ValueError: segments are no integers of two dimensions.

    Examples:
        >>> import torch
        >>> mask = SequenceMask.of_lengths(torch.tensor([3, 1]))
        >>> x = torch.tensor([[1.0, 5.0], [2.0, torch.nan], [6.0, torch.inf]])
        >>> mask.mean(x).tolist(), mask.max(x).tolist(), mask.reverse(x)[:, 0].tolist()
        ([3.0, 5.0], [6.0, 5.0], [6.0, 2.0, 1.0])

    Source: the double `where` for gradients after JAX's documentation, "Gradients contain NaN where
    using where".
    """

    def __init__(self, segments: Tensor) -> None:
        if not isinstance(segments, Tensor):
            raise TypeError(f"SequenceMask needs segments (T, B); got {type(segments).__name__}")
        real = segments.is_floating_point() or segments.is_complex()
        if segments.dim() != 2 or real or segments.dtype == torch.bool:
            raise ValueError(
                f"SequenceMask needs segments (T, B) of integers; got {tuple(segments.shape)} of "
                f"{segments.dtype}; use of_lengths or of_bool for what is no number"
            )
        self.segments = segments.long()

    @classmethod
    def of_lengths(cls, lengths: Tensor, T: int | None = None) -> "SequenceMask":
        """From (B) integer lengths in 0..T; T is the longest unless given."""
        lengths, who = torch.as_tensor(lengths), "SequenceMask.of_lengths"
        if T is not None:
            T = at_least(0)(who, "T", T)
        most = int(lengths.max()) if T is None and lengths.numel() else T or 0
        found = check_lengths(who, lengths, most, lengths.numel(), lengths.device)
        assert found is not None
        lengths, T = found, most
        times = torch.arange(T, device=lengths.device)
        return cls((times[:, None] < lengths).long())

    @classmethod
    def of_bool(cls, inside: Tensor) -> "SequenceMask":
        """From (T, B) booleans, with gaps or without: all steps of a column are one sequence."""
        if not isinstance(inside, Tensor) or inside.dtype != torch.bool:
            got = inside.dtype if isinstance(inside, Tensor) else type(inside).__name__
            raise TypeError(f"SequenceMask.of_bool needs booleans (T, B); got {got}; compare first")
        return cls(inside.bool().long())

    @classmethod
    def of_cu_seqlens(cls, cu_seqlens: Tensor) -> "SequenceMask":
        """From (S + 1) starts of sequences in one row (N, 1), and N last."""
        whole = int(cu_seqlens[-1]) if isinstance(cu_seqlens, Tensor) and cu_seqlens.numel() else 0
        row = torch.empty(max(0, whole), 0, device=getattr(cu_seqlens, "device", None))
        cu_seqlens = check_cu_seqlens("SequenceMask.of_cu_seqlens", cu_seqlens, row)
        times = torch.arange(whole, device=cu_seqlens.device)
        return cls(torch.searchsorted(cu_seqlens.contiguous(), times, right=True)[:, None])

    # ------------------------------------------------------------------- other forms

    @property
    def inside(self) -> Tensor:
        """(T, B) bool: whether something is there."""
        return self.segments > 0

    @property
    def counts(self) -> Tensor:
        """(B): how many steps are there."""
        return self.inside.sum(0)

    @property
    def starts(self) -> Tensor:
        """(T, B) bool: where a sequence begins; as `reset` of the recurrent layers wants it."""
        before = torch.cat([torch.zeros_like(self.segments[:1]), self.segments[:-1]])
        return self.inside & (self.segments != before)

    @property
    def positions(self) -> Tensor:
        """(T, B): the place of a step in its sequence, from 0; 0 where nothing is."""
        times = torch.arange(len(self.segments), device=self.segments.device)[:, None]
        first = torch.where(self.starts, times, 0).cummax(0).values if len(times) else times
        return torch.where(self.inside, times - first, 0)

    @property
    def lengths(self) -> Tensor:
        """(B): lengths, where each column is one sequence that begins at once.

        Raises:
            ValueError: there are gaps, or several sequences in a column.
        """
        inside, counts = self.inside, self.counts
        whole = torch.arange(len(inside), device=inside.device)[:, None] < counts
        one = torch.where(inside, self.segments == self.segments[:1], True).all()
        if not bool((inside == whole).all() and one):
            raise ValueError(
                "SequenceMask.lengths needs one sequence in each column, from its first step; got "
                "gaps or several of them; use starts, or pack the rows"
            )
        return counts

    @property
    def cu_seqlens(self) -> Tensor:
        """(S + 1): where sequences start in what `pack` gives, and its length last."""
        starts = self.starts.t()[self.inside.t()].nonzero().flatten()
        return torch.cat([starts, self.counts.sum()[None]])

    def pack(self, x: Tensor) -> Tensor:
        """The rows that are there, (N, ...), of x (T, B, ...), column by column."""
        self._check(x)
        return x.transpose(0, 1)[self.inside.t()]

    def unpack(self, rows: Tensor) -> Tensor:
        """The inverse of `pack`, with 0 where nothing is."""
        T, B = self.segments.shape
        if not torch.compiler.is_compiling() and len(rows) != int(self.inside.sum()):
            raise ValueError(
                f"SequenceMask.unpack needs a row for each of {int(self.inside.sum())} steps; "
                f"got {len(rows)}; pass what comes of pack"
            )
        found = rows.new_zeros(B, T, *rows.shape[1:])
        return found.masked_scatter(self._like(self.inside.t(), found), rows).transpose(0, 1)

    def attention(self, causal: bool = False, window: int | None = None) -> Tensor:
        """What each step may look at: (B, 1, T, T) bool for scaled_dot_product_attention.

        Steps see those of their own sequence. A step where nothing is sees itself, so that no row
        is empty, which some kernels answer with nan; use `clear` on what comes out.

        Args:
            causal: only itself and what was before.
            window: only so many steps back, itself counted, and, if not causal, as many ahead.
        """
        segments = self.segments.t()
        times = torch.arange(segments.shape[1], device=segments.device)
        back = times[:, None] - times
        near = (
            back.abs() < window if window is not None else torch.ones_like(back, dtype=torch.bool)
        )
        near = near & (back >= 0) if causal else near
        same = (segments[:, :, None] == segments[:, None]) & (segments > 0)[:, None]
        return ((same & near) | (back == 0))[:, None]

    def bias(self, dtype: torch.dtype, causal: bool = False, window: int | None = None) -> Tensor:
        """The same to be added to scores: 0, or half of the least number of a dtype."""
        open_ = self.attention(causal, window)
        return torch.zeros(open_.shape, dtype=dtype, device=open_.device).masked_fill(
            ~open_, torch.finfo(dtype).min / 2
        )

    def mask_mod(self, causal: bool = False) -> Callable[..., Tensor]:
        """The same as a function of batch, head, query and key, for FlexAttention."""
        segments = self.segments

        def allowed(b: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
            same = (segments[query, b] == segments[key, b]) & (segments[key, b] > 0)
            return (same & (key <= query) if causal else same) | (key == query)

        return allowed

    # ------------------------------------------------------------------ over the steps

    def clear(self, x: Tensor, value: float = 0.0) -> Tensor:
        """x with a value where nothing is."""
        self._check(x)
        return torch.where(self._like(self.inside, x), x, value)

    def sum(self, x: Tensor) -> Tensor:
        """Over time: (B, ...)."""
        return self.clear(x).sum(0)

    def mean(self, x: Tensor) -> Tensor:
        """Over time: (B, ...)."""
        total = self.sum(x)
        return total / self._like(self.counts, total).clamp(min=1)

    def std(self, x: Tensor) -> Tensor:
        """Standard deviation over time, of the population: (B, ...); 0 with gradient 0 for one."""
        square = self.mean((self.clear(x) - self.mean(x)).square())
        some = square > 0
        return torch.where(some, torch.where(some, square, 1).sqrt(), 0)

    def max(self, x: Tensor) -> Tensor:
        """Over time: (B, ...)."""
        return self._extreme(x, torch.finfo(x.dtype).min, Tensor.amax)

    def min(self, x: Tensor) -> Tensor:
        """Over time: (B, ...)."""
        return self._extreme(x, torch.finfo(x.dtype).max, Tensor.amin)

    def softmax(self, x: Tensor) -> Tensor:
        """Over time, (T, B, ...): adds up to 1, with 0 where nothing is."""
        return self.clear(self.clear(x, torch.finfo(x.dtype).min).softmax(0))

    def log_softmax(self, x: Tensor) -> Tensor:
        """Its logarithm; 0 where nothing is."""
        return self.clear(x - self.logsumexp(x))

    def logsumexp(self, x: Tensor) -> Tensor:
        """Over time: (B, ...)."""
        total = log_sum_exp(self.clear(x, -torch.inf), 0)
        return torch.where(self._like(self.counts, total) > 0, total, 0)

    def normalize(self, x: Tensor, eps: float = 1e-5) -> Tensor:
        """x (T, B, H) with mean 0 and variance 1 over all steps there are, as BatchNorm does."""
        rows = self.pack(x)
        if not len(rows):
            return torch.zeros_like(x)
        variance, mean = torch.var_mean(rows, 0, correction=0)
        return self.unpack((rows - mean) * (variance + eps).rsqrt())

    def reverse(self, x: Tensor) -> Tensor:
        """Each sequence turned round in its place; the rest stays."""
        self._check(x)
        times = torch.arange(len(x), device=x.device)[:, None]
        ends = torch.cat([self.starts[1:], torch.ones_like(self.starts[:1])])
        gap = torch.cat([~self.inside[1:], torch.ones_like(ends[:1])])
        lasts = torch.where((ends | gap) & self.inside, times, len(x))
        last = lasts.flip(0).cummin(0).values.flip(0) if len(x) else lasts
        first = times - self.positions
        rows = torch.where(self.inside, first + last - times, times)
        return x[rows, torch.arange(x.shape[1], device=x.device)]

    def last(self, x: Tensor) -> Tensor:
        """The last step that is there of each column: (B, ...)."""
        self._check(x)
        if not len(x):
            return x.new_zeros(x.shape[1:])
        times = torch.arange(len(x), device=x.device)[:, None]
        row = torch.where(self.inside, times, 0).amax(0)
        found = x[row, torch.arange(x.shape[1], device=x.device)]
        return torch.where(self._like(self.counts, found) > 0, found, 0)

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the losses (nats) of logits (T, B, V), and how many there are."""
        rows, wanted = self.pack(logits), self.pack(targets)
        loss = torch.nn.functional.cross_entropy(rows, wanted, reduction="sum")
        return loss, self.counts.sum()

    def _extreme(self, x: Tensor, worst: float, reduce: Callable[..., Tensor]) -> Tensor:
        if not len(x):
            return x.new_zeros(x.shape[1:])
        found = reduce(self.clear(x, worst), 0)
        return torch.where(self._like(self.counts, found) > 0, found, 0)

    def _check(self, x: Tensor) -> None:
        """ValueError unless x has the steps of this mask; torch would spread one of them."""
        if x.shape[:2] != self.segments.shape:
            raise ValueError(
                f"SequenceMask needs x (T, B, ...) with (T, B) = {tuple(self.segments.shape)}; "
                f"got {tuple(x.shape)}"
            )

    @staticmethod
    def _like(mask: Tensor, x: Tensor) -> Tensor:
        """With as many dimensions as x."""
        return mask.view(*mask.shape, *[1] * (x.dim() - mask.dim()))
