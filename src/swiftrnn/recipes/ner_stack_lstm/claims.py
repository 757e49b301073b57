"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim
from swiftrnn.tasks.tagging.claims import claims_of

CLAIMS = (
    *claims_of("chunker", "biomedical"),
    Claim(
        "Stack-LSTM has an F1 of 90.33 on CoNLL-2003",
        "table 1",
        None,
        paper=90.33,
        why="corpus and word vectors are not free; ours: BC5CDR, SRU",
    ),
    Claim(
        "Stack-LSTM is a little worse than LSTM-CRF",
        "table 1",
        None,
        paper=0.61,
        why="another recipe here has the LSTM-CRF",
    ),
    Claim(
        "Characters matter more to Stack-LSTM than to LSTM-CRF: 2.4 points of F1",
        "section 5.3, table 1",
        None,
        paper=2.37,
        why="not run without characters",
    ),
    Claim(
        "Stack-LSTM without pretrained word vectors has an F1 of 80.88 on CoNLL-2003",
        "table 5",
        None,
        paper=80.88,
        why="the corpus is not free",
    ),
    Claim(
        "Beam search in place of greedy decoding may improve Stack-LSTM",
        "section 5.1",
        None,
        why="only a beam of 4 is recorded",
    ),
)
