"""A named-entity chunker: words are shifted onto a stack and reduced to an entity, or put out.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition", section 3.
Differs: whole batches at once; AdamW for SGD; a beam; an entity cannot have gaps; free data.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from swiftrnn.data.entities import predict as predict
from swiftrnn.data.entities import readings as readings
from swiftrnn.recipes.ner_stack_lstm.model import Chunker
from swiftrnn.training import entities
from swiftrnn.training.entities import ADDED as ADDED
from swiftrnn.training.entities import WEIGHTS as WEIGHTS


@dataclass(frozen=True)
class Config(entities.Settings):
    """The sizes of the paper and of its code; what is trained how is ours."""

    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: int = 2  # layers of stack, words, outputs and actions on top of each other
    hidden: int = 100  # of each of them
    word_size: int = 100  # of the vector of a word; with --vectors, that of theirs
    char_size: int = 25  # of the vector of a character; 0 leaves characters out
    char_hidden: int = 25  # of the layer of characters, in each direction; theirs: 50
    char_depth: int = 1  # layers of characters on top of each other; theirs: 2
    char_ngrams: int = 1  # longest run of characters that has a vector of its own; theirs: 1
    input_size: int = 100  # of a word as stack, outputs and words to come see it
    action_size: int = 16  # of the vector of an action
    replaced: float = (
        0.5  # of the sights of a word seen once: it stands for the unknown; theirs: 0.2
    )
    dropout: float = 0.3  # of the words, one choice for a sentence, and of the state
    beam: int = 4  # ways that are followed at a time; ours; theirs: 1


SMOKE = Config(made_up=True, epochs=4, depth=1, hidden=32, word_size=32, input_size=32,
               batch_size=16, learning_rate=1e-2, beam=2)  # fmt: skip
BIOMEDICAL = Config(data="bc5cdr", learning_rate=1e-2, epochs=8)
SIZES = ("depth", "hidden", "word_size", "char_size", "char_hidden", "char_depth", "input_size",
         "action_size")  # fmt: skip
CLAIMS = {"conll03_f1": 90.33, "conll03_f1_without_vectors": 80.88}  # theirs, on other data


def run(config: Config, out: Path) -> dict[str, float]:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    return entities.run("ner_stack_lstm", Chunker, config, out)


def load(config: Config, out: Path) -> Chunker:
    """Read a trained chunker; nothing in the files can run."""
    return entities.load(Chunker, config, out)
