"""Networks that design networks: recurrent cells that a controller finds for a language model.

Paper: Pham et al. (2018), "Efficient Neural Architecture Search via Parameter Sharing"; the cell of
the authors' second code; Li and Talwalkar (2019), "Random Search and Reproducibility".
Differs: cells of three nodes, so that each of them can be trained; many cells in every update; the
baseline of a reward is that of other cells on the same words; AdamW; minutes for hours.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning import seed_everything

from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.enas import report
from swiftrnn.recipes.enas.alone import final, untrained
from swiftrnn.recipes.enas.cells import Cell
from swiftrnn.recipes.enas.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.enas.config import PUBLISHED as PUBLISHED
from swiftrnn.recipes.enas.config import SMOKE as SMOKE
from swiftrnn.recipes.enas.config import TRUTH as TRUTH
from swiftrnn.recipes.enas.config import Config
from swiftrnn.recipes.enas.data import words_for
from swiftrnn.recipes.enas.find import Found, every_cell, searched
from swiftrnn.recipes.enas.measure import alone_losses, read_truth
from swiftrnn.recipes.enas.model import Writer
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Scoring, Task
from swiftrnn.tasks.text import Text
from swiftrnn.tasks.writing.measure import scored
from swiftrnn.tasks.writing.sample import Sampling, continued, pieces, work
from swiftrnn.training import weights

TASK = Task(
    Text(any_bytes=True), Text(any_bytes=True, name="continued"), continued, Sampling,
    stream=pieces, work=work, verb="Continue", scoring=Scoring(scored),
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Find a cell, see which place it has among others, and train it as a language model."""
    machine.use_threads(config.threads)
    known = read_truth(config.truth, config.nodes) if config.truth else {}
    words = words_for(config)
    if config.cell is not None:
        found = Found({}, {}, {}, [], Cell.read(config.cell).canonical())
    elif config.every_cell:
        found = every_cell(config, out, words)
    else:
        found = searched(config, out, words, known)
    chosen = replace(config, cell=str(found.best), every_cell=False)
    seed_everything(config.seed, verbose=False)
    out.begin(chosen, words.vocabulary.saved())
    network, fitted = final(chosen, found.best, out, words)
    weights.save(Writer(network, words.vocabulary), out / folder.WEIGHTS)
    numbers = found.numbers | {
        "perplexity": alone_losses(network, words.test).exp().item(),
        "parameters": sum(each.numel() for each in network.parameters()),
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    marked = {name: numbers[f"valid_{name}"] for name in found.cells}
    report.draw(found.told, found.perplexities or [numbers["perplexity"]], marked,
                out / "cells.png")  # fmt: skip
    kept: dict[str, Any] = {
        "history": fitted.history, "cell": str(found.best),
        "cells": {name: str(cell) for name, cell in found.cells.items()},
    }  # fmt: skip
    return Result(numbers, kept, "cells.png", report.sections(numbers, found.cells, found.best))


def load(config: Any, out: Path) -> Writer:
    """Read back the language model of a run."""
    vocabulary = folder.read_json(out / folder.VOCABULARY)
    return weights.built(lambda: build(config, vocabulary), out / folder.WEIGHTS)


def build(config: Config, vocabulary: dict[str, Any]) -> Writer:
    """An untrained language model of the cell that was found."""
    words = Vocabulary.read(vocabulary)
    cell = Cell.read(config.cell or "0:tanh")
    return Writer(untrained(config, cell, len(words)), words)
