"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, Formula, above, below, difference, ratio, value

POINTS = "points of accuracy, mean over folds"
EPOCH = "seconds an epoch, whole training steps"
DATA = {  # by preset: what the data are called, and the percent that guessing gets right
    None: ("film reviews (MR)", 50.0),
    "subj": ("subjective sentences (SUBJ)", 50.0),
    "banking77": ("bank questions (BANKING77) after 10 epochs", 1.3),
}


def _better(other: str) -> Formula:
    return difference("accuracy_sru", other)


def _faster(other: str) -> Formula:
    return ratio(f"seconds_per_epoch_{other}", "seconds_per_epoch_sru")


TESTED = (  # what is claimed of each data set, where, our number, its condition, what it is
    ("SRU is more accurate than a bag of words on", "our baseline",
     _better("baseline_bag_of_words"), above(0.0),
     f"{POINTS}, SRU - logistic regression on tf-idf", None),
    ("SRU is as accurate as LSTM on", "abstract, table 1", _better("accuracy_lstm"), above(-0.5),
     f"{POINTS}, SRU - LSTM", None),
    ("SRU is as accurate as a convolutional net on", "abstract, table 1", _better("accuracy_cnn"),
     above(-0.5), f"{POINTS}, SRU - convolution", None),
    ("SRU is as accurate as QRNN on", "table 1", _better("accuracy_qrnn"), above(-0.5),
     f"{POINTS}, SRU - QRNN", None),
    ("SRU trains five times faster than LSTM on", "abstract: 5 to 9 times, on a GPU",
     _faster("lstm"), above(5.0), f"{EPOCH}, LSTM / SRU", 5.0),
    ("SRU trains five times faster than LSTM on packed sequences of", "our addition",
     _faster("lstm_packed"), above(5.0), f"{EPOCH}, packed LSTM / SRU", None),
    ("SRU trains at least as fast as a convolutional net of its size on", "title, table 1",
     _faster("cnn"), above(1.0), f"{EPOCH}, convolution / SRU", None),
    ("In the same time, SRU is more accurate than LSTM on", "our addition",
     _better("accuracy_in_the_seconds_of_sru_lstm"), above(0.0),
     f"{POINTS}, SRU - LSTM after as many seconds", None),
)  # fmt: skip
CLAIMS = (
    *(
        Claim(f"{says} {name}", where, ours, holds, paper, why, preset)
        for preset, (name, _) in DATA.items()
        for says, where, ours, holds, why, paper in TESTED
    ),
    *(
        Claim(
            f"Nothing is learnt from permuted classes of {name}", "our control", value("control"),
            below(guess + 3.0), None, f"accuracy on test, percent; guessing is {guess:g}", preset,
        )
        for preset, (name, guess) in DATA.items()
    ),
    Claim(
        "SRU has an accuracy of 83.1 on MR and of 93.8 on SUBJ",
        "table 1",
        None,
        paper=83.1,
        why="with the vectors of word2vec, which are not at hand; ours has none",
    ),
    Claim("More layers of SRU are more accurate", "table 1", None, why="two layers are run"),
    Claim(
        "SRU answers questions about texts better than LSTM (SQuAD)",
        "table 2",
        None,
        why="another system",
    ),
)  # fmt: skip
