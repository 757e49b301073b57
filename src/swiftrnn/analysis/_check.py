"""What an instrument takes: samples as rows, all finite, enough of them, as many in each."""

import math
import numbers as kinds_of
from typing import Any

import numpy as np
import torch
from torch import Tensor


def samples(who: str, name: str, values: Any, least: int = 4) -> Tensor:
    """Samples as rows (n, d) of floating point; a tensor keeps its device and gradients.

    Floating point of 16 bits or fewer becomes float32, which holds all of its numbers.

    Args:
        who: asks, for messages.
        name: of what it got.
        values: an array, a tensor, a DataFrame or a list, (n) or (n, ...); further dimensions
            become one.
        least: so many samples are needed.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few, or not all of them finite.
    """
    found = _rows(who, name, wide(numbers(who, name, values)), least)
    finite(who, name, found)
    return found


def _rows(who: str, name: str, found: Any, least: int) -> Any:
    shape = tuple(found.shape)
    if not shape or shape[0] < least or 0 in shape[1:]:
        raise ValueError(
            f"{who} needs at least {least} samples (n, d) as {name}; got {shape}; "
            "give one row for each sample"
        )
    return found.reshape(shape[0], math.prod(shape[1:]))


def numbers(who: str, name: str, values: Any) -> Tensor:
    """An array as a tensor of floating point, of any shape.

    Raises:
        TypeError: these are no real numbers.
        ValueError: an array has masked entries.
    """
    found = tensor(who, name, values)
    return found if found.is_floating_point() else found.double()


def tensor(who: str, name: str, values: Any) -> Tensor:
    """An array, a DataFrame or a list as a tensor; whole numbers stay what they are.

    Raises:
        TypeError: these are no real numbers.
        ValueError: an array has masked entries.
    """
    try:
        found = values if isinstance(values, Tensor) else torch.from_numpy(_array(values))
    except (TypeError, ValueError, RuntimeError):
        if np.ma.is_masked(values):
            raise ValueError(
                f"{who} needs numbers as {name}; got {int(np.ma.count_masked(values))} masked "
                "ones; leave them out"
            ) from None
        kind = getattr(values, "dtype", type(values).__name__)
        raise TypeError(f"{who} needs numbers as {name}; got {kind}; give an array") from None
    if found.layout != torch.strided or found.is_quantized or found.is_meta:
        kind = "a tensor on meta" if found.is_meta else f"a tensor of {found.layout}"
        raise TypeError(f"{who} needs a dense tensor as {name}; got {kind}; make it dense")
    if found.is_complex():
        raise TypeError(f"{who} needs real numbers as {name}; got {found.dtype}; take its parts")
    return found


def wide(found: Tensor) -> Tensor:
    """Floating point of 32 bits at least."""
    return found if found.dtype.itemsize >= 4 else found.float()


def _array(values: Any) -> np.ndarray:
    """An array that torch takes: written to, forwards; numbers of Python keep their 64 bits."""
    found = np.asarray(values)
    if np.ma.is_masked(values):
        raise ValueError
    if found.dtype == object:  # columns of several kinds, or of pandas' own
        if not all(isinstance(each, kinds_of.Real | np.bool_) for each in found.flat):
            raise TypeError
        found = found.astype(np.float64)
    if not found.dtype.isnative:
        found = found.astype(found.dtype.newbyteorder("="))
    backwards = any(stride < 0 for stride in found.strides)
    return found.copy() if backwards or not found.flags.writeable else found


def classes(who: str, name: str, values: Any, least: int = 4) -> Tensor:
    """Words or numbers as whole numbers (n, d), equal where they are: each column by itself.

    Whole numbers are compared as such, so that none of 64 bits is rounded to another.

    Raises:
        TypeError: they cannot be compared.
        ValueError: too few, or some are missing, nan or infinite.
    """
    if isinstance(values, Tensor):
        found = tensor(who, name, values).detach()
        device = found.device
        found = (found.double() if found.is_floating_point() else found).numpy(force=True)
    else:
        found, device = np.asarray(values), torch.device("cpu")
        masked = np.ma.is_masked(values)
        missing = masked or (found.dtype.kind in "OfmMT" and bool((found != found).any()))
        if missing or any(each is None for each in found.flat if found.dtype == object):
            raise ValueError(
                f"{who} needs words or numbers as {name}; got missing ones; leave them out"
            )
    found = _rows(who, name, found, least)
    if found.dtype.kind == "f":
        finite(who, name, torch.from_numpy(np.ascontiguousarray(found, np.float64)))
    codes = np.empty(found.shape, np.int64)
    for column in range(found.shape[1]):
        try:
            codes[:, column] = np.unique(found[:, column], return_inverse=True)[1]
        except TypeError:
            kinds = sorted({type(each).__name__ for each in found[:, column]})
            raise TypeError(
                f"{who} needs words or numbers of one kind as {name}; got {', '.join(kinds)}; "
                "make all of them words"
            ) from None
    return torch.from_numpy(codes).to(device)


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


def held(who: str, found: Tensor, like: torch.dtype = torch.float64) -> Tensor:
    """A result in another dtype, unless that cannot hold it.

    Raises:
        ValueError: it is too large or too small, or was too large on the way.
    """
    cast = found.to(like)
    lost = ~torch.isfinite(cast) | ((cast == 0) & (found != 0))
    if bool(lost.any()):
        raise ValueError(
            f"{who} needs samples whose result {str(like).removeprefix('torch.')} can hold; got "
            f"{float(found.detach()[lost].flatten()[0]):.3g}; scale them, or give float64"
        )
    return cast


def whole(who: str, name: str, value: Any, least: int) -> int:
    """A whole number.

    Raises:
        ValueError: it is none, or below the least.
    """
    good = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least
    if not good:
        raise ValueError(f"{who} needs {name} of at least {least}; got {value}")
    return int(value)


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


def paired(who: str, words: Any = (), **values: Any) -> dict[str, Tensor]:
    """Samples of several variables that were drawn together, each of which varies.

    Args:
        who: asks, for messages.
        words: names of those that are only compared, as `classes` takes them.
        values: samples by name.

    Raises:
        TypeError, ValueError: as `samples`, `classes`, `same_length` and `varies`.
    """
    found = {n: (classes if n in words else samples)(who, n, each) for n, each in values.items()}
    same_length(who, **found)
    for name, each in found.items():
        varies(who, name, each)
    return found
