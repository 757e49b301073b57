"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, value

PAPER = "Beltramelli (2017)"
REAL = "published screenshots of web pages"
EXACT = "percent of test screenshots whose program is all right, beam of 5"

_WEB = (
    Claim(
        "A network writes the program that a screenshot of a web page shows",
        f"{PAPER}, abstract", value("exact"), above(98.0),
        why=f"{EXACT}; {REAL}, programs not trained on",
    ),
    Claim(
        "Few of its tokens are wrong", f"{PAPER}, table 2", value("error"), below(0.2), paper=11.0,
        why=f"percent of tokens; {REAL}, programs not trained on",
    ),
    Claim(
        "It writes programs whose layout it never saw", "our addition", value("exact_layouts"),
        above(95.0), why=f"{EXACT}; {REAL}, layouts not trained on",
    ),
    Claim(
        "A beam is no worse than the likeliest name each time", f"{PAPER}, table 2, where it is",
        difference("exact_beam", "exact_greedy"), above(-0.001),
        why="points of exact matches, the likeliest of a beam of 5 - greedy",
    ),
    Claim(
        "Counts of what is seen choose among a beam's programs no worse than probability alone",
        "our addition", difference("exact", "exact_beam"), above(-0.001), after=True,
        why="points of exact matches, beam of 5, with counts - without",
    ),
    Claim(
        "It does more than to find the most similar screenshot", "our baseline",
        difference("exact", "baseline_nearest_exact"), above(10.0),
        why="points of exact matches, network - nearest screenshot",
    ),
)  # fmt: skip
_STUDY = (
    Claim(
        "Reading a screenshot once teaches more in the same time than once for every 48 tokens",
        "our addition", difference("exact", "exact_published"), above(10.0),
        why="points of exact matches, ours - published network", preset="study",
    ),
    Claim(
        "Learning to count teaches what is small, as the colours of buttons",
        "our addition", difference("exact", "exact_no_count"), above(10.0), after=True,
        why="points of exact matches, with counting - without", preset="study",
    ),
    Claim(
        "Screenshots put together from rows and cells of others teach new layouts",
        "our addition", difference("exact_layouts", "exact_layouts_no_mixed"), above(0.0),
        why="points of exact matches on unseen layouts, with - without", preset="study",
    ),
    Claim(
        "SRU writes as well as LSTM after the same training time", "our target",
        difference("exact", "exact_lstm"), above(-2.0),
        why="points of exact matches, SRU - LSTM", preset="study",
    ),
    Claim(
        "From the screenshots of other programs nothing is learnt", "our control",
        value("control"), below(2.0), why=EXACT, preset="study",
    ),
)  # fmt: skip


def _made(preset: str, name: str, error: float) -> tuple[Claim, ...]:
    return (
        Claim(
            f"A network writes the program that a screen of {name} shows", f"{PAPER}, abstract",
            value("exact"), above(97.0), preset=preset,
            why=f"{EXACT}; made screens, layouts not trained on",
        ),
        Claim(
            f"Few of its tokens for {name} are wrong", f"{PAPER}, table 2", value("error"),
            below(1.0), paper=error, preset=preset,
            why="percent of tokens; made screens, layouts not trained on",
        ),
    )  # fmt: skip


CLAIMS = (
    *_WEB, *_STUDY, *_made("generated", "the web", 11.0), *_made("android", "Android", 22.3),
    *_made("ios", "iOS", 22.7),
    Claim(
        "What is learnt from made screenshots holds for real ones", "our addition",
        value("exact_real"), above(50.0), preset="zero_shot",
        why=f"{EXACT}; {REAL}, none of them trained on",
    ),
)  # fmt: skip
