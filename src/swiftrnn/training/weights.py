"""The weights of a model as a safetensors file: written whole or not at all, read with care."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from swiftrnn.training import folder


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


def load(model: nn.Module, path: Path) -> None:
    """Read weights into a model; nothing in the file can run.

    Raises:
        ValueError: the file is missing, was cut short, or belongs to another model; the model is
            as it was.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"a run folder needs a whole {path.name}; got {path} ({str(error).splitlines()[0]}); "
            "train again"
        ) from error
    wanted = {name: value.shape for name, value in model.state_dict().items()}
    wrong = [
        n
        for n in wanted.keys() | weights
        if n not in weights or n not in wanted or weights[n].shape != wanted[n]
    ]
    if wrong:
        first = min(wrong)
        raise ValueError(
            f"{path.name} needs the weights that its config.json describes; got {path}, where "
            f"{len(wrong)} differ ({first} among them); train again"
        )
    model.load_state_dict(weights)
