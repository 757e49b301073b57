"""The options of architecture search, and its presets."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.recipes.enas.cells import Cell
from swiftrnn.runs import limits

Policy = Literal["controller", "uniform", "shuffled"]


@dataclass(frozen=True)
class Config(limits.Checked):
    """A search over the 188 recurrent cells of three nodes, on WikiText-2; sizes are ours."""

    train: limits.OwnFile = None  # your text, words, split 90/5/5; default: WikiText-2
    made_up: bool = False  # synthetic words in place of a text
    # vocabulary size; the other words become <rare>
    vocabulary: Annotated[int, limits.Range(4, 1_000_000)] = 2000
    nodes: Annotated[int, limits.Range(1, 12)] = 3  # nodes of a cell (paper: 12)
    size: limits.Size = 64  # size of word vectors and states (paper: 1000)
    # how cells are drawn: by the controller; all equally likely; by a controller whose rewards are
    # shuffled, the control. The first one's cell is used by predict and serve
    policies: Annotated[tuple[Policy, ...], limits.Different()] = (
        "controller", "uniform", "shuffled",
    )  # fmt: skip
    groups: limits.Size = 32  # cells that an update of the shared weights trains (paper: 1)
    rows: limits.Size = 4  # streams of words of each of them
    time: limits.Size = 35  # words of each stream in an update (truncated back-propagation)
    steps: limits.Count = 2000  # updates of the shared weights
    learning_rate: limits.Positive = 3e-3  # peak learning rate; it falls to 0 along a line
    warmup: limits.Count0 = 100  # updates in which the learning rate rises
    every: limits.Count = 2  # updates of the shared weights for one of the controller
    samples: limits.Several = 32  # cells whose rewards an update of the controller compares
    controller_rate: limits.Positive = 2e-3  # learning rate of the controller (paper: 3.5e-4)
    entropy: limits.Least0 = 0.03  # weight of the controller's entropy, beside rewards of sd 1
    recency: bool = False  # let near nodes be read more often, as the authors' code does
    drawn: limits.Count = 200  # cells that are drawn once the search has ended
    kept: limits.Count = 10  # the best of them, which are compared on all of valid
    random: limits.Count = 16  # random cells that are trained alone, to compare with
    alone_rows: limits.Size = 16  # streams of words when a cell is trained alone
    alone_steps: limits.Count = 1000  # updates of each cell that is trained alone
    together: limits.Size = 32  # cells that are trained alone side by side
    final_steps: limits.Count = 3000  # updates of the cell that is used in the end
    dropout: limits.Dropout = 0.1  # its dropout, of words and before the softmax
    clip: limits.Positive = 1.0  # largest gradient norm of the shared weights and of that cell
    cell: str | None = None  # train this cell, such as "0:tanh 1:relu", in place of a search
    every_cell: bool = False  # train every cell alone, in place of a search
    # run folder of --preset truth: tells which place a found cell has among all
    truth: Path | None = None
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell is not None:
            try:
                Cell.read(self.cell)
            except ValueError as error:
                raise limits.Unfit(f"--cell: {error}") from None
            if self.every_cell:
                raise limits.Unfit("--cell needs to stand without --every-cell; got both")
        if self.every_cell and self.nodes > 4:
            raise limits.Unfit(
                f"--every-cell needs at most 4 nodes; got {self.nodes}, of which there are too "
                "many cells to train each"
            )


SMOKE = Config(
    made_up=True, nodes=2, size=16, groups=4, rows=4, time=10, steps=60, learning_rate=1e-2,
    warmup=10, samples=8, controller_rate=5e-3, drawn=20, kept=3, random=4, alone_rows=8,
    alone_steps=40, final_steps=80, dropout=0.0,
)  # fmt: skip
TRUTH = Config(every_cell=True)
PUBLISHED = replace(
    Config(), nodes=8, size=200, vocabulary=10_000, groups=8, rows=16, steps=40_000,
    policies=("controller", "uniform"), final_steps=60_000, dropout=0.3,
)  # fmt: skip
