"""Where batches come from: what `fit` takes, and the state that decides which batches come next."""

import random
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor
from torch.utils.data import DataLoader

DEEP, LONG = 8, 100  # how far to look for generators: objects in objects, and items of one list
HEAD = 2048  # of a batch, what is looked at to tell it from others
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
PLAIN = (bool, int, float, str, type(None))
FOREIGN = sys.stdlib_module_names | {"numpy", "torch", "pandas", "pyarrow", "PIL"}
OPEN = ("torch.utils.data", "torchdata")  # of those the parts to look into


class Batches:
    """A list of batches as one thing, which Lightning would take for several loaders."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = list(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


def usable(batches: Any) -> Any:
    """What Lightning takes as it is.

    Raises:
        TypeError: it is no iterable, a dict, or a list of loaders.
        ValueError: it is empty.
    """
    if isinstance(batches, Mapping) or not isinstance(batches, Iterable):
        raise TypeError(
            f"fit needs an iterable of batches; got {type(batches).__name__}; give a DataLoader, "
            "a list of batches, or CombinedLoader(loaders, 'max_size_cycle')"
        )
    if not isinstance(batches, list | tuple | deque):
        return batches
    if any(isinstance(each, DataLoader | CombinedLoader) for each in batches):
        raise TypeError(
            f"fit needs an iterable of batches; got a {type(batches).__name__} of DataLoaders; "
            "say how they combine, as by CombinedLoader(loaders, 'max_size_cycle')"
        )
    if not batches:
        raise ValueError("fit needs batches; got none; give at least one")
    return Batches(batches)


def state(batches: Any) -> dict[str, Any]:
    """The generators and counters that lie in a loader, its samplers and its dataset, by place.

    They are plain data, in types that `torch.load(weights_only=True)` admits.
    """
    return {place: _saved(value) for place, _, value in _parts(batches)}


def restore(
    batches: Any, saved: Mapping[str, Any], began: Mapping[str, Any], fresh: Mapping[str, Any]
) -> None:
    """Set generators and counters to what `state` gave.

    Args:
        batches: the loader.
        saved: the state to set.
        began: its state when training began.
        fresh: its state when this process began. A number that stayed the same in both is a
            setting, which is left as it is now.
    """
    for place, owner, value in list(_parts(batches)):
        if place not in saved:
            continue
        if not isinstance(value, PLAIN):
            _restored(value, saved[place])
        elif saved[place] != began.get(place) or value != fresh.get(place):
            owner.__dict__[place.rpartition(".")[2]] = saved[place]


def _parts(thing: Any) -> Iterator[tuple[str, Any, Any]]:
    """Place, owner and value of each generator, and of each number of an object."""
    seen, todo = set(), [("", None, thing, 0)]
    while todo:
        place, owner, value, depth = todo.pop()
        if isinstance(value, PLAIN):
            if owner is not None and not place.rpartition(".")[2].startswith("__"):
                yield place, owner, value
            continue
        if id(value) in seen or depth > DEEP:
            continue
        seen.add(id(value))
        if isinstance(value, GENERATORS):
            yield place, owner, value
        elif isinstance(value, list | tuple | deque | dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            if len(value) <= LONG:
                todo += [
                    (f"{place}.{k}", None, v, depth + 1)
                    for k, v in items
                    if not isinstance(v, PLAIN)
                ]
        elif _open(value):
            todo += [
                (f"{place}.{k}", value, v, depth + 1)
                for k, v in vars(value).items()
                if k != "_iterator"  # of a DataLoader whose workers live on
            ]


def _open(value: Any) -> bool:
    """Whether to look into an object: it is the user's own, or part of a loader."""
    module = type(value).__module__
    known = module.split(".")[0] in FOREIGN and not module.startswith(OPEN)
    return hasattr(value, "__dict__") and not isinstance(value, type | Tensor) and not known


def _saved(value: Any) -> Any:
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.random.Generator):
        return _plain(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return _plain(value.get_state(legacy=False))
    return value


def _restored(value: Any, saved: Any) -> None:
    if isinstance(value, random.Random):
        value.setstate(saved)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = _arrays(saved)
    else:
        value.set_state(saved if isinstance(value, torch.Generator) else _arrays(saved))


def _plain(state: Any) -> Any:
    """NumPy's states without arrays: each becomes its type and its numbers."""
    if isinstance(state, dict):
        return {key: _plain(each) for key, each in state.items()}
    return [str(state.dtype), state.tolist()] if isinstance(state, np.ndarray) else state


def _arrays(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _arrays(each) for key, each in state.items()}
    return np.array(state[1], state[0]) if isinstance(state, list) else state


def checked(loaders: Any) -> None:
    """Begin to iterate, as Lightning does once to see whether it can: that may count or draw."""
    for each in loaders.flattened:
        if not isinstance(each, DataLoader):
            iter(each)


def watch(fetcher: Any) -> None:
    """Let Lightning's fetcher keep, as `latest`, the fingerprint of what it fetched last."""

    class Watched(type(fetcher)):
        latest = 0

        def __next__(self) -> Any:
            item = super().__next__()
            ahead = getattr(self, "batches", [])  # fetched in advance: no length, no last batch
            self.latest = fingerprint([each[0] for each in (item, *ahead)])
            return item

    fetcher.__class__ = Watched


def fingerprint(batch: Any) -> int:
    """A number by which batches are told apart, from the first few thousand numbers of each part.

    Examples:
        >>> fingerprint([torch.ones(3), "a"]) == fingerprint([torch.ones(3), "a"])
        True
        >>> fingerprint([torch.ones(3), "a"]) == fingerprint([torch.zeros(3), "a"])
        False
    """
    return _mixed(batch, 0)


def _mixed(part: Any, so_far: int) -> int:
    if isinstance(part, Tensor):
        if part.device.type != "cpu" or part.layout != torch.strided:  # to wait for it takes long
            return zlib.crc32(repr(part.shape).encode(), so_far)
        part = part.detach().reshape(-1)[:HEAD].contiguous().view(torch.uint8).numpy()
    if isinstance(part, np.ndarray):
        return zlib.crc32(part.reshape(-1)[:HEAD].tobytes(), so_far)
    if isinstance(part, str | bytes | bool | int | float):
        return zlib.crc32(repr(part).encode("utf-8", "replace"), so_far)
    if isinstance(part, Mapping):
        part = list(part.values())
    if isinstance(part, list | tuple):
        for each in part[:HEAD]:
            so_far = _mixed(each, so_far)
    return so_far
