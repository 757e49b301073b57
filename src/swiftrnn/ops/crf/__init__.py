"""crf: sums and best paths of a linear-chain conditional random field."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._check import check_lengths, check_tensor, wrong_tags
from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import dense, transformed, untraced
from swiftrnn.ops._reverse import reverse
from swiftrnn.ops.crf import reference

NEVER = -torch.inf  # the score of what is forbidden


def _sample(
    T: int,
    B: int,
    K: int,
    dtype: torch.dtype = torch.float32,
    ragged: int = 0,
    forbidden: int = 0,
    scale: int = 1,
    tagged: int = 0,
) -> tuple[Tensor | None, ...]:
    """Valid inputs; `forbidden` forbids a third of the pairs, but none with tag 0.

    `tagged` draws paths too, of tag 0 alone where pairs are forbidden.
    """
    real = _native.state_dtype(dtype)
    scores = [torch.randn(K, K).to(real) * scale, torch.randn(K).to(real), torch.randn(K).to(real)]
    if forbidden:
        for score in scores:
            score[torch.rand(score.shape) < 0.3] = NEVER
        scores[0][0] = scores[0][:, 0] = scores[1][0] = scores[2][0] = 0.0
    lengths = torch.randint(0, T + 1, (B,)) if ragged else None
    tags = torch.randint(0, 1 if forbidden else K, (T, B)) if tagged else None
    return (torch.randn(T, B, K) * scale).to(dtype), *scores, lengths, tags


def _fake_forward(emissions: Tensor, transitions: Tensor, *rest: object) -> tuple[Tensor, ...]:
    (T, B, K), keep = emissions.shape, rest[-1]
    totals = transitions.new_empty(B)
    arrived = transitions.new_empty((T if keep else 0, B, K), dtype=torch.float64)
    return totals, torch.empty_like(totals), arrived


def _fake_backward(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, *_: object
) -> tuple[Tensor, ...]:
    return tuple(map(torch.empty_like, (emissions, transitions, start, end)))


def _prepare(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
) -> tuple[Any, ...]:
    """The inputs of `crf`, checked, as the op takes them."""
    inputs = _checked("crf", emissions, transitions, start, end, lengths)
    T, B, K = emissions.shape
    tags = None if tags is None else _checked_tags(tags, T, B, K, inputs[0], inputs[-1])
    return *inputs, tags


def _outputs(emissions: Tensor, transitions: Tensor, *_: object) -> tuple[Any, ...]:
    (T, B, K), real = emissions.shape, transitions.dtype
    return ((B,), real), ((B,), real), ((T, B, K), torch.float64)


_SCORES = "Tensor emissions, Tensor transitions, Tensor start, Tensor end, Tensor? lengths"
_INPUTS = f"{_SCORES}, Tensor? tags"
OP = Op(
    package=__name__,
    forward_schema=f"({_INPUTS}, bool keep) -> (Tensor, Tensor, Tensor)",
    backward_schema=f"({_INPUTS}, Tensor totals, Tensor arrived, Tensor grad) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    reference=reference.forward,
    prepare=_prepare,
    outputs=_outputs,
    fake_forward=_fake_forward,
    fake_backward=_fake_backward,
    tensors=6,
    differentiable=(0, 1, 2, 3),
    saved=(1, 2),
    state=-1,
    public=1,
    sample=_sample,
    cases=(
        dict(T=1, B=1, K=1),
        dict(T=0, B=2, K=3),
        dict(T=5, B=0, K=3),
        dict(T=9, B=3, K=17, ragged=1),
        dict(T=1, B=2, K=3, tagged=1),
        dict(T=0, B=2, K=3, tagged=1),
        dict(T=11, B=18, K=17, tagged=1),
        dict(T=11, B=18, K=17, ragged=1, tagged=1),
        dict(T=12, B=3, K=16, ragged=1, forbidden=1, tagged=1),
        dict(T=23, B=5, K=9, ragged=1, forbidden=1),
        dict(T=12, B=20, K=33, ragged=1, forbidden=1),
        dict(T=12, B=4, K=8, scale=60),  # sums so small that they are computed term by term
        dict(T=12, B=4, K=8, scale=60, forbidden=1, ragged=1),
    ),
)
_crf = OP.register()
torch.library.define("swiftrnn::crf_viterbi", f"({_SCORES}) -> (Tensor, Tensor)")


@torch.library.impl("swiftrnn::crf_viterbi", "CompositeExplicitAutograd")
def _viterbi(emissions: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
    if _has_kernel(emissions.device.type, emissions.dtype):
        return OP.kernel("viterbi", emissions.device.type)(emissions, *rest)
    return reference.viterbi(emissions, *rest)


@cache
def _has_kernel(device: str, dtype: torch.dtype) -> bool:
    return OP.has_kernel(device, dtype)


@torch.library.register_fake("swiftrnn::crf_viterbi")
def _fake_viterbi(emissions: Tensor, transitions: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    T, B, _K = emissions.shape
    return transitions.new_empty(B), emissions.new_empty(T, B, dtype=torch.int64)


def crf(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None = None,
    tags: Tensor | None = None,
) -> Tensor:
    """Log of the sum over all paths of exp(score); with tags, less the score of their path.

    So with tags it is the negative log-likelihood of that path, the loss to train with.

        score(path) = start[path[0]] + sum over t of emissions[t, path[t]]
                      + sum over t > 0 of transitions[path[t-1], path[t]] + end[path[last]]

    Without tags, the gradient by the emissions is the probability of each tag at each step.

    Args:
        emissions: (T, B, K), the score of each tag at each step.
        transitions: (K, K), the score of going from the first index to the second; -inf forbids
            it. As start and end, converted to the dtype of emissions, float32 where that has 16
            bits.
        start: (K), the scores of a tag at the first step; -inf forbids it.
        end: (K), the same at the last step.
        lengths: (B) integers in 0..T; an empty sequence has the one empty path, of score 0.
        tags: (T, B) integers in 0..K-1; what lies beyond a length is not looked at.

    Returns:
        (B), in the dtype of emissions, float32 where that has 16 bits; computed in float64 from
        step to step and rounded once. Without tags -inf where no path is allowed, with gradients
        0; with tags inf where theirs is not, nan where none is. Of a sequence with nan or inf
        among its scores it is nan or inf, and every gradient is nan.

    Raises:
        ValueError: the shapes or devices do not fit together; on the CPU also, a tag is not in
            0..K-1. On a GPU its loss is nan.
        TypeError: scores are not floating-point tensors, or tags or lengths no integers.

    Examples:
        >>> import torch
        >>> zero = torch.zeros(2)
        >>> crf(torch.zeros(3, 1, 2), torch.zeros(2, 2), zero, zero).exp().round().item()
        8.0

    Source: Lafferty, McCallum and Pereira (2001), "Conditional Random Fields", section 3.
    """
    return _crf(*_prepare(emissions, transitions, start, end, lengths, tags))[0]


@torch.no_grad()
def crf_viterbi(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The path of the highest score; without gradients. Arguments are those of `crf`.

    Returns:
        score (B), and path (T, B) of int64: tags, 0 beyond a sequence's length. Among equals the
        lowest tags win. Where the score is -inf (no path is allowed), inf or nan, the path means
        nothing.

    Raises:
        ValueError: the shapes or dtypes do not fit together.

    Examples:
        >>> import torch
        >>> emissions = torch.tensor([[[0.0, 1.0]], [[3.0, 0.0]]])
        >>> zero = torch.zeros(2)
        >>> score, path = crf_viterbi(emissions, torch.zeros(2, 2), zero, zero)
        >>> score.item(), path[:, 0].tolist()
        (4.0, [1, 0])

    Source: Forney (1973), "The Viterbi algorithm".
    """
    inputs = _checked("crf_viterbi", emissions, transitions, start, end, lengths)
    if transformed():
        return reference.viterbi(*inputs)
    return torch.ops.swiftrnn.crf_viterbi(*inputs)


