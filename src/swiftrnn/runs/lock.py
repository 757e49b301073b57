"""Locks: one process at a time trains in a run folder; a lock ends with its process."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from swiftrnn.runs.files import PART, leads

LOCK = ".lock"  # in a run folder; what a killed process leaves of it locks nothing
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # what file systems without locks say
_held: dict[Path, int] = {}  # how often this process, or the one that it was forked from, holds it


@contextlib.contextmanager
def held(out: Path, make: bool = False) -> Iterator[None]:
    """Hold a run folder, so that no other process trains in it meanwhile.

    The operating system lets go when the process ends, however it ends, so nothing has to be
    cleaned up after a kill. A process may hold a folder several times over. One that is forked
    meanwhile holds it as well, until both have ended; one that is started by `subprocess` or
    `spawn` does not. Of several processes that train together the first holds it for all.
    Where the file system has no locks, nothing is held. Files that a killed process had begun to
    write there are removed.

    Args:
        out: the run folder; the lock is its file `.lock`, removed at the end.
        make: whether to make the folder where there is none.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be written to.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out, held(Path(out)):
        ...     [path.name for path in Path(out).iterdir()]
        ['.lock']
    """
    if make:
        out.mkdir(parents=True, exist_ok=True)
    if not leads():
        yield
        return
    key = out.resolve()
    if key in _held:
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    with alone(
        key / LOCK,
        lambda who: (
            f"a run folder is for one process at a time; got {out}, where {who} trains; "
            "wait until it ends, or choose another --out"
        ),
    ):
        _held[key] = 1
        try:
            _sweep(key)
            yield
        finally:
            del _held[key]


@contextlib.contextmanager
def alone(path: Path, refusal: Callable[[str], str]) -> Iterator[None]:
    """Hold a lock file, which is removed at the end, so that no other process holds it meanwhile.

    Args:
        path: the file.
        refusal: from who holds it, as "process 17", to what another one that wants it is told.

    Raises:
        BlockingIOError: another process holds it.
        OSError: its folder cannot be written to.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out, alone(Path(out) / "x", str):
        ...     [path.name for path in Path(out).iterdir()]
        ['x']
    """
    file = _locked(path, refusal)
    try:
        yield
    finally:
        if sys.platform != "win32":  # while it is locked: who waits for it looks again
            path.unlink(missing_ok=True)
        os.close(file)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _sweep(out: Path) -> None:
    """Remove what killed processes left of files that they were writing; see `files.whole`."""
    for part in out.rglob(f".*{PART}"):
        writer = part.name.removesuffix(PART).rpartition(".")[2]
        if writer.isdigit() and not _lives(int(writer)):
            part.unlink(missing_ok=True)


def _lives(number: int) -> bool:
    """Whether there is such a process, as far as this system can tell."""
    if sys.platform == "win32":  # no signal 0; what is open cannot be removed there
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def _locked(path: Path, refusal: Callable[[str], str]) -> int:
    """The open file of a lock that this process got."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(file)
            if os.path.samestat(os.fstat(file), os.stat(path)):
                os.ftruncate(file, 0)
                os.write(file, str(os.getpid()).encode())
                return file
        except FileNotFoundError:  # the one before removed it just now
            pass
        except OSError as error:
            if error.errno in NO_LOCKS:
                return file
            who = _owner(file)
            os.close(file)
            raise BlockingIOError(refusal(who)) from error
        os.close(file)


def _owner(file: int) -> str:
    try:
        number = int(os.pread(file, 20, 0))
    except (OSError, ValueError, AttributeError):  # not written yet; Windows lets nobody read it
        return "another process"
    return f"process {number}"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, 1 << 30, os.SEEK_SET)  # beyond what is written, so that others can read it
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        os.lseek(file, 0, os.SEEK_SET)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
