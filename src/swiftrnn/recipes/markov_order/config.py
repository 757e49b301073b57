"""The options of the study of orders, and its presets."""

from dataclasses import dataclass
from typing import Annotated, Literal

from swiftrnn.runs import limits

Layer = Literal["sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "lstm", "gru"]


@dataclass(frozen=True)
class Config(limits.Checked):
    """Four layers on the bytes of WikiText-2, two and a half minutes each; all sizes are ours."""

    train: limits.OwnFile = None  # your text, any bytes, split 90/5/5; default: WikiText-2
    made_up: bool = False  # a synthetic source of order 3, whose entropy is known, in place of it
    # letters of the synthetic source
    length: Annotated[int, limits.Range(20_000, 100_000_000)] = 5_000_000
    # layers to compare, with as many parameters
    layers: Annotated[tuple[Layer, ...], limits.Different()] = ("sru", "lstm", "gru", "mingru")
    size: limits.Size = 128  # size of the embedding of a byte
    hidden: limits.Size = 384  # hidden size of SRU; other layers get as many parameters
    depth: limits.Depth = 2  # stacked layers
    # probability that a stream begins an update without its state
    forget: limits.Share = 0.5
    batch_size: limits.Size = 32  # streams in a batch
    time: limits.Size = 128  # bytes of each stream in an update (truncated back-propagation)
    seconds: limits.Seconds = 150.0  # training time of each layer in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    learning_rate: limits.Positive = 4e-3  # peak learning rate of AdamW, after the warm-up
    warmup: limits.Count0 = 50  # updates in which the learning rate rises
    knee: limits.Count = 500  # updates after which it decays with the inverse square root
    clip: limits.Positive = 1.0  # largest gradient norm
    longest: Annotated[int, limits.Range(1, 4096)] = 256  # longest history that is measured, bytes
    # bytes of the test part whose prediction is measured
    places: Annotated[int, limits.Range(16, 1_000_000)] = 8192
    control: bool = True  # also train the first layer on shuffled bytes, which have no order
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is


SMOKE = Config(
    made_up=True, length=300_000, layers=("sru", "lstm"), size=16, hidden=32, depth=1,
    batch_size=16, time=32, seconds=None, steps=80, learning_rate=1e-2, longest=8, places=1024,
)  # fmt: skip
SOURCE = Config(
    made_up=True, layers=("sru", "lstm"), size=32, hidden=128, depth=1, seconds=60.0, longest=16
)
