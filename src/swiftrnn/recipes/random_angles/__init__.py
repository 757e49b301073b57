"""Random vectors are nearly perpendicular, by how much exactly, and images are not random vectors.

Paper: Su (2019), "The distribution of the angle between two random vectors in n dimensions", post.
Differs: sampled rather than tabulated; the variance has a closed form, trigamma(n / 2) / 2.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn import limits
from swiftrnn.analysis.angles import largest_cosine
from swiftrnn.recipes.random_angles.figures import picture
from swiftrnn.recipes.random_angles.model import (
    crowd,
    images_of,
    measured,
    measured_images,
)
from swiftrnn.training.progress import Progress

Data = Annotated[
    tuple[Literal["fashion-mnist", "mnist"], ...], limits.Different(), limits.Without("made_up")
]
Dimensions = Annotated[tuple[Annotated[int, limits.Range(2, 100_000)], ...], limits.Different()]


@dataclass(frozen=True)
class Config(limits.Checked):
    """Sizes for about a minute on a CPU."""

    # the dimensions of the vectors: the post's, and 5 and 768
    dimensions: Dimensions = (2, 3, 5, 10, 20, 50, 100, 200, 768, 1000)
    # of vectors in each; the variance is then known to half a percent
    pairs: Annotated[int, limits.Range(2, 100_000_000)] = 100_000
    # vectors in the most dimensions, whose largest cosine is sought
    crowd: Annotated[int, limits.Range(2, 20_000)] = 1000
    # images, as vectors of their pixels
    data: Data = ("fashion-mnist", "mnist")
    made_up: bool = False  # made-up images in their place
    images: Annotated[int, limits.Range(2, 1_000_000)] = 10_000  # at most so many of the test part
    # whose angles give the effective dimension
    image_pairs: Annotated[int, limits.Range(2, 100_000_000)] = 100_000
    seed: limits.Seed = 0  # of all that is drawn


SMOKE = Config(dimensions=(2, 3, 10, 50, 200), pairs=4000, crowd=100, made_up=True, images=300)
CLAIMS = {  # the post's table of variances, radians squared
    "variance_2": 0.822467, "variance_3": 0.467401, "variance_10": 0.110661,
    "variance_20": 0.0525832, "variance_50": 0.0204053, "variance_100": 0.0101007,
    "variance_200": 0.00502508, "variance_1000": 0.001001,
}  # fmt: skip
PICTURE = "angles.png"  # of the run folder, for the documentation
HEADLINE = ("variance_3", "variance_100", "variance_1000", "smallest_pvalue", "largest_cosine",
            "largest_cosine_expected", "fashion_mnist_raw", "fashion_mnist_centred", "mnist_raw",
            "mnist_centred", "baseline_normal_3", "control_positive_entries")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
    """Sample vectors and measure their angles; then the angles of images."""
    found: dict[str, float] = {}
    bar, done, controls = Progress("random_angles"), 0, {}
    whole = sum(config.dimensions)
    for n in config.dimensions:
        metrics, failing = measured(config, n)
        found |= metrics
        for name, pvalue in failing.items():  # of the dimension where they fail least
            controls[name] = max(pvalue, controls.get(name, 0.0))
        done += n
        bar.draw(done / whole, None, f"{n} dimensions")
    bar.close()
    found["smallest_pvalue"] = min(found[f"pvalue_{n}"] for n in config.dimensions)
    found["largest_cosine"] = crowd(config.crowd, max(config.dimensions), config.seed)
    found["largest_cosine_expected"] = largest_cosine(config.crowd, max(config.dimensions))
    shown = {}
    for name, vectors in images_of(config).items():
        metrics, shown[name] = measured_images(config, name, vectors)
        found |= metrics
    picture(config, found, shown, out)
    return found | controls
