"""What the commands take: a frozen dataclass each, which is its options and their help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg


@dataclass(frozen=True)
class List:
    """Show the recipes: one line each, with the result we measured."""


@dataclass(frozen=True)
class Info:
    """Show versions, devices, which kernels run here, and why others do not."""


@dataclass(frozen=True)
class Run:
    """Train a recipe and measure it on unseen data; writes a run folder.

    Every field of the recipe's Config is an option: `swiftrnn run RECIPE --help` lists them.
    """

    preset: str = "default"  # a Config constant of the recipe, by its name in lower case
    seeds: int = 1  # runs with this many seeds, from --seed upwards, and gives mean and sd
    out: Path | None = None  # the run folder; runs/<recipe>-<time> unless given
    resume: bool = False  # go on with the run in --out, or with the recipe's newest
    record: bool = False  # write the recipe's results.json; in a source checkout only


@dataclass(frozen=True)
class Predict:
    """Use what was trained: find the names in each INPUT, or continue it."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder; of a comparison, its best layer, or RUN/LAYER"""
    inputs: Annotated[Positional[tuple[str, ...]], arg(metavar="INPUT")] = ()
    """a text; standard input where none is given"""
    format: Literal["text", "jsonl", "conll"] = "text"
    """of names: one a line, one JSON object for each INPUT, or a word and its tag a line"""
    length: int = 200  # of a continuation: how many bytes (or words) to add
    temperature: float = 0.8  # below 1 plays safe, above 1 is wild; 0 always takes the likeliest
    top_k: int = 0  # draw from the k likeliest only; 0 draws from all
    seed: int = 0  # the same seed gives the same text


@dataclass(frozen=True)
class Bench:
    """Time kernels and layers against the rivals installed here; parity first."""

    op: Annotated[Positional[str | None], arg(metavar="OP")] = None
    """one op or layer; all of them unless given"""
    seconds: float = 90.0  # for all together
    out: Path | None = None  # a new folder for a report with plots; without it only the tables


@dataclass(frozen=True)
class Data:
    """Show the data sets with licence and size, or fetch one into the cache."""

    action: Annotated[Positional[str], arg(metavar="list|fetch")] = "list"
    """what to do"""
    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """which data set to fetch"""


@dataclass(frozen=True)
class Copy:
    """Copy a recipe's folder, to start your own from; `swiftrnn run ./DIR` then runs it."""

    recipe: Annotated[Positional[str], arg(metavar="RECIPE")]
    """the recipe to copy"""
    dir: Annotated[Positional[Path], arg(metavar="DIR")]
    """the new folder; its name becomes the name of the package, so letters, digits and _"""


@dataclass(frozen=True)
class Serve:
    """Let others use what was trained: a web page, and a JSON interface for programs."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder of a recipe that finds names"""
    host: str = "127.0.0.1"  # only this machine; 0.0.0.0 lets the whole network in
    port: int = 8000  # 0 takes a free one


@dataclass(frozen=True)
class Export:
    """Write what was trained as a file for servers, phones and browsers without PyTorch."""

    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """a run folder of a recipe that finds names, with one of our layers"""
    to: Literal["onnx"] = "onnx"  # checked in ONNX Runtime before it is kept
    out: Path | None = None  # the file; RUN/model.onnx unless given
