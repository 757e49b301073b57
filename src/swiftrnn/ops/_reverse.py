"""Sequences from their end to their beginning."""

import torch
from torch import Tensor


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """The valid part of each sequence turned round; padding stays where it is.

    Args:
        x: (T, B, ...).
        lengths: (B) integers in 0..T.

    Examples:
        >>> import torch
        >>> reverse(torch.tensor([[1, 1], [2, 2], [3, 0]]), torch.tensor([3, 2])).t().tolist()
        [[3, 2, 1], [2, 1, 0]]
    """
    times = torch.arange(x.shape[0], device=x.device)[:, None]
    rows = torch.where(times < lengths, lengths - 1 - times, times)
    return x[rows, torch.arange(x.shape[1], device=x.device)]
