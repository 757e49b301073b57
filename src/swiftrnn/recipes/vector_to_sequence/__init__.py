"""An image of three handwritten digits is read out in words, by way of one vector.

Paper: Vinyals et al. (2015), "Show and Tell: A Neural Image Caption Generator".
Differs: digits of MNIST for photographs, words of numbers for captions, minutes of training.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from swiftrnn.recipes.vector_to_sequence import measure, report
from swiftrnn.recipes.vector_to_sequence.answer import answer
from swiftrnn.recipes.vector_to_sequence.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.vector_to_sequence.data import Digits, held_out, made_up, mnist
from swiftrnn.recipes.vector_to_sequence.evaluate import SCORING
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.recipes.vector_to_sequence.spelling import Letters
from swiftrnn.recipes.vector_to_sequence.train import load, train, untrained
from swiftrnn.report.names import LAYERS
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.image import Image
from swiftrnn.tasks.text import Text

Layer = Literal["sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn", "lstm", "gru"]


@dataclass(frozen=True)
class Config(limits.Checked):
    """Three minutes of training; all sizes are ours."""

    made_up: bool = False  # synthetic digits in place of MNIST; nothing is downloaded
    language: Literal["english", "german"] = "english"  # language of the words
    unseen: Annotated[int, limits.Range(0, 500)] = 200  # numbers of the 1,000 never trained on
    layer: Layer = "sru"  # recurrent layer that writes the words
    channels: limits.Size = 16  # channels of the first convolution
    vector: limits.Size = 128  # size of the vector between image and words
    size: limits.Size = 32  # size of the embedding of a letter
    hidden: limits.Size = 128  # hidden size of SRU; other layers get as many parameters
    dropout: limits.Dropout = 0.1  # dropout of the vector
    shift: Annotated[int, limits.Range(0, 14)] = 3  # most pixels that a digit is moved, in training
    batch_size: limits.Size = 64  # images in a batch
    seconds: limits.Seconds = 180.0  # training time in seconds; None for no limit
    steps: limits.Steps = None  # updates; training ends at whichever of the two comes first
    learning_rate: limits.Positive = 2e-3  # learning rate of AdamW, at first
    knee: limits.Count = 1000  # updates after which it decays with the inverse square root
    # other layers to train the same way, with as many parameters
    rivals: tuple[Layer, ...] = ("lstm",)
    control: bool = True  # also train on permuted images, where nothing can be learnt
    seed: limits.Seed = 0  # random seed
    threads: limits.Threads = 0  # threads of torch; 0 leaves its setting as it is

    def __post_init__(self) -> None:
        super().__post_init__()
        limits.others("rivals", self.rivals, "layer", self.layer)


SMOKE = Config(
    made_up=True, channels=4, vector=64, hidden=64, dropout=0.0, seconds=None, steps=150,
    learning_rate=5e-3, shift=0, batch_size=32, rivals=(),
)  # fmt: skip
TASK = Task(Image(1, draws=(420, 140)), Text(name="words"), answer, verb="Read", scoring=SCORING)


def run(config: Config, out: RunFolder) -> Result:
    """Train, and read test images of numbers that were trained on and of numbers that were not."""
    digits = made_up(config.seed) if config.made_up else mnist()
    seen, unseen = held_out(config.unseen, config.seed)
    alone = replace(config, rivals=(), control=False)
    found, details = trained(alone, out, digits, seen, unseen)
    rivals: dict[str, Any] = {}
    for layer in config.rivals:
        each, about = trained(replace(alone, layer=layer), out.part(layer), digits, seen, unseen)
        found |= {f"{name}_{layer}": value for name, value in each.items()}
        rivals[LAYERS[layer]] = about["history"]
    if config.control:
        control, _ = trained(alone, out.part("control"), digits, seen, unseen, permuted=True)
        found["control"] = control["seen"]
    found |= measure.baselines(digits, seen, unseen, config)
    report.draw(details["examples"], out / "read.png")
    kept = {"history": details["history"]} | ({"rivals": rivals} if rivals else {})
    return Result(found, kept, "read.png", report.sections(config, found, details["wrong"]))


def trained(
    config: Config, out: RunFolder, digits: tuple[Digits, Digits, Digits], seen: Any, unseen: Any,
    permuted: bool = False,
) -> tuple[dict[str, float], dict[str, Any]]:  # fmt: skip
    """Train one model, and measure it: its numbers, and what else a report shows."""
    fitted = train(config, out, digits, seen, permuted)
    model = load(config, out.path)
    found, details = measure.measure(model, digits[2], seen, unseen, config)
    found |= {
        "parameters": sum(each.numel() for each in model.parameters()), "steps": fitted.steps,
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return found, details | {"history": fitted.history}


def build(config: Config, _: dict[str, Any]) -> Speller:
    """An untrained model."""
    return untrained(config, Letters(config.language))
