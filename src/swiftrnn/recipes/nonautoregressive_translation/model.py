"""The student: all tokens of a translation at once.

fertility   f[s] = p_F(f | x) words for each source word; its embedding is copied so many times
uniform     as many copies as the length is long, spread evenly; the length has to be given
ctc         each source word `upsampling` times; repeated tokens and blanks are taken out
graph       each source word `vertices` times; a path through them makes the translation
"""

from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.data.translation.languages import Languages
from swiftrnn.nn import paths
from swiftrnn.nn.attention import Memory
from swiftrnn.nn.transformer import (
    Block,
    Encoder,
    embedding,
    memories,
    with_positions,
)
from swiftrnn.recipes.nonautoregressive_translation.teacher import Batch, Trained

KINDS = ("fertility", "uniform", "ctc", "graph")
FERTILITIES = 50  # classes, from 0 up


def expanded(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Which source word each copy is of, if each is copied so often: as repeat_interleave.

    Args:
        counts: (S, B).

    Returns:
        Places (T, B), 0 beyond the end, and the lengths T of each, (B,).

    Examples:
        >>> expanded(torch.tensor([[2], [0], [1]]))[0][:, 0].tolist()
        [0, 0, 2]
    """
    ends = counts.cumsum(0)
    lengths = ends[-1]
    steps = torch.arange(int(lengths.max()), device=counts.device)[:, None]
    places = (steps[:, None] >= ends).sum(1)
    return torch.where(steps < lengths, places, 0), lengths


def spread(sources: Tensor, lengths: Tensor) -> Tensor:
    """Copies of each source word, so that there are `lengths` of them, spread evenly: (T, B).

    Copy t is of word floor(S t / T) of S words.

    Examples:
        >>> spread(torch.tensor([2]), torch.tensor([5]))[:, 0].tolist()
        [0, 0, 0, 1, 1]
    """
    steps = torch.arange(int(lengths.max()), device=lengths.device)[:, None]
    places = sources * steps // lengths.clamp(min=1)
    return torch.where(steps < lengths, places, 0)


class Student(Trained):
    """Sentences to their translations, all tokens at once.

    Args:
        languages: the tokens of both.
        kind: one of `KINDS`.
        size: as of `Teacher`; so are the next four.
        heads: of attention.
        inner: units of the feed-forward nets.
        depth: blocks of encoder and of decoder.
        dropout: of embeddings and of each part.
        upsampling: copies of each source word of "ctc".
        vertices: copies of each source word of "graph".
        learning_rate: see `Trained`.
        optimizer: see `Trained`.
    """

    def __init__(
        self,
        languages: Languages,
        kind: str = "fertility",
        size: int = 192,
        heads: int = 4,
        inner: int = 512,
        depth: int = 3,
        dropout: float = 0.1,
        upsampling: int = 2,
        vertices: int = 4,
        learning_rate: float = 1e-2,
        optimizer: str = "muon",
    ) -> None:
        super().__init__(learning_rate, optimizer)
        self.languages, self.kind = languages, kind
        self.copies = {"ctc": upsampling, "graph": vertices}.get(kind, 1)
        self.encoder = Encoder(len(languages.source), size, heads, inner, depth, dropout)
        self.targets = embedding(len(languages.target), size)
        self.blocks = nn.ModuleList(
            Block(size, heads, inner, dropout, True, True) for _ in range(depth)
        )
        self.norm, self.dropout = nn.LayerNorm(size), nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(len(languages.target)))
        if kind == "fertility":
            self.fertility = nn.Linear(size, FERTILITIES)
        if kind == "graph":
            self.links = paths.Links(size, heads)

    def encode(self, sources: Tensor, lengths: Tensor) -> tuple[Tensor, list[Memory]]:
        """Tokens (S, B) and lengths (B) to vectors (S, B, E) and what each block attends to."""
        encoded = self.encoder(sources, lengths)
        return encoded, memories(self.blocks, encoded, lengths)

    def hidden(
        self, sources: Tensor, memory: list[Memory], places: Tensor, lengths: Tensor
    ) -> Tensor:
        """What the softmax sees, (T, B, E), if source words at these places (T, B) are copied."""
        copied = self.encoder.embedding(sources.gather(0, places))
        x = self.dropout(with_positions(copied))
        apart = ~torch.eye(len(places), dtype=torch.bool, device=places.device)
        for block, source in zip(self.blocks, memory, strict=True):
            x = block(x, lengths, source, allowed=apart)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., E) to scores of the target tokens (..., V)."""
        return nn.functional.linear(hidden, self.targets.weight, self.bias)

    def laid(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Places (T, B) and lengths (B) of "ctc" and "graph": each source word so many times."""
        many = lengths * self.copies
        steps = torch.arange(int(many.max()), device=lengths.device)[:, None]
        return torch.where(steps < many, steps // self.copies, 0), many

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The mean loss of a batch's target tokens; of fertilities that of source words, too."""
        return self.loss(batch)

    def loss(self, batch: Batch) -> Tensor:
        """The loss of a batch of sources, targets from start to end, and fertilities."""
        sources, lengths = batch["sources"], batch["source_lengths"]
        targets, wanted = batch["targets"][1:-1], batch["target_lengths"] - 2  # without both ends
        encoded, memory = self.encode(sources, lengths)
        if self.kind in ("fertility", "uniform"):
            return self._copied_loss(batch, encoded, memory, targets, wanted)
        places, many = self.laid(lengths)
        hidden = self.hidden(sources, memory, places, many)
        if self.kind == "ctc":
            return paths.ctc_loss(self.logits(hidden), many, targets, wanted)
        odds = self.logits(hidden)
        return paths.graph_loss(
            odds, self.links(hidden, many), batch["targets"], many, batch["target_lengths"]
        )

    def _copied_loss(
        self, batch: Batch, encoded: Tensor, memory: list[Memory], targets: Tensor, wanted: Tensor
    ) -> Tensor:
        sources, lengths = batch["sources"], batch["source_lengths"]
        loss = encoded.new_zeros(())
        if self.kind == "fertility":
            counts = batch["fertilities"]
            places, _ = expanded(counts)
            inside = torch.arange(len(sources), device=lengths.device)[:, None] < lengths
            loss = nn.functional.cross_entropy(
                self.fertility(encoded[inside]), counts[inside].clamp(max=FERTILITIES - 1)
            )
        else:
            places = spread(lengths - 1, wanted)
        hidden = self.hidden(sources, memory, places, wanted)
        inside = torch.arange(len(places), device=lengths.device)[:, None] < wanted
        rows = targets[: len(places)]
        return loss + nn.functional.cross_entropy(self.logits(hidden[inside]), rows[inside])

    def odds_of_fertilities(self, encoded: Tensor, lengths: Tensor) -> Tensor:
        """log p_F (S, B, classes); what is padding, and the end of a sentence, has 0 copies."""
        odds = self.fertility(encoded).log_softmax(-1)
        inside = torch.arange(len(encoded), device=lengths.device)[:, None] < lengths - 1
        none = torch.full_like(odds[0, 0], -torch.inf)
        none[0] = 0
        return torch.where(inside[..., None], odds, none)

    def take_encoder(self, teacher: Any) -> None:
        """Begin with the encoder of a teacher of the same sizes."""
        self.encoder.load_state_dict(teacher.encoder.state_dict())
