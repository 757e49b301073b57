"""The classifier: vectors of words, a recurrent layer or a convolution, and a linear layer.

x[t] = E w[t]    h = layer(dropout(x))    scores = W dropout(h[last]) + b

With the convolution of Kim (2014): h[last] is the largest value over time of each of its filters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from swiftrnn import nn as swift
from swiftrnn.data.labelled import Labelled
from swiftrnn.data.segmentation import tokens
from swiftrnn.data.segmentation.cutting import Cut
from swiftrnn.data.words import UNKNOWN, WordBatcher, WordVocabulary
from swiftrnn.recipes.sentence_classification.data import OUTSIDE
from swiftrnn.training import sizes

PACKED = {"lstm_packed": "lstm", "gru_packed": "gru"}  # on PackedSequences, which only speed tells
WIDTHS = (3, 4, 5)  # words that a filter sees
AT_ONCE, MOST_WORDS = 64, 1 << 15  # texts, and words with their padding, that go through together


@dataclass(frozen=True)
class Vocabulary(WordVocabulary):
    """The words that a model reads, the classes that it tells apart, and the layer that reads."""

    labels: list[str] = field(kw_only=True)
    layer: str = field(kw_only=True)


class Convolution(nn.Module):
    """Filters over 3, 4 and 5 words, and the largest value of each over time.

    Args:
        input_size: I.
        filters: of each width.

    Examples:
        >>> net, lengths = Convolution(8, 5), torch.tensor([4, 1])
        >>> net(torch.randn(4, 2, 8), lengths).shape
        torch.Size([2, 15])

    Source: Kim (2014), "Convolutional Neural Networks for Sentence Classification", equations 1-3.
    """

    def __init__(self, input_size: int, filters: int) -> None:
        super().__init__()
        self.output_size = len(WIDTHS) * filters
        self.filters = nn.ModuleList(
            nn.Conv1d(input_size, filters, width, padding=width - 1) for width in WIDTHS
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (T, B, I), at least one word in each, and lengths (B), to (B, 3 filters)."""
        inside = torch.arange(len(x), device=x.device)[:, None] < lengths
        x = torch.where(inside[..., None], x, 0).permute(1, 2, 0)
        found = []
        for convolve in self.filters:
            rows = convolve(x).relu()  # so that 0, as if from padding, changes no maximum
            ends = lengths + (convolve.kernel_size[0] - 1)  # pyright: ignore
            seen = torch.arange(rows.shape[2], device=x.device) < ends[:, None]
            found.append(torch.where(seen[:, None], rows, 0).amax(2))
        return torch.cat(found, 1)


