"""The embedding with n-grams, held against its definition."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from swiftrnn.nn import NgramEmbedding
from swiftrnn.nn.ngram_embedding import BITS, PRIME


def draw(T, B, vocabulary=256):
    return torch.randint(0, vocabulary, (T, B))


def row(ngram, rows):
    """The definition, in Python's whole numbers; the last token comes first in the sum."""
    total = sum(PRIME ** (i + 1) * (token + 1) for i, token in enumerate(reversed(ngram)))
    return total % 2**BITS * rows // 2**BITS


@pytest.mark.parametrize("longest", [2, 3, 6])
@pytest.mark.parametrize("rows", [1, 64, 1 << 16])
def test_each_vector_is_the_sum_of_its_definition(longest, rows):
    layer = NgramEmbedding(1000, 5, longest, rows, 3, dtype=torch.float64)
    tokens = draw(9, 2, 1000)
    y, past = layer(tokens)
    for b in range(2):
        text = [-1] * (longest - 1) + tokens[:, b].tolist()
        for t in range(9):
            here = t + longest
            found = [row(text[here - n : here], rows) for n in range(2, longest + 1)]
            wanted = layer.tokens.weight[tokens[t, b]]
            wanted = wanted + layer.project.weight @ layer.ngrams.weight[found].sum(0)
            torch.testing.assert_close(y[t, b], wanted)
        assert past[:, b].tolist() == text[-(longest - 1) :]


@given(st.integers(0, 7), st.integers(1, 6), st.integers(0, 2))
def test_two_halves_make_the_whole(cut, longest, B):
    layer, tokens = NgramEmbedding(256, 4, longest, 64, 2), draw(7, B)
    whole, end = layer(tokens)
    first, past = layer(tokens[:cut])
    second, same = layer(tokens[cut:], past)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    assert torch.equal(same, end)
    assert end.shape == (longest - 1, B)


def test_without_ngrams_it_is_an_embedding():
    layer, tokens = NgramEmbedding(50, 8, longest=1), draw(4, 3, 50)
    assert torch.equal(layer(tokens)[0], nn.functional.embedding(tokens, layer.tokens.weight))
    assert [name for name, _ in layer.named_parameters()] == ["tokens.weight"]


def test_the_order_of_tokens_and_their_number_matter():
    layer = NgramEmbedding(256, 4, 5)
    tokens = torch.tensor([[1, 2, 7], [2, 1, 7], [3, 3, 7], [4, 4, 7], [5, 5, 7]])
    rows = layer.rows(tokens, tokens.new_full((4, 3), -1))[-1]  # (3, 4), n = 2 3 4 5
    assert torch.equal(rows[0, :2], rows[1, :2])  # alike but for the first two tokens
    assert rows.unique().numel() == 4 + 2 + 4


@pytest.mark.parametrize("n", [2, 5])
def test_rows_are_shared_no_more_than_by_chance(n):
    bits = 14
    layer = NgramEmbedding(256, 1, n, 1 << bits, 1)
    ngrams = torch.unique(draw(40_000, n), dim=0)[: 1 << bits].t()  # texts side by side
    rows = layer.rows(ngrams, ngrams.new_full((n - 1, ngrams.shape[1]), -1))[-1, :, -1]
    used = rows.unique().numel() / ngrams.shape[1]
    assert used > 1 - 1 / 2.718281828 - 0.02  # of as many balls in as many boxes


def test_gradients_reach_every_part():
    layer = NgramEmbedding(16, 3, 3, 8, 2, dtype=torch.float64)
    layer(draw(5, 2, 16))[0].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


@pytest.mark.parametrize(
    "wrong", [{"num_embeddings": 0}, {"longest": 0}, {"rows": 100}, {"rows": 1 << 32}, {"size": 0}]
)
def test_sizes_that_make_no_sense_are_refused(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(
        ValueError, match=rf"power of two of rows; got .*{name} {value}.* are usual"
    ):
        NgramEmbedding(**{"num_embeddings": 256, "embedding_dim": 8} | wrong)
