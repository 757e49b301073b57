"""The command line: finds the command, and says in one line what went wrong.

Bad input ends in one line on stderr and exit status 2, an interrupted run in 130.
"""

import os
import signal
import sys
from collections.abc import Sequence

from swiftrnn import __version__, commands
from swiftrnn.commands.parsing import HELP, UsageError, document
from swiftrnn.deploy import console
from swiftrnn.recipes import nearest
from swiftrnn.runs import children


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the words after `swiftrnn`; those of this process unless given.

    Returns:
        The exit status: 0, 2 for bad input, 130 where the user interrupted it, 143 for SIGTERM.
    """
    if arguments is None:  # this process is ours: none of its children runs files that lie here
        os.environ[children.SAFE] = "1"
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        console.prepare()
        status = _dispatch(words)
        sys.stdout.flush()  # a full disk is told here, not while Python ends
        return status
    except SystemExit as stop:  # tyro's way to end after --help
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt as stop:
        print(f"interrupted; {stop}" if str(stop) else "interrupted", file=sys.stderr)
        return 128 + getattr(stop, "number", signal.SIGINT)
    except BrokenPipeError:  # `swiftrnn list | head`
        sys.stderr.close()
        return 0
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not console.out_of_memory(error):
            raise  # a fault of ours
        _complain("swiftrnn needs more memory than there is; choose smaller sizes, or less at once")
        return 2
    except (ValueError, OSError, FloatingPointError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and "swiftrnn[" not in str(error):
            raise  # a fault of ours, not a missing extra
        _complain(str(error))
        return 2


def _complain(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in (*HELP, "help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"swiftrnn {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name not in commands.NAMES:
        raise UsageError(
            f"swiftrnn needs one of the commands {', '.join(commands.NAMES)}; got {name!r}; "
            f"{nearest(name, commands.NAMES)}swiftrnn --help explains them"
        )
    return commands.find(name).main(rest) or 0


def _help() -> str:
    found = {name: commands.find(name) for name in commands.NAMES}
    lines = [
        "usage: swiftrnn COMMAND [ARGUMENTS]",
        "",
        "Fast recurrent layers for PyTorch, and the systems built from them.",
        "",
        "Commands:",
        *(f"    {n:9}{document(c.OPTIONS).splitlines()[0]}" for n, c in found.items()),
        "",
        "Examples:",
        *(f"    {command.EXAMPLES[0]}" for command in found.values()),
        "",
        "swiftrnn COMMAND --help lists the options of a command; swiftrnn --version the version.",
    ]
    return "\n".join(lines)
