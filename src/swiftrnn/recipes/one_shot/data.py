"""Drawings of characters: which alphabet, which character, and who drew it."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from swiftrnn.data.sources import fetch
from swiftrnn.tasks.image import Image

NAME = "omniglot"  # the folder of the drawings, beside the other data sets
PARTS = {"background": "images_background.zip", "evaluation": "images_evaluation.zip"}
SIDE = 32  # pixels
MOST_BYTES = 1_000_000  # of a drawing's file
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp")


@dataclass(frozen=True)
class Drawings:
    """Drawings, ink bright on black.

    Attributes:
        pixels: (N, 32, 32) of uint8.
        alphabet: (N): a number for each.
        character: (N): a number for each; one of two alphabets is two.
        drawer: (N): a number for each person.
        names: of the alphabets.
    """

    pixels: Tensor
    alphabet: Tensor
    character: Tensor
    drawer: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def of(self, alphabets: list[int]) -> "Drawings":
        """Those of some alphabets."""
        rows = torch.isin(self.alphabet, torch.tensor(alphabets, dtype=torch.long))
        return Drawings(self.pixels[rows], self.alphabet[rows], self.character[rows],
                        self.drawer[rows], self.names)  # fmt: skip


def omniglot(part: str) -> Drawings:
    """Published drawings of 20 people: 30 alphabets to learn from, or the other 20.

    Raises:
        ValueError: they are not here, or a file is not what it should be.
    """
    return read(file(PARTS[part]))


def file(name: str) -> Path:
    """A published file."""
    path = fetch.folder() / NAME / name
    if not path.is_file():
        raise ValueError(
            f"one_shot needs drawings of characters; got no --drawings, and no file {path}; put "
            "the zip files of github.com/brendenlake/omniglot, folder python, there"
        )
    return path


def read(path: Path) -> Drawings:
    """Drawings ALPHABET/CHARACTER/DRAWER.png in a folder or a zip file, dark on light.

    The name of a file, or what follows its last underscore, says who drew it.

    Raises:
        ValueError: there are none, or a file is no image; the message names it.
    """
    rows: list[tuple[str, str, str]] = []
    pixels: list[Tensor] = []
    for where, content in _files(path):
        if len(where.parts) < 3:
            raise ValueError(
                f"drawings need ALPHABET/CHARACTER/DRAWER.png; got {where} in {path}; sort them "
                "into a folder for each alphabet, and in it for each character"
            )
        *_, alphabet, character, _ = where.parts
        rows.append((alphabet, f"{alphabet}/{character}", where.stem.rpartition("_")[2]))
        try:
            pixels.append(fitted(Image(1).read(content)))
        except ValueError as error:
            raise ValueError(f"{where} in {path}: {error}") from None
    if not rows:
        raise ValueError(f"drawings need ALPHABET/CHARACTER/DRAWER.png; got none in {path}")
    known = [sorted({row[i] for row in rows}) for i in range(3)]
    numbers = torch.tensor([[known[i].index(row[i]) for i in range(3)] for row in rows])
    alphabet, character, drawer = numbers.T
    return Drawings(torch.stack(pixels), alphabet, character, drawer, tuple(known[0]))


def _files(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in ENDINGS:
                yield PurePosixPath(file.relative_to(path)), file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as packed:
            for each in sorted(packed.infolist(), key=lambda each: each.filename):
                where = PurePosixPath(each.filename)
                if where.suffix.lower() in ENDINGS:
                    yield where, unpacked(packed, each)
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise ValueError(f"drawings need a folder or a zip file; got {path} ({error})") from None


def unpacked(packed: zipfile.ZipFile, each: zipfile.ZipInfo) -> bytes:
    """A file of a zip file, if it is not too large."""
    if each.file_size > MOST_BYTES:
        raise ValueError(
            f"a drawing needs at most {MOST_BYTES:,} bytes; got {each.file_size:,} in "
            f"{each.filename} of {packed.filename}"
        )
    return packed.read(each)


def fitted(image: Tensor) -> Tensor:
    """An image (H, W) of uint8, dark on light, as (32, 32), bright on black.

    What is not square is put on a square of its ground.
    """
    x = 255 - image.float()
    high, wide = x.shape
    side = max(high, wide)
    square = torch.zeros(side, side)
    top, left = (side - high) // 2, (side - wide) // 2
    square[top : top + high, left : left + wide] = x
    x = interpolate(
        square[None, None], (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False
    )
    return x[0, 0].round().clamp(0, 255).to(torch.uint8)
