"""How far written sequences are from the right ones."""

from collections.abc import Hashable, Sequence

Tokens = Sequence[Hashable]


def positional_errors(found: Tokens, right: Tokens) -> float:
    """Share of places that hold another token, 0 to 1, as pix2code counts it.

    Places that only the longer sequence has are wrong. One token too many at the beginning makes
    nearly all that follow wrong; `edit_distance` does not.

    Examples:
        >>> positional_errors("abcd", "abxd"), positional_errors("ab", "abcd")
        (0.25, 0.5)

    Source: Beltramelli (2017), "pix2code", section 4.
    """
    longest = max(len(found), len(right))
    if not longest:
        return 0.0
    same = sum(a == b for a, b in zip(found, right, strict=False))
    return (longest - same) / longest


def edit_distance(found: Tokens, right: Tokens) -> int:
    """The fewest tokens to insert, delete or replace that make one sequence the other.

    Examples:
        >>> edit_distance("kitten", "sitting")
        3

    Source: Levenshtein (1966), "Binary codes capable of correcting deletions, insertions, and
    reversals".
    """
    before = list(range(len(right) + 1))
    for i, token in enumerate(found, start=1):
        now = [i]
        for j, other in enumerate(right, start=1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (token != other)))
        before = now
    return before[-1]
