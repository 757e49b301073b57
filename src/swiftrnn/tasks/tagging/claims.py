"""What is claimed of any system that finds names, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value


def claims_of(who: str, preset: str) -> tuple[Claim, ...]:
    """The claims of one system.

    Args:
        who: what it is called, such as "tagger".
        preset: whose recorded results they are about.
    """
    return (
        Claim(
            f"The {who} is clearly better than a list of the names in the training data",
            "our baseline",
            difference("f1", "baseline_dictionary"),
            above(5.0),
            why=f"points of F1, {who} - list",
            preset=preset,
            after=True,
        ),
        Claim(
            f"The {who} also finds names that are not in the training data",
            "section 4",
            value("recall_unseen"),
            above(25.0),
            why="recall of them, percent; a list finds none",
            preset=preset,
            after=True,
        ),
        Claim(
            f"The {who} finds names in raw text as well as in tokenized text",
            "our addition",
            difference("f1", "f1_raw"),
            below(0.5),
            why="points of F1, tokenized - raw text",
            preset=preset,
            after=True,
        ),
        Claim(
            f"The {who} learns nothing from names at random places",
            "our control",
            value("control_f1"),
            below(10.0),
            why="F1 on test; true names moved to random places have about 7",
            preset=preset,
            after=True,
        ),
    )
