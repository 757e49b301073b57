"""The options of non-autoregressive translation, and its presets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.runs import limits
from swiftrnn.tasks.translating.config import Corpus

Name = Literal[
    "fertility", "uniform", "ctc", "graph", "fertility_raw", "uniform_raw", "ctc_raw", "graph_raw",
    "fertility_tuned",
]  # fmt: skip


@dataclass(frozen=True)
class Config(Corpus):
    """A teacher and its students, from German to English, ten minutes each; sizes are ours."""

    # students to train: kinds of decoder inputs; raw: on the corpus itself, not on the teacher's
    # translations; tuned: then fine-tuned. The first one is used by predict and serve
    students: Annotated[tuple[Name, ...], limits.Different()] = (
        "fertility", "uniform_raw", "ctc", "graph",
    )  # fmt: skip
    size: limits.Size = 192  # size of embeddings and blocks (paper: 512)
    heads: limits.Size = 4  # heads of attention (paper: 8)
    inner: limits.Size = 512  # units of the feed-forward nets
    depth: limits.Depth = 3  # blocks of encoder and of decoder (paper: 6)
    dropout: limits.Dropout = 0.0  # dropout of embeddings and of each part of a block
    smoothing: limits.Dropout = 0.1  # label smoothing of the teacher
    upsampling: Annotated[int, limits.Range(1, 16)] = 2  # positions for each source token, of ctc
    vertices: Annotated[int, limits.Range(1, 32)] = 4  # vertices for each source token, of graph
    batch_tokens: limits.Several = 1600  # target tokens in a batch, padding among them
    teacher_seconds: limits.Seconds = 600.0  # training time of the teacher; None for no limit
    seconds: limits.Seconds = 600.0  # training time of each student; None for no limit
    steps: limits.Steps = None  # updates of each; training ends at whichever of the two comes first
    # muon: orthogonal momentum for the matrices of the blocks; adamw: for all (paper: adam)
    optimizer: Literal["muon", "adamw"] = "muon"
    # peak learning rate; it falls to 0 along a line over the training time
    learning_rate: limits.Positive = 1e-2
    warmup: limits.Count0 = 200  # updates in which the learning rate rises
    clip: limits.Positive = 1.0  # largest gradient norm
    tuning_seconds: limits.Seconds = 200.0  # time of fine-tuning; None for no limit
    tuning_rate: limits.Positive = 1e-4  # its learning rate (paper: 2e-5)
    tuning_weight: limits.Share = 0.25  # weight of the teacher's judgement in it
    samples: Annotated[int, limits.Range(2, 1000)] = 10  # translations of noisy parallel decoding
    rival: Path | None = None  # run folder of a recurrent translator, to compare speed and BLEU
    control: bool = False  # also train on pairs that do not belong together
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size % self.heads:
            raise limits.Unfit(
                f"--heads needs a number that divides --size; got {self.heads} and {self.size}"
            )
        if "fertility_tuned" in self.students and "fertility" not in self.students:
            raise limits.Unfit(
                "--students needs fertility beside fertility_tuned, which goes on with it; got "
                f"{' '.join(self.students)}"
            )


SMOKE = Config(
    made_up=True, tokens="words", students=("fertility", "ctc"), size=32, heads=2, inner=64,
    depth=1, dropout=0.0, smoothing=0.0, batch_tokens=400, teacher_seconds=None, seconds=None,
    tuning_seconds=None, steps=150, learning_rate=1e-2, warmup=20, samples=4,
)  # fmt: skip
ABLATION = Config(
    students=("fertility", "fertility_raw", "uniform", "uniform_raw", "fertility_tuned", "ctc_raw",
              "graph_raw"),
    control=True,
)  # fmt: skip
