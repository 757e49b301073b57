"""SciPy, or one line that says how to get it."""

from swiftrnn.analysis import _check

_check.needs("swiftrnn.analysis", "scipy")

from scipy import special, stats  # noqa: E402 (what is missing is said first)

__all__ = ["special", "stats"]
