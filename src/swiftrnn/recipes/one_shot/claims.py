"""What is claimed, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value

PAPER = "Shyam, Gupta, Dukkipati (2017)"
WITHIN = "percent of 400 characters of the published 20-way runs that are recognised"

_DEFAULT = (
    Claim(
        "From one drawing of each, it recognises new characters better than people do",
        f"{PAPER}, table 2", value("within_context"), above(95.5), paper=98.5,
        why=f"{WITHIN}, full context; people: 95.5",
    ),
    Claim(
        "Full context recognises 96 of 100 new characters", "our target",
        value("within_context"), above(96.0), paper=98.5, why=f"{WITHIN}; at most an hour",
    ),
    Claim(
        "Comparing pairs alone, after convolutions, recognises 94 of 100", "our target",
        value("within"), above(94.0), paper=97.75, why=f"{WITHIN}; at most 45 minutes",
    ),
    Claim(
        "Looking at all candidates is better than comparing them one by one",
        f"{PAPER}, section 4.2", difference("within_context", "within"), above(0.0), paper=0.75,
        why="points, full context - pairs alone",
    ),
    Claim(
        "It also recognises characters of any alphabet among each other", f"{PAPER}, table 2",
        value("across_context"), above(95.0), paper=97.5,
        why="percent of 1,000 characters, 20 candidates of all new alphabets",
    ),
    Claim(
        "It does more than to compare pixels", "our baseline",
        difference("within", "baseline_pixels_within"), above(20.0), why="points",
    ),
    Claim(
        "A run of 400 comparisons takes less than a second", "our target",
        value("run_seconds"), below(1.0), why="seconds, both orders of each pair, one thread",
    ),
)  # fmt: skip

_ARC = (
    Claim(
        "Glimpses of pixels alone, without convolutions, recognise 85 of 100", "our target",
        value("within"), above(85.0), paper=91.75, why=f"{WITHIN}; at most an hour", preset="arc",
    ),
    Claim(
        "They also recognise characters of any alphabet among each other", f"{PAPER}, table 2",
        value("across"), above(80.0), paper=90.3, why="percent of 1,000 characters", preset="arc",
    ),
)  # fmt: skip

_STUDY = (
    Claim(
        "Looking eight times is better than once", f"{PAPER}, section 3",
        difference("within", "within_one_glimpse"), above(5.0),
        why="points, 8 glimpses of each drawing - 1", preset="study",
    ),
    Claim(
        "Choosing where to look is better than looking at the whole", f"{PAPER}, section 2",
        difference("within", "within_fixed"), above(5.0),
        why="points, glimpses that move - glimpses that do not", preset="study",
    ),
    Claim(
        "Convolutions before the glimpses recognise more", f"{PAPER}, section 3.2",
        difference("within_convolutions", "within"), above(2.0), paper=6.0,
        why="points, after the same training time", preset="study",
    ),
    Claim(
        "Looking from one drawing to the other is better than comparing two vectors",
        f"{PAPER}, section 3", difference("within_convolutions", "within_siamese"), above(0.0),
        paper=5.75, why="points, with convolutions, comparator - siamese network", preset="study",
    ),
    Claim(
        "SRU compares as well as LSTM after the same training time", "our target",
        difference("within", "within_sru"), below(2.0), why="points, LSTM - SRU", preset="study",
    ),
    Claim(
        "With permuted labels nothing is learnt", "our control", value("control"), below(10.0),
        why=f"{WITHIN}; guessing is 5", preset="study",
    ),
)  # fmt: skip

CLAIMS = (
    *_DEFAULT, *_ARC, *_STUDY,
    Claim(
        "It compares faces and other images as well", f"{PAPER}, section 5", None,
        why="needs CASIA WebFace or miniImageNet, and days of training",
    ),
)  # fmt: skip
