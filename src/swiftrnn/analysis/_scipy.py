"""SciPy, or one line that says how to get it."""

from swiftrnn.extras import needs_extra

needs_extra("swiftrnn.analysis", "analysis", "scipy")

from scipy import spatial, special, stats  # noqa: E402 (what is missing is said first)

__all__ = ["spatial", "special", "stats"]
