"""SciPy, or one line that says how to get it."""

from swiftrnn.runs.extras import needs_extra

needs_extra("swiftrnn.analysis", "analysis", "scipy")

from scipy import spatial, special, stats  # noqa: E402 (what is missing is said first)
from scipy.stats._distn_infrastructure import _ShapeInfo  # noqa: E402

__all__ = ["_ShapeInfo", "spatial", "special", "stats"]
