"""Answering what is given on the command line, or on standard input."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swiftrnn.deploy import console
from swiftrnn.deploy.trained import Trained, load
from swiftrnn.tasks import OfFiles, Task

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
LINE_ENDS = re.compile("[\x7f-\x9f\u2028\u2029]")  # that JSON leaves alone and others break at


def written(
    task: Task[Any, Any], given: dict[str, Any], outputs: tuple[Any, ...], form: str
) -> str:
    """An answer as it is printed.

    Args:
        task: of what was trained.
        given: what JSON says of the input, by name.
        outputs: as `Task.answers` gives them.
        form: one of `Task.forms`.
    """
    if form == "jsonl":
        return json_line(given | task.json(outputs))
    given_out = [
        (v, each)
        for v, each in zip((task.gives, *task.shows), outputs, strict=True)
        if each is not None
    ]
    for v, _ in given_out:
        if form != task.forms[0] and form not in v.forms:
            raise ValueError(
                f"swiftrnn predict --format {form} needs answers without {v.name}, which has no "
                f"such form; got some; leave out --format, or what asks for {v.name}"
            )
    return "".join(v.write(each, form if form in v.forms else v.forms[0]) for v, each in given_out)


def json_line(content: dict[str, Any]) -> str:
    """JSON on one line, whatever breaks lines; refuses numbers that are none, by a ValueError."""
    line = ENCODER.encode(content)
    return LINE_ENDS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line) + "\n"


def form_of(task: Task[Any, Any], asked: str | None) -> str:
    """The form that answers are written in.

    Raises:
        ValueError: the task has no such form.
    """
    if asked is not None and asked not in task.forms:
        raise ValueError(
            f"swiftrnn predict --format needs one of {', '.join(task.forms)}; got {asked}; "
            "choose one of them"
        )
    return asked or task.forms[0]


def main(options: Any, how: Any) -> None:
    """What `swiftrnn predict` does.

    Args:
        options: those of the command.
        how: those of the task.

    Raises:
        ValueError: the run folder, an input or an option does not fit.
    """
    trained: Trained = load(options.run, options.device, options.recipe)
    form = form_of(trained.task, options.format)
    for given, value in _inputs(trained.task, options.inputs):
        (outputs,) = trained.task.answers(trained.model, [value], how)
        console.show(written(trained.task, given, outputs, form))


def _inputs(task: Task[Any, Any], words: tuple[str, ...]) -> Iterator[tuple[dict[str, Any], Any]]:
    """What JSON says of each input, and the input: a word, or the files that words name."""
    given = console.given(words)
    if words and isinstance(task.takes, OfFiles):
        yield from _of_files(task.takes, [Path(os.fsdecode(raw)) for raw in given])
        return
    for raw in given:
        value = task.takes.read(raw)
        yield {task.takes.name: task.takes.write(value, "json")}, value


def _of_files(takes: Any, paths: list[Path]) -> Iterator[tuple[dict[str, Any], Any]]:
    each = takes.files
    if len(paths) % each:
        raise ValueError(
            f"swiftrnn predict needs {each} files for each {takes.name}; got {len(paths)} in all; "
            "give the paths of each one after the other"
        )
    for first in range(0, len(paths), each):
        some = paths[first : first + each]
        if each == 1:
            yield {"file": str(some[0])}, takes.read(some[0])
        else:
            yield {"files": [str(path) for path in some]}, takes.read(some)
