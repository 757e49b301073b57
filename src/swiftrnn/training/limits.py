"""What settings may be: ranges, threads and memory, checked before time or memory are asked for."""

import dataclasses
import math
import os
from collections.abc import Callable, Mapping
from typing import Any

MANY = 2**31 - 1
COUNT, DEEP, SHARE = (1, MANY), (1, 1000), (0.0, 1.0)
RATE = (math.nextafter(0, 1), 1e9)
RANGES: dict[str, tuple[float, float]] = {  # of settings that mean the same in all our recipes
    **dict.fromkeys(("epochs", "batch_size", "steps", "updates", "time", "hidden"), COUNT),
    **dict.fromkeys(("train_size", "valid_size", "ngram_rows", "window", "word_size"), COUNT),
    **dict.fromkeys(("devices", "nodes", "processes"), (1, 10_000)),
    **dict.fromkeys(("depth", "char_depth", "ngrams", "char_ngrams", "beam"), DEEP),
    **dict.fromkeys(("width", "char_size", "warmup"), (0, MANY)),
    **dict.fromkeys(("dropout", "replaced", "least_coverage"), SHARE),
    **dict.fromkeys(("learning_rate", "rate", "clip", "seconds"), RATE),
    "seed": (0, 2**32 - 1),
}


def most_threads() -> int:
    """How many threads make sense here: torch ends with a fault at far more."""
    return max(16, 4 * (os.cpu_count() or 1))


def check(config: Any, who: str, own: Mapping[str, tuple[float, float]] | None = None) -> None:
    """Refuse settings that nothing can be trained with.

    Args:
        config: a dataclass.
        who: the command, for the message.
        own: ranges of fields that mean something else there.

    Raises:
        ValueError: names the first setting that is out of range, and the range.
    """
    ranges = RANGES | {"threads": (0, most_threads())} | dict(own or {})
    for each in dataclasses.fields(config):
        value, option = getattr(config, each.name), f"--{each.name.replace('_', '-')}"
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, float) and not math.isfinite(one):
                raise ValueError(f"{who} needs a finite {option}; got {one}; give a number")
        low, high = ranges.get(each.name, (-(2**63), 2**63 - 1))
        if isinstance(value, int | float) and not low <= value <= high:
            above = "above 0" if low == RATE[0] else f"from {low:g}"
            raise ValueError(
                f"{who} needs {option} {above} up to {high:,}; got {value}; give one in that range"
            )


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
