"""Whether a worker lives: its place and start on this machine, signs of life on others."""

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def where() -> str:
    """This machine since its start, as far as processes see each other; "" if it cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        seen = os.readlink("/proc/self") == str(os.getpid())
        space = f"{os.readlink('/proc/self/ns/pid')} {os.getuid()}"
        return f"{platform.node()} {boot} {space}" if seen else ""
    except OSError:  # no Linux
        return ""


def started(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]  # a killed process stays as a zombie until waited for


class Watch:
    """Tells whether the owners of trials live; keeps what it heard of those on other machines.

    Args:
        grace: seconds without a sign of life until a worker on another machine counts as dead.
    """

    def __init__(self, grace: float) -> None:
        self.grace = grace
        self._heard: dict[int, tuple[Any, float]] = {}  # trial -> its sign of life, since when

    def dead(self, number: int, owner: Mapping[str, Any], beat: object) -> bool:
        """Whether the owner of a trial is dead; one on this machine that only sleeps is not.

        Args:
            number: of the trial.
            owner: what its worker wrote: `where`, `pid`, `started`.
            beat: its last sign of life; clocks are not compared, so it only has to change.
        """
        if owner.get("where") and owner["where"] == where():
            return started(owner["pid"]) != owner["started"]
        sign, now = (dict(owner), beat), time.monotonic()
        if self._heard.get(number, (None,))[0] != sign:
            self._heard[number] = sign, now
        return now - self._heard[number][1] > self.grace


@contextlib.contextmanager
def beating(
    sign: Callable[[int], object], end: Callable[[], object], every: float
) -> Iterator[None]:
    """Give signs of life from a thread, until the work inside is done.

    Args:
        sign: gives one, with its count; whatever it raises, the next may get through.
        end: called in that thread at the end.
        every: seconds between two.
    """
    stop = threading.Event()

    def beat() -> None:
        count = 0
        while not stop.wait(every):
            with contextlib.suppress(Exception):
                sign(count)
            count += 1
        end()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
