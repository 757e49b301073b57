"""Two drawings are compared by looking from one to the other: the same character, or not?

Paper: Shyam, Gupta, Dukkipati (2017), "Attentive Recurrent Comparators".
Differs: smaller networks, an hour of training, runs that no drawer gives away.
"""

import random
from dataclasses import replace
from typing import Any

from swiftrnn.recipes.one_shot import data, measure, report
from swiftrnn.recipes.one_shot.answer import TASK as TASK
from swiftrnn.recipes.one_shot.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.one_shot.config import ARC as ARC
from swiftrnn.recipes.one_shot.config import SMOKE as SMOKE
from swiftrnn.recipes.one_shot.config import STUDY as STUDY
from swiftrnn.recipes.one_shot.config import Config
from swiftrnn.recipes.one_shot.data import Drawings
from swiftrnn.recipes.one_shot.episodes import Run
from swiftrnn.recipes.one_shot.model import Matcher
from swiftrnn.recipes.one_shot.strokes import made_up
from swiftrnn.recipes.one_shot.train import load, train, train_context, untrained
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

HELD_OUT = 10  # one alphabet of so many is to look at while training
TESTED = 5  # one of so many of your alphabets is to test on


def run(config: Config, out: RunFolder) -> Result:
    """Train, and recognise characters of alphabets that nothing was learnt from."""
    learnt, valid, test = parts_of(config)
    runs = measure.test_runs(config, test)
    found, history = trained(config, out, learnt, valid, runs)
    matcher = load(config, out.path)
    found["run_seconds"] = measure.seconds(matcher, runs["within"][0])
    if config.context:
        alone = replace(config.variant(""), context=False)
        model, fitted = train_context(alone, out.part("context"), matcher, learnt, valid)
        found |= {f"{k}_context": v for k, v in measure.scores(model, runs).items()}
        found |= {"seconds_context": fitted.seconds, "steps_context": fitted.steps}
    rivals: dict[str, Any] = {}
    for name in config.variants:
        numbers, rows = trained(config, out.part(name), learnt, valid, runs, name)
        found |= {f"{k}_{name}": v for k, v in numbers.items()}
        rivals[report.NAMES[name]] = rows
    if config.control:
        numbers, _ = trained(config, out.part("control"), learnt, valid, runs, permuted=True)
        found["control"] = numbers["within"]
    pixels = measure.scores(measure.Pixels(), runs)
    found |= {f"baseline_pixels_{k}": v for k, v in pixels.items()}
    report.draw(matcher, runs["within"], out / "glimpses.png", out / "glimpses.gif")
    kept = {"history": history} | ({"rivals": rivals} if rivals else {})
    return Result(found, kept, "glimpses.png", report.sections(config, found))


def trained(
    config: Config, out: RunFolder, learnt: Drawings, valid: Drawings, runs: dict[str, list[Run]],
    name: str = "", permuted: bool = False,
) -> tuple[dict[str, float], Any]:  # fmt: skip
    """Train one matcher, and measure it: its numbers, and the rows of its training."""
    own = config.variant(name)
    fitted = train(own, out, learnt, valid, name, permuted)
    model = load(own, out.path, name)
    found = measure.scores(model, runs) | {
        "verified": measure.verified(model, runs["within"]), "steps": fitted.steps,
        "parameters": sum(each.numel() for each in model.parameters()),
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return found, fitted.history


def parts_of(config: Config) -> tuple[Drawings, Drawings, Drawings]:
    """Drawings to learn from, to look at while training, and to test on; they share no alphabet.

    Raises:
        ValueError: there are none, or too few alphabets.
    """
    if config.drawings is None and not config.made_up:
        known, test = data.omniglot("background"), data.omniglot("evaluation")
    else:
        every = data.read(config.drawings) if config.drawings else made_up(config.seed)
        if len(every.names) < 3:
            raise ValueError(
                "one_shot needs drawings of at least 3 alphabets, of which it keeps some to test "
                f"on; got {len(every.names)} in {config.drawings}; add some"
            )
        known, test = _divided(every, TESTED)
    return *_divided(known, HELD_OUT), test


def _divided(drawings: Drawings, share: int) -> tuple[Drawings, Drawings]:
    """All but one of so many alphabets, and the rest; the same for every seed."""
    alphabets = sorted({*drawings.alphabet.tolist()})
    random.Random("alphabets").shuffle(alphabets)
    count = max(1, len(alphabets) // share)
    return drawings.of(alphabets[count:]), drawings.of(alphabets[:count])


def build(config: Config, _: dict[str, Any]) -> Matcher:
    """An untrained model."""
    return untrained(config)
