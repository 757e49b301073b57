"""`swiftrnn predict --input --output`: reads, answers, keeps the answers, writes at the end."""

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from swiftrnn import __version__
from swiftrnn.deploy import predict
from swiftrnn.deploy.batch import answers, inputs, outputs, pool
from swiftrnn.deploy.batch.answers import ERROR, ROW, Answering, Work
from swiftrnn.deploy.batch.journal import Journal
from swiftrnn.deploy.batch.pool import Done
from swiftrnn.deploy.batch.rows import Source, batches
from swiftrnn.deploy.trained import Trained, load
from swiftrnn.runs import children, folder, limits, lock
from swiftrnn.runs.files import why
from swiftrnn.runs.progress import Progress
from swiftrnn.tasks import Task

JOURNAL, LOCK, WHOLE = "journal", "lock", "whole"  # what lies beside OUTPUT until it is there
TOKENIZED = "tokenized"  # the option of a task that takes words as they are
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MADE = (folder.CONFIG, folder.VOCABULARY, folder.WEIGHTS)
FINE = f'"{ERROR}": null}}\n'.encode()  # how the line of a row without an error ends


def main(options: Any, how: Any) -> None:
    """What `swiftrnn predict` does where it is given --input and --output.

    Args:
        options: those of the command.
        how: those of the task.

    Raises:
        ValueError: the run folder, a file or an option does not fit.
        OSError: OUTPUT cannot be written, or another process writes it.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    out, kind = options.output, outputs.kind_of(options.output)
    trained = load(options.run, options.device, options.recipe)
    task, names = trained.task, answers.names(trained.task)
    form = _form(task, options.format, kind)
    if options.input.suffix.lower() == ".conll":
        how = _of_words(task, how, options.input)
    source = inputs.opened(options.input, options.column, task.takes.name, _taken(task, names))
    if source.path.is_dir() and out.resolve().is_relative_to(source.path.resolve()):
        raise ValueError(
            f"swiftrnn predict needs an --output outside of --input; got {out} in {source.path}; "
            "give another"
        )
    code = trained.recipe.code and str(trained.recipe.code)
    work = Work(trained.folder.absolute(), options.device, code, dataclasses.asdict(how), form)
    then = source.identity()
    with _held(out), children.stopped_by_signals(), _going_on():
        about = _about(trained.folder, then, work, options.column, kind)
        journal = Journal(_beside(out, JOURNAL), about, options.anew)
        with contextlib.closing(journal):
            through = _through(trained, work, source, journal.rows, options, how)
            with contextlib.closing(through):
                _answer(journal, source, through)
        if source.identity() != then:
            raise ValueError(
                f"swiftrnn predict needs an --input that stays as it is; got {source.path}, which "
                "changed meanwhile; give --anew to start over"
            )
        wrong = _Wrong()
        _whole(out, kind, source, wrong.counted(journal.lines()), names)
        journal.path.unlink()
    print(f"{out}: {journal.rows:,} rows{wrong}")


def _of_words(task: Task[Any, Any], how: Any, path: Path) -> Any:
    """The options with which a task takes words as they are.

    Raises:
        ValueError: it takes none.
    """
    if not hasattr(how, TOKENIZED):
        raise ValueError(
            f"swiftrnn predict --input needs a run that takes words for a .conll file; got {path} "
            f"for one that takes {task.takes.name} alone; give a .txt file"
        )
    return dataclasses.replace(how, **{TOKENIZED: True})


def _form(task: Task[Any, Any], asked: str | None, kind: str) -> str | None:
    """The form of an answer in a line of text; None where answers are JSON."""
    if kind == ".conll" and asked in (None, "conll") and "conll" in task.forms:
        return "conll"
    if kind != ".txt":
        if asked is not None:
            raise ValueError(
                f"swiftrnn predict --format needs an --output that ends in .txt; got {asked} for "
                f"{kind}, whose form is its own; leave it out"
            )
        if kind == ".conll":
            raise ValueError(
                "swiftrnn predict --output needs a run whose answers have tags for a .conll file; "
                "got one of another kind; end it in .jsonl"
            )
        return None
    if asked == "jsonl":
        raise ValueError(
            "swiftrnn predict --format jsonl needs no --output that ends in .txt; got one; "
            "end it in .jsonl, and leave out --format"
        )
    return predict.form_of(task, asked)


def _taken(task: Task[Any, Any], names: Mapping[str, str]) -> list[str]:
    """Names that columns of the input may not have."""
    taken = [ROW, *names]
    if len(taken) < 2 + len((task.gives, *task.shows)):
        raise ValueError(
            f"a task needs different names for what it gives and shows, other than {ROW} and "
            f"{ERROR}; got {', '.join(v.name for v in (task.gives, *task.shows))}; rename some"
        )
    return taken


def _about(
    run: Path, source: Mapping[str, Any], work: Work, column: str | None, kind: str
) -> dict[str, Any]:
    """What makes one work other than another."""
    made = hashlib.sha256()
    for path in (run / name for name in MADE if (run / name).exists()):
        made.update(path.read_bytes())
    options = {f"--{limits.option(name)}": value for name, value in work.options.items()}
    return {
        "swiftrnn": __version__, "run": made.hexdigest(),
        **{f"--input {name}": value for name, value in source.items()},
        "--column": column, "--output": kind, "--format": work.form, **options,
    }  # fmt: skip


def _beside(out: Path, name: str) -> Path:
    return out.with_name(f".{out.name}.{name}")


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Let no other process write OUTPUT, which must not be there yet."""
    try:
        with lock.alone(
            _beside(out, LOCK),
            lambda who: (
                f"an --output is for one process at a time; got {out}, which {who} writes; "
                "wait until it ends, or give another"
            ),
        ):
            _free(out)
            yield
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        if out.parent.is_dir() and os.access(out.parent, os.W_OK):
            raise
        raise ValueError(
            f"swiftrnn predict --output needs a folder that can be written to; got {out.parent} "
            f"({why(error)}); make it, or give another"
        ) from error
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            f"swiftrnn predict needs room beside {out}; got: {why(error)}; nothing that was "
            "answered is lost: the same command goes on from there"
        ) from error


