"""Checks of what callers give: one sentence that says who needs what, what came, what to do."""

import torch
from torch import Tensor

from swiftrnn.ops._plain import untraced


@untraced
def check_dense(who: str, name: str, x: Tensor) -> None:
    """Raise TypeError unless x has one memory cell, or a shared one, for each of its numbers."""
    if x.is_nested:
        raise TypeError(
            f"{who} needs a dense {name}; got a nested tensor; pad it, and say the lengths"
        )
    if x.layout is not torch.strided:
        raise TypeError(f"{who} needs a dense {name}; got {x.layout}; convert it with .to_dense()")


@untraced
def check_tensor(
    who: str,
    name: str,
    x: object,
    letters: tuple[str, ...],
    shape: tuple[int | None, ...],
    like: Tensor | None,
    state: bool = False,
) -> None:
    """Raise unless `x` is a floating tensor of this shape, beside `like`.

    Args:
        who: the function or layer that complains.
        name: the argument.
        x: what was given.
        letters: names of the dimensions, for the message.
        shape: the sizes that are needed; None where any will do.
        like: gives the device and the dtype; None where any will do.
        state: whether x is a state or a parameter, whose dtype is free.

    Raises:
        TypeError: x is no floating tensor, or of another dtype.
        ValueError: another shape or device.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{who} needs a tensor as {name}; got {type(x).__name__}; pass a tensor")
    check_dense(who, name, x)
    if not x.is_floating_point():
        raise TypeError(
            f"{who} needs a floating-point {name}; got {x.dtype}; convert it with .to()"
        )
    if x.dim() != len(shape) or any(
        n is not None and n != m for n, m in zip(shape, x.shape, strict=True)
    ):
        known = [f"{a} = {n}" for a, n in zip(letters, shape, strict=True) if n is not None]
        sizes = f" with {', '.join(known)}" if known else ""
        raise ValueError(
            f"{who} needs {name} of shape ({', '.join(letters)}){sizes}; "
            f"got {tuple(x.shape)}; check the order of its dimensions"
        )
    if like is None:
        return
    if x.device != like.device:
        raise ValueError(
            f"{who} needs {name} on {like.device}; got {x.device}; move one of the two with .to()"
        )
    if x.dtype != like.dtype and not state:
        raise TypeError(
            f"{who} needs {name} in {like.dtype}; got {x.dtype}; convert one of the two with .to()"
        )


def check_lengths(
    who: str, lengths: Tensor | None, T: int, B: int, device: torch.device
) -> Tensor | None:
    """Lengths as int64 on the device, or None.

    Raises:
        TypeError: not integers.
        ValueError: not one length per sequence, or (on the CPU) outside 0..T.
    """
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        lengths = torch.tensor(lengths, device=device)
    _check_integers(who, lengths, B)
    _check_there(who, "lengths", lengths, device)
    # a copy: kernels count on what is checked here, and a caller may change what it has
    copy = lengths.to(device=device, dtype=torch.int64, copy=True).contiguous()
    if not torch.compiler.is_compiling() and copy.device.type == "cpu":
        _check_range(who, copy, T)
    return copy


@untraced
def _check_integers(who: str, lengths: Tensor, B: int) -> None:
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"{who} needs integer lengths; got {lengths.dtype}; use torch.int64")
    if tuple(lengths.shape) != (B,):
        raise ValueError(
            f"{who} needs one length per sequence, (B) with B = {B}; "
            f"got {tuple(lengths.shape)}; pass lengths of shape ({B},)"
        )


@untraced
def _check_range(who: str, lengths: Tensor, T: int) -> None:
    if not len(lengths):
        return
    least, most = (int(n) for n in lengths.aminmax())
    if least < 0 or most > T:
        raise ValueError(
            f"{who} needs lengths in 0..{T}; got {least}..{most}; lengths count steps of time"
        )


def _check_there(who: str, name: str, x: Tensor, device: torch.device) -> None:
    if x.is_meta and device.type != "meta":
        raise ValueError(
            f"{who} needs {name} with numbers, on {device}; got {tuple(x.shape)} on meta; "
            "give the tensor that holds them"
        )


def wrong_tags(K: int, least: int, most: int) -> str:
    """What is said of tags outside 0..K-1."""
    return f"crf needs tags in 0..{K - 1}; got {least}..{most}; K is the last size of emissions"


def check_reset(
    who: str, reset: Tensor | None, T: int, B: int, device: torch.device
) -> Tensor | None:
    """Resets as dense bool on the device, or None.

    Raises:
        TypeError: not bool.
        ValueError: not (T, B).
    """
    if reset is None:
        return None
    _check_reset(who, reset, T, B)
    _check_there(who, "reset", reset, device)
    return reset.to(device, copy=True).contiguous()


@untraced
def _check_reset(who: str, reset: object, T: int, B: int) -> None:
    if not isinstance(reset, Tensor) or reset.dtype != torch.bool:
        got = reset.dtype if isinstance(reset, Tensor) else type(reset).__name__
        raise TypeError(f"{who} needs reset of torch.bool; got {got}; convert it with .bool()")
    if tuple(reset.shape) != (T, B):
        raise ValueError(
            f"{who} needs reset (T, B) of ({T}, {B}); got {tuple(reset.shape)}; "
            "say for every step whether a sequence starts there"
        )


def check_cu_seqlens(who: str, cu_seqlens: object, x: Tensor) -> Tensor:
    """Starts of sequences, and the end of the last, as int64 on the device of x (N, features).

    Raises:
        TypeError: no integers.
        ValueError: x has a batch dimension, or they do not go from 0 up to N.
    """
    if not isinstance(cu_seqlens, Tensor) or cu_seqlens.dtype not in (torch.int32, torch.int64):
        got = cu_seqlens.dtype if isinstance(cu_seqlens, Tensor) else type(cu_seqlens).__name__
        raise TypeError(f"{who} needs integer cu_seqlens; got {got}; use torch.int64")
    if x.dim() != 2:
        raise ValueError(
            f"{who} needs input (N, I) beside cu_seqlens; got {tuple(x.shape)}; "
            "put the sequences one after the other"
        )
    starts, N = cu_seqlens.to(device=x.device, dtype=torch.int64), len(x)
    fits = starts.dim() == 1 and len(starts) > 0 and int(starts[0]) == 0 and int(starts[-1]) == N
    if not fits or bool((starts.diff() < 0).any()):
        raise ValueError(
            f"{who} needs cu_seqlens that rise from 0 to N = {N}; got {cu_seqlens.tolist()}; "
            "give where each sequence starts, and N last"
        )
    return starts
