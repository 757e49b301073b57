"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value

CLAIMS = (
    Claim(
        "The chunker is clearly better than a list of the names in the training data",
        "our baseline",
        difference("f1", "baseline_dictionary"),
        above(5.0),
        why="points of F1, chunker - list",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The chunker also finds names that are not in the training data",
        "section 4",
        value("recall_unseen"),
        above(25.0),
        why="recall of them, percent; a list finds none",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The chunker finds names in raw text as well as in tokenized text",
        "our addition",
        difference("f1", "f1_raw"),
        below(0.5),
        why="points of F1, tokenized - raw text",
        preset="biomedical",
        after=True,
    ),
    Claim(
        "The chunker learns nothing from names at random places",
        "our control",
        value("control_f1"),
        below(10.0),
        why="F1 on test; true names moved to random places have about 7",
        preset="biomedical",
        after=True,
    ),
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
