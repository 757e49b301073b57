"""What the papers claim, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, between, ratio, value

PHAM = "Pham et al. (2018)"
YU = "Yu et al. (2020)"
LI = "Li and Talwalkar (2019)"
ALONE = "perplexity on test, trained alone"

CLAIMS = (
    Claim(
        "The controller draws better cells than chance does, by the same shared weights",
        f"{PHAM}, section 2.2", value("gain_controller"), above(3.0),
        why="mean reward, controller - random, in standard errors",
    ),
    Claim(
        "A controller whose rewards are shuffled draws no better cells than chance", "our control",
        value("gain_shuffled"), between(-3.0, 3.0),
        why="mean reward, controller - random, in standard errors",
    ),
    Claim(
        "The cell that is found is better than the median of random cells",
        f"{PHAM}, section 3.3", ratio("test_controller", "test_random_median"), below(1.0),
        why=f"{ALONE}, found / median",
    ),
    Claim(
        "The cell that is found is better than the best of 16 random cells", f"{LI}, table 4",
        ratio("test_controller", "test_random_best"), below(1.0), why=f"{ALONE}, found / best",
    ),
    Claim(
        "The controller finds a better cell than random search with shared weights",
        f"{LI}, table 4",
        ratio("test_controller", "test_uniform"), below(1.0),
        why=f"{ALONE}, controller / random search",
    ),
    Claim(
        "The cell that is found is among the best tenth of all cells", "our addition",
        value("place_controller"), above(90.0), why="percent of all cells that are worse",
    ),
    Claim(
        "Shared weights rank cells as training each alone does",
        f"{PHAM}, section 2; {YU} do not see it",
        value("tau_uniform"), above(0.5), why="Kendall's tau over all cells",
    ),
    Claim(
        "A search costs a thousandth of training every cell", f"{PHAM}, abstract",
        ratio("all_seconds", "search_seconds_controller"), above(1000.0), paper=1000.0,
        why="seconds for every cell alone / seconds of the search",
    ),
    Claim(
        "One update of 32 cells is 5 times as fast as an update of each", "our target",
        ratio("update_seconds_each", "update_seconds"), above(5.0),
        why="seconds, one by one / together",
    ),
    Claim(
        "Cells differ: the worst is at least a tenth worse than the best", "our baseline",
        ratio("worst", "best"), above(1.1), why="perplexity on valid, trained alone",
        preset="truth",
    ),
    Claim(
        "Cells trained alone twice are ranked the same", "our baseline", value("tau_again"),
        above(0.5), why="Kendall's tau of 32 cells, with two seeds", preset="truth",
    ),
    Claim(
        "The cell that is found reaches a perplexity of 55.8 on the Penn Treebank",
        f"{PHAM}, table 1", None,
        why="takes a GPU for days; the authors withdrew the code of that result",
    ),
    Claim(
        "A found convolutional network has 2.9 % errors on CIFAR-10", f"{PHAM}, table 2", None,
        why="convolutional spaces are not built yet",
    ),
)  # fmt: skip
