"""A screenshot becomes the program of its user interface, and the program a page or an app.

Paper: Beltramelli (2017), "pix2code: Generating Code from a Graphical User Interface Screenshot".
Differs: the screenshot is read once, with attention; what is written always compiles.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from swiftrnn.data.screens.program import Program
from swiftrnn.recipes.pix2code import measure, report, screens
from swiftrnn.recipes.pix2code.answer import TASK as TASK
from swiftrnn.recipes.pix2code.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.pix2code.config import ANDROID as ANDROID
from swiftrnn.recipes.pix2code.config import GENERATED as GENERATED
from swiftrnn.recipes.pix2code.config import IOS as IOS
from swiftrnn.recipes.pix2code.config import SMOKE as SMOKE
from swiftrnn.recipes.pix2code.config import STUDY as STUDY
from swiftrnn.recipes.pix2code.config import ZERO_SHOT as ZERO_SHOT
from swiftrnn.recipes.pix2code.config import Config as Config
from swiftrnn.recipes.pix2code.data import Screens
from swiftrnn.recipes.pix2code.model import Drafter
from swiftrnn.recipes.pix2code.train import load, train, train_published, untrained
from swiftrnn.report.names import LAYERS
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

SHOWN = 9  # screenshots in the picture


def run(config: Config, out: RunFolder) -> Result:
    """Train, and draft programs of test screenshots."""
    parts = screens.parts_for(config, out.path)
    alone = replace(config, rivals=(), without=(), published=False, control=False)
    drafts, found, history = trained(alone, out, parts)
    others = {layer: (LAYERS[layer], replace(alone, layer=layer)) for layer in config.rivals}
    less = {"count": replace(alone, count=False), "mixed": replace(alone, mixed=0.0)}
    others |= {f"no_{part}": (f"without {part}", less[part]) for part in config.without}
    rivals: dict[str, Any] = {}
    for name, (title, other) in others.items():
        _, numbers, rivals[title] = trained(other, out.part(name), parts)
        found |= _named(numbers, name)
    if config.published:
        fitted, network = train_published(alone, out.part("published"), parts["train"])
        written = measure.of_published(network, parts["test"])
        found |= _named(scores(alone, written, parts["test"]), "published")
        found["steps_published"] = fitted.steps
    if config.control:
        _, control, _ = trained(alone, out.part("control"), parts, permuted=True)
        found["control"] = control["exact"]
    found |= baselines(config, parts)
    shown = range(min(SHOWN, len(drafts)))
    some = parts["test"].take(shown)
    report.draw(some.pixels, drafts[: len(some)], some.programs, out / "drafts.png")
    details = _details(drafts, parts["test"])
    kept = {"history": history} | details | ({"rivals": rivals} if rivals else {})
    return Result(found, kept, "drafts.png", report.sections(config, found, details))


def trained(
    config: Config, out: RunFolder, parts: dict[str, Screens], permuted: bool = False
) -> tuple[list[Program], dict[str, float], Any]:
    """Train one model, and measure it: its drafts of test, its numbers, its training's rows."""
    fitted = train(config, out, parts["train"], parts["valid"], parts.get("learnt"), permuted)
    model = load(config, out.path)
    drafts = measure.read(model, parts["test"].pixels, config.beam)
    found = scores(config, drafts, parts["test"])
    for part in ("layouts", "real"):
        if part in parts and len(parts[part]):
            more = measure.read(model, parts[part].pixels, config.beam)
            found |= _named(scores(config, more, parts[part]), part)
    found |= {
        "exact_greedy": measure.exact(model, parts["test"]),
        "exact_beam": measure.exact(model, parts["test"], config.beam),
        "milliseconds": measure.milliseconds(model, parts["test"]),
        "parameters": sum(each.numel() for each in model.parameters()), "steps": fitted.steps,
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return drafts, found, fitted.history


def baselines(config: Config, parts: dict[str, Screens]) -> dict[str, float]:
    """What needs no training."""
    found: dict[str, float] = {}
    for name, guess in (("nearest", measure.nearest), ("most_common", measure.most_common)):
        numbers = scores(config, guess(parts["train"], parts["test"]), parts["test"])
        kept = ("exact", "error", "similarity")
        found |= {f"baseline_{name}_{key}": numbers[key] for key in kept if key in numbers}
    return found


def scores(config: Config, found: Sequence[Any], screens: Screens) -> dict[str, float]:
    """How far programs are from the right ones, and how alike their pages look; not of drawings."""
    right = screens.programs
    size = (screens.pixels.shape[2], screens.pixels.shape[3])
    alike = {} if config.made_up else measure.similarity(found, right, size)
    return measure.scores(found, right) | alike


def _named(numbers: dict[str, float], part: str) -> dict[str, float]:
    return {f"{name}_{part}": value for name, value in numbers.items()}


def _details(drafts: Any, test: Screens) -> dict[str, Any]:
    table = measure.confusion(drafts, test.programs)
    buttons = [{"right": a, "found": b, "count": n} for (a, b), n in sorted(table.items())]
    return {"lengths": measure.by_length(drafts, test.programs), "buttons": buttons}


def build(config: Config, _: dict[str, Any]) -> Drafter:
    """An untrained model."""
    return untrained(config)
