"""A tagger as others get it: one graph from numbers of words to numbers of tags."""

from torch import Tensor, nn

from swiftrnn.data.columns import Sentence
from swiftrnn.data.sentences import Batcher
from swiftrnn.recipes.ner_crf.model import Tagger

INPUTS = ("words", "lengths", "chars", "char_lengths", "word_of")


class Tags(nn.Module):
    """Words, lengths and spellings to tags."""

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
