"""Losses that sum over all ways in which a translation can be written, and the best way.

With CTC (Graves et al. 2006; Libovický and Helcl 2018) each position writes a token or a blank. In
a directed acyclic graph (Huang et al. 2022) each vertex has a token and links to later vertices; a
translation is a path from the first vertex to the last.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

NEVER = -1e9  # log-probability of what cannot be; minus infinity would give gradients of nan


def ctc_loss(
    logits: Tensor, lengths: Tensor, targets: Tensor, wanted: Tensor, blank: int = 0
) -> Tensor:
    """Mean loss of a target token, by CTC.

    Args:
        logits: (T, B, V).
        lengths: (B,) positions of each.
        targets: (M, B) tokens without start and end.
        wanted: (B,) how many there are. Where more are wanted than positions can write, the
            sentence is left out.
        blank: the token that no target has.
    """
    losses = nn.functional.ctc_loss(
        logits.log_softmax(-1), targets.t().contiguous(), lengths, wanted, blank, "none",
        zero_infinity=True,
    )  # fmt: skip
    return losses.sum() / wanted.sum()


def ctc_read(tokens: Tensor, lengths: Tensor, blank: int = 0) -> list[list[int]]:
    """Tokens (T, B) of positions to translations: repeated ones are one, blanks are none.

    Examples:
        >>> ctc_read(torch.tensor([[5], [5], [0], [5], [7], [7]]), torch.tensor([6]))
        [[5, 5, 7]]
    """
    steps = torch.arange(len(tokens), device=tokens.device)[:, None]
    before = torch.cat([torch.full_like(tokens[:1], -1), tokens[:-1]])
    kept = (tokens != before) & (tokens != blank) & (steps < lengths)
    return [column[keep].tolist() for column, keep in zip(tokens.t(), kept.t(), strict=True)]


class Links(nn.Module):
    """How likely a path goes from each vertex to each later one.

    p(j | i) = sum_h g[h | i] softmax_j>i(q_h[i] . k_h[j] / sqrt(E / heads))

    Args:
        size: E of a vertex.
        heads: that are mixed.
    """

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(size, size), nn.Linear(size, size)
        self.mixture = nn.Linear(size, heads)

    def forward(self, vertices: Tensor, lengths: Tensor) -> Tensor:
        """Vertices (L, B, E) and how many there are (B) to log-probabilities (B, from, to)."""
        L = len(vertices)
        q, k = (x.unflatten(-1, (self.heads, -1)).permute(1, 2, 0, 3)
                for x in (self.query(vertices), self.key(vertices)))  # fmt: skip
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # (B, heads, from, to)
        steps = torch.arange(L, device=lengths.device)
        later = (steps[None, :] > steps[:, None]) & (steps < lengths[:, None])[:, None]
        odds = torch.where(later[:, None], scores, NEVER).log_softmax(-1)
        mixed = self.mixture(vertices).log_softmax(-1).permute(1, 2, 0)[..., None]
        return torch.where(later, (odds + mixed).logsumexp(1), NEVER)


def graph_loss(
    logits: Tensor, links: Tensor, targets: Tensor, lengths: Tensor, wanted: Tensor
) -> Tensor:
    """Mean loss of a target token, over all paths from the first vertex to the last.

    f[0, v] = [v is the first]      f[k, v] = p(y[k] | v) sum_u f[k-1, u] p(v | u)

    Args:
        logits: (L, B, V) of the vertices' tokens.
        links: (B, L, L) as `Links` gives them.
        targets: (M, B) tokens from start to end, both of which have a vertex.
        lengths: (B,) vertices of each.
        wanted: (B,) tokens of each. Where there are more than vertices, it is left out.
    """
    odds = logits.log_softmax(-1).transpose(0, 1)  # (B, L, V)
    match = odds.gather(2, targets.t()[:, None].expand(-1, odds.shape[1], -1))  # (B, L, M)
    first = torch.arange(odds.shape[1], device=lengths.device) == 0
    now = torch.where(first, match[..., 0], NEVER)
    rows = [now]
    for k in range(1, len(targets)):
        now = (now[..., None] + links).logsumexp(1).clamp(min=NEVER) + match[..., k]
        rows.append(now)
    B = torch.arange(len(lengths), device=lengths.device)
    found = torch.stack(rows)[wanted - 1, B, lengths - 1]
    fits = found > NEVER / 2
    tokens = torch.where(fits, wanted - 1, 0).sum().clamp(min=1)
    return -torch.where(fits, found, 0).sum() / tokens


def graph_read(
    logits: Tensor, links: Tensor, lengths: Tensor, left_out: Collection[int] = ()
) -> list[list[int]]:
    """The translation along a path that follows the best link and token together each time.

    Args:
        logits: (L, B, V) of the vertices' tokens.
        links: (B, L, L) as `Links` gives them.
        lengths: (B,) vertices of each.
        left_out: tokens that stand for no word, such as those of start and end.

    Source: Huang et al. (2022), "Directed Acyclic Transformer for Non-Autoregressive Machine
    Translation", section 3.4 (lookahead).
    """
    best, tokens = logits.log_softmax(-1).max(-1)  # (L, B)
    following = (links + best.t()[:, None]).argmax(-1)  # (B, L)
    B = torch.arange(len(lengths), device=lengths.device)
    at, path = torch.zeros_like(lengths), []
    for _ in range(len(logits) - 1):
        at = torch.where(at < lengths - 1, following[B, at], at)
        path.append(at)
        if bool((at == lengths - 1).all()):
            break
    found: list[list[int]] = [[] for _ in range(len(lengths))]
    for at in path:
        for i, (place, last) in enumerate(zip(at.tolist(), (lengths - 1).tolist(), strict=True)):
            token = int(tokens[place, i])
            if place < last and token not in left_out:
                found[i].append(token)
    return found
