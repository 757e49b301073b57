"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim
from swiftrnn.tasks.tagging.claims import claims_of

BENCH = "not in this record; docs/benchmarks.md has the run"
CLAIMS = (
    *claims_of("tagger", "biomedical"),
    Claim(
        "LSTM-CRF has an F1 of 90.94 on CoNLL-2003",
        "table 1",
        None,
        paper=90.94,
        why="corpus and word vectors are not free; ours: BC5CDR, SRU",
    ),
    Claim(
        "LSTM-CRF is a little better than Stack-LSTM",
        "table 1",
        None,
        paper=0.61,
        why="another recipe here has the Stack-LSTM",
    ),
    Claim(
        "Pretrained word vectors bring the most: 7.3 points of F1",
        "section 5.4, table 5",
        None,
        paper=7.31,
        why="the vectors of the paper are not free",
    ),
    Claim(
        "The CRF brings 1.8 points of F1 over tagging each word by itself",
        "section 5.4, table 5",
        None,
        paper=1.79,
        why=BENCH,
    ),
    Claim(
        "Dropout brings 1.2 points of F1",
        "section 5.4, table 5",
        None,
        paper=1.17,
        why="not run without dropout",
    ),
    Claim(
        "Reading characters brings 0.7 points of F1",
        "section 5.4, table 5",
        None,
        paper=0.74,
        why=BENCH,
    ),
    Claim(
        "SGD ends better than Adam, which is faster at first",
        "section 5.1",
        None,
        why="only AdamW is run",
    ),
)