def _free(out: Path) -> None:
    if out.exists():
        raise ValueError(
            f"swiftrnn predict --output needs a new file; got {out}, which is there; remove it, "
            "or give another"
        )


@contextlib.contextmanager
def _going_on() -> Iterator[None]:
    """Say to whoever stops it that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise children.again(stop, "the same command goes on from there") from None


def _through(
    trained: Trained, work: Work, source: Source, first: int, options: Any, how: Any
) -> Generator[Done, None, None]:
    """What answers the rows from a number on: this machine, or a cluster."""
    if options.ray is not None:
        from swiftrnn.deploy.batch import cluster

        return cluster.answered(options.ray, trained, work, source, first, options)
    answering = Answering(trained.task, trained.model, how, work.form)
    some = batches(source, first, options.batch)
    return pool.answered(work, answering, some, options.processes)


def _answer(journal: Journal, source: Source, through: Iterator[Done]) -> None:
    """Answer all rows, and show how far it is."""
    progress, first = Progress("predict"), None
    try:
        for done in through:
            journal.add(done.lines)
            share = min(1.0, done.end / source.size) if source.size else 1.0
            now = (time.monotonic(), share, journal.rows)
            first = first or now  # what came before was to start, too
            if progress.due(share):
                took, gone, rows = (b - a for a, b in zip(first, now, strict=True))
                rate = f"  {rows / took:,.0f} rows/s" if rows else ""
                left = took / gone * (1 - share) if gone else None
                progress.draw(share, left, f"{journal.rows:,} rows{rate}")
    finally:
        progress.close()


class _Wrong:
    """How many rows have an error, and the first of them."""

    def __init__(self) -> None:
        self.count, self.first = 0, ""

    def counted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            if not line.endswith(FINE):
                self.count += 1
                found = json.loads(line) if not self.first else None
                self.first = self.first or (f"row {found[ROW]}, {found[ERROR]}" if found else "")
            yield line

    def __str__(self) -> str:
        return f", {self.count:,} with an error (the first: {self.first})" if self.count else ""


def _whole(
    out: Path, kind: str, source: Source, lines: Iterator[bytes], names: Mapping[str, str]
) -> None:
    """Write OUTPUT: it is there whole, or not at all."""
    part = _beside(out, WHOLE)
    try:
        outputs.write(kind, source, lines, names, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        _free(out)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
