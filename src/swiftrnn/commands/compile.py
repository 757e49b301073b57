"""`swiftrnn compile`: a program of a user interface, for the web, Android or iOS."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import about, parse
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Compile(limits.Checked):
    """Compile a program of a recipe, such as those that pix2code writes, to a page or an app.

    Texts are drawn at random: a program says where text stands, not which. The same seed gives the
    same file.
    """

    recipe: Annotated[Positional[str], arg(metavar="RECIPE")]
    """recipe whose answers are programs, or ./FOLDER"""
    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """program; - reads standard input"""
    to: str = "html"  # form of the result: html, android or ios; gui is the program itself, tidied
    out: Path | None = None  # output file; default: standard output
    # platform whose names the program has: web, android or ios; default: found out
    platform: str | None = None
    seed: limits.Seed = 0  # random seed of the texts


OPTIONS = Compile
EXAMPLES = (
    "swiftrnn compile pix2code page.gui --to html --out page.html",
    "swiftrnn compile pix2code page.gui --to android --out res/layout/page.xml --seed 7",
)


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Compile, "swiftrnn compile", about(Compile, EXAMPLES), words)
    from swiftrnn import recipes
    from swiftrnn.deploy import console
    from swiftrnn.runs import files
    from swiftrnn.tasks.program import Program

    task = recipes.find(options.recipe).parts.TASK
    value = task.gives if task is not None else None
    if not isinstance(value, Program):
        raise ValueError(
            f"swiftrnn compile needs a recipe whose answers are programs; got {options.recipe}"
        )
    if options.to not in value.forms:
        raise ValueError(
            f"swiftrnn compile --to needs one of {', '.join(value.forms)}; got {options.to!r}"
        )
    typed = sys.stdin.read() if str(options.file) == "-" else options.file
    text = value.write(value.read(typed, options.platform), options.to, options.seed)
    if options.out is None:
        console.show(text)
    else:
        files.write_text(options.out, text)
