"""How right drafts are, how fast they are written, and what needs no training."""

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data.screens.browser import Camera, browser
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import Program, parse, tokens
from swiftrnn.metrics.sequences import edit_distance, positional_errors
from swiftrnn.recipes.pix2code.data import Screens, fitted
from swiftrnn.runs import machine
from swiftrnn.tasks.image import Image

TIMED = 20  # screenshots, one by one
LENGTHS = (20, 40, 60)  # names of a program: where groups of lengths end
MANY = 100_000_000  # numbers of a table of distances


def read(model: Any, pixels: Tensor, beam: int = 1, by_count: bool = True) -> list[Program]:
    """The best program of each screenshot; see `Drafter.draft`."""
    return [model.symbols.program(best.tokens) for best in model.draft(pixels, beam, by_count)]


def exact(model: Any, screens: Screens, beam: int = 1) -> float:
    """Percent of programs that are all right, of the likeliest; 1: written greedily."""
    found = read(model, screens.pixels, beam, by_count=False)
    return 100 * sum(a == b for a, b in zip(found, screens.programs, strict=True)) / len(screens)


def scores(found: Sequence[Program | None], right: Sequence[Program]) -> dict[str, float]:
    """How far programs are from the right ones; None for what does not compile.

    `exact` and `compiles` are percent of screenshots, `error` is the paper's: percent of places
    that hold another token, commas and braces among them; `edits` are tokens to insert, delete or
    replace, percent of those of the right programs; `colours` is percent of buttons with the right
    colour, in programs that are right but for colours.
    """
    both = list(zip(found, right, strict=True))
    spelled = [(tokens(str(a)) if a else [], tokens(str(b))) for a, b in both]
    count = sum(len(b) for _, b in spelled)
    numbers = {
        "exact": 100 * statistics.fmean(a == b for a, b in both),
        "compiles": 100 * statistics.fmean(a is not None for a, _ in both),
        "error": 100 * statistics.fmean(positional_errors(a, b) for a, b in spelled),
        "edits": 100 * sum(edit_distance(a, b) for a, b in spelled) / max(1, count),
    }  # fmt: skip
    if table := confusion(found, right):
        same = sum(n for (a, b), n in table.items() if a == b)
        numbers["colours"] = 100 * same / table.total()
    return numbers


def similarity(
    found: Sequence[Program | None], right: Sequence[Program], size: tuple[int, int]
) -> dict[str, float]:
    """Structural similarity of pages, in percent, as `similarity`; nothing without a browser.

    Both programs are rendered with the same texts, and seen as a model sees a screenshot of (H, W)
    `size`. The same programs have 100, programs that do not compile 0.

    Source: Wang et al. (2004), "Image Quality Assessment: From Error Visibility to Structural
    Similarity".
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as alike

    wrong = [(a, b) for a, b in zip(found, right, strict=True) if a is not None and a != b]
    total = float(sum(a == b for a, b in zip(found, right, strict=True)))
    if wrong:
        try:
            with browser() as started:
                camera = Camera(started)
                for pair in wrong:
                    seen = [_seen(camera, program, size) for program in pair]
                    total += float(alike(*seen, data_range=255.0))  # pyright: ignore[reportArgumentType]
        except (ModuleNotFoundError, FileNotFoundError):
            return {}
    return {"similarity": 100 * total / len(right)}


def _seen(camera: Camera, program: Program, size: tuple[int, int]) -> Tensor:
    picture = camera.picture(program, PLATFORMS[program.platform].size)
    return fitted(Image(3).read(picture), size)[None].to(torch.float32)


def confusion(
    found: Sequence[Program | None], right: Sequence[Program]
) -> Counter[tuple[str, str]]:
    """Of buttons in programs that are right but for colours: how often each is taken for which."""
    table: Counter[tuple[str, str]] = Counter()
    for a, b in zip(found, right, strict=True):
        if a is not None and a.layout == b.layout:
            names = zip(b.names, a.names, strict=True)
            table.update((one, other) for one, other in names if one.startswith("btn-"))
    return table


def by_length(found: Sequence[Program | None], right: Sequence[Program]) -> list[dict[str, Any]]:
    """Exact matches by the number of names of a program."""
    rows, low = [], 0
    for high in (*LENGTHS, None):
        some = [a == b for a, b in zip(found, right, strict=True)
                if low < len(b.names) and (high is None or len(b.names) <= high)]  # fmt: skip
        if some:
            name = f"{low + 1} to {high}" if high else f"more than {low}"
            rows.append({"length": name, "count": len(some),
                         "exact": 100 * statistics.fmean(some)})  # fmt: skip
        low = high or low
    return rows


def of_published(model: Any, screens: Screens) -> list[Program | None]:
    """What the published network writes; None where that does not compile."""
    found: list[Program | None] = []
    for names in model.draft(screens.pixels):
        try:
            found.append(parse(" ".join(names), screens.programs[0].platform))
        except ValueError:
            found.append(None)
    return found


def nearest(learnt: Screens, screens: Screens) -> list[Program]:
    """The program of the screenshot among those learnt from whose pixels are the nearest."""
    shown = [_small(each.pixels) for each in (learnt, screens)]
    rows = max(1, MANY // max(1, len(learnt)))
    best = [torch.cdist(some, shown[0]).argmin(-1) for some in shown[1].split(rows)]
    return [learnt.programs[i] for i in torch.cat(best).tolist()]


def _small(pixels: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(pixels.float(), 4).flatten(1)


def most_common(learnt: Screens, screens: Screens) -> list[Program]:
    """The program that is learnt from most often, for every screenshot."""
    (best, _), = Counter(learnt.programs).most_common(1)  # fmt: skip
    return [best] * len(screens)


def milliseconds(model: Any, screens: Screens) -> float:
    """Median time to read a screenshot and to write its program greedily, alone, on one thread."""
    taken = []
    with machine.one_thread():
        for i in range(min(TIMED, len(screens)) + 1):
            began = time.perf_counter()
            model.draft(screens.pixels[i % len(screens)][None])
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken[1:])
