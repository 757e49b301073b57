"""How good translations are, by beam and by length, and how fast they come."""

import time
from typing import Any

from torch import Tensor, nn

from swiftrnn.data.translation.pairs import Pairs, places
from swiftrnn.metrics.translation import bleu, by_length, chrf
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.runs import machine
from swiftrnn.tasks.translating.search import Search, searched, translated

BEAMS = (1, 2, 5, 10, 50)
SOME = 500  # sentences that all beams are tried on
SHOWN = 20  # translations in the report
TIMED = 60  # sentences translated one by one, for the clock
EDGES = (5, 10, 15)  # words of a source sentence


def measure(model: Translator, test: Pairs, config: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """The numbers of a test part, and what else a report shows: translations and BLEU by group."""
    how = Search(config.beam, config.length_penalty)
    found = translated(model, test.sources, how)
    greedy = translated(model, test.sources, Search(1))
    score = bleu(found, test.targets)
    same = sum(a == b for a, b in zip(found, test.targets, strict=True))
    metrics = {
        "bleu": score.value, "bleu_greedy": bleu(greedy, test.targets).value,
        "chrf": chrf(found, test.targets).value, "exact_match": 100 * same / len(test),
    }  # fmt: skip
    words = [len(each.split()) for each in test.sources]
    details = {
        "signature": score.signature, "length": by_length(found, test.targets, words, EDGES),
        "examples": [(test.sources[i], test.targets[i], found[i])
                     for i in places(len(test), SHOWN)], "translations": found,
    }  # fmt: skip
    return metrics, details


def by_beam(model: Translator, test: Pairs, length_penalty: float) -> dict[str, float]:
    """BLEU of some sentences for each beam, with the length penalty and without."""
    some, found = test.spread(SOME), {}
    for beam in BEAMS:
        for name, power in (("", length_penalty), ("_plain", 0.0)):
            out = translated(model, some.sources, Search(beam, power))
            found[f"bleu_beam_{beam}{name}"] = bleu(out, some.targets).value
    return found


def speed(model: Translator, test: Pairs) -> dict[str, float]:
    """Sentences a second, one at a time and greedily, and the share of the decoder's layer in it.

    On one thread, which is the fastest for one sentence.
    """
    rows = model.languages.source.encode_all(test.spread(TIMED).sources)
    clock = _Clock(model.recurrent.decoder)
    try:
        with machine.one_thread():
            for row in rows[:5]:
                searched(model, [row], Search(1))  # warms up
            clock.seconds, start = 0.0, time.perf_counter()
            for row in rows:
                searched(model, [row], Search(1))
            whole = time.perf_counter() - start
    finally:
        clock.remove()
    return {
        "sentences_per_second": len(rows) / whole, "layer_share_of_seconds": clock.seconds / whole,
        "layer_step_seconds": clock.seconds / max(1, clock.calls),
    }  # fmt: skip


class _Clock:
    """Measures the steps of a layer while it is there."""

    def __init__(self, layer: nn.Module) -> None:
        self.layer, self.inner, self.seconds, self.calls = layer, layer.step, 0.0, 0
        layer.step = self  # pyright: ignore

    def __call__(self, x: Tensor, state: Any = None) -> Any:
        start = time.perf_counter()
        found = self.inner(x, state)  # pyright: ignore
        self.seconds, self.calls = self.seconds + time.perf_counter() - start, self.calls + 1
        return found

    def remove(self) -> None:
        """The layer is as it was."""
        del self.layer.step
