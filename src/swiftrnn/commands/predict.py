"""`swiftrnn predict`: answers of what was trained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import HELP, UsageError, about, parse, parse_all
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Predict(limits.Checked):
    """Predict with a trained run: find names in each INPUT, classify it, or continue it.

    RUN comes first: `swiftrnn predict RUN --help` also lists the options of its task. With
    --input and --output it works on a whole file or folder, and continues where the same
    command was stopped.
    """

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """run folder; of a comparison, RUN/LAYER, or RUN for its best layer"""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT")] = ()
    """inputs, or the paths of images; default: what standard input holds"""
    # file with an input in each row (.txt .csv .tsv .jsonl .parquet .conll), or folder of inputs
    input: Path | None = None
    # file for the rows of --input and their predictions (.jsonl .csv .tsv .parquet .txt .conll)
    output: Annotated[Path | None, limits.With("input")] = None
    # column of --input that holds the inputs; default: the name of the task's input, such as text
    column: Annotated[str | None, limits.With("input")] = None
    # largest number of inputs in a batch
    batch: Annotated[int, limits.Range(1, 65_536), limits.With("input")] = 1024
    # processes that work on --input in parallel; 0: one for each core, up to 8
    processes: Annotated[int, limits.Range(0, 1024), limits.With("input")] = 0
    # address of a Ray cluster to work on --input; local starts one on this machine
    ray: Annotated[str | None, limits.With("input")] = None
    # start over instead of continuing where the same command was stopped
    anew: Annotated[bool, limits.With("input")] = False
    format: str | None = None  # output format of the task; with --output only for .txt
    device: str = "cpu"  # device of the model, as torch names it: cpu, cuda, cuda:1
    recipe: str | None = None  # ./FOLDER of the recipe's code, if it was moved

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input is None:
            return
        if self.inputs:
            raise limits.Unfit(
                f"swiftrnn predict needs either INPUT or --input; got {self.inputs[0]!r} and "
                f"--input {self.input}; leave out one of them"
            )
        if self.output is None:
            raise limits.Unfit(
                f"swiftrnn predict --input needs an --output; got --input {self.input} alone; "
                "name a file for the answers"
            )


OPTIONS = Predict
EXAMPLES = (
    'swiftrnn predict runs/compare-2026-01-31-120000 "def "',
    'swiftrnn predict runs/lstm "import " --length 500 --temperature 0.6',
    "swiftrnn predict runs/names --format jsonl < letters.txt",
    "swiftrnn predict runs/names --input letters.csv --column body --output names.parquet",
)


def main(words: list[str]) -> None:
    """Run the command."""
    if not words or words[0].startswith("-"):
        if HELP & set(words):
            parse(Predict, "swiftrnn predict RUN", about(Predict, EXAMPLES), ["--help"])
        raise UsageError(
            "swiftrnn predict needs a RUN first; got none; see swiftrnn predict --help"
        )
    from swiftrnn.deploy.trained import task_of

    task = task_of(Path(words[0]), recipe_of(Predict, words))
    prog = f"swiftrnn predict {words[0]}"
    parts = [(Predict, None), (task.options, None)]
    options, how = parse_all(parts, prog, about(Predict, EXAMPLES), words, "task")
    limits.check_typed(options, [word for word in words if word.startswith("--")])
    if options.input is None:
        from swiftrnn.deploy import predict

        predict.main(options, how)
    else:
        from swiftrnn.deploy.batch import loop

        loop.main(options, how)


def recipe_of(kind: type, words: list[str]) -> str | None:
    """What --recipe says, which has to be known before all other words can be read."""
    (first,) = parse_all([(kind, None)], "", "", [words[0], *_option(words, "--recipe")])
    return first.recipe


def _option(words: list[str], name: str) -> list[str]:
    """An option and its value, if it is there."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(f"{name}="):
            return [word]
        if word == name:
            return [word, after]
    return []
