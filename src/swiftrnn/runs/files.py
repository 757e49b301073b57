"""Files of a run folder: written whole or not at all, with a checksum; read with care."""

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

PART = ".part"  # after the number of the process that writes such a file
CHECKSUM = "checksum"  # the last key of a JSON object that was written here


def leads() -> bool:
    """Whether this process writes: the only one, or the first of those that train together.

    torchrun and Slurm give each process its number before it starts, Lightning those that it starts
    itself.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))


def read_json(path: Path, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read one JSON object.

    Args:
        path: the file; if it holds a checksum, as `write_json` leaves it, that must fit.
        needs: keys it must have.

    Returns:
        The object, without the checksum.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a JSON object of finite numbers and different keys, lacks a key, or
            does not fit its checksum.
    """
    try:
        read = json.loads(
            path.read_text(encoding="utf-8"),
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_once_each,
        )
    except FileNotFoundError:
        raise FileNotFoundError(
            f"a run folder needs {path.name}; got none in {path.parent}; "
            "give the folder of a run, such as runs/compare-<time>"
        ) from None
    except RecursionError:
        _damaged(path, "it is nested too deep")
    except (OSError, ValueError) as error:  # ValueError: not JSON, or not UTF-8
        _damaged(path, why(error), error)
    if not isinstance(read, dict):
        _damaged(path, f"it holds no object but {type(read).__name__}")
    checksum = read.pop(CHECKSUM, None)
    if checksum is not None and checksum != _checksum(read):
        raise ValueError(
            f"{path.name} needs to be as it was written; got {path}, which does not fit its "
            f'checksum; train again, or if the change is yours, take the line "{CHECKSUM}" out'
        )
    if missing := [key for key in needs if key not in read]:
        _damaged(path, f"it has no {', '.join(missing)}")
    return read


def _damaged(path: Path, found: str, error: Exception | None = None) -> NoReturn:
    raise ValueError(
        f"a run folder needs a readable {path.name}; got {path} ({found}); "
        "it was cut short or changed, so train again"
    ) from error


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is no finite number")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def number(path: Path, key: str) -> float:
    """Read one number out of a JSON object.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as `read_json`, or it is no number.
    """
    value = read_json(path, (key,))[key]
    if not isinstance(value, int | float) or isinstance(value, bool):
        _damaged(path, f"its {key} is no number")
    return value


def write_json(path: Path, content: Any, checked: bool = True) -> None:
    """Write JSON for people and programs, whole or not at all; a Path becomes its text.

    Args:
        path: the file.
        content: of it; numbers are finite.
        checked: whether an object gets one more key, its checksum.

    Raises:
        ValueError: a number is not finite.
        OSError: it cannot be written; what was there before is untouched.
    """
    text = json.dumps(content, indent=2, default=str, allow_nan=False)
    if checked and isinstance(content, dict):
        plain = json.loads(text)
        text = json.dumps({**plain, CHECKSUM: _checksum(plain)}, indent=2)
    write_text(path, text + "\n")


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all.

    Raises:
        OSError: it cannot be written; what was there before is untouched.
    """
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a file to write that becomes `path` at the end, and vanishes if anything fails.

    In a process that does not lead it lies elsewhere and vanishes: the first one writes the same.
    What a killed process leaves of it is removed when its run folder is held again.
    """
    if not leads():
        with tempfile.TemporaryDirectory() as elsewhere:
            yield Path(elsewhere) / path.name
        return
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def why(error: Exception) -> str:
    """What was wrong, in the first line of an error."""
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
