"""The standard streams of a command: any of them may be closed, or lack signs."""

import io
import os
import sys


def prepare() -> None:
    """Make the standard streams safe to print to.

    Raises:
        ValueError: standard output is closed.
    """
    if sys.stderr is None:  # nobody listens; print would take standard output in its place
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        raise ValueError(
            "swiftrnn needs a standard output; got a closed one; send it to a file or to /dev/null"
        )
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a sign must not end a run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def read(who: str) -> str:
    """All of standard input.

    Args:
        who: the command, for the message.

    Raises:
        ValueError: it is closed, or is no text.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError(f"{who} needs a text; got a closed standard input; give it as INPUT")
    try:
        return sys.stdin.read()
    except OSError as error:  # a folder, or open for writing only
        raise ValueError(
            f"{who} needs a text; got a standard input that cannot be read ({error}); give INPUT"
        ) from error


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says that there is too little memory: it has no type for that on CPUs."""
    signs = ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
    return any(sign in str(error) for sign in signs)
