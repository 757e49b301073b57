"""Processes that answer for a server: what takes long delays nobody, and is ended in time.

Python runs one thread at a time, so long work beside short work in one process delays it. One of
the processes is kept for small jobs; the others take whatever waits, and the system lets them have
what the small ones leave. Cheap jobs overtake dear ones, but each for a limited time only, so that
jobs of about one size are done in the order in which they came, and none waits for ever. A process
that is not done in time is killed.

A process reads a task, one line of JSON, and writes a line: `=` and the answer, `!` where there is
none, or `+` and a piece of an answer that comes in pieces. After each piece it waits for a line
that says whether anybody wants the next, so a client that has left keeps it busy no longer than a
piece takes.
"""

import asyncio
import contextlib
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from swiftrnn.runs import children

POLITE = 10  # how much less urgent large jobs are to the system, as `nice` counts
STARTING = 300.0  # seconds a process gets to load what it needs
OVERTAKEN = 1e-3  # seconds for which cheaper jobs may overtake one, for each unit that it costs
MOST = 4  # processes for large jobs: each takes the memory of a model and of torch
STOPPING = 0.5  # seconds beyond its time in which a process may end a piece, and live
READY = b"ready\n"
ANSWER, PIECE, FAILED = b"=", b"+", b"!"  # what a line of a process begins with
LATE = b"?"  # the mark of an answer whose other pieces nobody waits for
ON, STOP = b"true", b"false"  # whether another piece is wanted
Act = Callable[[Any], bytes | Iterator[bytes]]
"""From a task, as JSON has it, to an answer or its pieces, each without line ends."""


class Busy(Exception):
    """Too many jobs wait."""


class Failed(Exception):
    """A job could not be done; the process has said why on standard error."""


@dataclass(order=True)
class _Job:
    rank: float  # when its turn is, if nothing else waits for longer
    number: int
    cost: float = field(compare=False)
    task: bytes = field(compare=False)
    until: float = field(compare=False)
    told: Callable[[bytes, bytes], None] = field(compare=False)  # a mark and what follows it
    left: bool = field(default=False, compare=False)  # nobody waits for it any more

    @property
    def wanted(self) -> bool:
        return not self.left and time.monotonic() < self.until


