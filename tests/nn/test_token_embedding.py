"""TokenEmbedding: each word by itself, and what rare words stand for while training."""

import pytest
import torch

from swiftrnn.nn import TokenEmbedding

WORDS = torch.tensor([[7, 2], [9, 7], [7, 0]])
WORD_OF = torch.tensor([[2, 0], [1, 2], [2, 1]])  # three spellings
CHARS = torch.tensor([[5, 3, 1], [0, 4, 6], [0, 2, 0]])
SPELT = ([5], [3, 4, 2], [1, 6])
CHAR_LENGTHS = torch.tensor([1, 3, 2])


def make(**changes):
    torch.manual_seed(0)
    given = {"num_chars": 8, "char_size": 3, "char_hidden": 4, "rare": [2, 9]} | changes
    return TokenEmbedding("sru", 12, 5, **given)


@pytest.mark.parametrize("changes", [{}, {"char_ngrams": 3}, {"char_depth": 2}], ids=str)
def test_a_word_is_its_vector_and_its_own_spelling(changes):
    embedding = make(**changes).eval()
    x = embedding(WORDS, CHARS, CHAR_LENGTHS, WORD_OF)
    assert x.shape == (3, 2, embedding.output_size) == (3, 2, 13)
    for t in range(3):
        for b in range(2):
            spelt = torch.tensor(SPELT[WORD_OF[t, b]])[:, None]
            alone = embedding(WORDS[t, b].view(1, 1), spelt, torch.tensor([len(spelt)]),
                              torch.zeros(1, 1, dtype=torch.int64))  # fmt: skip
            torch.testing.assert_close(x[t, b], alone[0, 0])
            torch.testing.assert_close(x[t, b, :5], embedding.word.tokens.weight[WORDS[t, b]])


def test_without_characters_and_with_pairs_of_words():
    assert make(char_size=0).eval()(WORDS, CHARS, CHAR_LENGTHS, WORD_OF).shape == (3, 2, 5)
    embedding = make(char_size=0, bigrams=True).eval()
    torch.nn.init.normal_(embedding.word.ngrams.weight)
    x = embedding(WORDS, CHARS, CHAR_LENGTHS, WORD_OF)
    assert not torch.allclose(x[0, 0], x[2, 0])  # the same word behind another one


def test_while_training_rare_words_stand_for_the_unknown_one_now_and_then():
    embedding = make(char_size=0, replaced=0.25)
    words = torch.tensor([2, 7, 9, 4]).repeat(4000, 1)
    table = embedding.word.tokens.weight
    gone = (embedding(words, CHARS, CHAR_LENGTHS, words) == table[0]).all(-1).double().mean(0)
    assert gone[[1, 3]].tolist() == [0, 0]
    assert gone[[0, 2]].tolist() == pytest.approx([0.25, 0.25], abs=0.03)
    for never in (make(char_size=0, replaced=0.0), embedding.eval()):
        assert torch.equal(never(words, CHARS, CHAR_LENGTHS, words), table[words])


def test_while_training_characters_and_words_stand_for_unknown_ones_of_their_kind():
    kinds = [0, 1, 0, 0, 1, 1, 0, 1]
    embedding = make(char_kinds=kinds, foreign=0.25, replaced=0.0, unknown=[0] * 7 + [1] * 5)
    seen = []
    embedding.char.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    words, chars = torch.full((1, 8000), 7), torch.tensor([[2], [5]]).repeat(1, 8000)
    forms, table = torch.arange(8000)[None], embedding.word.tokens.weight
    x = embedding(words, chars, torch.full((8000,), 2), forms)
    unknown = (x[0, :, :5] == table[1]).all(-1)
    assert float(unknown.double().mean()) == pytest.approx(0.25, abs=0.03)
    assert seen[0][:, unknown].tolist() == [[0] * int(unknown.sum()), [1] * int(unknown.sum())]
    assert set(seen[0][0].tolist()) == {0, 2}
    assert set(seen[0][1].tolist()) == {1, 5}
    part = (seen[0][:, ~unknown] != chars[:, ~unknown]).double().mean()
    assert float(part) == pytest.approx(0.25, abs=0.03)
    for never in (embedding.eval(), make(foreign=0.25), make(char_kinds=kinds, foreign=0.0)):
        x = never(words[:, :9], chars[:, :9], torch.full((9,), 2), forms[:, :9])
        assert torch.equal(x[0, :, :5], never.word.tokens.weight[words[0, :9]])
