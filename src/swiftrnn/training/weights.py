"""The weights of a model as a safetensors file: written whole or not at all, read with care."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from swiftrnn.training import folder

Model = TypeVar("Model", bound=nn.Module)


def save(model: nn.Module, path: Path) -> None:
    """Write the weights.

    Raises:
        OSError: they cannot be written; what was there before is untouched.
    """
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    try:
        with folder.whole(path) as part:
            part.touch()
            mode = part.stat().st_mode  # safetensors would let nobody else read it
            save_file(weights, part)
            part.chmod(mode)
    except (OSError, SafetensorError) as error:  # safetensors has a type of its own for full disks
        raise OSError(
            f"a model needs room in {path.parent}; got: {str(error).splitlines()[0]}; "
            f"{path.name} was not written"
        ) from error


def built(build: Callable[[], Model], path: Path) -> Model:
    """A model with the weights of a file, ready for use.

    It is built without memory first, and compared: so a file or settings that were changed cost
    nothing.

    Args:
        build: makes the model.
        path: its weights.

    Raises:
        ValueError: no such model can be built, or as `load`.
    """
    try:
        with torch.device("meta"):
            empty = build()
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(
            f"config.json needs settings that can be trained; got: {str(error).splitlines()[0]}, "
            f"in {path.parent}; it was changed, so train again"
        ) from error
    _compare(empty, _shapes(path), path)
    model = build()
    load(model, path)
    return model.eval()


def load(model: nn.Module, path: Path) -> None:
    """Read weights into a model; nothing in the file can run.

    Raises:
        ValueError: the file is missing, was cut short, or belongs to another model; the model is
            as it was.
    """
    _compare(model, _shapes(path), path)
    model.load_state_dict(load_file(path))


def _shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of what is in a file."""
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()
            return {name: file.get_slice(name).get_shape() for name in names}
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"a run folder needs a whole {path.name}; got {path} ({str(error).splitlines()[0]}); "
            "train again"
        ) from error


def _compare(model: nn.Module, given: dict[str, list[int]], path: Path) -> None:
    wanted = {name: list(value.shape) for name, value in model.state_dict().items()}
    wrong = [n for n in wanted.keys() | given if given.get(n) != wanted.get(n)]
    if wrong:
        first = min(wrong)
        raise ValueError(
            f"{path.name} needs the weights that its config.json describes; got {path}, where "
            f"{len(wrong)} differ ({first} among them); train again"
        )
