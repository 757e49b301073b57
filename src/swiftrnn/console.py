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


def given(words: tuple[str, ...], any_bytes: bool = False) -> tuple[str, ...]:
    """The texts to work on: those of the command line, or else standard input.

    Args:
        words: of the command line, decoded as the locale says, which need not be UTF-8.
        any_bytes: bytes that are no UTF-8 become lone surrogates, as `surrogateescape` has it.

    Raises:
        ValueError: a text is no UTF-8, or there is no standard input.
    """
    if words:
        return tuple(_decoded(_bytes(w), f"INPUT {i + 1}", any_bytes, w)
                     for i, w in enumerate(words))  # fmt: skip
    if sys.stdin is None or sys.stdin.closed:
        raise ValueError("predict needs a text as INPUT or on standard input; got neither; give it")
    source: Any = getattr(sys.stdin, "buffer", sys.stdin)
    try:
        content = source.read()
    except OSError as error:  # a folder, or open for writing only
        raise ValueError(
            f"predict needs a text; got a standard input that cannot be read ({error}); give INPUT"
        ) from error
    if isinstance(content, str):  # a stream that somebody put there
        return (content,)
    return (_decoded(content, "standard input", any_bytes),)


def show(text: str) -> None:
    """Print a text as UTF-8, its line ends as they are; lone surrogates as the bytes they were."""
    target: Any = getattr(sys.stdout, "buffer", None)
    if target is None:
        sys.stdout.write(text)
        return
    sys.stdout.flush()
    target.write(text.encode("utf-8", "surrogateescape"))
    target.flush()


def _bytes(word: str) -> bytes | None:
    try:
        return os.fsencode(word)
    except UnicodeEncodeError:  # it came from no command line
        return None


def _decoded(content: bytes | None, name: str, any_bytes: bool, typed: str = "") -> str:
    if content is None:
        return typed
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if any_bytes:
            return content.decode("utf-8", "surrogateescape")
        if typed and not any("\ud800" <= sign <= "\udfff" for sign in typed):  # of the locale
            return typed
        raise ValueError(
            f"predict needs a text in UTF-8; got the byte 0x{content[error.start]:02x} at byte "
            f"{error.start} of {name}; convert it, as iconv does"
        ) from None
