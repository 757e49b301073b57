"""An embedding of tokens together with the runs of tokens that end there."""

import math
from typing import Any

import torch
from torch import Tensor, nn

PRIME = 0x9E3779B1  # 2^32 over the golden ratio: its powers spread well
BITS = 31  # of a hash: sums of products stay below 2^63 for any vocabulary that fits in memory


class NgramEmbedding(nn.Module):
    """A vector for each token, plus vectors for the n-grams that end at it, found by hashing.

        y[t] = E[x[t]] + P sum_n F[hash(x[t-n+1], ..., x[t])],    n = 2 ... longest
        hash = highest bits of sum_i a_i (x[t-i] + 1) mod 2^31,   a_i = PRIME^(i+1)

    What follows a run of letters is learnt at once, as by counting, and need not be found out by
    the layers above. Runs that share a row of F share its vector; more rows, fewer do. Before the
    first token stands one that is none.

    Args:
        num_embeddings: how many different tokens there are.
        embedding_dim: H, the width of what comes out.
        longest: of the n-grams; 1 leaves them out, as `torch.nn.Embedding` does.
        rows: of F, a power of two, for all n together.
        size: of a row of F; P makes H of it.
        device: where the parameters lie.
        dtype: of the parameters.

    Shapes:
        tokens (T, B), integers; past (longest - 1, B), the tokens before them, None for none.
        Returns (T, B, H) and the past for what comes next.

    Raises:
        ValueError: a size is below 1, or rows is no power of two.

    Examples:
        >>> import torch
        >>> embedding = NgramEmbedding(256, 16, longest=3)
        >>> y, past = embedding(torch.tensor([[7], [8], [9]]))
        >>> y.shape, past.flatten().tolist()
        (torch.Size([3, 1, 16]), [8, 9])

    Source: Pagnoni et al. (2024), "Byte Latent Transformer", section 3.2.1, with one table and a
    smaller row; the hash after Carter and Wegman (1979), "Universal classes of hash functions".
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        longest: int = 5,
        rows: int = 1 << 16,
        size: int = 32,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        sizes = num_embeddings, embedding_dim, longest, rows, size
        kinds = [type(each) for each in sizes if not isinstance(each, int) or each is True]
        if kinds:
            raise TypeError(f"NgramEmbedding needs sizes as integers; got {kinds[0].__name__}")
        if min(sizes) < 1 or rows & (rows - 1) or rows > 1 << BITS:
            raise ValueError(
                "NgramEmbedding needs sizes of at least 1 and a power of two of rows; got "
                f"num_embeddings {num_embeddings}, embedding_dim {embedding_dim}, longest "
                f"{longest}, rows {rows}, size {size}; 5, 65536 and 32 are usual"
            )
        self.embedding_dim, self.longest = embedding_dim, longest
        self.shift = BITS - int(math.log2(rows))
        kind: Any = {"device": device, "dtype": dtype}
        self.tokens = nn.Embedding(num_embeddings, embedding_dim, **kind)
        if longest > 1:
            self.ngrams = nn.Embedding(rows, size, **kind)  # EmbeddingBag takes twice as long
            self.project = nn.Linear(size, embedding_dim, bias=False, **kind)
            nn.init.normal_(self.ngrams.weight, std=0.01)  # an n-gram not met yet says nothing
            powers = [pow(PRIME, i + 1, 1 << BITS) for i in range(longest)]
            # kept with the weights: they are worth nothing with another hash
            self.register_buffer("factors", torch.tensor(powers[::-1], device=device))

    def rows(self, tokens: Tensor, past: Tensor) -> Tensor:
        """The rows of F, (T, B, longest - 1), shortest n-gram first; `past` as in `forward`."""
        text, T = torch.cat([past, tokens]), tokens.shape[0]
        runs = torch.stack([text[i : i + T] for i in range(self.longest)], -1)  # the last is x[t]
        sums = ((runs + 1) * self.get_buffer("factors")).flip(-1).cumsum(-1)[..., 1:]
        return (sums & ((1 << BITS) - 1)) >> self.shift

    def forward(self, tokens: Tensor, past: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens (T, B) and those before them to (T, B, H) and the past of what comes next."""
        embedded = self.tokens(tokens)
        if past is None:
            past = tokens.new_full((self.longest - 1, tokens.shape[1]), -1)
        if self.longest > 1:
            rows = self.rows(tokens, past)
            embedded = embedded + self.project(self.ngrams(rows).sum(-2))
        return embedded, torch.cat([past, tokens])[tokens.shape[0] :]
