"""Screenshots as tensors, and parts that share no program."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from swiftrnn.data.screens import folder, generate
from swiftrnn.data.screens.folder import Pair
from swiftrnn.data.screens.grammar import PLATFORMS
from swiftrnn.data.screens.program import Program
from swiftrnn.data.sources import fetch
from swiftrnn.tasks.image import Image

PUBLISHED = "pix2code-web"  # the folder of the published screenshots, beside the other data sets
VALID, TEST = 75, 75  # screenshots of a data set that is not made here


@dataclass(frozen=True)
class Screens:
    """Screenshots and what they show.

    Attributes:
        pixels: (N, 3, H, W) of uint8.
        programs: N of them.
    """

    pixels: Tensor
    programs: tuple[Program, ...]

    def __len__(self) -> int:
        return len(self.programs)

    def take(self, rows: Sequence[int]) -> "Screens":
        """Some of them."""
        return Screens(self.pixels[[*rows]], tuple(self.programs[i] for i in rows))


def box(platform: str, side: int) -> tuple[int, int]:
    """(H, W) of the image that is read, of which the longer one is `side`; multiples of 16."""
    width, height = PLATFORMS[platform].size
    short = max(16, round(side * min(width, height) / max(width, height) / 16) * 16)
    long = max(16, round(side / 16) * 16)
    return (long, short) if height > width else (short, long)


def fitted(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (3, h, w) of uint8 as large as fits into (3, H, W), at its top left.

    What is left over is filled with the colours of its edge.
    """
    high, wide = size
    scale = min(high / image.shape[1], wide / image.shape[2])
    inner = [max(1, min(most, round(side * scale)))
             for side, most in zip(image.shape[1:], size, strict=True)]  # fmt: skip
    x = interpolate(
        image[None].float(), inner, mode="bilinear", antialias=True, align_corners=False
    )
    x = pad(x, (0, wide - inner[1], 0, high - inner[0]), mode="replicate")
    return x[0].round().clamp(0, 255).to(torch.uint8)


def load(
    pairs: Sequence[Pair], size: tuple[int, int], shown: Callable[[int, int], None] | None = None
) -> Screens:
    """Read pictures, and bring them to one size.

    Raises:
        ValueError: a picture is none; the message names it.
    """
    value, found = Image(3), torch.zeros(len(pairs), 3, *size, dtype=torch.uint8)
    for i, pair in enumerate(pairs):
        try:
            found[i] = fitted(value.read(pair.picture()), size)
        except ValueError as error:
            raise ValueError(f"{pair.name}: {error}") from None
        if shown:
            shown(i + 1, len(pairs))
    return Screens(found, tuple(pair.program for pair in pairs))


def published(config: Any) -> list[Pair]:
    """The screenshots of --screens, or the published ones.

    Raises:
        ValueError: there are none.
    """
    where = config.screens or fetch.folder() / PUBLISHED
    if config.screens is None and not where.is_dir():
        raise ValueError(
            f"pix2code needs screenshots; got no --screens, and no folder {where}; unpack the "
            "published ones there (github.com/tonybeltramelli/pix2code, datasets), or make some "
            "with --make 3000"
        )
    if config.screens is None and config.platform != "web":
        raise ValueError(
            f"the published screenshots are of platform web; got {config.platform}; give your own "
            "as --screens, or make some with --make 3000"
        )
    return folder.read(where, config.platform)


def split(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """Parts that share no program: train, valid, test, and layouts, of which train has none.

    The parts are the same for every random seed of a training.
    """
    draw, found = random.Random("screens"), {"layouts": [], "test": [], "valid": [], "train": []}
    most = {"layouts": min(TEST, len(pairs) // 8), "test": min(TEST, len(pairs) // 8),
            "valid": min(VALID, len(pairs) // 8)}  # fmt: skip
    whole: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        whole.setdefault(pair.program.layout, []).append(i)
    layouts = sorted(whole)
    draw.shuffle(layouts)
    while layouts and len(found["layouts"]) < most["layouts"]:
        found["layouts"] += whole[layouts.pop()]
    same: dict[str, list[int]] = {}
    for layout in layouts:
        for i in whole[layout]:
            same.setdefault(str(pairs[i].program), []).append(i)
    programs = sorted(same)
    draw.shuffle(programs)
    for part in ("test", "valid"):
        while programs and len(found[part]) < most[part]:
            found[part] += same[programs.pop()]
    found["train"] = [i for program in programs for i in same[program]]
    return found


def split_made(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """Parts of which each layout is in one; which, depends on the layout alone."""
    found: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for i, pair in enumerate(pairs):
        found[generate.part_of(pair.program.layout)].append(i)
    return found
