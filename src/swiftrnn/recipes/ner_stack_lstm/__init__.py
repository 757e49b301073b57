"""A named-entity chunker: words are shifted onto a stack and reduced to an entity, or put out.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition", section 3.
Differs: whole batches at once; AdamW for SGD; a beam; an entity cannot have gaps; free data.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from swiftrnn.recipes.ner_stack_lstm.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.ner_stack_lstm.model import Chunker
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.spans import Alternatives, Spans
from swiftrnn.tasks.tagging import train
from swiftrnn.tasks.tagging.evaluate import SCORING
from swiftrnn.tasks.tagging.find import NBest, find, work
from swiftrnn.tasks.text import Text


@dataclass(frozen=True)
class Config(train.Settings):
    """The sizes of the paper and of the authors' code; the training is ours."""

    # recurrent layer of the stack, words, outputs and actions
    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: limits.Depth = 2  # stacked layers of each of them
    hidden: limits.Size = 100  # hidden size of each of them
    # size of a word embedding; with --vectors, theirs
    word_size: Annotated[limits.Size, limits.Without("vectors")] = 100
    # size of a character embedding; 0 leaves characters out
    char_size: Annotated[int, limits.Range(0, 65_536)] = 25
    # hidden size of the layer over characters, in each direction (paper: 50)
    char_hidden: Annotated[limits.Size, limits.With("char_size")] = 25
    # stacked layers over characters (paper: 2)
    char_depth: Annotated[limits.Depth, limits.With("char_size")] = 1
    # longest character n-gram that has an embedding (paper: 1)
    char_ngrams: Annotated[int, limits.Range(1, 64), limits.With("char_size")] = 1
    input_size: limits.Size = 100  # size of a word as the stack, outputs and words to come see it
    action_size: limits.Size = 16  # size of an action embedding
    # probability that a word seen once is replaced by the unknown word in training (paper: 0.2)
    replaced: limits.Share = 0.5
    dropout: limits.Dropout = 0.3  # variational dropout of words, and dropout of the state
    beam: Annotated[int, limits.Range(1, 1024)] = 4  # beam size (paper: 1)


SMOKE = Config(made_up=True, epochs=4, depth=1, hidden=32, word_size=32, input_size=32,
               batch_size=16, learning_rate=1e-2, beam=2)  # fmt: skip
BIOMEDICAL = Config(data="bc5cdr", learning_rate=1e-2, epochs=8, control=True)


TASK = Task(
    Text(), Spans(), find, NBest, shows=(Alternatives(),), work=work, verb="Find names",
    scoring=SCORING,
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    return train.run(Chunker, config, out)


def build(config: Config, vocabulary: dict[str, Any]) -> Chunker:
    """An untrained model."""
    return train.build(Chunker, config, train.vocabulary_of(vocabulary))
