"""mixup: train on weighted means of two examples and of their targets, in any loop of torch.

    mix = draw(len(x), alpha=0.2, generator=generator_of(seed, step))
    loss = mix.loss(nn.CrossEntropyLoss(reduction="none"), model(mix.inputs(x)), y)

In training only; alpha = 0, for the last epochs, say, is training without.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils.rnn import PackedSequence

from swiftrnn.training.techniques.targets import between, guessed, need_integers, summary


@dataclass(frozen=True, eq=False)
class Mix:
    """Which example of a batch is mixed with which other, and how much of itself is left.

        mixed[b] = lam[b] x[b] + (1 - lam[b]) x[partner[b]]

    `draw` makes one; partners of your own (nearest neighbours, say) may be given as well. It
    follows the device and dtype of what it mixes. Values on a GPU are not checked: that would wait.

    Args:
        lam: () for all or (B) for each, floating point, from 0 to 1.
        partner: (B) int64, from 0 to B - 1.

    Raises:
        TypeError, ValueError: lam or partner are of another dtype, shape or range.

    Examples:
        >>> mix = Mix(torch.tensor([0.75, 0.5]), torch.tensor([1, 0]))
        >>> mix.inputs(torch.tensor([[0.0, 4.0], [8.0, 0.0]])).tolist()
        [[2.0, 3.0], [4.0, 2.0]]

    Source: Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", ICLR, section 2.
    """

    lam: Tensor
    partner: Tensor

    def __post_init__(self) -> None:
        lam, partner = self.lam, self.partner
        kinds = [getattr(t, "dtype", type(t).__name__) for t in (lam, partner)]
        if not getattr(kinds[0], "is_floating_point", False) or kinds[1] != torch.int64:
            raise TypeError(
                "Mix needs tensors, lam of floating point and partner of torch.int64; "
                f"got {kinds[0]} and {kinds[1]}; convert them, or use draw"
            )
        fits = partner.dim() == 1 and lam.shape in ((), partner.shape)
        if not (fits and between(lam, 0, 1) and between(partner, 0, len(partner) - 1)):
            raise ValueError(
                "Mix needs lam () or (B) from 0 to 1 and partner (B) from 0 to B - 1; got lam "
                f"{summary(lam)} and partner {summary(partner)}; use draw"
            )

    def inputs(self, x: Any, batch_dim: int = 0) -> Any:
        """Mixed inputs in the same structure and shapes; gradients flow to both examples.

        Args:
            x: a tensor with the B examples along `batch_dim`; or dicts, tuples and lists of such.
            batch_dim: from the end if negative.

        Raises:
            TypeError, ValueError: something in it is no tensor of floating point with B examples.

        Examples:
            >>> mix = Mix(torch.tensor(0.5), torch.tensor([1, 0]))
            >>> mix.inputs({"sound": torch.tensor([0.0, 2.0])})
            {'sound': tensor([1., 1.])}
        """
        return self._mixed("inputs", x, batch_dim, "mix embeddings of numbers, pad what is packed")

    def targets(self, y: Any, batch_dim: int = 0) -> Any:
        """Mixed targets of regression, of several labels as 0.0 and 1.0, or already soft ones.

        Takes, returns and raises what `inputs` does; class numbers are for `soft`.

        Examples:
            >>> mix = Mix(torch.tensor(0.25), torch.tensor([1, 0]))
            >>> mix.targets(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist()
            [[1.0, 0.75], [1.0, 0.25]]
        """
        return self._mixed("targets", y, batch_dim, "use soft for class numbers, else .float()")

    def sequences(self, x: Tensor, lengths: Tensor, batch_dim: int = 1) -> tuple[Tensor, Tensor]:
        """Mixed sequences of different lengths; padding counts as zeros, whatever lies there.

        The mixture is as long as the longer of the two: its mask is one or the other. Where lam is
        0 or 1 only one of them has weight, and its length counts: lam = 1 changes nothing.

        Args:
            x: (T, B, ...), or (B, T, ...) with `batch_dim` 0, floating point.
            lengths: (B) integers from 0 to T.
            batch_dim: 0 or 1.

        Returns:
            Mixed x, 0 behind the new lengths; and these, (B).

        Raises:
            TypeError, ValueError: dtypes, shapes, lengths or `batch_dim` do not fit.

        Examples:
            >>> mix = Mix(torch.tensor(0.75), torch.tensor([1, 0]))
            >>> x = torch.tensor([[4.0, torch.nan], [8.0, 0.0]])
            >>> mixed, lengths = mix.sequences(x, torch.tensor([1, 2]), batch_dim=0)
            >>> mixed.tolist(), lengths.tolist()
            ([[5.0, 0.0], [7.0, 0.0]], [2, 2])

        Source: Guo et al. (2019), "Augmenting Data with Mixup for Sentence Classification: An
        Empirical Study", arXiv:1905.08941: wordMixup, of padded embeddings.
        """
        need_integers("Mix.sequences", "lengths", lengths, "convert them")
        along = tuple(x.shape[batch_dim : batch_dim + 1]) if batch_dim in (0, 1) else ()
        fits = x.dim() > 1 and along == lengths.shape == self.partner.shape
        if not (fits and between(lengths, 0, x.shape[1 - batch_dim])):
            raise ValueError(
                "Mix.sequences needs x (T, B, ...) with batch_dim 1 or (B, T, ...) with 0, and "
                f"lengths (B) from 0 to T; got {tuple(x.shape)} with {batch_dim} and lengths "
                f"{summary(lengths)}; check batch_dim"
            )
        times = torch.arange(x.shape[1 - batch_dim], device=x.device)
        inside = (times < lengths.to(x.device)[:, None]).transpose(0, batch_dim)
        clean = torch.where(inside.view(*inside.shape, *[1] * (x.dim() - 2)), x, 0)
        mixed = self._mixed("sequences", clean, batch_dim, "mix embeddings of numbers")
        lam, theirs = self.lam.to(lengths.device), self._partners(lengths, 0)
        return mixed, torch.maximum(lengths * (lam > 0), theirs * (lam < 1))

    def soft(self, targets: Tensor, num_classes: int, smoothing: float = 0.0) -> Tensor:
        """Mixed probabilities (B, ..., K) of class numbers; rows sum to 1, in the dtype of lam.

        Args:
            targets: (B, ...) integers from 0 to K - 1.
            num_classes: K.
            smoothing: from 0 to 1, spread evenly over all K, instead of the criterion's own.

        Raises:
            TypeError, ValueError: targets or smoothing are of another dtype, shape or range.

        Examples:
            >>> mix = Mix(torch.tensor(0.75), torch.tensor([1, 0]))
            >>> mix.soft(torch.tensor([0, 2]), num_classes=3).tolist()
            [[0.75, 0.0, 0.25], [0.25, 0.0, 0.75]]
        """
        need_integers("Mix.soft", "targets", targets, "use targets for what is no class number")
        self._check_batch("soft", targets, 0, "give the targets of the drawn batch")
        if not (between(targets, 0, num_classes - 1) and 0 <= smoothing <= 1):
            raise ValueError(
                f"Mix.soft needs targets from 0 to {num_classes - 1} and smoothing from 0 to 1; "
                f"got {summary(targets)} and {smoothing}; check num_classes"
            )
        hard = one_hot(targets.long(), num_classes).to(self.lam.dtype)
        return (1 - smoothing) * self.targets(hard) + smoothing / num_classes

    def loss(self, criterion: Callable[..., Tensor], output: Any, targets: Tensor) -> Tensor:
        """Mean, (), of lam criterion(output, targets) + (1 - lam) criterion(output, theirs).

        Cross entropies, linear in the targets, equal the loss against mixed ones; the squared error
        is larger by lam (1 - lam) (y - theirs)^2, which changes no gradient. The mean is over all
        losses: neither weights of classes nor `ignore_index` change what it is divided by.

        Args:
            criterion: of output and targets, with reduction="none": (B, ...) losses.
            output: the model's, for mixed inputs.
            targets: (B, ...), not mixed.

        Raises:
            ValueError: there are not B targets, or not a loss for each (shapes were broadcast).

        Examples:
            >>> from torch import nn
        >>> mix = Mix(torch.tensor(0.75), torch.tensor([1, 0]))
            >>> mse = nn.MSELoss(reduction="none")
            >>> mix.loss(mse, torch.zeros(2), torch.tensor([0.0, 2.0])).item()
            2.0
        """
        self._check_batch("loss", targets, 0, "give the targets of the drawn batch")
        own, other = (criterion(output, t) for t in (targets, self._partners(targets, 0)))
        self._check_batch("loss", own, 0, 'give the criterion reduction="none"')
        if isinstance(output, Tensor) and own.numel() > max(output.numel(), targets.numel()):
            raise ValueError(
                "Mix.loss needs output and targets of shapes that fit; got "
                f"{tuple(output.shape)} for {tuple(targets.shape)}, and {tuple(own.shape)} losses; "
                "give both the same shape"
            )
        return self._blend(own, other, 0).mean()

    def accuracy(self, output: Tensor, targets: Tensor) -> Tensor:
        """Expected accuracy, (): mean of lam [right] + (1 - lam) [right for the partner].

        The guess is the class of the highest score, the first of several; of one logit it is 1
        above 0, else 0. A score of NaN is never right.

        Args:
            output: (B, K, ...) scores of classes, for mixed inputs; K of 1 is the logit of class 1.
            targets: (B, ...) class numbers, not mixed. For one logit also in the shape of output,
                which may be (B) as well, and 0.0 and 1.0 or bool, as for binary cross entropy.

        Raises:
            TypeError, ValueError: targets are no integers or out of range, or shapes do not fit.

        Examples:
            >>> mix = Mix(torch.tensor(0.75), torch.tensor([1, 0]))
            >>> mix.accuracy(torch.tensor([[9.0, 0.0], [9.0, 0.0]]), torch.tensor([0, 1])).item()
            0.5
            >>> mix.accuracy(torch.tensor([[-9.0], [9.0]]), torch.tensor([[0.0], [1.0]])).item()
            0.75
        """
        self._check_batch("accuracy", targets, 0, "give the targets of the drawn batch")
        guess, targets = guessed("Mix.accuracy", output, targets)
        both = torch.stack([targets, self._partners(targets, 0)])
        own, other = (guess == both).to(self.lam.dtype)
        return self._blend(own, other, 0).mean()

    def _mixed(self, who: str, x: Any, batch_dim: int, advice: str) -> Any:
        """x, whatever its structure, mixed."""
        if isinstance(x, Mapping):
            return {key: self._mixed(who, value, batch_dim, advice) for key, value in x.items()}
        if isinstance(x, tuple | list) and not isinstance(x, PackedSequence):
            return rebuilt(x, [self._mixed(who, value, batch_dim, advice) for value in x])
        if not (isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())):
            raise TypeError(
                f"Mix.{who} needs tensors of floating point, or dicts, tuples and lists of them; "
                f"got {getattr(x, 'dtype', type(x).__name__)}; {advice}"
            )
        self._check_batch(who, x, batch_dim, "draw for this batch size, or name the batch_dim")
        return self._blend(x, self._partners(x, batch_dim), batch_dim)

    def _partners(self, x: Tensor, dim: int) -> Tensor:
        """In the memory format of x, channels last, say, which index_select alone loses."""
        order = sorted(range(x.dim()), key=lambda d: (-x.stride(d), -x.shape[d]))
        partner, place = self.partner.to(x.device), order.index(dim % x.dim())
        chosen = x.permute(order).index_select(place, partner)
        return chosen.permute([order.index(d) for d in range(x.dim())])

    def _blend(self, own: Tensor, other: Tensor, dim: int) -> Tensor:
        lam = self.lam.to(own)
        lam = lam.view(-1, *[1] * (own.dim() - dim % own.dim() - 1)) if lam.dim() else lam
        return torch.lerp(other, own, lam)  # exact at both ends

    def _check_batch(self, who: str, x: Tensor, dim: int, advice: str) -> None:
        B = len(self.partner)
        if not -x.dim() <= dim < x.dim() or x.shape[dim] != B:
            got = f"got shape {tuple(x.shape)}; {advice}"
            raise ValueError(f"Mix.{who} needs {B} examples along dimension {dim}; {got}")


def draw(
    batch_size: int,
    alpha: float,
    per: Literal["batch", "sample"] = "batch",
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
    groups: Tensor | None = None,
) -> Mix:
    """lam ~ Beta(alpha, alpha), in torch's default dtype, and a random permutation as partners.

    Args:
        batch_size: B, at least 0.
        alpha: finite; 0 gives lam = 1, no mixing; 1 any lam equally often; more, one nearer to 1/2.
            In the paper 0.1 to 0.4 for ImageNet, 1 for CIFAR, 8 or 32 against wrong labels.
        per: one lam, (), for the "batch", as in the paper, or (B), one for each "sample".
        generator: on the CPU; with one, torch's global random state is neither used nor changed.
        device: of the result.
        groups: (B) integers; partners are of the same group (mixup within classes).

    Raises:
        TypeError, ValueError: groups are no integers, or not B; others are out of range.

    Examples:
        >>> mix = draw(4, alpha=1.0, per="sample", groups=torch.tensor([0, 1, 0, 1]))
        >>> mix.lam.shape, (mix.partner % 2).tolist()
        (torch.Size([4]), [0, 1, 0, 1])

    Source: Zhang et al. (2018), as `Mix`. Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha): Marsaglia
    and Tsang (2000), "A Simple Method for Generating Gamma Variables"; here in logarithms.
    """
    grouped = (batch_size,) if groups is None else tuple(groups.shape)
    wrong = batch_size < 0 or per not in ("batch", "sample") or grouped != (batch_size,)
    if wrong or not 0 <= alpha < math.inf:
        raise ValueError(
            'draw needs batch_size and alpha of at least 0, per "batch" or "sample", groups (B); '
            f"got {batch_size}, {alpha}, {per!r}, {grouped}; alpha 0.2 and 1 are usual, 0 is none"
        )
    lam = torch.ones((batch_size,) if per == "sample" else (), dtype=torch.float64, device="cpu")
    if alpha > 0:
        above = (alpha + lam).expand(2, *lam.shape)
        gammas = torch._standard_gamma(above, generator).log()  # pyright: ignore
        # 1 - U is never 0; the difference before the division: no infinity meets another
        logs = torch.log1p(-torch.empty_like(above).uniform_(generator=generator))
        lam = torch.sigmoid(gammas[0] - gammas[1] + (logs[0] - logs[1]) / alpha)
    partner = torch.randperm(batch_size, generator=generator, device="cpu")
    if groups is not None:
        need_integers("draw", "groups", groups, "number them")
        # group after group, once in order and once at random: equal places belong together
        groups = groups.cpu()
        shuffled = partner[groups[partner].argsort(stable=True)]
        partner = torch.empty_like(partner).scatter_(0, groups.argsort(stable=True), shuffled)
    return Mix(lam.to(device, torch.get_default_dtype()), partner.to(device))


def generator_of(seed: int, step: int = 0, rank: int | None = None) -> torch.Generator:
    """A generator on the CPU whose numbers depend on seed, step and process alone.

    Made anew at each step, it goes on where a run was resumed, with no state in the checkpoint.

    Args:
        seed: of the run.
        step: the number of the batch; at each, all processes differ.
        rank: of the process; None asks `torch.distributed`, and is 0 without it.

    Examples:
        >>> numbers = [torch.rand(2, generator=generator_of(1, 7, rank)) for rank in (0, 0, 1)]
        >>> torch.equal(numbers[0], numbers[1]), torch.equal(numbers[0], numbers[2])
        (True, False)
    """
    if rank is None:
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    # torch uses 32 bits: hashed, steps rarely meet; ranks, added to the hash, never do
    digest = hashlib.blake2b(f"{seed} {step}".encode(), digest_size=4).digest()
    return torch.Generator("cpu").manual_seed((int.from_bytes(digest) + rank) % 2**32)


def rebuilt(like: tuple | list, values: list) -> Any:
    """A tuple, list or named tuple of other values."""
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)
