"""A recipe's small run, and the figures that it drew."""

import pytest
from matplotlib.figure import Figure


def small_run(recipe, out):
    """Metrics and figures of `SMOKE`."""
    drawn, save = [], Figure.savefig

    def noted(self, *given, **how):
        drawn.append(self)
        save(self, *given, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", noted)
        return recipe.run(recipe.SMOKE, out), drawn
