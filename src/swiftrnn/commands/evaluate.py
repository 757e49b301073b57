"""`swiftrnn evaluate`: how well a trained system does on files that hold the right answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import HELP, UsageError, about, parse, parse_all
from swiftrnn.commands.predict import recipe_of
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Evaluate(limits.Checked):
    """Evaluate a trained run on each FILE, which holds inputs and the correct answers.

    A tagger takes files in columns, as of CoNLL; a classifier a text and its class in each row; a
    language model a text. RUN comes first: `swiftrnn evaluate RUN --help` also lists the options of
    its files.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """run folder; of a comparison, RUN/LAYER, or RUN for its best layer"""
    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE")] = ()
    """files to evaluate on"""
    # file for the correct answers beside the predictions; needs a single FILE
    output: Path | None = None
    # text: a line for each metric; jsonl: a JSON object for each FILE
    format: Literal["text", "jsonl"] = "text"
    device: str = "cpu"  # device of the model, as torch names it: cpu, cuda, cuda:1
    recipe: str | None = None  # ./FOLDER of the recipe's code, if it was moved

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output is not None and len(self.files) != 1:
            raise limits.Unfit(
                f"swiftrnn evaluate --output needs one FILE; got {len(self.files)}; "
                "evaluate them one by one"
            )


OPTIONS = Evaluate
EXAMPLES = (
    "swiftrnn evaluate runs/names other.conll",
    "swiftrnn evaluate runs/names a.conll b.conll --format jsonl",
    "swiftrnn evaluate runs/opinions reviews.csv --output mistakes.csv",
)


def main(words: list[str]) -> None:
    """Run the command."""
    if not words or words[0].startswith("-"):
        if HELP & set(words):
            parse(Evaluate, "swiftrnn evaluate RUN", about(Evaluate, EXAMPLES), ["--help"])
        raise UsageError(
            "swiftrnn evaluate needs a RUN first; got none; see swiftrnn evaluate --help"
        )
    from swiftrnn.deploy import evaluate

    scoring = evaluate.scoring_of(Path(words[0]), recipe_of(Evaluate, words))
    prog = f"swiftrnn evaluate {words[0]}"
    parts = [(Evaluate, None), (scoring.options, None)]
    options, how = parse_all(parts, prog, about(Evaluate, EXAMPLES), words, "file")
    if not options.files:
        raise UsageError(f"{prog} needs a FILE; got none; see {prog} --help")
    evaluate.main(options, how)
