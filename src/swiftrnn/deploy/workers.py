"""Processes that answer for a server: what takes long delays nobody, and is ended in time.

Python runs one thread at a time, so long work beside short work in one process delays it. One of
the processes is kept for small jobs; the others take whatever waits, the cheapest first, and the
system lets them have what the small ones leave. A process that is not done in time is killed.
"""

import asyncio
import contextlib
import heapq
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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from swiftrnn.training import children

POLITE = 10  # how much less urgent large jobs are to the system, as `nice` counts
STARTING = 300.0  # seconds a process gets to load what it needs
MOST = 4  # processes for large jobs: each takes the memory of a model and of torch
READY = b"ready\n"
Act = Callable[[Any], bytes]  # from a task, as JSON has it, to an answer without line ends


class Busy(Exception):
    """Too many jobs wait."""


@dataclass(order=True)
class _Job:
    cost: float
    number: int
    task: bytes = field(compare=False)
    until: float = field(compare=False)
    done: Callable[[bytes | None], None] = field(compare=False)


class Workers:
    """Processes that turn tasks to answers, both a line of bytes.

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
        self.heap: list[_Job] = []
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

    async def answer(self, task: bytes, cost: float, seconds: float) -> bytes | None:
        """The answer to a task; None where it could not be given.

        Raises:
            Busy: too many tasks of about this cost wait.
            TimeoutError: it was not done after so many seconds.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = loop.create_future()

        def done(answer: bytes | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(lambda: future.done() or future.set_result(answer))

        job = _Job(cost, next(self.numbers), task, time.monotonic() + seconds, done)
        with self.changed:
            alike = sum((each.cost <= self.small) == (cost <= self.small) for each in self.heap)
            if alike >= self.most:
                raise Busy
            heapq.heappush(self.heap, job)
            self.changed.notify_all()
        try:
            return await asyncio.wait_for(future, seconds)
        finally:
            with self.changed:
                if job in self.heap:  # nobody waits for it any more
                    self.heap.remove(job)
                    heapq.heapify(self.heap)

    def _next(self, most: float) -> _Job | None:
        with self.changed:
            while not self.over:
                if self.heap and self.heap[0].cost <= most:
                    return heapq.heappop(self.heap)
                self.changed.wait()
            return None

    def _feed(self, lane: int) -> None:
        """Give a process one job after the other; one that is late or has died is replaced."""
        while (job := self._next(self.lanes[lane])) is not None:
            if self.staff[lane].poll() is not None:  # it died of something else
                self._replace(lane)
            answer = self._asked(lane, job)
            if answer:
                job.done(answer.rstrip(b"\n") or None)
                continue
            if time.monotonic() < job.until:  # it died; who waits too long knows by the clock
                job.done(None)
            self._replace(lane)

    def _replace(self, lane: int) -> None:
        _end(self.staff[lane])
        self._begin(lane)
        self._is_ready(lane)  # else the next job finds it dead, and tries again

    def _asked(self, lane: int, job: _Job) -> bytes:
        process = self.staff[lane]
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(max(0, job.until - time.monotonic()), process.kill)
        late.start()
        try:
            process.stdin.write(job.task + b"\n")
            process.stdin.flush()
            return process.stdout.readline()
        except (OSError, ValueError):  # it has died
            return b""
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
    act = prepare()
    answers.write(READY)
    answers.flush()
    while True:
        task = tasks.get()
        try:
            answer = act(json.loads(task))
        except Exception:
            traceback.print_exc()
            answer = b""
        answers.write(answer + b"\n")
        answers.flush()


def command(module: str, *words: str) -> list[str]:
    """What starts a process that runs a module of ours, with how polite it is as last word."""
    return children.python("-m", module, *words)
