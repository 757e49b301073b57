"""`swiftrnn bench`: times of kernels and layers, beside the rivals installed here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import UsageError, about, parse
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Bench(limits.Checked):
    """Time kernels and layers beside the rivals installed here, after checking their results."""

    op: Annotated[Positional[str | None], arg(metavar="OP")] = None
    """op or layer; default: all"""
    seconds: limits.Positive = 90.0  # time limit in seconds, for everything together
    out: Path | None = None  # new folder for a report with plots; default: tables only


OPTIONS = Bench
EXAMPLES = ("swiftrnn bench", "swiftrnn bench SRU --out runs/sru")


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Bench, "swiftrnn bench", about(Bench, EXAMPLES), words)
    from swiftrnn import bench

    try:
        bench.main(options.op, seconds=options.seconds, out=options.out)
    except RuntimeError as error:  # a kernel is missing or wrong: it refuses to time that
        raise UsageError(str(error)) from error
