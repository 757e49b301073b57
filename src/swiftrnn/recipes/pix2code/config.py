"""The options of pix2code, and its presets."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.runs import limits

Layer = Literal["sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "lstm", "gru"]


@dataclass(frozen=True)
class Config(limits.Checked):
    """A drafter of programs that trains in 40 minutes; sizes are ours."""

    platform: Literal["web", "android", "ios"] = "web"  # platform of the programs
    # your screenshots and their programs, a folder of NAME.png beside NAME.gui; default: the
    # published screenshots of web pages
    screens: Path | None = None
    made_up: bool = False  # synthetic drawings in place of screenshots; nothing is needed
    # screenshots to make from random programs, with Chromium, and to learn from
    make: limits.Count0 = 0
    # folder of the screenshots that are made, to use them again; default: made in the run folder
    made: Annotated[Path | None, limits.With("make")] = None
    # programs and looks of what is made: like the published ones, or any
    level: Literal["published", "varied"] = "varied"
    # with --make: screenshots of --screens to learn from as well; all others of it are measured
    real: Annotated[limits.Count0 | None, limits.With("make")] = None
    side: Annotated[int, limits.Range(64, 1024)] = 256  # longer side of the image that is read
    layer: Layer = "sru"  # recurrent layer of encoder and decoder
    channels: limits.Size = 16  # channels of the first convolution
    size: limits.Size = 64  # size of the embedding of a name
    # hidden size of SRU; other layers get as many parameters
    hidden: limits.Size = 128
    depth: limits.Depth = 2  # blocks of the decoder: a recurrent layer, then attention
    dropout: limits.Dropout = 0.1  # dropout of features, embeddings and between blocks
    jitter: limits.Share = 0.1  # how much colours and place of screenshots vary, in training
    # share of screenshots, in training, that are put together from rows and cells of others
    mixed: limits.Share = 0.5
    count: bool = True  # also learn how many elements of each kind a screenshot has
    batch_size: limits.Size = 16  # screenshots in a batch
    seconds: limits.Seconds = 2400.0  # training time in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    learning_rate: limits.Positive = 2e-3  # peak learning rate of AdamW, after the warm-up
    warmup: limits.Count0 = 100  # updates in which the learning rate rises
    knee: limits.Count = 1000  # updates after which it decays with the inverse square root
    clip: limits.Positive = 1.0  # largest gradient norm
    longest: Annotated[int, limits.Range(8, 1000)] = 160  # longest program, in names and closings
    beam: Annotated[int, limits.Range(1, 100)] = 5  # beam size, on test
    rivals: tuple[Layer, ...] = ()  # other layers to train the same way, with as many parameters
    without: tuple[Literal["count", "mixed"], ...] = ()  # also train without each, for as long
    published: bool = False  # also train the published network, for as long
    control: bool = False  # also train on the screenshots of other programs
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.others("rivals", self.rivals, "layer", self.layer)
        if self.made_up and (self.make or self.screens):
            raise limits.Unfit(
                "--made-up needs no screenshots beside it; got --make or --screens; leave out one"
            )


SMOKE = Config(
    made_up=True, side=96, channels=8, size=32, hidden=64, dropout=0.0, jitter=0.0, mixed=0.0,
    seconds=None, steps=250, learning_rate=4e-3, warmup=25, knee=250, longest=40, beam=2,
)  # fmt: skip
GENERATED = Config(make=3000, seconds=900.0)
ANDROID = replace(GENERATED, platform="android")
IOS = replace(GENERATED, platform="ios")
ZERO_SHOT = replace(GENERATED, real=0)
STUDY = Config(
    seconds=900.0, without=("count", "mixed"), published=True, control=True, rivals=("lstm",)
)  # fmt: skip
