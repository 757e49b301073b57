"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value

BENCH = "not in this record; docs/benchmarks.md has the run"
CLAIMS = (
    Claim(
        "The tagger is clearly better than a list of the names in the training data",
        "our baseline",
        difference("f1", "baseline_dictionary"),
        above(5.0),
        why="points of F1, tagger - list",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The tagger also finds names that are not in the training data",
        "section 4",
        value("recall_unseen"),
        above(25.0),
        why="recall of them, percent; a list finds none",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The tagger finds names in raw text as well as in tokenized text",
        "our addition",
        difference("f1", "f1_raw"),
        below(0.5),
        why="points of F1, tokenized - raw text",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The tagger learns nothing from names at random places",
        "our control",
        value("control_f1"),
        below(10.0),
        why="F1 on test; true names moved to random places have about 7",
        preset="biomedical",
        after=True,
    ),
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
