"""Targets of classification: what they are checked for, and what scores guess of them."""

import torch
from torch import Tensor


def need_integers(who: str, what: str, x: Tensor, advice: str) -> None:
    """TypeError unless a tensor has whole numbers."""
    if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
        raise TypeError(f"{who} needs {what} of integers; got {x.dtype}; {advice}")


def between(x: Tensor, low: int, high: int) -> bool:
    """Whether all are; True without a look where that would make a GPU wait."""
    return _all((x >= low) & (x <= high))


def summary(x: Tensor) -> str:
    """Shape and range, for messages."""
    return f"{tuple(x.shape)}" + (f" from {x.min():g} to {x.max():g}" if x.numel() else "")


def guessed(who: str, output: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The class that scores guess for each target, -1 where a score is NaN.

    Of several highest scores the first counts. One logit guesses class 1 above 0, else 0.

    Args:
        who: is named in messages.
        output: (B, K, ...) scores; K of 1 is the logit of class 1.
        targets: (B, ...) class numbers. For one logit they may have the shape of output, which may
            then be (B), and be 0.0 and 1.0 or bool, as binary cross entropy takes them.

    Returns:
        Guesses and targets in the shape of targets, int64 for one logit.

    Raises:
        TypeError, ValueError: targets are no integers or out of range, or shapes do not fit.

    Examples:
        >>> scores = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
        >>> guessed("accuracy", scores, torch.tensor([1, 1]))[0]
        tensor([1, 0])
        >>> guessed("accuracy", torch.tensor([-1.0, 2.0]), torch.tensor([0.0, 1.0]))[0]
        tensor([0, 1])
    """
    binary = targets.is_floating_point() or targets.dtype == torch.bool
    if (output.dim() > 1 and output.shape[1] == 1) or (output.dim() == 1 and binary):
        guess, targets = _of_one_logit(who, output, targets)
        K = 2
    else:
        need_integers(who, "targets", targets, "take the largest of soft ones")
        if output.dim() < 2 or output.shape[:1] + output.shape[2:] != targets.shape:
            raise ValueError(
                f"{who} needs output (B, K, ...) for targets (B, ...); got "
                f"{tuple(output.shape)} for {tuple(targets.shape)}; move K to dimension 1"
            )
        K = output.shape[1]
        guess = torch.where(output.isnan().any(1), -1, output.argmax(1))
    if not between(targets, 0, K - 1):
        raise ValueError(
            f"{who} needs targets from 0 to {K - 1}; got {summary(targets)}; "
            "leave out what is ignored"
        )
    return guess, targets


def _of_one_logit(who: str, output: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if targets.shape not in (output.shape, output.shape[:1] + output.shape[2:]):
        raise ValueError(
            f"{who} needs targets of one logit in its shape, or without dimension 1; got "
            f"{tuple(output.shape)} for {tuple(targets.shape)}; reshape the targets"
        )
    numbers = targets.long()
    if targets.is_floating_point() and not _all(numbers == targets):
        raise ValueError(
            f"{who} needs targets of 0 and 1 for one logit; got {summary(targets)} with others; "
            "round soft ones"
        )
    guess = torch.where(output.isnan(), -1, (output > 0).long())
    return guess.reshape(targets.shape), numbers


def _all(x: Tensor) -> bool:
    return x.device.type != "cpu" or bool(x.all())
