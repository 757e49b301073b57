"""A named-entity tagger: words and characters through a BiLSTM, or any layer, and a CRF.

Paper: Lample et al. (2016), "Neural Architectures for Named Entity Recognition".
Differs: batches of 32 and AdamW for single sentences and SGD; free data; no pretrained vectors.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn import limits
from swiftrnn.data.entities import predict as predict
from swiftrnn.data.entities import readings as readings
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.recipes.ner_crf.onnx import exported as exported
from swiftrnn.training import entities
from swiftrnn.training.entities import ADDED as ADDED
from swiftrnn.training.entities import WEIGHTS as WEIGHTS


@dataclass(frozen=True)
class Config(entities.Settings):
    """The paper's sizes; what is trained how is ours."""

    layer: Literal["lstm", "gru", "sru", "qrnn", "mingru", "minlstm", "rglru", "hgrn"] = "sru"
    depth: limits.Depth = 1  # layers of words on top of each other
    hidden: limits.Size = 100  # of the layer of words, in each direction
    # of the vector of a word; with --vectors, that of theirs
    word_size: Annotated[limits.Size, limits.Without("vectors")] = 100
    # of the vector of a character; 0 leaves characters out
    char_size: Annotated[int, limits.Range(0, 65_536)] = 25
    # of the layer of characters, in each direction
    char_hidden: Annotated[limits.Size, limits.With("char_size")] = 25
    # layers of characters on top of each other
    char_depth: Annotated[limits.Depth, limits.With("char_size")] = 1
    # longest run of characters that has a vector of its own; theirs: 1
    char_ngrams: Annotated[int, limits.Range(1, 64), limits.With("char_size")] = 1
    bigrams: bool = False  # a word's vector also depends on the one before; for Chinese characters
    crf: bool = True  # score sequences of tags as a whole; else each tag by itself
    replaced: limits.Share = 0.5  # of the sights of a word seen once: it stands for the unknown
    # of the layer's input and, ours, its output; one choice for a sentence
    dropout: limits.Dropout = 0.5


SMOKE = Config(made_up=True, epochs=3, hidden=32, word_size=32, batch_size=16)
BIOMEDICAL = Config(data="bc5cdr", learning_rate=1e-2, epochs=8)
CHINESE = Config(data="weibo-ner", char_size=0, bigrams=True, dropout=0.3, epochs=8)
SIZES = ("depth", "hidden", "word_size", "char_size", "char_hidden", "char_depth")  # of the model
CLAIMS = {"conll03_f1": 90.94, "conll03_f1_without_vectors": 83.63}  # theirs, on other data


def run(config: Config, out: Path) -> dict[str, float]:
    """Train, then measure the epoch that was best on valid on the test part, once."""
    return entities.run("ner_crf", Tagger, config, out)


def load(config: Config, out: Path) -> Tagger:
    """Read a trained tagger; nothing in the files can run."""
    return entities.load(Tagger, config, out)
