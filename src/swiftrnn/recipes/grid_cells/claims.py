"""What is claimed, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, ratio, value

CUEVA = "Cueva and Wei (2018)"
SORSCHER = "Sorscher et al. (2019)"
BANINO = "Banino et al. (2018)"
SHARE = "percent of units above their own null at 5 %"
ERROR = "mean distance, percent of the arena's width"


def _located(preset: str | None) -> Claim:
    return Claim(
        "Trained networks know where they are", f"{CUEVA}, figure 1", value("error"), below(10.0),
        why=ERROR, preset=preset,
    )  # fmt: skip


def _triangular(preset: str) -> Claim:
    return Claim(
        f"In a {preset} units have triangular lattices, more than square ones",
        f"{CUEVA}, figure 2", difference("share_triangular", "share_square"), above(5.0),
        why=f"{SHARE}, triangular - square", preset=preset,
    )  # fmt: skip


_SQUARE = (
    _located(None),
    Claim(
        "The error stays flat over far longer walks", f"{CUEVA}, figure 8",
        ratio("error_far", "error"), below(2.0),
        why="error in the last 500 of 20,000 steps / in the first 500",
    ),
    Claim(
        "In a square arena units have square lattices", f"{CUEVA}, figure 2",
        value("share_square"), above(10.0), why=SHARE,
    ),
    Claim(
        "In a square arena square lattices are more frequent than triangular ones",
        f"{CUEVA}, figure 2", difference("share_square", "share_triangular"), above(5.0),
        why=f"{SHARE}, square - triangular",
    ),
    Claim(
        "Some units respond to borders", f"{CUEVA}, figure 3", value("share_border"), above(10.0),
        why=SHARE,
    ),
    Claim(
        "A network is better than dead reckoning with 10 % noise", "our baseline",
        difference("error", "baseline_dead_reckoning"), below(0.0), why=f"{ERROR}, difference",
    ),
)  # fmt: skip

_STUDY = (
    Claim(
        "Without noise, metabolic cost and rests there are no square lattices",
        f"{CUEVA}, section 4", difference("share_square_plain", "share_square"), below(-5.0),
        why=f"{SHARE}, without - with", preset="study",
    ),
    Claim(
        "Networks without them still know where they are", "our control",
        value("error_plain"), below(10.0),
        why=ERROR, preset="study",
    ),
)  # fmt: skip

_PLACES = (
    Claim(
        "Place cells with a surround bring triangular lattices", f"{SORSCHER}, figure 2",
        value("share_triangular"), above(10.0), why=SHARE, preset="places",
    ),
    Claim(
        "Place cells without a surround bring fewer", "Schaeffer, Khona, Fiete (2022)",
        difference("share_triangular_gaussian", "share_triangular"), below(-5.0),
        why=f"{SHARE}, without - with", preset="places",
    ),
    Claim(
        "Units that may be negative have fewer triangular lattices", f"{SORSCHER}, figure 3",
        difference("share_triangular_tanh", "share_triangular"), below(-5.0),
        why=f"{SHARE}, tanh - relu", preset="places",
    ),
    Claim(
        "A linear layer with dropout has grid units", f"{BANINO}, figure 1",
        value("share_triangular"), above(10.0), why=SHARE, preset="deep",
    ),
)  # fmt: skip

CLAIMS = (
    *_SQUARE, *_STUDY,
    _located("triangle"), _triangular("triangle"), _located("hexagon"), _triangular("hexagon"),
    _located("circle"), *_PLACES,
    Claim(
        "Grid units emerge in large networks after long training", f"{SORSCHER}; {BANINO}", None,
        why="4,096 units and 100,000 updates need a GPU; the presets are far smaller",
    ),
)  # fmt: skip
