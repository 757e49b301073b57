"""A tagger as others get it: one graph from numbers of words to numbers of tags."""

import torch
from torch import Tensor, nn

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


def graph(model: Tagger) -> tuple[nn.Module, list[tuple[Tensor, ...]]]:
    """What `swiftrnn export` writes, and examples of its inputs, whose sizes stay free.

    The first has many of everything, and no two sizes alike, so that none of them is fixed; in the
    others each size is 1 in turn.
    """
    sizes = {"T": 7, "B": 3, "C": 5, "N": 11}
    every = [sizes, *({**sizes, name: 1} for name in sizes), dict.fromkeys(sizes, 1)]
    return Tags(model).eval(), [_example(model, **each) for each in every]


def _example(model: Tagger, T: int, B: int, C: int, N: int) -> tuple[Tensor, ...]:
    """Inputs of these sizes, as in `data.sentences.Batcher`: words (T, B), chars (C, N)."""
    known, rows = model.vocabulary, torch.arange(T * B).view(T, B)
    words, word_of = rows % len(known.words), rows % N
    chars = torch.arange(C * N).view(C, N) % max(1, len(known.chars))
    return words, T - torch.arange(B) % T, chars, 1 + torch.arange(N) % C, word_of
