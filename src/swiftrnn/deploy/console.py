"""The standard streams: any may be closed or lack signs; `predict` reads and prints UTF-8."""

import io
import os
import sys
from typing import Any


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


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says that there is too little memory: it has no type for that on CPUs."""
    signs = ("can't allocate memory", "out of memory", "Storage size calculation overflowed")
    return any(sign in str(error) for sign in signs)


def given(words: tuple[str, ...]) -> tuple[str | bytes, ...]:
    """What to work on: the words of the command line, or else what standard input holds.

    Args:
        words: of the command line, decoded as the locale says, which need not be UTF-8.

    Returns:
        Bytes as they were given; words that came from no command line as they are.

    Raises:
        ValueError: there is no standard input.
    """
    if words:
        return tuple(_bytes(word) for word in words)
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("predict needs an INPUT or standard input; got neither; give one")
    source: Any = getattr(sys.stdin, "buffer", sys.stdin)
    try:
        return (source.read(),)  # of a stream that somebody put there, text
    except OSError as error:  # a folder, or open for writing only
        raise ValueError(
            f"predict needs an INPUT; got a standard input that cannot be read ({error}); give one"
        ) from error


def show(text: str) -> None:
    """Print a text as UTF-8, its line ends as they are; lone surrogates as the bytes they were."""
    target: Any = getattr(sys.stdout, "buffer", None)
    if target is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    target.write(text.encode("utf-8", "surrogateescape"))
    target.flush()


def _bytes(word: str) -> str | bytes:
    """The bytes of a word as they were typed; what the locale had decoded otherwise, as it is."""
    try:
        typed = os.fsencode(word)
    except UnicodeEncodeError:  # it came from no command line
        return word
    try:
        typed.decode("utf-8")
    except UnicodeDecodeError:
        return word if not any("\ud800" <= sign <= "\udfff" for sign in word) else typed
    return typed
