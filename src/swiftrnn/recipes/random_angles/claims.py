"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import (
    Claim,
    Formula,
    above,
    below,
    between,
    highest,
    ratio,
    value,
)

MEANS = tuple(f"mean_{n}" for n in (2, 3, 5, 10, 20, 50, 100, 200, 768, 1000))
TABLE = {  # of the post, n to variance in radians squared
    3: 0.467401, 10: 0.110661, 20: 0.0525832, 50: 0.0204053, 100: 0.0101007, 200: 0.00502508,
    1000: 0.001001,
}  # fmt: skip
CLAIMS = (
    Claim(
        "The angle between random vectors is 90 degrees on average, in any dimension",
        "the post",
        Formula(MEANS, lambda *mean: max(abs(each - 90) for each in mean)),
        below(0.5),
        why="largest difference from 90 degrees, ten dimensions, 100,000 pairs each",
        after=True,
    ),
    Claim(
        "The angle between random vectors has the density of the post, in any dimension",
        "the post",
        value("smallest_pvalue"),
        above(1e-3),
        why="smallest of ten Kolmogorov-Smirnov p-values, one for each dimension",
        after=True,
    ),
    Claim(
        "In 3 dimensions the variance of the angle is 0.467",
        "the post's table",
        value("variance_3"),
        between(0.458, 0.477),
        paper=0.467401,
        why="radians squared, within 2 %",
        after=True,
    ),
    Claim(
        "In 1,000 dimensions the variance is 0.001: random vectors are nearly perpendicular",
        "the post's table",
        value("variance_1000"),
        between(0.00098, 0.00102),
        paper=0.001001,
        why="radians squared, within 2 %",
        after=True,
    ),
    Claim(
        "The variance of the angle is that of the post's table, from 3 to 1,000 dimensions",
        "the post's table",
        Formula(
            tuple(f"variance_{n}" for n in TABLE),
            lambda *found: max(
                abs(ours / theirs - 1) for ours, theirs in zip(found, TABLE.values(), strict=True)
            ),
        ),
        below(0.02),
        why="largest relative difference of seven",
        after=True,
    ),
    Claim(
        "In many dimensions the angle is nearly normally distributed",
        "the post",
        highest("baseline_normal_200", "baseline_normal_768", "baseline_normal_1000"),
        below(0.01),
        why="largest gap of the cumulative distributions, from 200 dimensions on",
        after=True,
    ),
    Claim(
        "In 3 dimensions the exact distribution fits far better than the normal one",
        "our baseline",
        ratio("distance_3", "baseline_normal_3"),
        below(0.8),
        why="largest gap to the exact distribution / to the normal one",
        after=True,
    ),
    Claim(
        "Angles of vectors that favour some directions do not fit the distribution",
        "our control",
        highest("control_positive_entries", "control_unequal_axes"),
        below(1e-3),
        why="largest p-value: positive entries, unequal axes, ten dimensions",
        after=True,
    ),
    Claim(
        "The largest cosine among 1,000 random vectors is as expected",
        "our addition",
        ratio("largest_cosine", "largest_cosine_expected"),
        between(0.9, 1.1),
        why="largest cosine / its expected value",
        after=True,
    ),
    Claim(
        "Images use far fewer dimensions than they have pixels",
        "our addition",
        Formula(
            ("mnist_centred", "fashion_mnist_centred", "mnist_pixels"),
            lambda digits, clothes, pixels: max(digits, clothes) / pixels,
        ),
        below(0.1),
        why="effective dimension of centred images / pixels, the larger of two data sets",
        after=True,
    ),
)
