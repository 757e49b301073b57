"""`swiftrnn serve`: what was trained, as a web page and an interface for programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import about, parse
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Serve(limits.Checked):
    """Serve a trained run: a web page for people, a JSON API for programs."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """run folder; of a comparison, RUN/LAYER, or RUN for its best layer"""
    host: str = "127.0.0.1"  # address to listen on; 0.0.0.0 for the whole network
    port: Annotated[int, limits.Range(0, 65_535)] = 8000  # port; 0 for a free one
    # host names that clients may use, in addition to --host and localhost
    allow_host: tuple[str, ...] = ()
    device: str = "cpu"  # device of the model, as torch names it: cpu, cuda, cuda:1
    recipe: str | None = None  # ./FOLDER of the recipe's code, if it was moved


OPTIONS = Serve
EXAMPLES = ("swiftrnn serve runs/names", "swiftrnn serve runs/names --port 8080")


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Serve, "swiftrnn serve", about(Serve, EXAMPLES), words)
    from swiftrnn.deploy import serve

    serve.main(options)
