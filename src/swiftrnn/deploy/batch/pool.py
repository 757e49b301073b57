"""Batches answered on this machine: by this process, and where there is much to do, by several."""

import contextlib
import gc
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import torch

from swiftrnn.deploy.batch.answers import Answering, Work
from swiftrnn.deploy.batch.rows import Batch
from swiftrnn.runs import children

MOST = 8  # processes, unless asked for more: each takes the memory of a model and of torch
ALONE = 3.0  # seconds before others are started, which takes seconds as well
AHEAD = 3  # batches for each process that are read before they are answered
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


class Done(NamedTuple):
    """Rows that were answered.

    Attributes:
        end: how many bytes of the source lie before the end of the last one, about.
        lines: their lines, see `answers.Answering`.
    """

    end: int
    lines: bytes


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def answered(
    work: Work, answering: Answering, batches: Iterator[Batch], processes: int = 0
) -> Generator[Done, None, None]:
    """Answer batches in their order.

    Each process has its part of the cores: what an answer is in its last digits may depend on how
    many compute it, and must not depend on which process did.

    Args:
        work: what other processes do.
        answering: the same in this one.
        batches: the inputs.
        processes: how many, at most; 0 for one a core, up to `MOST`.

    Raises:
        ChildProcessError: one of several processes died.
    """
    processes = processes or min(MOST, cores())
    before = torch.get_num_threads(), gc.get_threshold()
    torch.set_num_threads(max(1, cores() // processes))
    settle()
    try:
        since, server = time.monotonic(), None
        for batch in batches:
            yield Done(batch.end, answering(batch.first, batch.given))
            if server is None and processes > 1 and time.monotonic() - since > ALONE:
                server = _started()
            if server is not None and not server.is_alive():
                break
        first = list(itertools.islice(batches, 1))
        if first:
            yield from _by_several(work, answering, itertools.chain(first, batches), processes)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before[1])
        torch.set_num_threads(before[0])


def settle() -> None:
    """Look for garbage where there may be some: not in what was loaded, which takes a fifth."""
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)  # objects; a batch has some 30,000


def _by_several(
    work: Work, answering: Answering, batches: Iterable[Batch], processes: int
) -> Iterator[Done]:
    given, others = (work, torch.get_num_threads()), {*multiprocessing.active_children()}
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context(METHOD), _begin, given)
    waiting: deque[tuple[Batch, Future[bytes]]] = deque()
    theirs: list[Future[bytes]] = []  # until one of them is done, the others load the model
    try:
        for batch in batches:
            if len(theirs) < processes or any(each.done() for each in theirs):
                future = pool.submit(_answer, batch.first, batch.given)
                theirs = [*theirs, future][:processes]
                while len(waiting) >= AHEAD * processes:
                    yield _done(*waiting.popleft())
            else:
                future = Future[bytes]()
                future.set_result(answering(batch.first, batch.given))
            waiting.append((batch, future))
        while waiting:
            yield _done(*waiting.popleft())
    except BrokenProcessPool as error:
        raise ChildProcessError(
            "swiftrnn predict needs its processes; got one that died, maybe for want of memory; "
            "the same command goes on from there, with --processes 1 in less memory"
        ) from error
    finally:
        _end(pool, others)


def _started() -> threading.Thread:
    """Start what starts processes: a server that loads torch once, for all, and hears no Ctrl-C.

    Returns:
        A thread that ends when the server is ready.
    """
    context: Any = multiprocessing.get_context(METHOD)
    if METHOD == "forkserver":
        context.set_forkserver_preload([__name__])
        hears = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, signal.SIG_IGN) if hears else None
        try:
            forkserver.ensure_running()
        finally:
            if hears:
                signal.signal(signal.SIGINT, before)
    first = context.Process(target=gc.disable)  # any function: it is ready once this one ended
    waits = threading.Thread(target=lambda: (first.start(), first.join()), daemon=True)
    waits.start()
    return waits


def _done(batch: Batch, future: Future[bytes]) -> Done:
    return Done(batch.end, future.result())


def _end(pool: ProcessPoolExecutor, others: set[BaseProcess]) -> None:
    """End it without waiting for what nobody wants any more."""
    for process in set(multiprocessing.active_children()) - others:
        with contextlib.suppress(OSError, ValueError):
            process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)


_answering: Answering | None = None  # of a process of the pool


def _begin(work: Work, threads: int) -> None:
    global _answering
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command hears it, and ends this process
    children.end_with_starter()
    torch.set_num_threads(threads)
    _answering = work.begin()
    settle()


def _answer(first: int, given: list[object]) -> bytes:
    assert _answering is not None
    return _answering(first, given)
