"""The weights of a model as a safetensors file: written whole or not at all, read with care."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from swiftrnn.runs import folder

Model = TypeVar("Model", bound=nn.Module)
ABOUT = "swiftrnn"  # in the file's metadata, alone: of several, safetensors shuffles the order
KINDS = {  # as safetensors names them
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64",
}  # fmt: skip


def save(model: nn.Module, path: Path) -> None:
    """Write the weights, with a checksum; of those that are tied only one.

    Raises:
        TypeError: there is something else among them, which safetensors has no form for.
        OSError: they cannot be written; what was there before is untouched.
    """
    weights, tied = _untied(model.state_dict())
    about = {"sha256": _checksum(weights, tied), "tied": tied}
    try:
        with folder.whole(path) as part:
            part.touch()
            mode = part.stat().st_mode  # safetensors would let nobody else read it
            save_file(weights, part, {ABOUT: json.dumps(about)})
            part.chmod(mode)
    except (OSError, SafetensorError) as error:  # safetensors has a type of its own for full disks
        raise OSError(
            f"a model needs room in {path.parent}; got: {str(error).splitlines()[0]}; "
            f"{path.name} was not written"
        ) from error


def _untied(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Each weight once, without shared memory; and for the others which one they are."""
    weights, tied, first, memories = {}, {}, {}, defaultdict(list)
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"weights.save needs tensors only; got {name}, {type(value).__name__}; "
                "write it to a file of its own"
            )
        place = (value.device, value.data_ptr(), value.dtype, value.shape, value.stride())
        if value.numel() and first.setdefault(place, name) != name:
            tied[name] = first[place]
        else:
            weights[name] = value.contiguous()
            memories[weights[name].untyped_storage().data_ptr()].append(name)
    for names in memories.values():  # parts of one tensor: safetensors takes whole ones only
        if len(names) > 1:
            weights |= {name: weights[name].clone() for name in names}
    return weights, tied


def _checksum(weights: Mapping[str, Tensor], tied: Mapping[str, str]) -> str:
    found = hashlib.sha256(repr(sorted(tied.items())).encode())
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        found.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy())  # pyright: ignore[reportArgumentType]
    return found.hexdigest()


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
    _compare(empty, _forms(path), path)
    model = build()
    load(model, path)
    return model.eval()


def load(model: nn.Module, path: Path) -> None:
    """Read weights into a model; nothing in the file can run.

    A file of an older version has no checksum, and is read without.

    Raises:
        ValueError: the file is missing, was cut short or changed, or belongs to another model; the
            model is as it was.
    """
    _compare(model, _forms(path), path)
    with safe_open(path, "pt") as file:
        names, (checksum, tied) = file.keys(), _about(file.metadata(), path)
        weights = {name: file.get_tensor(name) for name in names}
    if checksum is not None and checksum != _checksum(weights, tied):
        _damaged(path, "it does not fit its checksum")
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if (value := weights[tied.get(name, name)]).isnan().any():
            _damaged(path, f"{name} is not a number in places")
        first = next(n for n, p in model.named_parameters() if p is parameter)
        if first != name and not torch.equal(value, weights[tied.get(first, first)]):
            _damaged(path, f"{name} and {first} are one weight of this model, and differ there")
    model.load_state_dict({**weights, **{name: weights[first] for name, first in tied.items()}})


def _about(metadata: Mapping[str, str] | None, path: Path) -> tuple[str | None, dict[str, str]]:
    """The checksum, if there is one, and which weights are others'."""
    try:
        about = json.loads((metadata or {}).get(ABOUT, '{"sha256": null, "tied": {}}'))
        return about["sha256"], dict(about["tied"])
    except (ValueError, KeyError, TypeError, RecursionError):
        _damaged(path, "its metadata cannot be read")


def shapes(path: Path) -> dict[str, list[int]]:
    """The shapes of what is in a file, by name.

    Raises:
        ValueError: the file is missing, or was cut short or changed.
    """
    return {name: shape for name, (shape, _) in _forms(path).items()}


def _forms(path: Path) -> dict[str, tuple[list[int], str]]:
    """Shape and type of what is in a file."""
    try:
        with safe_open(path, "pt") as file:
            names, (_, tied) = file.keys(), _about(file.metadata(), path)
            slices = {name: file.get_slice(name) for name in names}
            found = {name: (each.get_shape(), each.get_dtype()) for name, each in slices.items()}
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"a run folder needs a whole {path.name}; got {path} ({str(error).splitlines()[0]}); "
            "train again"
        ) from error
    return found | {name: found[first] for name, first in tied.items() if first in found}


def _damaged(path: Path, found: str) -> NoReturn:
    raise ValueError(
        f"{path.name} needs the weights that were trained; got {path} ({found}); "
        "it was damaged or changed, so train again"
    )


def _compare(model: nn.Module, given: dict[str, tuple[list[int], str]], path: Path) -> None:
    wanted = {n: (list(v.shape), KINDS.get(v.dtype)) for n, v in model.state_dict().items()}
    wrong = [n for n in wanted.keys() | given if given.get(n) != wanted.get(n)]
    if wrong:
        first = min(wrong)
        raise ValueError(
            f"{path.name} needs the weights that its config.json describes; got {path}, where "
            f"{len(wrong)} differ ({first} among them); train again"
        )
