"""Using a tagger: on sentences that are cut into words, and on raw text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.data import tags, tokens
from swiftrnn.data.columns import Columns, Sentence
from swiftrnn.data.sentences import Batcher, TagVocabulary
from swiftrnn.metrics.spans import Scores, score
from swiftrnn.recipes.ner_crf.model import Tagger
from swiftrnn.training import folder, weights

WEIGHTS = "model.safetensors"
INPUTS = ("words", "lengths", "chars", "char_lengths", "word_of")
AT_ONCE = 64  # sentences


@dataclass(frozen=True)
class Entity:
    """Something with a name in a text.

    Attributes:
        start, end: its first character and the one behind its last.
        type: one of those in train.
        text: what stands there.
        confidence: the probability that it is one of that type, 0 to 1.
    """

    start: int
    end: int
    type: str
    text: str
    confidence: float


def build(config: Any, vocabulary: TagVocabulary, steps: int = 1) -> Tagger:
    """An untrained tagger."""
    names = signature(Tagger).parameters
    given: dict[str, Any] = {k: v for k, v in asdict(config).items() if k in names}
    return Tagger(**given | {"vocabulary": vocabulary, "steps": steps})


def load(config: Any, out: Path) -> Tagger:
    """Read a trained tagger; nothing in the files can run."""
    read = folder.read_json(
        out / "vocabulary.json", ("words", "chars", "tags", "rare", "style", "lower")
    )
    vocabulary, saved = TagVocabulary(**read), folder.read_json(out / "config.json", ("config",))
    config = replace(config, word_size=saved["config"]["word_size"])  # as --vectors made it
    return weights.built(lambda: build(config, vocabulary), out / WEIGHTS)


def tagged(
    model: Tagger, sentences: Sequence[Sentence]
) -> tuple[list[list[str]], list[dict[tags.Span, float]]]:
    """Of each sentence its likeliest tags, and the spans in them with their probability."""
    batcher = Batcher(model.vocabulary)
    rows = [batcher.encode(sentence) for sentence in sentences]
    order = sorted(range(len(rows)), key=lambda i: rows[i].shape[1])
    found: dict[int, tuple[list[str], dict[tags.Span, float]]] = {}
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        batch = batcher.collate([rows[i] for i in some])
        emissions, path = model.decode(batch)
        names = [[model.vocabulary.tags[k] for k in column] for column in path.t().tolist()]
        names = [row[:n] for row, n in zip(names, batch["lengths"].tolist(), strict=True)]
        spans = [tags.spans(row) for row in names]
        places = [(b, s.first, s.end) for b, row in enumerate(spans) for s in row]
        odds = iter(model.confidence(emissions, path, places, batch["lengths"]))
        known = [{span: next(odds) for span in row} for row in spans]
        found |= {i: (names[b], known[b]) for b, i in enumerate(some)}
    return [found[i][0] for i in range(len(rows))], [found[i][1] for i in range(len(rows))]


def measure(model: Tagger, part: Columns) -> Scores:
    """Spans found in a part of the corpus."""
    return score([s.tags() for s in part.sentences], tagged(model, part.sentences)[0])


@torch.no_grad()
def predict(model: Tagger, item: str) -> list[Entity]:
    """Find what has a name in a text."""
    cut = tokens.sentences(item, model.vocabulary.style)
    known = tagged(model, [_sentence(words) for words in cut])[1]
    pairs = zip(cut, known, strict=True)
    return [_entity(item, words, span, p) for words, spans in pairs for span, p in spans.items()]


@torch.no_grad()
def readings(model: Tagger, item: str, n: int) -> list[list[tuple[float, list[Entity]]]]:
    """Of each sentence of a text, the n likeliest readings and their probabilities."""
    batcher, found = Batcher(model.vocabulary), []
    for words in tokens.sentences(item, model.vocabulary.style) if model.crf else ():
        batch = batcher.collate([batcher.encode(_sentence(words))])
        assert model.crf is not None
        paths, odds = model.crf.n_best(model(batch), n)
        rows = []
        for path, p in zip(paths[:, :, 0].tolist(), odds[:, 0].tolist(), strict=True):
            spans = tags.spans([model.vocabulary.tags[k] for k in path])
            rows.append((p, [_entity(item, words, span, p) for span in spans]))
        found.append([row for row in rows if row[0] > 0])
    return found


def _sentence(words: Sequence[tokens.Token]) -> Sentence:
    return Sentence(tuple(word.text for word in words))


def _entity(text: str, words: Sequence[tokens.Token], span: tags.Span, p: float) -> Entity:
    start, end = words[span.first].start, words[span.end - 1].end
    return Entity(start, end, span.type, text[start:end], round(p, 4))


class Tags(nn.Module):
    """A tagger as others get it: numbers of words, lengths and spellings to numbers of tags."""

    def __init__(self, model: Tagger) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, words: Tensor, lengths: Tensor, chars: Tensor, char_lengths: Tensor, word_of: Tensor
    ) -> Tensor:
        """See `data.sentences.Batcher`; tags (T, B)."""
        given = (words, lengths, chars, char_lengths, word_of)
        return self.model.decode(dict(zip(INPUTS, given, strict=True)))[1]


def exported(model: Tagger) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What `swiftrnn export` writes, and an example of its inputs, whose sizes stay free."""
    batcher, words = Batcher(model.vocabulary), model.vocabulary.words[1:12]
    rows = [batcher.encode(Sentence(tuple(words[i : i + n]))) for i, n in ((0, 5), (4, 7), (1, 2))]
    batch = batcher.collate(rows)
    return Tags(model).eval(), tuple(batch[name] for name in INPUTS)