@torch.no_grad()
def crf_scores(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sums over the parts of paths before and after each step; arguments are those of `crf`.

    Returns:
        before (T, B, K): log of the sum over all beginnings up to a step that end in a tag.
        after (T, B, K): log of the sum over all that may follow, from a tag at a step to the end.
        Their sum over tags is `crf` at every step; beyond lengths they mean nothing.

    Examples:
        >>> import torch
        >>> zero, emissions = torch.zeros(2), torch.randn(3, 1, 2)
        >>> before, after = crf_scores(emissions, torch.zeros(2, 2), zero, zero)
        >>> total = crf(emissions, torch.zeros(2, 2), zero, zero)
        >>> torch.allclose((before + after).logsumexp(2), total)
        True

    Source: Rabiner (1989), "A tutorial on hidden Markov models", section III.
    """
    x, transitions, start, end, lengths = _checked(
        "crf_scores", emissions, transitions, start, end, lengths
    )
    if transformed() or not _has_kernel(x.device.type, x.dtype):
        before = reference.forward_scores(x, transitions, start, lengths)
        after = reference.backward_scores(x, transitions, end, lengths)
        return before.to(transitions.dtype), after.to(transitions.dtype)
    run = OP.raw["forward"]
    arrived = _added_up(run(x, transitions, start, end, lengths, None, True)[2], x)
    whole = torch.full((x.shape[1],), len(x), device=x.device) if lengths is None else lengths
    turned = reverse(x, whole)
    back = run(turned, transitions.t().contiguous(), end, start, lengths, None, True)[2]
    after = reverse(_added_up(back, turned), whole)
    return (arrived + x).to(transitions.dtype), after.to(transitions.dtype)


def _added_up(arrived: Tensor, x: Tensor) -> Tensor:
    """What a kernel keeps is relative to the best score of each step before: see `cpu.c`."""
    if not arrived.numel():
        return arrived
    top = (arrived + x).amax(2, keepdim=True)
    top = torch.where(top.isfinite(), top, 0)
    return arrived + (top.cumsum(0) - top)


@untraced
def _check_kind_of_tags(tags: object, T: int, B: int, emissions: Tensor) -> None:
    if not isinstance(tags, Tensor):
        raise TypeError(f"crf needs a tensor of tags; got {type(tags).__name__}; use torch.tensor")
    kinds = tags.is_floating_point() or tags.is_complex() or tags.dtype == torch.bool
    if kinds or tags.shape != (T, B):
        raise ValueError(
            f"crf needs tags (T, B) of integers with T = {T}, B = {B}; got {tuple(tags.shape)} of "
            f"{tags.dtype}; give one tag for each step"
        )
    if tags.device != emissions.device:
        raise ValueError(
            f"crf needs tags on {emissions.device}; got {tags.device}; move one of the two with "
            ".to()"
        )


def _checked_tags(
    tags: Tensor, T: int, B: int, K: int, emissions: Tensor, lengths: Tensor | None
) -> Tensor:
    """As int64, of our own. On the CPU their values are looked at, by the kernel where it runs."""
    _check_kind_of_tags(tags, T, B, emissions)
    tags = tags.to(torch.int64, copy=True).contiguous()  # see `check_lengths`
    if torch.compiler.is_compiling() or tags.device.type != "cpu":
        return tags
    if _native.library() is None or emissions.dtype not in _native.DTYPES or transformed():
        inside = True if lengths is None else torch.arange(T, device=tags.device)[:, None] < lengths
        looked_at = torch.cat([tags.new_zeros(1), (tags * inside).flatten()])
        least, most = (int(n) for n in looked_at.aminmax())
        if least < 0 or most >= K:
            raise ValueError(wrong_tags(K, least, most))
    return tags


def _checked(
    who: str,
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    check_tensor(who, "emissions", emissions, ("T", "B", "K"), (None,) * 3, None)
    T, B, K = emissions.shape
    shapes = {"transitions": (K, K), "start": (K,), "end": (K,)}
    real, found = _native.state_dtype(emissions.dtype), []
    for (name, shape), given in zip(shapes.items(), (transitions, start, end), strict=True):
        check_tensor(who, name, given, ("K",) * len(shape), shape, emissions, state=True)
        found.append(dense(given.to(real)))
    lengths = check_lengths(who, lengths, T, B, emissions.device)
    return dense(emissions), *found, lengths
