"""Whether autocast is on, and the dtype of products."""

import torch
from torch import Tensor


def under_autocast(x: Tensor) -> bool:
    """Whether autocast is on for the device of x; some, like meta, have none."""
    if x.is_cpu:
        return torch.is_autocast_enabled("cpu")
    kind = x.device.type
    # torch 2.11 cannot trace the first question, whose answer a device that is compiled for knows
    known = torch.compiler.is_compiling() or torch.amp.is_autocast_available(kind)
    return known and torch.is_autocast_enabled(kind)


def for_product(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """x and a weight in the dtype of a product: that of autocast where it is on."""
    if under_autocast(x):
        dtype = torch.get_autocast_dtype(x.device.type)
        return x.to(dtype), weight.to(dtype)
    return x, weight
