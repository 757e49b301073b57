"""What a word is before anything was read around it: its own vector, beside how it is spelt."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from swiftrnn.nn._options import at_least, flag, probability
from swiftrnn.nn.encoder import Encoder
from swiftrnn.nn.ngram_embedding import NgramEmbedding

UNIFORM = 3**0.5  # times 1 / sqrt(size): the paper's bounds of a vector of that size
BUCKETS = 1 << 16  # of pairs of words, and of runs of characters


class TokenEmbedding(nn.Module):
    """Words to x[t] = (E w[t], what both directions of a layer say after the characters of w[t]).

    While training, words that are rare stand for the unknown one, now and then, so that its vector
    is learnt. So do characters for unknown ones of their kind, one by one, and a word now and then
    with all of its characters: what a sign nobody has met is worth is learnt from those that are.

    Args:
        kind: of the layer of characters, one of `nn.encoder.KINDS`.
        num_words: different words; number 0 is the unknown one.
        word_size: of a word's vector.
        num_chars: different characters.
        char_size: of a character's vector; 0 leaves characters out.
        char_hidden: of the layer of characters, in each direction.
        char_depth: its layers on top of each other.
        char_ngrams: the longest run of characters that has a vector, added to that of its last one.
        bigrams: whether a word's vector also depends on the word before it.
        rare: numbers of the words that stand for the unknown one.
        replaced: how often they do, 0 to 1.
        char_kinds: for each character the number of the unknown one of its kind; none leaves
            characters as they are.
        foreign: how often characters, and whole words, stand for unknown ones, 0 to 1.
        unknown: for each word the number of the unknown one of its kind; 0 for all unless given.

    Examples:
        >>> import torch
        >>> embedding = TokenEmbedding("sru", 50, 8, num_chars=26, char_size=4, char_hidden=6)
        >>> words, word_of = torch.tensor([[7], [9], [7]]), torch.tensor([[0], [1], [0]])
        >>> chars, char_lengths = torch.tensor([[3, 4], [1, 0]]), torch.tensor([2, 1])
        >>> embedding(words, chars, char_lengths, word_of).shape
        torch.Size([3, 1, 20])

    Source: Lample et al. (2016), "Neural Architectures for Named Entity Recognition", section 4.
    """

    def __init__(
        self,
        kind: str,
        num_words: int,
        word_size: int,
        num_chars: int = 0,
        char_size: int = 0,
        char_hidden: int = 25,
        char_depth: int = 1,
        char_ngrams: int = 1,
        bigrams: bool = False,
        rare: Sequence[int] = (),
        replaced: float = 0.5,
        char_kinds: Sequence[int] = (),
        foreign: float = 0.02,
        unknown: Sequence[int] = (),
    ) -> None:
        super().__init__()
        replaced = probability("TokenEmbedding", "replaced", replaced)
        char_size = at_least(0)("TokenEmbedding", "char_size", char_size)
        bigrams = flag("TokenEmbedding", "bigrams", bigrams)
        self.word = NgramEmbedding(num_words, word_size, 2 if bigrams else 1, BUCKETS)
        self.char = self.spelling = None
        self.output_size, self.replaced = word_size, replaced
        if char_size:
            self.char = NgramEmbedding(max(1, num_chars), char_size, char_ngrams, BUCKETS)
            self.spelling = Encoder(kind, char_size, char_hidden, char_depth)
            self.output_size += self.spelling.output_size
        marked = torch.zeros(num_words, dtype=torch.bool)
        marked[list(rare)] = True
        self.register_buffer("rare", marked, persistent=False)
        alike = torch.tensor([*unknown]) if unknown else torch.zeros(num_words, dtype=torch.long)
        self.register_buffer("unknown", alike, persistent=False)
        self.foreign = foreign if char_kinds else 0.0
        kinds = torch.tensor([*char_kinds], dtype=torch.long)
        self.register_buffer("char_kinds", kinds, persistent=False)
        for table in (each.tokens.weight for each in (self.word, self.char) if each):
            bound = UNIFORM / table.shape[1] ** 0.5
            nn.init.uniform_(table, -bound, bound)

    def forward(
        self, words: Tensor, chars: Tensor, char_lengths: Tensor, word_of: Tensor
    ) -> Tensor:
        """Vectors of words.

        Args:
            words: (T, B) integers.
            chars: (C, N) integers, the characters of the N different words of the batch.
            char_lengths: (N) how many each of them has.
            word_of: (T, B) which of the N each word is.

        Returns:
            (T, B, output_size).
        """
        if self.training and self.replaced:
            gone = torch.rand(words.shape, device=words.device) < self.replaced
            words = self._unknown(words, self.get_buffer("rare")[words] & gone)
        if self.training and self.foreign and self.char is not None:
            words, chars = self._foreign(words, chars, word_of)
        x = self.word(words)[0]
        if self.char is None or self.spelling is None:
            return x
        spelt = self.spelling(self.char(chars)[0], char_lengths)
        return torch.cat([x, self.spelling.ends(spelt, char_lengths)[word_of]], -1)

    def _foreign(self, words: Tensor, chars: Tensor, word_of: Tensor) -> tuple[Tensor, Tensor]:
        """Words and characters, some of them unknown."""
        whole = torch.rand(chars.shape[1], device=chars.device) < self.foreign
        gone = whole | (torch.rand(chars.shape, device=chars.device) < self.foreign)
        chars = torch.where(gone, self.get_buffer("char_kinds")[chars], chars)
        return self._unknown(words, whole[word_of]), chars

    def _unknown(self, words: Tensor, gone: Tensor) -> Tensor:
        return torch.where(gone, self.get_buffer("unknown")[words], words)
