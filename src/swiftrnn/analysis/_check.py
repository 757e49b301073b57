"""What an instrument takes: samples as rows, all finite, enough of them, as many in each."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def samples(who: str, name: str, values: Any, least: int = 4) -> Tensor:
    """Samples as rows (n, d) of floating point; a tensor keeps its dtype, device and gradients.

    Args:
        who: asks, for messages.
        name: of what it got.
        values: an array or a tensor, (n) or (n, ...); further dimensions become one.
        least: so many samples are needed.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few, or not all of them finite.
    """
    found = numbers(who, name, values)
    if not found.ndim or len(found) < least:
        raise ValueError(
            f"{who} needs at least {least} samples (n, d) as {name}; got {tuple(found.shape)}; "
            "give one row for each sample"
        )
    found = found.reshape(len(found), -1)
    finite(who, name, found)
    return found


def numbers(who: str, name: str, values: Any) -> Tensor:
    """An array as a tensor of floating point, of any shape.

    Raises:
        TypeError: these are no real numbers.
    """
    try:
        found = values if isinstance(values, Tensor) else torch.from_numpy(_array(values))
    except (TypeError, ValueError, RuntimeError):
        kind = getattr(values, "dtype", type(values).__name__)
        raise TypeError(f"{who} needs numbers as {name}; got {kind}; give an array") from None
    if found.is_complex():
        raise TypeError(f"{who} needs real numbers as {name}; got {found.dtype}; take its parts")
    return found if found.is_floating_point() else found.double()


def _array(values: Any) -> np.ndarray:
    """An array that torch takes: written to, forwards; numbers of Python keep their 64 bits."""
    found = np.asarray(values)
    backwards = any(stride < 0 for stride in found.strides)
    return found.copy() if backwards or not found.flags.writeable else found


def finite(who: str, name: str, found: Tensor) -> None:
    """Refuse nan and infinity.

    Raises:
        ValueError: says how many there are, and where the first one is.
    """
    bad = ~torch.isfinite(found)
    if bool(bad.any()):
        rows = bad.reshape(len(found), -1).any(1) if found.ndim else bad.reshape(1)
        raise ValueError(
            f"{who} needs finite numbers as {name}; got nan or infinity in {int(rows.sum())} of "
            f"{len(rows)} samples, first in sample {int(rows.nonzero()[0, 0])}; leave them out"
        )


def same_length(who: str, **found: Tensor) -> None:
    """Refuse samples that are not drawn together.

    Raises:
        ValueError: one has another number of rows.
    """
    if len({len(each) for each in found.values()}) > 1:
        sizes = ", ".join(f"{len(each)} of {name}" for name, each in found.items())
        raise ValueError(f"{who} needs as many samples of each; got {sizes}; pair them first")


def varies(who: str, name: str, found: Tensor) -> None:
    """Refuse samples that are all the same: nothing can depend on them.

    Raises:
        ValueError: they are.
    """
    if bool((found == found[:1]).all()):
        raise ValueError(
            f"{who} needs samples that differ as {name}; got {len(found)} equal ones; leave it out"
        )


def paired(who: str, **values: Any) -> dict[str, Tensor]:
    """Samples of several variables that were drawn together, each of which varies.

    Raises:
        TypeError, ValueError: as `samples`, `same_length` and `varies`.
    """
    found = {name: samples(who, name, each) for name, each in values.items()}
    same_length(who, **found)
    for name, each in found.items():
        varies(who, name, each)
    return found
