"""A linear-chain conditional random field, in plain PyTorch.

Scores of long sequences are large, and what is wanted are differences of them; so all of it is
computed in float64 where the device has it, and rounded once, at the end.
"""

import torch
from torch import Tensor

from swiftrnn.ops._native import state_dtype


def log_sum_exp(x: Tensor, dim: int) -> Tensor:
    """As torch.logsumexp; where all are -inf it is -inf, and the gradient 0 rather than nan."""
    most = x.amax(dim, keepdim=True).detach()
    most = torch.where(most.isfinite(), most, 0)
    total = (x - most).exp().sum(dim)
    some = total != 0  # so is nan
    return torch.where(some, torch.where(some, total, 1).log() + most.squeeze(dim), -torch.inf)


def exact(x: Tensor) -> Tensor:
    """In float64, where the device has it."""
    return x.float() if x.device.type == "mps" else x.double()


def forward(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor | None,
) -> tuple[Tensor]:
    """See `crf`: (B), the log of the sum over all paths, less the score of the given ones."""
    real = state_dtype(emissions.dtype)
    x, A, start, end = map(exact, (emissions, transitions, start, end))
    if not len(x):
        nothing = sum(i.nan_to_num(0.0, 0.0, 0.0).sum() * 0 for i in (x, A, start, end))
        return ((x.new_zeros(x.shape[1]) + nothing).to(real),)
    if lengths is not None:
        x = torch.where(_inside(x, lengths)[..., None], x, 0)
    total = log_sum_exp(forward_scores(x, A, start, lengths)[-1] + end, 1)
    total = total if lengths is None else torch.where(lengths > 0, total, 0)
    loss = total + _spoilt(total, x, A, start, end)
    if tags is not None:
        gold = path_scores(x, A, start, end, lengths, tags)
        loss = loss - (gold if lengths is None else torch.where(lengths > 0, gold, 0))
    return (loss.to(real),)


def _spoilt(total: Tensor, x: Tensor, *scores: Tensor) -> Tensor:
    """(B): 0, but of a sequence whose total is nan or inf every gradient is nan, as that of 0 / 0.

    Otherwise some of its gradients would be numbers, which mean nothing.
    """
    known = [s.nan_to_num(0.0, 0.0, 0.0) for s in (x, *scores)]
    every = known[0].sum((0, 2)) + sum(s.sum() for s in known[1:])
    wrong = total.isnan() | (total == torch.inf)
    return torch.where(wrong, every - every.detach(), 1).sqrt() * 0


def _inside(x: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(len(x), device=x.device)[:, None] < lengths


def path_scores(
    emissions: Tensor,
    transitions: Tensor,
    start: Tensor,
    end: Tensor,
    lengths: Tensor | None,
    tags: Tensor,
) -> Tensor:
    """(B): the score of a path of at least one tag; what lies beyond it is not looked at."""
    T, B, _ = emissions.shape
    last = torch.full((B,), T - 1, device=tags.device) if lengths is None else lengths - 1
    inside = torch.arange(T, device=tags.device)[:, None] <= last
    tags = torch.where(inside, tags, 0)
    emissions, transitions, start, end = map(exact, (emissions, transitions, start, end))
    steps = emissions.gather(2, tags[..., None])[..., 0]
    pairs = torch.where(inside[1:], transitions[tags[:-1], tags[1:]], 0)
    final = tags.gather(0, last.clamp(min=0)[None])[0]
    return torch.where(inside, steps, 0).sum(0) + pairs.sum(0) + start[tags[0]] + end[final]


def forward_scores(
    emissions: Tensor, transitions: Tensor, start: Tensor, lengths: Tensor | None
) -> Tensor:
    """(T, B, K): log of the sum over all paths up to a step that end in a tag.

    Beyond a sequence's length that of its last step.
    """
    emissions, rows = exact(emissions), []
    for t, now in enumerate(emissions):
        if t == 0:
            rows.append(start + now)
            continue
        inside = True if lengths is None else (t < lengths)[:, None]
        before = rows[-1] if inside is True else torch.where(inside, rows[-1], 0)
        here = log_sum_exp(before[:, :, None] + transitions, 1) + now
        rows.append(here if inside is True else torch.where(inside, here, rows[-1]))
    return torch.stack(rows) if rows else emissions


def backward_scores(
    emissions: Tensor, transitions: Tensor, end: Tensor, lengths: Tensor | None
) -> Tensor:
    """(T, B, K): log of the sum over all paths after a step, from a tag there to the end.

    At and beyond a sequence's last step that of the end alone.
    """
    emissions, rows = exact(emissions), []
    after = exact(end).expand(emissions.shape[1:])
    for t in reversed(range(len(emissions))):
        if rows:
            here = log_sum_exp(transitions + (emissions[t + 1] + after)[:, None], 2)
            inside = True if lengths is None else (t + 1 < lengths)[:, None]
            after = here if inside is True else torch.where(inside, here, after)
        rows.append(after)
    return torch.stack(rows[::-1]) if rows else emissions


def viterbi(
    emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """See `crf_viterbi`."""
    T, B, _ = emissions.shape
    real = state_dtype(emissions.dtype)
    emissions, transitions, start, end = map(exact, (emissions, transitions, start, end))
    if not T:
        return emissions.new_zeros(B, dtype=real), torch.zeros(
            0, B, dtype=torch.int64, device=emissions.device
        )
    lengths = torch.full((B,), T, device=emissions.device) if lengths is None else lengths
    best, back = start + emissions[0], []
    for t in range(1, T):
        most, origin = (best[:, :, None] + transitions).max(1)
        inside = (t < lengths)[:, None]
        best = torch.where(inside, most + emissions[t], best)
        back.append(origin)
    score, tag = (best + end).max(1)
    path = torch.zeros(T, B, dtype=torch.int64, device=emissions.device)
    for t in reversed(range(T)):
        if t + 1 < T:
            earlier = back[t].gather(1, tag[:, None])[:, 0]
            tag = torch.where(t + 1 < lengths, earlier, tag)
        path[t] = torch.where(t < lengths, tag, 0)
    return torch.where(lengths > 0, score, 0).to(real), path
