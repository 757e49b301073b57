"""A language model over bytes or words, with any of six layers at equal size.

Paper: Lei et al. (2018), "Simple Recurrent Units for Highly Parallelizable Recurrence".
Differs: Python's library for enwik8; seconds for days; no dropout; averaged weights are measured.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from lightning import seed_everything

from swiftrnn import __version__, limits
from swiftrnn.data.lanes import Lanes, excerpts
from swiftrnn.data.text import Text
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.recipes.language_model.data import shuffled, text_for
from swiftrnn.recipes.language_model.use import WEIGHTS, bits, build, load, measure, width_for
from swiftrnn.recipes.language_model.use import predict as predict
from swiftrnn.training import folder, resources, weights
from swiftrnn.training.fit import Fitted, fit

VALID = 32_768  # tokens measured during training, from all over valid; cheap for any layer
SNAPSHOTS = 100  # updates between two, so that layers can be compared after equal tokens


@dataclass(frozen=True)
class Config(limits.Checked):
    """Ours throughout; the paper's model is 12 layers of width 2048, trained for days."""

    layer: Literal["sru", "qrnn", "mingru", "lstm", "gru", "conv"] = "sru"
    hidden: Annotated[limits.Size, limits.Without("width")] = 128  # SRU's; more need minutes
    width: limits.Size0 = 0  # the layer's own; 0 takes the one at which it is as large as SRU
    depth: limits.Depth = 3  # layers on top of each other
    ngrams: limits.Ngrams = 5  # longest run of tokens with a vector of its own, hashed; 1 for none
    ngram_rows: limits.Count = 65536  # such vectors, for all lengths together; a power of two
    batch_size: limits.Size = 64  # lanes that walk through the text side by side
    time: limits.Size = 32  # tokens of each lane in one update; gradients reach back this far
    seconds: limits.Seconds = 25.0  # of training, without measuring; None for no such limit
    steps: limits.Steps = None  # updates; training ends at whichever comes first
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: orthogonal updates for its matrices
    learning_rate: limits.Positive = 4e-3  # of the optimizer, after the warm-up
    warmup: limits.Count0 = 50  # updates in which the learning rate rises
    knee: limits.Count = 500  # updates after which it falls with the inverse square root
    seed: limits.Seed = 0  # of all that is drawn
    threads: limits.Threads = 0  # of torch; 0 leaves its setting alone
    dtype: Literal["float32", "bfloat16"] = "float32"  # of the arithmetic; weights are float32
    text: limits.OwnFile = None  # of yours; else the Python library, or WikiText-2 for words
    level: Literal["byte", "word"] = "byte"
    made_up: bool = False  # learn sums such as 3+4=7 in place of a text
    control: bool = False  # also train on shuffled bytes or words, where nothing can be learnt


SMOKE = Config(
    hidden=64, depth=1, ngram_rows=256, batch_size=32, seconds=None, steps=150, made_up=True
)
WORD = Config(
    level="word", ngrams=1, batch_size=20, time=35, seconds=600.0, learning_rate=2e-3, knee=1000
)
SIZES = ("hidden", "width", "depth", "ngrams", "ngram_rows")  # of the model
CLAIMS = {"enwik8_bits_per_byte": 1.19}  # theirs, on enwik8; not comparable with this text


def train(config: Config, out: Path, resume: bool = False, text: Text | None = None) -> Fitted:
    """Train one model and write it to `out`, for `run` and for `swiftrnn compare`.

    `resume` goes on from the last checkpoint in `out`; `text` is another one than `config` names.
    The history has `step`, `tokens`, `seconds`, `loss` (train, nats), `bits` (valid, per token).
    """
    seed_everything(config.seed, verbose=False)
    resources.use_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    text = text or text_for(config)
    words = Vocabulary.of_words(text.train) if config.level == "word" else Vocabulary()
    if not (out / "config.json").exists():
        about = {"recipe": "language_model", "swiftrnn": __version__}
        full = asdict(replace(config, width=width_for(config, len(words))))
        folder.write_json(out / "config.json", {**about, "config": full})
    resources.check_memory(lambda: build(config, words))
    model, valid = build(config, words), excerpts(words.encode(text.valid), VALID)
    fitted = fit(
        model,
        Lanes(words.encode(text.train), config.batch_size, config.time, config.seed),
        out=out,
        steps=config.steps,
        seconds=config.seconds,
        valid=lambda averaged: {"bits": bits(averaged, valid)[0]},
        average=True,
        snapshots=SNAPSHOTS,
        clip=1.0,
        resume=resume,
        name=config.layer,
    )
    for row in fitted.history:
        row["tokens"] = row["step"] * config.batch_size * config.time
    if words.words is not None:
        folder.write_json(out / "vocabulary.json", {"words": words.words})
    weights.save(model, out / WEIGHTS)
    return fitted


def run(config: Config, out: Path) -> dict[str, float]:
    """Train, then measure on the test part: bits per byte, or perplexity, and what to beat."""
    text = text_for(config)
    fitted = train(config, out, resume=True, text=text)
    model = load(config, out)
    found = measure(model, text)
    if config.control:  # trained on what is shuffled, a model can find the counts, nothing else
        mixed, apart = shuffled(text, config.seed, config.level), out / "control"
        train(replace(config, control=False), apart, resume=True, text=mixed)
        control = measure(load(config, apart), mixed)
        found |= {f"control_{name}": value for name, value in control.items()}
    found["parameters"] = sum(p.numel() for p in model.parameters())
    found["tokens"] = fitted.steps * config.batch_size * config.time
    found["tokens_per_second"] = found["tokens"] / fitted.seconds
    did = asdict(fitted)  # steps, seconds, peak_memory and the history of measurements
    folder.write_json(out / "metrics.json", found | did)
    return found | {name: value for name, value in did.items() if name != "history"}
