"""`swiftrnn export`: what was trained, for servers, phones and browsers without PyTorch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import about, parse
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Export(limits.Checked):
    """Export a trained run to a file for servers, phones and browsers without PyTorch."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """run folder of a recipe that can be exported, with a layer of swiftrnn"""
    to: Literal["onnx"] = "onnx"  # format; the file is checked in ONNX Runtime
    out: Path | None = None  # output file; default: RUN/model.onnx
    recipe: str | None = None  # ./FOLDER of the recipe's code, if it was moved


OPTIONS = Export
EXAMPLES = ("swiftrnn export runs/names --to onnx",)


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Export, "swiftrnn export", about(Export, EXAMPLES), words)
    from swiftrnn.deploy import export

    out = options.out or options.run / "model.onnx"
    print(export.run_to_onnx(options.run, out, options.recipe))
