"""`swiftrnn copy`: a recipe's folder, to start your own from."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn import recipes
from swiftrnn.commands.parsing import about, parse
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Copy(limits.Checked):
    """Copy a recipe as a starting point for your own; `swiftrnn run ./DIR` then runs it."""

    recipe: Annotated[Positional[str], arg(metavar="RECIPE")]
    """recipe to copy"""
    dir: Annotated[Positional[Path], arg(metavar="DIR")]
    """new folder; its name is that of the package, so letters, digits and _"""


OPTIONS = Copy
EXAMPLES = ("swiftrnn copy language_model my_model",)


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Copy, "swiftrnn copy", about(Copy, EXAMPLES), words)
    copy(options.recipe, options.dir)
    print(f"{options.dir} is yours: edit it, then swiftrnn run ./{options.dir}")


def copy(name: str, target: Path) -> None:
    """Copy a recipe's folder; its own imports then name the copy.

    Raises:
        ValueError: there is no such recipe, or `target` exists or cannot be a package's name.
        OSError: it cannot be written.
    """
    found = recipes.find(name)
    package = target.resolve().name
    if not package.isidentifier():
        raise ValueError(
            f"swiftrnn copy needs a DIR that can be imported; got {package!r}; "
            "use letters, digits and _ only"
        )
    if target.exists():
        raise ValueError(
            f"swiftrnn copy needs a new DIR; got {target}, which exists; choose another name"
        )
    ignored = shutil.ignore_patterns("__pycache__", "results*.json")
    shutil.copytree(found.folder, target, ignore=ignored)
    old = f"swiftrnn.recipes.{found.name}" if found.code is None else found.name
    for path in target.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        path.write_text(source.replace(old, package), encoding="utf-8")
