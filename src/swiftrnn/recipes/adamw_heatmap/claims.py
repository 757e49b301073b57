"""What the paper claims, and when we say that we see it."""

from dataclasses import replace

from swiftrnn.runs.claims import Claim, Formula, above, below, between, difference, ratio, value

SMALLER = "absolute correlation of log rate and log decay, ten best cells: decoupled - L2"
REGRET = "validation error, percent, above the best of the whole grid: decoupled - L2"
BOTH = (  # of either network
    Claim(
        "The best AdamW has a clearly lower error than the best Adam with L2",
        "sections 1 and 4.2, figure 2",
        value("adamw_paper_over_adam"),
        below(0.95),
        paper=0.85,
        why="test error of AdamW / of Adam with L2; theirs on CIFAR-10",
        after=True,
    ),
    Claim(
        "PyTorch's AdamW has a clearly lower error than the best Adam with L2",
        "our addition",
        value("adamw_over_adam"),
        below(0.95),
        why="test error of AdamW, decay times rate / of Adam with L2",
        after=True,
    ),
    Claim(
        "AdamW is clearly better at rates where networks without decay fit nearly all labels",
        "our addition",
        value("adamw_paper_over_adam_where_it_fits"),
        below(0.95),
        why="test error of AdamW / of Adam with L2, at these rates",
        after=True,
    ),
    Claim(
        "Adam with the best L2 is no better than Adam without L2",
        "section 4.2, figure 2",
        ratio("error_adam", "error_adam_without"),
        above(0.95),
        why="test error with L2 / without",
        after=True,
    ),
    Claim(
        "The best Adam with L2 is clearly worse than the best SGD with L2",
        "section 4.2, figure 2",
        ratio("error_adam", "error_sgd"),
        above(1.05),
        why="test error of Adam / of SGD",
        after=True,
    ),
    Claim(
        "The best AdamW is as good as the best SGD",
        "section 4.2, figure 2",
        ratio("error_adamw_paper", "error_sgd"),
        below(1.05),
        why="test error of AdamW / of SGD with L2",
        after=True,
    ),
    Claim(
        "SGD reaches the same error with either form of decay",
        "proposition 1",
        ratio("error_sgdw", "error_sgd"),
        between(0.95, 1.05),
        why="test error of SGDW / of SGD with L2; here with momentum",
        after=True,
    ),
    Claim(
        "AdamW's best learning rates and decays depend less on one another than Adam's",
        "figures 1 and 2",
        Formula(("correlation_adamw_paper", "correlation_adam"), lambda a, b: abs(a) - abs(b)),
        below(0.0),
        why=SMALLER,
        after=True,
    ),
    Claim(
        "SGDW's best learning rates and decays depend less on one another than SGD's",
        "figure 2",
        Formula(("correlation_sgdw", "correlation_sgd"), lambda a, b: abs(a) - abs(b)),
        below(0.0),
        why=SMALLER,
        after=True,
    ),
    Claim(
        "Tuning the decay first and then the learning rate costs less with AdamW than with Adam",
        "section 4.2",
        difference("regret_adamw_paper", "regret_adam"),
        below(0.0),
        why=REGRET,
        after=True,
    ),
    Claim(
        "Tuning the decay first and then the learning rate costs less with SGDW than with SGD",
        "section 4.2",
        difference("regret_sgdw", "regret_sgd"),
        below(0.0),
        why=REGRET,
        after=True,
    ),
    Claim(
        "AdamW is far better than taking the nearest class mean",
        "our baseline",
        ratio("error_adamw_paper", "baseline_nearest_mean"),
        below(0.8),
        why="test error of AdamW / of nearest class means",
        after=True,
    ),
    Claim(
        "A network trained on random labels learns nothing",
        "our control",
        value("control_random_labels"),
        above(70.0),
        why="test error, percent; guessing is 90, and one class right by luck takes 10 off",
        after=True,
    ),
)
CLAIMS = (
    *BOTH,
    *(replace(claim, preset="perceptron") for claim in BOTH),
    Claim(
        "AdamW is also better with a fixed learning rate and with step decay",
        "figure 1",
        None,
        why="only a cosine schedule is run",
    ),
    Claim(
        "AdamW also generalises better in runs of 1800 epochs, and on ImageNet32x32",
        "section 4.3, figure 3",
        None,
        why="needs a GPU for days",
    ),
    Claim(
        "AdamW with warm restarts is as good up to 10 times sooner",
        "section 4.4, figure 4",
        None,
        paper=10.0,
        why="left out; recipe sgdr has restarts of SGD",
    ),
    Claim(
        "Normalised decay keeps the best decay the same in longer runs",
        "appendix B.1",
        None,
        why="in training.techniques.decay, not measured",
    ),
)
