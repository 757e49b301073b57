"""Measuring what was trained on files that hold the right answers."""

from pathlib import Path
from typing import Any

from swiftrnn.deploy import console
from swiftrnn.deploy.predict import json_line
from swiftrnn.deploy.trained import load, task_of
from swiftrnn.runs import files
from swiftrnn.runs.results import shown
from swiftrnn.tasks import Scored, Scoring


def scoring_of(run: Path, recipe: str | None = None) -> Scoring:
    """How the model of a run folder is measured, without reading its weights.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: it cannot be measured on files.
    """
    if (scoring := task_of(run, recipe).scoring) is None:
        raise ValueError(
            f"swiftrnn evaluate needs a run that is measured on files; got {run}, whose recipe has "
            "no scoring; see its report.html"
        )
    return scoring


def main(options: Any, how: Any) -> None:
    """What `swiftrnn evaluate` does.

    Args:
        options: those of the command.
        how: those of the task's files.

    Raises:
        ValueError: the run folder, a file or an option does not fit.
        OSError: the output cannot be written.
    """
    scoring = scoring_of(options.run, options.recipe)
    if options.output is not None:
        check(options.output, scoring.ending)
    trained = load(options.run, options.device, options.recipe)
    for path in options.files:
        found = scoring.score(trained.model, path, how)
        if options.output is not None:
            files.write_text(options.output, found.predictions)
        console.show(written(found, path, options.format))


def check(output: Path, ending: str) -> None:
    """Refuse a file for predictions before anything is computed.

    Raises:
        ValueError: there are no predictions to write, it has another ending, or it exists.
    """
    if not ending or output.suffix != ending:
        needed = f"a name that ends in {ending}" if ending else "a run with answers to write"
        raise ValueError(
            f"swiftrnn evaluate --output needs {needed}; got {output}; "
            f"{'rename it' if ending else 'leave it out'}"
        )
    if output.exists():
        raise ValueError(
            f"swiftrnn evaluate --output needs a new file; got {output}, which exists; "
            "choose another name"
        )


def written(found: Scored, path: Path, form: str) -> str:
    """Numbers as they are printed."""
    if form == "jsonl":
        return json_line({"file": str(path), "read": found.read} | found.metrics)
    names = {name: name.replace("_", " ") for name in found.metrics}
    wide = max(map(len, names.values()))
    lines = [f"{path}: {found.read}\n"]
    lines += [f"  {names[n]:{wide}}  {shown(value)}\n" for n, value in found.metrics.items()]
    return "".join(lines)
