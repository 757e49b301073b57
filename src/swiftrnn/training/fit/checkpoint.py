"""Checkpoints of a training: written whole or not at all, the one before kept, read with care."""

import os
import pickle
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from swiftrnn.runs import folder

LAST, BEFORE = "last.ckpt", "before.ckpt"
# what torch.load says of a file that was cut short, changed, or holds more than plain data
DAMAGED = (OSError, EOFError, RuntimeError, ValueError, KeyError, IndexError, TypeError)
DAMAGED += (zipfile.BadZipFile, zlib.error, pickle.UnpicklingError, AttributeError)


class Checkpoints(TorchCheckpointIO):
    """How Lightning writes and reads checkpoints in a run folder.

    A new checkpoint is written beside the last, brought to the disk, and takes its place; the last
    becomes the one before. So whenever the machine stops, a whole one is there. They are loaded
    with `weights_only=True`: a checkpoint holds tensors and plain data, no program. Each part of
    the file has a checksum (CRC-32, as of any ZIP archive), which torch writes but does not read;
    here it is read.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write `path`, keeping the one before it.

        Raises:
            OSError: it could not be written; the checkpoints that were there are untouched.
        """
        del storage_options  # for remote storage, which run folders are not
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with folder.whole(path) as part:
                with part.open("wb") as file:
                    torch.save(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                if path.exists():  # only now, when the new one is safe
                    path.replace(path.with_name(BEFORE))
        except (OSError, RuntimeError) as error:  # torch's writer makes RuntimeError of a full disk
            why = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise OSError(
                f"a checkpoint needs room in {path.parent}; got: {why}; "
                "the checkpoints written before are whole"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read `path`, or with one line of warning the one before it where `path` is damaged.

        Raises:
            ValueError: neither is whole.
        """
        del weights_only  # never anything else
        path = Path(path)
        for each in (path, path.with_name(BEFORE)):
            try:
                checkpoint = _read(each, map_location)
                step = checkpoint["global_step"]
            except DAMAGED:
                continue
            if each != path:
                print(
                    f"warning: {path} was cut short or changed; going on from {each.name}, the "
                    f"checkpoint before it (update {step})",
                    file=sys.stderr,
                )
            return checkpoint
        raise ValueError(
            f"resume needs a whole checkpoint; got {path}, which was cut short or changed, and no "
            f"whole {BEFORE}; nothing was altered: remove both to start over"
        )

    def remove_checkpoint(self, path: str | Path) -> None:
        """Lightning's hook for its own clean-up; nothing here is its to remove."""


def _read(path: Path, map_location: Any) -> dict[str, Any]:
    with zipfile.ZipFile(path) as parts:
        if damaged := parts.testzip():
            raise zipfile.BadZipFile(f"{damaged} does not fit its checksum")
    return torch.load(path, map_location=map_location, weights_only=True)


def last(where: Path) -> Path | None:
    """The checkpoint to go on from, if there is any (whole or not)."""
    found = [where / LAST, where / BEFORE]
    return found[0] if any(path.exists() for path in found) else None
