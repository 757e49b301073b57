"""Which screenshots a configuration asks for: published ones, yours, made ones, or drawings."""

import os
from pathlib import Path
from typing import Any

import torch

from swiftrnn.data.screens import browser, folder, generate
from swiftrnn.data.screens.browser import Wish
from swiftrnn.data.screens.drawing import drawn
from swiftrnn.recipes.pix2code import data
from swiftrnn.recipes.pix2code.data import Screens
from swiftrnn.runs.progress import Progress

DRAWN = {"train": 400, "valid": 40, "test": 60}  # drawings


def parts_for(config: Any, out: Path) -> dict[str, Screens]:
    """Parts by name: train, valid, test, and where there are such, others.

    `layouts` are test screenshots of layouts that train has none of. With --make and --real,
    `learnt` are the real screenshots to learn from and `real` those to test on.

    Args:
        config: what to train.
        out: the run folder, for what is made.

    Raises:
        ValueError: there are no screenshots, or some do not fit.
        ModuleNotFoundError, OSError: screenshots are to be made, and there is no Playwright or no
            Chromium.
    """
    size = data.box(config.platform, config.side)
    if config.made_up:
        return {part: made_up(count, size, 3 * config.seed + i)
                for i, (part, count) in enumerate(DRAWN.items())}  # fmt: skip
    if not config.make:
        return _split(data.published(config), data.split, size, "screenshots")
    where = config.made or out / "screens"
    make(config, where)
    found = _split(folder.read(where, config.platform), data.split_made, size, "made screenshots")
    if config.real is None:
        return found
    real = _split(data.published(config), data.split, size, "real screenshots")
    if config.real:
        found["learnt"] = real["train"].take(range(min(config.real, len(real["train"]))))
    return found | {"real": real["test"]}


def made_up(count: int, size: tuple[int, int], seed: int) -> Screens:
    """Drawings of random programs of web pages, with one row."""
    programs = [
        generate.screen("web", 1_000_000 * seed + i, "published", rows=1).program
        for i in range(count)
    ]
    pixels = torch.stack([drawn(each, size) for each in programs])
    return Screens(pixels, tuple(programs))


def _split(pairs: Any, split: Any, size: tuple[int, int], name: str) -> dict[str, Screens]:
    bar = Progress(name)
    every = data.load(pairs, size, _shown(bar, "read"))
    bar.close()
    parts = {part: every.take(rows) for part, rows in split(pairs).items()}
    if short := [part for part in ("train", "valid", "test") if not len(parts[part])]:
        raise ValueError(
            f"pix2code needs screenshots to learn from and to test on; got {len(pairs)}, of which "
            f"none are left for {short[0]}; give more"
        )
    return parts


def make(config: Any, where: Path) -> None:
    """Make screenshots that are not there yet."""
    wish = Wish(config.platform, config.make, config.level)
    bar = Progress("screenshots")
    browser.make(wish, where, min(8, os.cpu_count() or 1), _shown(bar, "made"))
    bar.close()


def _shown(bar: Progress, verb: str) -> Any:
    def show(done: int, most: int) -> None:
        if bar.due(done / most):
            bar.draw(done / most, None, f"{done:,} of {most:,} {verb}")

    return show
