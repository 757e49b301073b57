"""Random vectors are nearly perpendicular, by how much exactly, and images are not random vectors.

Paper: Su (2019), "The distribution of the angle between two random vectors in n dimensions", post.
Differs: sampled rather than tabulated; the variance has a closed form, trigamma(n / 2) / 2.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from swiftrnn.analysis.samples.angles import largest_cosine
from swiftrnn.recipes.random_angles.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.random_angles.figures import picture
from swiftrnn.recipes.random_angles.model import (
    crowd,
    images_of,
    measured,
    measured_images,
)
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.progress import Progress
from swiftrnn.runs.results import Result

Data = Annotated[
    tuple[Literal["fashion-mnist", "mnist"], ...], limits.Different(), limits.Without("made_up")
]
Dimensions = Annotated[tuple[Annotated[int, limits.Range(2, 100_000)], ...], limits.Different()]


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults take about a minute on a CPU."""

    # dimensions of the random vectors
    dimensions: Dimensions = (2, 3, 5, 10, 20, 50, 100, 200, 768, 1000)
    # pairs of vectors in each dimension; the variance is then known to half a percent
    pairs: Annotated[int, limits.Range(2, 100_000_000)] = 100_000
    # vectors in the largest dimension whose largest cosine is measured
    crowd: Annotated[int, limits.Range(2, 20_000)] = 1000
    # data sets whose images are compared as vectors of pixels
    data: Data = ("fashion-mnist", "mnist")
    made_up: bool = False  # synthetic images in place of the data sets; nothing is downloaded
    images: Annotated[int, limits.Range(2, 1_000_000)] = 10_000  # largest number of test images
    # pairs of images whose angles give the effective dimension
    image_pairs: Annotated[int, limits.Range(2, 100_000_000)] = 100_000
    seed: limits.Seed = 0  # random seed


SMOKE = Config(dimensions=(2, 3, 10, 50, 200), pairs=4000, crowd=100, made_up=True, images=300)
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Sample vectors and measure their angles; then the angles of images."""
    found: dict[str, float] = {}
    bar, done, controls = Progress(out.recipe), 0, {}
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
    picture(config, found, shown, out.path)
    return Result(found | controls, picture="angles.png")
