"""What kernels may see: numbers in memory, while torch does nothing but run.

A kernel in C gets addresses. So it must not run while torch records, batches or only pretends, nor
over tensors that are more, or less, than numbers in memory. Everything that leaves for C passes
`plain` and `dense`; what does not goes to the registered op or to the reference.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

P = ParamSpec("P")
R = TypeVar("R")
_ASKED = ContextVar("references", default=False)


@contextmanager
def references() -> Iterator[None]:
    """Run the references in place of the kernels: slower, and differentiable in every way.

    Nobody has to ask for gradients of gradients (`create_graph=True`), forward mode
    (`torch.autograd.forward_ad`) or torch.func (vmap, jvp, hessian): each takes the references by
    itself. This is to compare the two. Not for code that is compiled.

    Examples:
        >>> import torch
        >>> from swiftrnn.nn import MinGRU
        >>> layer, x = MinGRU(2, 2), torch.randn(3, 1, 2)
        >>> with references():
        ...     expected = layer(x)[0]
        >>> torch.allclose(layer(x)[0], expected, atol=1e-6)
        True
    """
    before = _ASKED.set(True)
    try:
        yield
    finally:
        _ASKED.reset(before)


def transformed() -> bool:
    """Whether only a reference can do what is asked for: torch.func, forward mode, `references`."""
    if torch.compiler.is_compiling():
        return False
    return (
        torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore
        or forward_ad._current_level >= 0
        or _ASKED.get()
    )


def hooked() -> bool:
    """Whether hooks may give back other strides for saved tensors; those of checkpoints do not."""
    if torch.compiler.is_compiling():
        return False
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(False)  # pyright: ignore
    return bool(hooks) and hooks[0].__module__ != "torch.utils.checkpoint"


def traced() -> bool:
    """Whether torch.jit.trace writes down what is done, once and for all sizes."""
    return torch._C._get_tracing_state() is not None


def recorded() -> bool:
    """Whether a graph, a trace or a mode of the dispatcher wants to see which ops are called."""
    return torch.compiler.is_compiling() or traced() or torch._C._len_torch_dispatch_stack() > 0


def eager() -> bool:
    """Whether torch runs what is written, and nothing else."""
    return not recorded() and not transformed()


def untraced(check: Callable[P, R]) -> Callable[P, R]:
    """Makes a function that looks at sizes, and gives no tensors, unseen by torch.jit.trace.

    There sizes are tensors, and a comparison is a warning.
    """

    @wraps(check)
    def hidden(*args: P.args, **options: P.kwargs) -> R:
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is None:
            return check(*args, **options)
        state = torch._C._get_tracing_state()
        torch._C._set_tracing_state(None)  # pyright: ignore
        try:
            return check(*args, **options)
        finally:
            torch._C._set_tracing_state(state)  # pyright: ignore

    return hidden


@untraced
def fixed_size(x: Tensor, dim: int = -1) -> int:
    """A size that is the same for all inputs, as a number also where x is traced."""
    return x.shape[dim]


_KINDS = (Tensor, nn.Parameter)


def plain(tensors: Iterable[Tensor | None]) -> bool:
    """Whether tensors are runs of numbers in memory, as kernels read them, those that are not None.

    So not on `meta`, fake, batched, sparse, of a subclass, negated by a bit, or with gaps.

    Raises:
        ValueError: the storage of one was resized, and holds less than the tensor says.
    """
    for x in tensors:
        if x is None:
            continue
        if not (
            type(x) in _KINDS and (x.is_cpu or x.is_cuda) and not x.is_neg() and x.is_contiguous()
        ):
            return False
        if x.untyped_storage().nbytes() < x.nbytes:
            _refuse_resized(x)
    return True


def _refuse_resized(x: Tensor) -> None:
    raise ValueError(
        f"a kernel needs a tensor {tuple(x.shape)} of {x.dtype} with all of its numbers; "
        f"got one whose storage has {x.untyped_storage().nbytes()} bytes; "
        "do not resize what a layer reads"
    )


def dense(x: Tensor) -> Tensor:
    """x as one run of numbers with their signs; itself where it is so already."""
    return x.resolve_neg().contiguous()


Kind = tuple[tuple[int, ...], torch.dtype]


def kinds_of(tensors: Iterable[Tensor | None]) -> list[Kind | None]:
    """What tensors are that autograd saves: hooks on saved tensors may give back others."""
    return [None if x is None else (x.shape, x.dtype) for x in tensors]


def as_saved(who: str, given: Iterable[Any], kinds: Iterable[Kind | None]) -> list[Any]:
    """Saved tensors and gradients, dense.

    Raises:
        ValueError: one has another shape or dtype than what was saved, or lies nowhere.
    """
    if torch.compiler.is_compiling():
        return list(given)
    found: list[Any] = []
    for x, kind in zip(given, kinds, strict=True):
        if kind is not None:
            shape, dtype = kind
            if x.shape != shape or x.dtype != dtype or x.is_meta:
                raise ValueError(
                    f"{who} needs in backward what it saved, {tuple(shape)} of {dtype}; "
                    f"got {tuple(x.shape)} of {x.dtype} on {x.device}; "
                    "let hooks on saved tensors give back such tensors"
                )
            if not x.is_contiguous() or x.is_neg():
                x = dense(x)
        found.append(x)
    return found