class Workers:
    """Processes that turn tasks to answers, both lines of bytes.

    Args:
        command: starts one, which calls `work`.
        small: what a job may cost to have a process of its own.
        waiting: how many small jobs, and how many others, may wait.
        count: processes for all other jobs; one for each other core, up to `MOST`, unless given.
    """

    def __init__(
        self, command: list[str], small: float, waiting: int, count: int | None = None
    ) -> None:
        self.command, self.small, self.most = command, small, waiting
        count = count or max(1, min(MOST, (os.cpu_count() or 1) - 1))
        self.lanes = [small, *[float("inf")] * count]
        self.jobs: list[_Job] = []  # that wait
        self.numbers, self.changed, self.over = itertools.count(), threading.Condition(), False
        self.staff: dict[int, subprocess.Popen[bytes]] = {}  # lane -> its process

    def start(self) -> None:
        """Start all processes and wait until they are ready.

        Raises:
            OSError: one did not become ready.
        """
        lanes = range(len(self.lanes))
        for lane in lanes:
            self._begin(lane)
        if False in [self._is_ready(lane) for lane in lanes]:
            self.stop()
            raise OSError(
                "a server needs processes that answer; got one that ended before it was ready; "
                "look above for why, and whether there is memory enough"
            )
        for lane in lanes:
            threading.Thread(target=self._feed, args=(lane,), daemon=True).start()

    def stop(self) -> None:
        """End all processes, whatever they do."""
        with self.changed:
            self.over = True
            self.changed.notify_all()
            staff = list(self.staff.values())
        for process in staff:
            _end(process)

    async def answer(self, task: bytes, cost: float, seconds: float) -> bytes:
        """The answer to a task; of one that comes in pieces, the last.

        Raises:
            Busy: too many tasks of about this cost wait.
            Failed: there is none.
            TimeoutError: it was not done after so many seconds.
        """
        async with contextlib.aclosing(self.pieces(task, cost, seconds)) as pieces:
            found = [piece async for piece in pieces]
        return found[-1] if found else b""

    async def pieces(self, task: bytes, cost: float, seconds: float) -> AsyncGenerator[bytes]:
        """The pieces of an answer as they are made; closed early, it frees the process.

        Raises:
            Busy, Failed, TimeoutError: as `answer`.
        """
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[tuple[bytes, bytes]] = asyncio.Queue()

        def told(mark: bytes, content: bytes) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(lines.put_nowait, (mark, content))

        now = time.monotonic()
        rank = now + OVERTAKEN * cost
        job = _Job(rank, next(self.numbers), cost, task, now + seconds, told)
        self._take(job)
        mark, end = PIECE, loop.time() + seconds
        try:
            while mark == PIECE:
                async with asyncio.timeout_at(end):
                    mark, content = await lines.get()
                if mark == FAILED:
                    raise Failed
                if mark == LATE:
                    raise TimeoutError
                if content:
                    yield content
        finally:
            self._leave(job)

    def _take(self, job: _Job) -> None:
        with self.changed:
            alike = sum((each.cost <= self.small) == (job.cost <= self.small) for each in self.jobs)
            if alike >= self.most:
                raise Busy
            self.jobs.append(job)
            self.changed.notify_all()

    def _leave(self, job: _Job) -> None:
        job.left = True
        with self.changed:
            if job in self.jobs:
                self.jobs.remove(job)

    def _next(self, most: float) -> _Job | None:
        with self.changed:
            while not self.over:
                if fit := [each for each in self.jobs if each.cost <= most]:
                    self.jobs.remove(job := min(fit))
                    return job
                self.changed.wait()
            return None

    def _feed(self, lane: int) -> None:
        """Give a process one job after the other; one that is late or has died is replaced."""
        while (job := self._next(self.lanes[lane])) is not None:
            if self.staff[lane].poll() is not None:  # it died of something else
                self._replace(lane)
            if not self._asked(lane, job):
                if time.monotonic() < job.until:  # who waits too long knows by the clock
                    job.told(FAILED, b"")
                self._replace(lane)

    def _replace(self, lane: int) -> None:
        _end(self.staff[lane])
        self._begin(lane)
        self._is_ready(lane)  # else the next job finds it dead, and tries again

    def _asked(self, lane: int, job: _Job) -> bool:
        """Let a process do a job; whether it is alive and ready for the next."""
        process = self.staff[lane]
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(max(0, job.until - time.monotonic()) + STOPPING, process.kill)
        late.start()
        try:
            said, mark = job.task, PIECE
            while mark == PIECE:
                process.stdin.write(said + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                if not line.endswith(b"\n"):
                    return False
                mark = LATE if said == STOP else line[:1]
                job.told(mark, line[1:-1])
                said = ON if job.wanted else STOP
            return True
        except (OSError, ValueError):  # it has died
            return False
        finally:
            late.cancel()

    def _begin(self, lane: int) -> None:
        command = [*self.command, str(POLITE * (lane > 0))]
        with self.changed:
            if not self.over:
                pipe = subprocess.PIPE
                self.staff[lane] = subprocess.Popen(command, stdin=pipe, stdout=pipe)

    def _is_ready(self, lane: int) -> bool:
        process = self.staff[lane]
        assert process.stdout is not None
        late = threading.Timer(STARTING, process.kill)
        late.start()
        try:
            return process.stdout.readline() == READY
        except ValueError:  # closed by `stop`
            return False
        finally:
            late.cancel()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for each in (process.stdin, process.stdout):
        if each is not None:
            with contextlib.suppress(OSError):
                each.close()


def work(prepare: Callable[[], Act], polite: int) -> None:
    """The life of a process: a line of JSON in, a line out, until the parent has ended.

    Args:
        prepare: makes what answers.
        polite: how much less urgent it is than others.
    """
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    lines, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what others print is no answer

    def read() -> None:
        for line in lines:
            tasks.put(line)
        os._exit(0)  # the parent has ended, or wants no more

    for each in (signal.SIGINT, signal.SIGTERM):  # those are for the parent, which knows who waits
        signal.signal(each, signal.SIG_IGN)
    threading.Thread(target=read, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(polite)

    def say(line: bytes) -> None:
        answers.write(line + b"\n")
        answers.flush()

    act = prepare()
    say(READY.strip())
    while True:
        try:
            last = ANSWER + _done(act(json.loads(tasks.get())), say, tasks.get)
        except Exception:
            traceback.print_exc()
            last = FAILED
        say(last)


def _done(found: bytes | Iterator[bytes], say: Callable[[bytes], None], wanted: Any) -> bytes:
    """The answer; where it comes in pieces they are said, and nothing is left."""
    if isinstance(found, bytes):
        return found
    for piece in found:
        say(PIECE + piece)
        if wanted().strip() != ON:
            break
    return b""


def command(module: str, *words: str) -> list[str]:
    """What starts a process that runs a module of ours, with how polite it is as last word."""
    return children.python("-m", module, *words)
