"""The lock of a run folder: one process at a time trains in it; a lock ends with its process."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

LOCK = ".lock"  # in a run folder; what a killed process leaves of it locks nothing
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)  # what file systems without locks say
_held: dict[Path, int] = {}  # how often this process, or the one that it was forked from, holds it


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a run folder, so that no other process trains in it meanwhile.

    The operating system lets go when the process ends, however it ends, so nothing has to be
    cleaned up after a kill. A process may hold a folder several times over. One that is forked
    meanwhile holds it as well, until both have ended; one that is started by `subprocess` or
    `spawn` does not. Of several processes that train together only the first needs to hold it.
    Where the file system has no locks, nothing is held.

    Args:
        out: the run folder, which is there; the lock is its file `.lock`, removed at the end.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as out, held(Path(out)):
        ...     [path.name for path in Path(out).iterdir()]
        ['.lock']
    """
    key = out.resolve()
    if key in _held:
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    file = _locked(key / LOCK, out)
    _held[key] = 1
    try:
        yield
    finally:
        del _held[key]
        if sys.platform != "win32":  # while it is locked: who waits for it looks again
            (key / LOCK).unlink(missing_ok=True)
        os.close(file)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                (key / LOCK).unlink(missing_ok=True)


def _locked(path: Path, out: Path) -> int:
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
            raise BlockingIOError(
                f"a run folder is for one process at a time; got {out}, where {who} trains; "
                "wait until it ends, or choose another --out"
            ) from error
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
