"""A named-entity chunker: words are shifted onto a stack and reduced to an entity, or put out.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition", section 3.
Differs: whole batches at once; AdamW for SGD; a beam; an entity cannot have gaps; free data.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn import limits
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
    depth: limits.Depth = 2  # layers of stack, words, outputs and actions on top of each other
    hidden: limits.Size = 100  # of each of them
    # of the vector of a word; with --vectors, that of theirs
    word_size: Annotated[limits.Size, limits.Without("vectors")] = 100
    # of the vector of a character; 0 leaves characters out
    char_size: Annotated[int, limits.Range(0, 65_536)] = 25
    # of the layer of characters, in each direction; theirs: 50
    char_hidden: Annotated[limits.Size, limits.With("char_size")] = 25
    # layers of characters on top of each other; theirs: 2
    char_depth: Annotated[limits.Depth, limits.With("char_size")] = 1
    # longest run of characters that has a vector of its own; theirs: 1
    char_ngrams: Annotated[int, limits.Range(1, 64), limits.With("char_size")] = 1
    input_size: limits.Size = 100  # of a word as stack, outputs and words to come see it
    action_size: limits.Size = 16  # of the vector of an action
    replaced: limits.Share = (
        0.5  # of the sights of a word seen once: it stands for the unknown; theirs: 0.2
    )
    dropout: limits.Dropout = 0.3  # of the words, one choice for a sentence, and of the state
    # ways that are followed at a time; ours; theirs: 1
    beam: Annotated[int, limits.Range(1, 1024)] = 4


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
