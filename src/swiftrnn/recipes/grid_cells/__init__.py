"""Networks that keep track of where they are: what do their units respond to?

Paper: Cueva and Wei (2018), "Emergence of grid-like representations by training recurrent neural
networks to perform spatial localization".
Differs: Adam for a Hessian-free optimiser, scores with nulls for judgement by eye, controls.
"""

from typing import Any

from swiftrnn.recipes.grid_cells import measure, report
from swiftrnn.recipes.grid_cells.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.grid_cells.config import CIRCLE as CIRCLE
from swiftrnn.recipes.grid_cells.config import DEEP as DEEP
from swiftrnn.recipes.grid_cells.config import HEXAGON as HEXAGON
from swiftrnn.recipes.grid_cells.config import PLACES as PLACES
from swiftrnn.recipes.grid_cells.config import SMOKE as SMOKE
from swiftrnn.recipes.grid_cells.config import STUDY as STUDY
from swiftrnn.recipes.grid_cells.config import TRIANGLE as TRIANGLE
from swiftrnn.recipes.grid_cells.config import Config
from swiftrnn.recipes.grid_cells.data import batch_of
from swiftrnn.recipes.grid_cells.train import load, train
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Train, and measure errors and units on walks that were not trained on."""
    near, far = measure.test_walks(config)
    found, scores, history = trained(config, out, near, far)
    rivals: dict[str, Any] = {}
    for name in config.variants:
        numbers, _, rows = trained(config.variant(name), out.part(name), near, far, name)
        found |= {f"{key}_{name}": value for key, value in numbers.items()}
        rivals[report.NAMES[name]] = rows
    found |= measure.baselines(near, config)
    _, rates = load(config, out.path).walked(batch_of(near))
    report.draw(measure.maps_of(rates, near, config), scores, out / "units.png")
    kept = {"history": history} | ({"rivals": rivals} if rivals else {})
    return Result(found, kept, "units.png", report.sections(config, found))


def trained(
    config: Config, out: RunFolder, near: Any, far: Any, name: str = ""
) -> tuple[dict[str, float], Any, Any]:
    """Train one network, and measure it: its numbers, the units' scores, the training's rows."""
    fitted = train(config, out, name)
    model = load(config, out.path)
    shares, scores = measure.shares(model, near, config)
    found = measure.errors(model, near, far, config) | shares
    found |= {
        "parameters": sum(each.numel() for each in model.parameters()), "steps": fitted.steps,
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return found, scores, fitted.history
