"""The options of the translator, and its presets."""

from dataclasses import dataclass
from typing import Annotated, Literal

from swiftrnn.runs import limits
from swiftrnn.tasks.translating.config import Corpus

Layer = Literal["sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "lstm", "gru"]
Variant = Literal[
    "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "lstm", "gru", "no_attention",
    "one_direction", "dot", "additive",
]  # fmt: skip


@dataclass(frozen=True)
class Config(Corpus):
    """A translator from German to English that trains in ten minutes; sizes are ours."""

    layer: Layer = "sru"  # recurrent layer of encoder and decoder
    # attention score; none: the decoder sees the encoder's last output only
    attention: Literal["general", "dot", "additive", "none"] = "general"
    bidirectional: bool = True  # whether the encoder reads in both directions
    size: limits.Size = 192  # size of embeddings
    # hidden size of SRU, in each direction; other layers get as many parameters
    hidden: limits.Size = 192
    depth: limits.Depth = 2  # stacked layers of encoder and of decoder
    dropout: limits.Dropout = 0.0  # dropout of embeddings, between layers and before the softmax
    smoothing: limits.Dropout = 0.1  # label smoothing
    batch_tokens: limits.Several = 1600  # target tokens in a batch, padding among them
    seconds: limits.Seconds = 600.0  # training time in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    # muon: orthogonal momentum for the matrices between embeddings and softmax; adamw: for all
    optimizer: Literal["muon", "adamw"] = "muon"
    # peak learning rate; it falls to 0 along a line over the training time
    learning_rate: limits.Positive = 1e-2
    warmup: limits.Count0 = 200  # updates in which the learning rate rises
    clip: limits.Positive = 1.0  # largest gradient norm
    beam: Annotated[int, limits.Range(1, 200)] = 5  # beam size, on test
    # exponent of the length penalty of the beam search; 0 for none
    length_penalty: limits.Least0 = 0.6
    # variants to train the same way: other layers, no attention, one direction, other attention
    variants: tuple[Variant, ...] = ()
    control: bool = False  # also train on pairs that do not belong together
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        odd = [each for each in self.variants if each in (self.layer, self.attention)]
        if odd or len({*self.variants}) < len(self.variants):
            raise limits.Unfit(
                "--variants needs what differs from the model itself, each once; got "
                f"{' '.join(self.variants)}"
            )


SMOKE = Config(
    made_up=True, tokens="words", size=32, hidden=32, depth=1, dropout=0.0, batch_tokens=600,
    seconds=None, steps=150, learning_rate=2e-2, warmup=20, beam=3,
)  # fmt: skip
LONG = Config(seconds=2400.0, dropout=0.1)
STUDY = Config(variants=("lstm", "no_attention"), control=True)
