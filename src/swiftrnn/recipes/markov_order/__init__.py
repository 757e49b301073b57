"""What the state is for: how much of the past a byte model needs to predict what comes next.

Paper: Shannon (1951), "Prediction and Entropy of Printed English"; Khandelwal et al. (2018), "Sharp
Nearby, Fuzzy Far Away: How Neural Language Models Use Context".
Differs: bytes for letters and for words; models train for minutes; a source of known entropy too.
"""

from dataclasses import replace
from typing import Any

from swiftrnn.data.text import Text as Corpus
from swiftrnn.data.text import read_text, shuffled, wikitext_2
from swiftrnn.metrics.compression import by_order
from swiftrnn.recipes.markov_order import report
from swiftrnn.recipes.markov_order.answer import ORDERS, answer, work
from swiftrnn.recipes.markov_order.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.markov_order.config import SMOKE as SMOKE
from swiftrnn.recipes.markov_order.config import SOURCE as SOURCE
from swiftrnn.recipes.markov_order.config import Config
from swiftrnn.recipes.markov_order.evaluate import SCORING
from swiftrnn.recipes.markov_order.measure import COUNTED, Places, excess, ladder, measure
from swiftrnn.recipes.markov_order.model import ByteModel
from swiftrnn.recipes.markov_order.source import Source
from swiftrnn.recipes.markov_order.train import load, train, untrained
from swiftrnn.report.names import LAYERS
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.curve import Curve
from swiftrnn.tasks.text import Text

TASK = Task(
    Text(any_bytes=True), Curve(*ORDERS), answer, work=work, verb="Measure", scoring=SCORING
)


def run(config: Config, out: RunFolder) -> Result:
    """Train each layer, and measure how it predicts test bytes from less and less of the past."""
    text = text_for(config)
    print(f"{text.name}: {len(text.train):,} bytes to learn from, {len(text.test):,} of test")
    test = Places(text.test, config.places, config.longest)
    found, histories = {}, {}
    for i, layer in enumerate(config.layers):
        alone = replace(config, layers=(layer,), control=False)
        how, here = (alone, out.part(layer)) if i else (config, out)  # the first is the run itself
        each, history = trained(how, here, text, test)
        found |= {f"{name}_{layer}": value for name, value in each.items()}
        histories[LAYERS[layer]] = history
    if config.control:
        first = replace(config, layers=config.layers[:1], control=False)
        mixed = shuffled(text, config.seed)
        nothing = Places(mixed.test, config.places, config.longest)
        control, _ = trained(first, out.part("control"), mixed, nothing)
        found |= {f"control_{name}": value for name, value in control.items()}
    found |= counted(text, test, config.longest)
    exact = Source.drawn(config.seed).entropies() if config.made_up else {}
    found |= {f"entropy_{order}": bits for order, bits in exact.items()}
    if exact:
        first = {k.removesuffix(f"_{config.layers[0]}"): v for k, v in found.items()}
        found["excess"] = excess(first, exact, config.longest)
    report.draw(config, found, exact, out / "orders.png")
    names = list(histories)
    details = {"history": histories[names[0]], "rivals": {n: histories[n] for n in names[1:]}}
    return Result(found, details, "orders.png", report.sections(config, found))


def text_for(config: Config) -> Corpus:
    """What is asked for: a source, a file of yours, or WikiText-2."""
    if config.made_up:
        return Source.drawn(config.seed).text(config.seed, config.length)
    return wikitext_2() if config.train is None else read_text(config.train, "--train")


def counted(text: Corpus, test: Places, longest: int) -> dict[str, float]:
    """Bits per byte by counts of what follows the last k bytes, at the same places."""
    orders = [order for order in COUNTED if order <= longest]
    bits = by_order(text.train, test.content, orders, test.places)
    shown = {f"counts_{order}": bits[order] for order in orders if order in ladder(longest)}
    return shown | {"counts_0": bits[0], "counts_best": min(bits.values())}


def trained(
    config: Config, out: RunFolder, text: Corpus, test: Places
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Train one layer, and measure it: its numbers, and the history of its training."""
    fitted = train(config, out, text)
    model = load(config, out.path)
    found = measure(model, test, config.longest)
    found |= {
        "parameters": sum(each.numel() for each in model.parameters()), "steps": fitted.steps,
        "seconds": fitted.seconds, "peak_memory": fitted.peak_memory,
    }  # fmt: skip
    return found, fitted.history


def build(config: Config, _: dict[str, Any]) -> ByteModel:
    """An untrained model of the first layer."""
    return untrained(config)
