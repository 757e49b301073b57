"""What is claimed, and when we say that we see it."""

from itertools import pairwise

from swiftrnn.recipes.markov_order.measure import ladder
from swiftrnn.runs.claims import Claim, Formula, above, below, difference, value

SHANNON, KHANDELWAL = "Shannon (1951)", "Khandelwal et al. (2018)"
LONGEST = 256
BITS = "bits per byte of test"


def smallest_gain(layer: str, upto: int) -> Formula:
    """The least that twice the history saves, for histories of up to so many bytes."""
    orders = ladder(upto)
    names = tuple(f"bits_{order}_{layer}" for order in orders)
    return Formula(names, lambda *bits: min(a - b for a, b in pairwise(bits)))


def worst_against_counts(layer: str, first: int) -> Formula:
    """The most by which counts of the last k bytes are better, for k from the first on."""
    orders = [order for order in ladder(LONGEST) if order >= first]
    names = tuple(f"{kind}_{k}{tail}" for k in orders
                  for kind, tail in (("bits", f"_{layer}"), ("counts", "")))  # fmt: skip
    return Formula(names, lambda *x: max(a - b for a, b in zip(x[::2], x[1::2], strict=True)))


def most_saved(layer: str, first: int, longest: int) -> Formula:
    """The most that histories beyond the first save."""
    orders = [order for order in ladder(longest) if order >= first]
    names = (*(f"bits_{order}_{layer}" for order in orders), f"bits_full_{layer}")
    return Formula(names, lambda known, *bits: max(known - b for b in bits))


CLAIMS = (
    Claim(
        "The last 256 bytes are as good for SRU as all bytes before", "our target",
        difference("bits_256_sru", "bits_full_sru"), below(0.01), why=f"{BITS}, 256 bytes - all",
    ),
    Claim(
        "From 8 bytes of the past on, SRU predicts better than counts of what followed as many",
        "our target", worst_against_counts("sru", 8), below(0.0),
        why=f"{BITS}, SRU - counts, at worst",
    ),
    Claim(
        "With all of the past, SRU predicts better than counts of any order", "our baseline",
        difference("bits_full_sru", "counts_best"), below(0.0), why=f"{BITS}, SRU - best counts",
    ),
    Claim(
        "Each doubling of the past saves bits, up to 64 bytes", f"{SHANNON}, section 3",
        smallest_gain("sru", 64), above(0.0), why=f"{BITS} that a doubling saves, at least",
    ),
    Claim(
        "Words far back still help: 64 bytes are not enough", f"{KHANDELWAL}, section 3",
        difference("bits_64_sru", "bits_full_sru"), above(0.005), why=f"{BITS}, 64 bytes - all",
    ),
    *(
        Claim(
            "The state alone says as much as all bytes before", "the Markov property",
            value("state_error_sru"), below(1e-3), preset=preset,
            why="bits of any test byte, state handed over - one pass, at most",
        )
        for preset in (None, "source")
    ),
    Claim(
        "Shuffled bytes have no past to learn from", "our control",
        difference("control_bits_1", "control_bits_full"), below(0.02),
        why=f"{BITS}, after 1 byte - after all",
    ),
    Claim(
        "Of a source of order 3, SRU finds the entropy of each order", "our target",
        value("excess"), below(0.02), why="bits per letter above the exact entropy, at most",
        preset="source",
    ),
    Claim(
        "Of a source of order 3, more than 3 letters of the past save nothing",
        "the Markov property", most_saved("sru", 4, 16), below(0.005),
        why="bits per letter that more than 4 letters save, at most",
        preset="source",
    ),
    Claim(
        "Of a source of order 3, LSTM finds the entropy as well", "our addition",
        difference("bits_full_lstm", "entropy_3"), below(0.02),
        why="bits per letter above the exact entropy", preset="source",
    ),
    Claim(
        "People guess letters of English with at most 1.3 bits", f"{SHANNON}, section 4", None,
        why="needs people",
    ),
    Claim(
        "Models use about 200 words of the past", f"{KHANDELWAL}, section 3", None,
        why="models here train for minutes, and their past is counted in bytes",
    ),
)  # fmt: skip
