"""Processes that this one starts: they run no file that lies here, and end with their parent.

Whatever way a parent ends, also by SIGKILL, the system closes its end of a pipe. A child that reads
the other end learns of it at once, on every system; it is then told to save what it has.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

GRACE = 30.0  # seconds a child gets to save what it has
POLL = 0.5  # seconds between two looks for a parent that holds no pipe
LAUNCHER = "SWIFTRNN_LAUNCHER"  # the process that starts others by Lightning
SAFE = "PYTHONSAFEPATH"  # the same as -P, for all children of a process


class Stopped(KeyboardInterrupt):
    """The process was told to stop.

    Args:
        message: how to go on.
        number: the signal that told it.
    """

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = int(number)


def again(stop: KeyboardInterrupt, message: str) -> Stopped:
    """The same stop, with what its user should know."""
    return Stopped(message, getattr(stop, "number", signal.SIGINT))


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise `Stopped`, so that children are told before this process ends.

    What the process ignores, as under nohup, stays ignored; a thread cannot hear signals.
    """
    wanted = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    main = threading.current_thread() is threading.main_thread()
    heard = [each for each in wanted if main and signal.getsignal(each) is signal.SIG_DFL]

    def stop(number: int, _: Any) -> None:
        raise Stopped(number=number)

    for each in heard:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in heard:
            signal.signal(each, signal.SIG_DFL)


def python(*words: str) -> list[str]:
    """A command of this Python that looks for modules where they are installed, not in this folder.

    Python itself looks into the working folder first, so that a file there named as a module of the
    standard library would run. PYTHONPATH counts as before.
    """
    return [sys.executable, "-P", *words]


def end_with_parent(wait: Callable[[], object], grace: float = GRACE) -> None:
    """Tell this process to end, by SIGTERM, when its parent has ended; then make it.

    Args:
        wait: returns when the parent has ended: `closed`, `multiprocessing.parent_process().join`.
        grace: seconds between telling and making.
    """

    def watch() -> None:
        wait()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def closed(descriptor: int) -> Callable[[], None]:
    """Waits until the other end of a pipe, which only the parent holds, is closed."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1):
                pass

    return wait


def end_with_starter() -> None:
    """In a process that `multiprocessing` started: end with the one that started it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with_parent(parent.join)


def launched_here() -> None:
    """Let processes that Lightning starts end with the one that started them.

    It starts the same command once more for each device, without a pipe, so they look.
    """
    first = os.environ.get(LAUNCHER)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        os.environ[LAUNCHER] = str(os.getpid())
    elif first == str(os.getppid()):  # torchrun ends those that it starts by itself

        def wait() -> None:
            while str(os.getppid()) == first:
                time.sleep(POLL)

        end_with_parent(wait)