class Recurrence(nn.Module):
    """A recurrent layer in one direction, and its output at the last word.

    Args:
        kind: one of `nn.encoder.KINDS`, or of `PACKED`.
        input_size: I.
        hidden_size: H.
        num_layers: on top of each other.
        dropout: between them.
    """

    def __init__(
        self, kind: str, input_size: int, hidden_size: int, num_layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoder = swift.Encoder(
            PACKED.get(kind, kind), input_size, hidden_size, num_layers, bidirectional=False,
            dropout=dropout, packed=kind in PACKED,
        )  # fmt: skip
        self.output_size = hidden_size

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (T, B, I) and lengths (B) to (B, H)."""
        return self.encoder.ends(self.encoder(x, lengths), lengths)


def reader(layer: str, input_size: int, width: int, depth: int, dropout: float) -> Any:
    """The part that reads a sentence: `cnn`, or a recurrent layer by its name."""
    if layer == "cnn":
        return Convolution(input_size, width)
    return Recurrence(layer, input_size, width, depth, dropout)


def size_of(module: nn.Module) -> int:
    """How many parameters it has."""
    return sum(each.numel() for each in module.parameters())


def width_for(layer: str, input_size: int, hidden: int, depth: int) -> int:
    """The width at which a layer has about as many parameters as SRU at `hidden`."""
    return sizes.width_for(
        layer, hidden, lambda name, width: reader(name, input_size, width, depth, 0.0)
    )


class Classifier(L.LightningModule):
    """Texts to scores of classes.

    Args:
        vocabulary: words, classes, and what reads a sentence: `cnn`, or one of `nn.encoder.KINDS`.
        word_size: of a word's vector.
        hidden: of SRU; other layers are as wide as makes them as large.
        depth: recurrent layers on top of each other.
        dropout: of a word's vector, of a sentence's, and between layers.
        replaced: how often a word seen once stands for the unknown one while training.
        learning_rate: of Adam at the start; falls to 0 along a line.
        steps: until then.
        fixed: whether vectors of words stay as they are, as the paper's pretrained ones do.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        word_size: int = 100,
        hidden: int = 128,
        depth: int = 2,
        dropout: float = 0.5,
        replaced: float = 0.5,
        learning_rate: float = 1e-3,
        steps: int = 1000,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.vocabulary, layer = vocabulary, vocabulary.layer
        self.embedding = swift.TokenEmbedding(
            layer, len(vocabulary.words), word_size, rare=vocabulary.rare, replaced=replaced,
            unknown=vocabulary.unknown,
        )  # fmt: skip
        self.embedding.requires_grad_(not fixed)
        width = hidden if layer == "sru" else width_for(layer, word_size, hidden, depth)
        self.reader = reader(layer, word_size, width, depth, dropout)
        self.readout = swift.Linear(self.reader.output_size, len(vocabulary.labels))
        self.dropout, self.learning_rate, self.steps = nn.Dropout(dropout), learning_rate, steps

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """The score of each class, (B, K)."""
        names = ("words", "chars", "char_lengths", "word_of")
        x = self.dropout(self.embedding(*(batch[name] for name in names)))
        return self.readout(self.dropout(self.reader(x, batch["lengths"])))

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The mean loss of a batch, in nats."""
        return nn.functional.cross_entropy(self(batch), batch["labels"])

    def configure_optimizers(self) -> Any:
        """Adam, whose rate falls along a line."""
        learnt = [each for each in self.parameters() if each.requires_grad]
        optimizer = torch.optim.Adam(learnt, self.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda n: max(0.0, 1 - n / self.steps)
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    @torch.no_grad()
    def odds(self, sentences: Sequence[Sequence[str]]) -> Tensor:
        """The probability of each class for the words of each sentence, (N, K) of float64."""
        batcher = WordBatcher(self.vocabulary)
        rows = [batcher.numbers(words) for words in sentences]
        order = sorted(range(len(rows)), key=lambda i: rows[i].shape[1])
        found = torch.zeros(len(rows), len(self.vocabulary.labels), dtype=torch.float64)
        while order:
            longest = rows[order[-1]].shape[1]
            count = max(1, min(AT_ONCE, MOST_WORDS // longest))
            order, some = order[:-count], order[-count:]
            batch = batcher.collate([rows[i] for i in some], self.device)
            found[some] = self(batch).double().softmax(1).cpu()
        return found


def words_of(text: str, cut: Cut) -> list[str]:
    """The words of a raw text, cut as train was; of a text without any, the unknown one."""
    return [word.text for words in tokens.sentences(text, cut) for word in words] or [UNKNOWN]


def sentences(part: Labelled, cut: Cut) -> list[list[str]]:
    """The words of each text of a part."""
    if part.tokenized:
        return [text.split() or [UNKNOWN] for text in part.texts]
    return [words_of(text, cut) for text in part.texts]


def classify(model: Classifier, texts: Sequence[str], _: Any) -> list[dict[str, float]]:
    """The probability of each class for each text; the `answer` of a task.

    A text without words counts as one unknown word.
    """
    odds = model.odds([words_of(text, model.vocabulary.how) for text in texts])
    return [dict(zip(model.vocabulary.labels, row, strict=True)) for row in odds.tolist()]


def numbers(part: Labelled, labels: Sequence[str]) -> Tensor:
    """The number of the class of each text, (N); -1 for a class that is not among the labels."""
    known = {each: i for i, each in enumerate(labels)}
    return torch.tensor([known.get(label, -1) for label in part.labels])


def measured(labels: Sequence[str], odds: Tensor, part: Labelled) -> dict[str, float]:
    """Percent of a part that is right; of texts out of scope apart.

    Args:
        labels: the classes.
        odds: of each class for each text of the part, (N, K).
        part: the texts and their classes.
    """
    right = (odds.argmax(1) == numbers(part, labels)).double()
    outside = torch.tensor([label == OUTSIDE for label in part.labels])
    scores = {"accuracy": 100 * right[~outside].mean().item()}
    if outside.any():
        scores["recall_outside"] = 100 * right[outside].mean().item()
    return scores
