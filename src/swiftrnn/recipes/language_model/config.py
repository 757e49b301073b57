"""The options of the language model, and its presets."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.runs import limits

Layer = Literal["sru", "qrnn", "mingru", "lstm", "gru", "conv"]
Ranks = Annotated[tuple[limits.Count, ...], limits.Added]
Dropout = Annotated[limits.Dropout, limits.Added]
Train = Annotated[limits.OwnFile, limits.Without("text"), limits.Added]
Part = Annotated[Path | None, limits.With("train"), limits.Added]


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults are ours; the paper's model has 12 layers of width 2048 and trains for days."""

    layer: Layer = "sru"  # layer
    # hidden size of SRU; other layers get as many parameters
    hidden: Annotated[limits.Size, limits.Without("width")] = 128
    # hidden size of the layer itself; 0: as many parameters as SRU at --hidden
    width: limits.Size0 = 0
    depth: limits.Depth = 3  # stacked layers
    # longest n-gram of tokens that has an embedding, found by hashing; 1 for none
    ngrams: limits.Ngrams = 5
    # embeddings of n-grams, of all lengths together; a power of two
    ngram_rows: limits.Count = 65536
    # adaptive softmax: ranks at which clusters of rarer words begin; those beyond the vocabulary
    # are ignored
    cutoffs: Ranks = ()
    tied: Annotated[bool, limits.Added] = False  # tie the weights of softmax and embedding
    dropout: Dropout = 0.0  # variational dropout of inputs, between layers and of outputs
    word_dropout: Dropout = 0.0  # dropout of whole words from the embedding
    # dropout of weights: hidden-to-hidden of LSTM and GRU, else input-to-hidden
    weight_drop: Dropout = 0.0
    batch_size: limits.Size = 64  # sequences in a batch
    time: limits.Size = 32  # tokens of each sequence in an update (truncated back-propagation)
    seconds: limits.Seconds = 25.0  # training time in seconds, without measuring; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    # passes over the text, in place of both; the rate decays to 0 and the best epoch is kept
    epochs: Annotated[limits.Steps, limits.Added] = None
    # optimizer; muon: orthogonal updates of the layer's matrices
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: limits.Positive = 4e-3  # peak learning rate, after the warm-up
    weight_decay: Annotated[limits.Least0, limits.Added] = 0.01  # weight decay of AdamW
    clip: Annotated[limits.Positive, limits.Added] = 1.0  # largest gradient norm
    warmup: limits.Count0 = 50  # updates in which the learning rate rises
    knee: limits.Count = 500  # updates after which it decays with the inverse square root
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is
    # precision of the arithmetic; weights are float32
    dtype: Literal["float32", "bfloat16"] = "float32"
    # your text, split 90/5/5; default: Python's library, or WikiText-2 for words
    text: limits.OwnFile = None
    train: Train = None  # your training text, together with --valid and --test
    valid: Part = None  # your validation text; the best epoch is chosen on it
    test: Part = None  # your test text, measured once
    level: Literal["byte", "word"] = "byte"  # kind of token
    min_count: Annotated[limits.Count, limits.Added] = 2  # rarer words become <rare>
    # vocabulary size; the other words become <rare>; 0 for no limit
    max_words: Annotated[limits.Count0, limits.Added] = 0
    made_up: bool = False  # synthetic sums such as 3+4=7 in place of a text
    control: bool = False  # also train on shuffled tokens, where nothing can be learnt
    # other layers to train the same way, with as many parameters
    rivals: Annotated[tuple[Layer, ...], limits.Added] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = {f"--{name}": getattr(self, name) for name in ("train", "valid", "test")}
        given = [name for name, path in parts.items() if path is not None]
        if given and len(given) < len(parts):
            raise limits.Unfit(
                f"a text in parts needs {', '.join(parts)}; got {', '.join(given)}; give all "
                "three, or one file as --text"
            )
        if self.epochs and (self.steps or self.seconds not in (None, Config.seconds)):
            raise limits.Unfit(
                f"--epochs needs no other budget beside it; got --steps {self.steps} and --seconds "
                f"{self.seconds}; give one of the three"
            )
        if list(self.cutoffs) != sorted({*self.cutoffs}):
            raise limits.Unfit(
                f"--cutoffs needs ranks that rise; got {' '.join(map(str, self.cutoffs))}; "
                "1000 4000 suits ten thousand words"
            )
        if self.max_words and self.level == "byte":
            raise limits.Unfit(
                f"--max-words needs --level word; got {self.max_words:,} of level byte, where all "
                "256 bytes are the vocabulary"
            )
        limits.others("rivals", self.rivals, "layer", self.layer)


SMOKE = Config(
    hidden=64, depth=1, ngram_rows=256, batch_size=32, seconds=None, steps=150, made_up=True
)
WORD = Config(
    level="word", hidden=200, depth=4, ngrams=1, max_words=10_000, cutoffs=(1000, 4000), tied=True,
    dropout=0.2, batch_size=32, time=35, seconds=None, epochs=5, learning_rate=4e-3, warmup=200,
    rivals=("lstm",),
)  # fmt: skip
WORD_LARGE = replace(
    WORD, hidden=400, max_words=20_000, cutoffs=(1000, 4000, 10_000), dropout=0.35, epochs=6,
    learning_rate=3e-3,
)  # fmt: skip
