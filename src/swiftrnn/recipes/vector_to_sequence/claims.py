"""What is claimed, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value

WHERE = "Vinyals et al. (2015)"
EXACT = "percent of test images whose words are all right"

CLAIMS = (
    Claim(
        "Out of one vector, a recurrent network writes what an image shows, word for word",
        f"{WHERE}, section 3", value("seen"), above(97.0), why=f"{EXACT}; numbers trained on",
    ),
    Claim(
        "It also writes numbers that it never read or wrote while training",
        f"{WHERE}, section 4.3.4", value("unseen"), above(90.0), why=f"{EXACT}; numbers held out",
    ),
    Claim(
        "It reads better than comparing each digit with the mean of its kind", "our baseline",
        difference("unseen", "baseline_nearest_mean_unseen"), above(10.0),
        why="points, numbers held out",
    ),
    Claim(
        "SRU reads as well as LSTM after the same training time", "our target",
        difference("unseen", "unseen_lstm"), above(-1.0),
        why="points, numbers held out, SRU - LSTM",
    ),
    Claim(
        "From permuted images nothing is learnt", "our control", value("control"), below(2.0),
        why=f"{EXACT}; guessing is 0.1",
    ),
    Claim(
        "Captions of photographs have a BLEU of 27.7 on MS COCO", f"{WHERE}, table 1", None,
        paper=27.7, why="needs the photographs and days of training",
    ),
    Claim(
        "The vector of the image is best given once, before the first word",
        f"{WHERE}, section 3.1", None,
        why="layers without a first state of their own could not take it",
    ),
)  # fmt: skip
