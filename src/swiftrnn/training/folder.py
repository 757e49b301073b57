"""Run folders: made once, read with care, every file in them written whole or not at all."""

import contextlib
import dataclasses
import itertools
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftrnn.extras import needs_extra as needs_extra
from swiftrnn.training.lock import LOCK
from swiftrnn.training.lock import held as held

SETTINGS = ("config.json", "vocabulary.json")  # what a run writes before it begins
RUNS = Path("runs")  # where runs go unless told otherwise
PATIENCE = 300  # seconds, with the first of several processes
TOGETHER = "SWIFTRNN_RUN"  # tells the processes that the first one starts which folder it made


def leads() -> bool:
    """Whether this process writes: the only one, or the first of those that train together.

    torchrun and Slurm give each process its number before it starts, Lightning those that it starts
    itself.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "LOCAL_RANK"))


@contextlib.contextmanager
def new(out: Path | None, kind: str, resumes: bool = True) -> Iterator[Path]:
    """Make a new run folder and hold it; where the run fails before it began, leave nothing.

    A run began once there is anything beside the settings and the vocabulary. What was interrupted
    by the user stays, so that it can go on.

    Args:
        out: as in `create`.
        kind: as there.
        resumes: as there.

    Yields:
        The folder.

    Raises:
        ValueError, TimeoutError, OSError: as `create` and `held`.
    """
    if not leads():
        yield create(out, kind, resumes)
        return
    wanted = out or RUNS / kind
    there = {each for each in (wanted, *wanted.parents) if each.exists()}
    out = create(out, kind, resumes)
    try:
        with held(out):
            _emptied(out, resumes)  # again: now nobody else writes to it
            try:
                yield out
            except Exception:
                _discard(out)
                raise
    except Exception:
        for each in (out, *out.parents):
            if each not in there:
                with contextlib.suppress(OSError):  # it holds something
                    each.rmdir()
        raise


def _discard(out: Path) -> None:
    """Remove what a run writes before it begins, unless it began."""
    files = [each for each in out.rglob("*") if not each.is_dir() and each.name != LOCK]
    if all(each.name in SETTINGS for each in files):
        for each in files:
            each.unlink()
        for each in sorted(out.rglob("*"), reverse=True):
            if each.is_dir():
                each.rmdir()


def create(out: Path | None, kind: str, resumes: bool = True) -> Path:
    """Make a new, empty run folder.

    Args:
        out: the folder; it may exist if it is empty. None takes `runs/<kind>-<time>`.
        kind: what runs: "compare" or the name of a recipe.
        resumes: whether the command has a --resume to name.

    Returns:
        The folder; in a process that does not lead, that of the first one, as it is.

    Raises:
        ValueError: there is something in the folder already; it is left as it is. Or several
            processes were started that cannot know which folder the first one makes.
        TimeoutError: the first of several processes did not make it.
        OSError: the folder cannot be made or written to.
    """
    if not leads():
        out = out or Path(os.environ.get(TOGETHER, ""))
        if out == Path():
            raise ValueError("processes that were started together need one --out; got none")
        return _made_by_the_first(out)
    try:
        out = _fresh(kind) if out is None else _emptied(out, resumes)
        with tempfile.TemporaryFile(dir=out):  # writable? the answer must come before the training
            pass
    except OSError as error:
        raise OSError(
            f"a run needs a folder that can be written to; got {out or RUNS} ({_why(error)}); "
            "choose another --out"
        ) from error
    os.environ[TOGETHER] = str(out.absolute())
    return out


def _fresh(kind: str) -> Path:
    """A folder that no other process takes, however many start in one second."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    RUNS.mkdir(parents=True, exist_ok=True)
    for count in itertools.count(1):
        out = RUNS / (f"{kind}-{stamp}" + f"-{count}" * (count > 1))
        with contextlib.suppress(FileExistsError):
            out.mkdir()
            return out
    raise AssertionError


def _emptied(out: Path, resumes: bool) -> Path:
    """The folder that was asked for; one whose process was killed at once counts as empty."""
    if out.exists() and (not out.is_dir() or any(each.name != LOCK for each in out.iterdir())):
        raise ValueError(
            f"a new run needs an empty folder; got {out}, which holds something; "
            f"choose another --out{', or go on with it by --resume' if resumes else ''}"
        )
    out.mkdir(parents=True, exist_ok=True)
    return out


def _made_by_the_first(out: Path) -> Path:
    for _ in range(PATIENCE * 10):
        if (out / "config.json").exists():
            return out
        time.sleep(0.1)
    raise TimeoutError(
        f"processes that train together need the first to begin; got nothing in {out} after "
        f"{PATIENCE} s; do all of them see the same disk?"
    )


def newest(kind: str) -> Path:
    """The newest `runs/<kind>-*`, for `--resume` without a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(RUNS.glob(f"{kind}-*/config.json"), key=lambda path: path.parent.name)
    if not found:
        raise FileNotFoundError(
            f"--resume needs a run to go on with; got no {RUNS / kind}-* here; "
            "name its folder with --out"
        )
    return found[-1].parent


def read_json(path: Path, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read one JSON object.

    Args:
        path: the file.
        needs: keys it must have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a JSON object, or lacks a key.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"a run folder needs {path.name}; got none in {path.parent}; "
            "give the folder of a run, such as runs/compare-<time>"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: not JSON, or not UTF-8
        raise ValueError(
            f"a run folder needs a readable {path.name}; got {path} ({_why(error)}); "
            "it was cut short or changed, so train again"
        ) from error
    missing = [k for k in needs if k not in read] if isinstance(read, dict) else list(needs)
    if missing or not isinstance(read, dict):
        what = f"no {', '.join(missing)}" if isinstance(read, dict) else type(read).__name__
        raise ValueError(
            f"{path.name} needs {', '.join(needs) or 'one JSON object'}; got {what} in {path}; "
            "it was cut short or changed, so train again"
        )
    return read


def restore(given: Any, saved: dict[str, Any], who: str) -> Any:
    """The settings of an interrupted run, so that it goes on as it began.

    Args:
        given: a frozen dataclass, as typed now; what was not typed is at its default.
        saved: the same as JSON.
        who: the command, for the message.

    Returns:
        `given` with every saved field.

    Raises:
        ValueError: a field was typed and differs from what was saved, or `saved` does not fit.
    """
    values = {}
    for each in dataclasses.fields(given):
        typed = getattr(given, each.name)
        if each.name not in saved:
            raise ValueError(
                f"{who} needs the setting {each.name}; got none in config.json; "
                "the run was made by another version, so start anew"
            )
        value: Any = saved[each.name]
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, str) and "Path" in str(each.type):
            value = Path(value)
        if typed not in (value, each.default):
            raise ValueError(
                f"{who} goes on with --{each.name.replace('_', '-')} {_words(value)}; "
                f"got {_words(typed)}; leave it out, or start anew"
            )
        values[each.name] = value
    return dataclasses.replace(given, **values)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs, whole or not at all; a Path becomes its text."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


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
    """
    if not leads():
        with tempfile.TemporaryDirectory() as elsewhere:
            yield Path(elsewhere) / path.name
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]
