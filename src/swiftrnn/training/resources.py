"""Whether threads and memory are there, before they are asked for."""

import math
import os
from collections.abc import Callable
from typing import Any


def most_threads() -> int:
    """How many threads make sense here: torch ends with a fault at far more."""
    return max(16, 4 * (os.cpu_count() or 1))


def use_threads(count: int) -> None:
    """Let torch use so many threads; 0 leaves its setting alone.

    Raises:
        ValueError: that many make no sense here.
    """
    if not 0 <= count <= most_threads():
        raise ValueError(
            f"training needs --threads from 0 up to {most_threads()} on this machine; got {count}; "
            "0 leaves the number to torch"
        )
    if count:
        import torch

        torch.set_num_threads(count)


def check_memory(build: Callable[[], Any]) -> None:
    """Refuse a model whose training needs more memory than the machine has.

    Args:
        build: makes the model, here without memory.

    Raises:
        ValueError: it is too large, or cannot be built.
    """
    import torch

    try:
        with torch.device("meta"):
            model = build()
        needed = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            f"training needs sizes that fit in memory; got: {str(error).splitlines()[0]}; "
            "choose smaller ones"
        ) from error
    if needed > (there := _memory()):
        raise ValueError(
            f"training needs memory for its weights, gradients and two moments; got a model that "
            f"takes {needed / 2**30:,.1f} GiB where this machine has {there / 2**30:,.1f}; choose "
            "smaller sizes"
        )


def _memory() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no POSIX
        return math.inf
