"""The processes that work on a sweep: started, watched, and told to save what they have."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swiftrnn.runs import children
from swiftrnn.runs.progress import Progress
from swiftrnn.training.sweep.study import Study

PATIENCE = 60  # seconds an interrupted worker gets to write its checkpoint
EVERY = 1.0  # seconds between two looks at the study, for the progress line


def lead(study: Study, workers: int, task: Callable[..., Any], out: Path) -> None:
    """Start workers, show how far they all are, and wait until they end."""
    context, bar = multiprocessing.get_context("spawn"), Progress("sweep")
    threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 else None
    staff: list[tuple[Any, Any]] = []
    try:
        for _ in study.trials("WAITING", "RUNNING")[:workers]:  # no more than there is work for
            ours, theirs = context.Pipe(duplex=False)
            staff.append(
                (context.Process(target=_employed, args=(task, out, threads, theirs)), ours)
            )
            staff[-1][0].start()
            theirs.close()
        while alive := [process for process, _ in staff if process.is_alive()]:
            study.draw(bar)
            multiprocessing.connection.wait([process.sentinel for process in alive], EVERY)
            if any(process.exitcode == 2 for process, _ in staff):  # the others would say the same
                break
        study.draw(bar)
    finally:
        bar.close()
        _dismiss([process for process, _ in staff if process.is_alive()])
    for _, pipe in staff:
        with contextlib.suppress(EOFError):  # it said nothing
            raise ValueError(pipe.recv())
    if study.trials("WAITING", "RUNNING"):
        ends = ", ".join(str(process.exitcode) for process, _ in staff)
        killed = ", killed, often for lack of memory" * ("-9" in ends)
        raise OSError(
            f"a sweep needs workers that end well; got exit status {ends}{killed}; "
            f"look at {out}/worker-*.log"
        )


def _dismiss(staff: list[Any]) -> None:
    """Let workers save what they have, and put their trials back."""
    for process in staff:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
    for process in staff:
        process.join(PATIENCE)
        process.kill()
        process.join()


def _employed(task: Callable[..., Any], out: Path, threads: int | None, pipe: Any) -> None:
    """The life of a worker: what it prints goes to its log, Ctrl-C comes from its parent, once.

    The terminal sends Ctrl-C to its whole group; a second one would end a trial before it has
    saved, so a worker leaves that group.
    """
    children.end_with_starter()
    if os.name == "posix":
        os.setpgrp()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if threads is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # before torch is loaded
    with (out / f"worker-{os.getpid()}.log").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    try:
        task(progress=False)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        traceback.print_exc()
        pipe.send(" ".join(str(error).split()))
        sys.exit(2)
