"""The random state of a process: Python's, NumPy's and torch's, as plain data."""

import random
from typing import Any

import numpy as np
import torch
import torch.distributed as dist


def get() -> dict[str, Any]:
    """All generators' states, in types that `torch.load(weights_only=True)` admits.

    Examples:
        >>> state = get()
        >>> first = torch.rand(3)
        >>> put(state)
        >>> bool((torch.rand(3) == first).all())
        True
    """
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 (it is this one)
    return {
        "python": (version, torch.tensor(words), gauss),
        "numpy": (
            kind,
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            cached,
        ),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def put(state: dict[str, Any]) -> None:
    """Set all generators to what `get` gave."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"].cpu())
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda"]])


def same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether nothing was drawn between two states."""
    pairs = zip(_flat(first), _flat(second), strict=False)
    return all(a.equal(b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [each for part in value for each in _flat(part)]
    return [value]


def process() -> int:
    """The number of this process among those that train together; 0 where it is alone."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def of_all_processes(state: Any) -> list[Any]:
    """What each process gave, by its number; all of them must call this."""
    if not (dist.is_available() and dist.is_initialized()):
        return [state]
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, state)
    return states
