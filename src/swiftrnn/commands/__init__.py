"""The commands, one file each: its options, its help, and what it does.

Whatever is heavy is imported in `main`: `swiftrnn --help` and `swiftrnn list` never load torch.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

NAMES = (
    *("compare", "list", "info", "run", "sweep"),
    *("predict", "evaluate", "serve", "export", "compile", "bench", "data", "copy"),
)


class Command(Protocol):
    """The parts of a command's file.

    Attributes:
        OPTIONS: the dataclass whose fields are its options, and whose docstring is its help.
        EXAMPLES: command lines, the most usual first.
        main: takes the words after the command's name, and gives the exit status; None is 0.
    """

    OPTIONS: type
    EXAMPLES: tuple[str, ...]
    main: Callable[[list[str]], int | None]


def find(name: str) -> Command:
    """The command of this name."""
    return import_module(f"{__name__}.{name}")  # pyright: ignore[reportReturnType] (a module is one)
