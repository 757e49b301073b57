"""The options of one_shot, and its presets."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.runs import limits

Layer = Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"]
Variant = Literal[
    "lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "one_glimpse", "fixed",
    "siamese", "convolutions", "pixels",
]  # fmt: skip


@dataclass(frozen=True)
class Config(limits.Checked):
    """Convolutions, then glimpses, then the choice among 20: under an hour; sizes are ours."""

    # folder or zip file of your drawings, ALPHABET/CHARACTER/DRAWER.png; default: Omniglot
    drawings: Path | None = None
    made_up: bool = False  # synthetic strokes in place of drawings; nothing is needed
    ways: Annotated[int, limits.Range(2, 1000)] = 20  # candidates of a run
    convolutions: bool = True  # residual convolutions before glimpses; without: of pixels
    # also train a layer that chooses among all candidates of a run
    context: bool = True
    layer: Layer = "lstm"  # recurrent layer of glimpses, and over candidates
    channels: limits.Size = 16  # channels of the first convolution
    blocks: limits.Depth = 2  # blocks of convolutions at half the size
    hidden: limits.Size = 256  # hidden size of LSTM; other layers get as many parameters
    window: Annotated[int, limits.Range(1, 16)] = 4  # pixels of a side of a glimpse
    glimpses: Annotated[int, limits.Range(1, 64)] = 8  # glimpses of each drawing
    dropout: limits.Dropout = 0.2  # dropout of glimpses, in convolutions and at the end
    augment: bool = True  # turn, scale, shear, move and mirror drawings, in training
    groups: limits.Size = 8  # groups of eight characters in a batch
    different: limits.Count = 3  # pairs of different characters for each pair of the same one
    seconds: limits.Seconds = 2700.0  # training time in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    # training time of the layer over candidates, in seconds
    context_seconds: limits.Seconds = 600.0
    context_steps: limits.Steps = None  # its updates
    learning_rate: limits.Positive = 1e-3  # peak learning rate of AdamW, after the warm-up
    warmup: limits.Count0 = 200  # updates in which the learning rate rises
    knee: limits.Count = 2000  # updates after which it decays with the inverse square root
    clip: limits.Positive = 1.0  # largest gradient norm
    # variants to train the same way: other layers, one glimpse, glimpses that do not move, a
    # siamese network, with convolutions, or without
    variants: tuple[Variant, ...] = ()
    control: bool = False  # also train on permuted labels
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.made_up and self.drawings:
            raise limits.Unfit(
                "--made-up needs no drawings beside it; got --drawings; leave out one"
            )
        own = "convolutions" if self.convolutions else "pixels"
        odd = [each for each in self.variants if each in (self.layer, own)]
        if odd or len({*self.variants}) < len(self.variants):
            raise limits.Unfit(
                "--variants needs what differs from the model itself, each once; got "
                f"{' '.join(self.variants)}"
            )

    def variant(self, name: str) -> "Config":
        """The settings of a variant; those of the model itself for ""."""
        alone = replace(self, variants=(), control=False)
        changes = {
            "": {}, "one_glimpse": {"glimpses": 1}, "fixed": {}, "siamese": {"convolutions": True},
            "convolutions": {"convolutions": True}, "pixels": {"convolutions": False},
        }  # fmt: skip
        return replace(alone, **changes.get(name, {"layer": name}))


SMOKE = Config(
    made_up=True, ways=8, channels=4, blocks=1, hidden=32, glimpses=2, dropout=0.0, augment=False,
    groups=4, different=1, seconds=None, steps=60, context_seconds=None, context_steps=10,
    learning_rate=3e-3, warmup=20, knee=400,
)  # fmt: skip
ARC = Config(convolutions=False, context=False, different=1, seconds=3300.0)
STUDY = replace(
    ARC, seconds=900.0, control=True,
    variants=("convolutions", "siamese", "one_glimpse", "fixed", "sru", "gru"),
)  # fmt: skip
