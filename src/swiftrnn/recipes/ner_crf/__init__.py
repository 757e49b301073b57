"""A named-entity tagger: words and characters through a BiLSTM, or any layer, and a CRF.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition".
Differs: batches of 32 and AdamW for single sentences and SGD; free data; no pretrained vectors.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from swiftrnn.recipes.ner_crf.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.recipes.ner_crf.onnx import graph
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
    """The paper's sizes; the training is ours."""

    # recurrent layer over words and over characters
    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: limits.Depth = 1  # stacked layers over words
    hidden: limits.Size = 100  # hidden size of the layer over words, in each direction
    # size of a word embedding; with --vectors, theirs
    word_size: Annotated[limits.Size, limits.Without("vectors")] = 100
    # size of a character embedding; 0 leaves characters out
    char_size: Annotated[int, limits.Range(0, 65_536)] = 25
    # hidden size of the layer over characters, in each direction
    char_hidden: Annotated[limits.Size, limits.With("char_size")] = 25
    # stacked layers over characters
    char_depth: Annotated[limits.Depth, limits.With("char_size")] = 1
    # longest character n-gram that has an embedding (paper: 1)
    char_ngrams: Annotated[int, limits.Range(1, 64), limits.With("char_size")] = 1
    bigrams: bool = False  # embed each word together with the one before; for Chinese characters
    crf: bool = True  # a CRF on top; without it each tag is chosen by itself
    # probability that a word seen once is replaced by the unknown word in training
    replaced: limits.Share = 0.5
    dropout: limits.Dropout = 0.5  # variational dropout of the layer's input and, ours, output


SMOKE = Config(made_up=True, epochs=3, hidden=32, word_size=32, batch_size=16)
BIOMEDICAL = Config(data="bc5cdr", learning_rate=1e-2, epochs=8, control=True)
CHINESE = Config(data="weibo-ner", char_size=0, bigrams=True, dropout=0.3, epochs=8)


TASK = Task(
    Text(), Spans(), find, NBest, graph, shows=(Alternatives(),), work=work, verb="Find names",
    scoring=SCORING,
)  # fmt: skip


def run(config: Config, out: RunFolder) -> Result:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    return train.run(Tagger, config, out)


def build(config: Config, vocabulary: dict[str, Any]) -> Tagger:
    """An untrained model."""
    return train.build(Tagger, config, train.vocabulary_of(vocabulary))
