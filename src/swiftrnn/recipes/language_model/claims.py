"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, ratio, value

SIZES = {"word": ("2.5 million", 150.0), "word_large": ("10 million", 120.0)}
WORDS = "perplexity on test over all 33,278 words of WikiText-2"


def of_words(preset: str) -> tuple[Claim, ...]:
    """What is claimed of models of words of one size."""
    size, target = SIZES[preset]
    return (
        Claim(
            f"SRU has a perplexity of at most {target:g} on WikiText-2 with {size} parameters",
            "our target", value("perplexity"), below(target), why=WORDS, preset=preset,
        ),
        Claim(
            f"SRU with {size} parameters predicts words better than LSTM of equal size",
            "section 4.4", ratio("perplexity_lstm", "perplexity"), above(1.0),
            why=f"{WORDS}, after as many epochs, LSTM / SRU", preset=preset,
        ),
        Claim(
            f"SRU with {size} parameters trains on words faster than LSTM of equal size",
            "abstract: 5 to 9 times, on a GPU",
            ratio("tokens_per_second", "tokens_per_second_lstm"), above(1.0),
            why="words a second, whole training steps, SRU / LSTM", preset=preset,
        ),
        Claim(
            f"SRU with {size} parameters predicts words far better than their counts",
            "our baseline", ratio("perplexity", "baseline_unigram"), below(0.3),
            why="perplexity of SRU / of counts of single words", preset=preset,
        ),
    )  # fmt: skip


CLAIMS = (
    Claim(
        "SRU predicts far better than counts of what follows each two bytes",
        "our baseline",
        ratio("bits_per_byte", "baseline_order_2"),
        below(0.8),
        why="bits per byte of SRU / of the counts",
        after=True,
    ),
    Claim(
        "SRU predicts better than xz compresses, file by file",
        "our baseline",
        ratio("bits_per_byte", "baseline_xz_file"),
        below(1.0),
        why="bits per byte of SRU / of xz -9",
        after=True,
    ),
    Claim(
        "SRU predicts better than xz compresses, all files together",
        "our baseline",
        ratio("bits_per_byte", "baseline_xz_stream"),
        below(1.0),
        why="bits per byte of SRU / of xz -9",
        after=True,
    ),
    Claim(
        "SRU trained on shuffled bytes learns nothing but their counts",
        "our control",
        ratio("control_bits_per_byte", "control_baseline_order_0"),
        above(1.0),
        why="bits per byte of SRU / of counts of single bytes",
        after=True,
    ),
    *(claim for preset in SIZES for claim in of_words(preset)),
    Claim(
        "SRU has a perplexity of 60.3 on the words of Penn Treebank",
        "section 4.4",
        None,
        paper=60.3,
        why="the text is not free",
    ),
    Claim(
        "SRU needs 1.19 bits per byte on enwik8",
        "section 4.4",
        None,
        paper=1.19,
        why="needs days and 47 million parameters",
    ),
    Claim(
        "SRU predicts bytes better than LSTM and QRNN of equal size",
        "section 4.4",
        None,
        why="swiftrnn compare trains them side by side",
    ),
    Claim(
        "More layers of SRU predict better",
        "section 4.4",
        None,
        why="only three layers are recorded",
    ),
    Claim(
        "SRU trains 5 to 9 times as fast as cuDNN's LSTM",
        "abstract",
        None,
        why="a run has no times of LSTM: see docs/benchmarks.md",
    ),
    Claim(
        "SRU beats LSTM in classification and question answering, and helps translation",
        "sections 4.1 to 4.3",
        None,
        why="other tasks",
    ),
)
