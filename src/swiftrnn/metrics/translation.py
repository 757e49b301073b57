"""How good translations are: BLEU and chrF, as the library sacrebleu computes them."""

from collections.abc import Sequence
from typing import NamedTuple

try:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "BLEU needs the extra translate; sacrebleu is missing; "
        "run pip install 'swiftrnn[translate]'",
        name=missing.name,
    ) from None


class Scored(NamedTuple):
    """A score, and how it was computed.

    Attributes:
        value: 0 to 100; higher is better.
        signature: with which any one can compute the same.
    """

    value: float
    signature: str


def bleu(found: Sequence[str], right: Sequence[str]) -> Scored:
    """Shared word n-grams, over all sentences, with a penalty for those that are too short.

    Args:
        found: translations, not tokenized.
        right: the reference of each.

    Raises:
        ValueError: their numbers differ, or there are none.

    Examples:
        >>> bleu(["Where is the station?"], ["Where is the station?"]).value
        100.0

    Source: Papineni et al. (2002), "BLEU"; Post (2018), "A Call for Clarity in Reporting BLEU
    Scores".
    """
    _check(found, right)
    metric = BLEU()
    value = metric.corpus_score([*found], [[*right]]).score
    return Scored(round(value, 6), str(metric.get_signature()))


def chrf(found: Sequence[str], right: Sequence[str]) -> Scored:
    """Shared character n-grams; arguments and errors as of `bleu`.

    Source: Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation".
    """
    _check(found, right)
    metric = CHRF()
    value = metric.corpus_score([*found], [[*right]]).score
    return Scored(round(value, 6), str(metric.get_signature()))


def by_length(
    found: Sequence[str], right: Sequence[str], lengths: Sequence[int], edges: Sequence[int]
) -> dict[str, float]:
    """BLEU of the sentences whose lengths lie between edges; of those without any, no entry.

    Args:
        found: translations.
        right: the reference of each.
        lengths: of each, in any unit.
        edges: rising; the first group goes from 1 to the first edge, the last beyond the last.

    Examples:
        >>> by_length(["a b c d", "e"], ["a b c d", "f"], [4, 1], [2])
        {'1-2': 0.0, '3-': 100.0}
    """
    groups: dict[str, float] = {}
    for low, high in zip([1, *(edge + 1 for edge in edges)], [*edges, None], strict=True):
        rows = [i for i, n in enumerate(lengths) if n >= low and (high is None or n <= high)]
        if rows:
            some = [[part[i] for i in rows] for part in (found, right)]
            groups[f"{low}-{high or ''}"] = bleu(*some).value
    return groups


def _check(found: Sequence[str], right: Sequence[str]) -> None:
    if len(found) != len(right) or not found:
        raise ValueError(
            "translations need as many references as there are, and some; got "
            f"{len(found)} and {len(right)}"
        )
