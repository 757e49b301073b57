"""One line that says what runs, how far it is, and how long it will still take."""

import sys
import time
from typing import TextIO

EVERY = 0.2  # seconds between two drawings: smooth enough to look at, too rare to cost anything
WIDTH = 24


class Progress:
    """A bar on a terminal; elsewhere (a file, a pipe) one plain line for each tenth.

    Args:
        name: what runs.
        stream: where to draw, standard error by default.
        shown: False draws nothing.
    """

    def __init__(self, name: str, stream: TextIO | None = None, shown: bool = True) -> None:
        self.name, self.shown = name, shown
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._next, self._tenth, self._width = 0.0, 0, 0

    def due(self, done: float) -> bool:
        """Whether it is time to draw; ask before fetching the loss, which may wait for a GPU."""
        if not self.shown:
            return False
        if self.live:
            return time.monotonic() >= self._next or done >= 1
        return int(done * 10) > self._tenth

    def draw(self, done: float, left: float | None, facts: str) -> None:
        """Draw.

        Args:
            done: the part of the work that is done, 0 to 1.
            left: seconds left, if known.
            facts: what else to show, such as the loss.
        """
        if not self.shown:
            return
        self._next, self._tenth = time.monotonic() + EVERY, int(done * 10)
        left_text = "" if left is None else f"  {clock(left)} left"
        if not self.live:
            self._write(f"{self.name}  {done:4.0%}  {facts}{left_text}\n")
            return
        full = int(done * WIDTH)
        bar = "━" * full + "─" * (WIDTH - full)
        if not (self.stream.encoding or "").lower().startswith("utf"):
            bar = "#" * full + "-" * (WIDTH - full)
        line = f"{self.name:<8} {bar} {done:4.0%}  {facts}{left_text}"
        self._write("\r" + line.ljust(self._width))
        self._width = len(line)

    def close(self) -> None:
        """End the line, so that what follows starts on its own."""
        if self.shown and self.live and self._width:
            self._write("\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # the terminal was closed: what runs goes on, or saves what it has
            self.shown = False


def clock(seconds: float) -> str:
    """Seconds as people read them.

    Examples:
        >>> clock(7), clock(125), clock(3 * 3600 + 60)
        ('0:07', '2:05', '3:01:00')
    """
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
