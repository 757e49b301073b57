"""Dropout whose mask is the same at all steps of a sequence."""

import torch
from torch import Tensor, nn


def locked(x: Tensor, p: float) -> Tensor:
    """Features dropped for all steps of a sequence at once (variational dropout).

    Args:
        x: (T, ...), time first.
        p: the probability, from 0 to below 1; 0 changes nothing.

    Examples:
        >>> x = locked(torch.ones(9, 2, 4), 0.5)
        >>> bool((x == x[:1]).all())
        True

    Source: Gal and Ghahramani (2016), "A Theoretically Grounded Application of Dropout in Recurrent
    Neural Networks", section 4.
    """
    return x * nn.functional.dropout(torch.ones_like(x[:1]), p) if p else x
