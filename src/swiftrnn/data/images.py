"""Small images with a class each: IDX files, CIFAR-10, parts of a data set, wrong labels."""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from swiftrnn.data.sources import fetch

NAMES = {  # of the classes
    "fashion-mnist": ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt",
                      "sneaker", "bag", "ankle boot"),
    "mnist": tuple("0123456789"),
}  # fmt: skip
CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
               "truck")  # fmt: skip
CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: a label, and a plane for each colour
CIFAR_MOST = 1_000_000  # images in a file; there are 10,000
FILES = {"train": "train", "test": "t10k"}  # parts, and how their files begin
MOST_DIMENSIONS = 8
KINDS = {0x08: np.uint8}  # of the numbers in an IDX file


@dataclass(frozen=True)
class Images:
    """Images and what they show.

    Attributes:
        pixels: (N, rows, columns) of uint8, 0 for the background; (N, 3, rows, columns) in colour.
        labels: (N) of int64, in 0..K-1.
        names: of the K classes.
    """

    pixels: Tensor
    labels: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor) -> "Images":
        """Some of them."""
        return Images(self.pixels[rows], self.labels[rows], self.names)

    def labelled(self, labels: Tensor) -> "Images":
        """The same images with other labels."""
        return Images(self.pixels, labels, self.names)

    def scaled(self, mean: float, sd: float) -> Tensor:
        """Flat images of float32: brightness in 0..1, less a mean, over a deviation."""
        return (self.pixels.flatten(1).float() / 255 - mean) / sd

    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation of the brightness, in 0..1."""
        bright = self.pixels.float() / 255
        return float(bright.mean()), float(bright.std())


def known(name: str, part: str) -> Images:
    """A part of a data set that `swiftrnn data` knows.

    Args:
        name: fashion-mnist or mnist.
        part: train or test.

    Raises:
        ValueError: there is no such data set or part, or a file is not what it should be.
        ConnectionError: it could not be downloaded.
    """
    if name not in NAMES or part not in FILES:
        raise ValueError(
            f"images needs one of {', '.join(NAMES)} and train or test; got {name!r} and {part!r}"
        )
    start = FILES[part]
    pixels = read_idx(fetch.read(name, f"{start}-images-idx3-ubyte.gz"))
    labels = read_idx(fetch.read(name, f"{start}-labels-idx1-ubyte.gz"))
    if pixels.ndim != 3 or not pixels.size or labels.shape != pixels.shape[:1]:
        raise ValueError(
            f"images needs a label for each image; got {labels.shape} for {pixels.shape} in {name}"
        )
    if int(labels.max()) >= len(NAMES[name]):
        raise ValueError(
            f"images needs labels in 0..{len(NAMES[name]) - 1}; got {labels.max()} in {name}"
        )
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels).long(), NAMES[name])


def cifar_10(folder: Path, part: str) -> Images:
    """A part of CIFAR-10, from the files of its binary version in a folder of yours.

    Args:
        folder: holds data_batch_1.bin to data_batch_5.bin, and test_batch.bin.
        part: train or test.

    Raises:
        ValueError: there is no such part, or a file is no whole number of images.
        FileNotFoundError: a file is missing.

    Source: Krizhevsky (2009), "Learning Multiple Layers of Features from Tiny Images"; the format:
    cs.toronto.edu/~kriz/cifar.html.
    """
    names = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
    if part not in names:
        raise ValueError(f"cifar_10 needs train or test; got {part!r}")
    records = []
    for name in names[part]:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"cifar_10 needs {name} of the binary version; got none in {folder}; unpack it"
            )
        if (size := path.stat().st_size) > CIFAR_MOST * CIFAR_RECORD:
            raise ValueError(
                f"cifar_10 needs at most {CIFAR_MOST:,} images in a file; got {size:,} bytes in "
                f"{path}; is it of the binary version?"
            )
        content = np.fromfile(path, np.uint8)
        if not len(content) or len(content) % CIFAR_RECORD:
            raise ValueError(
                f"cifar_10 needs {CIFAR_RECORD} bytes for each image; got {len(content)} in {path}"
            )
        records.append(content.reshape(-1, CIFAR_RECORD))
    whole = torch.from_numpy(np.concatenate(records))
    labels = whole[:, 0].long()
    if int(labels.max()) >= len(CIFAR_NAMES):
        raise ValueError(f"cifar_10 needs labels in 0..9; got {int(labels.max())} in {folder}")
    return Images(whole[:, 1:].reshape(-1, 3, 32, 32), labels, CIFAR_NAMES)


def read_idx(content: bytes) -> np.ndarray:
    """The array in an IDX file of bytes, as of MNIST.

    Raises:
        ValueError: it is none, holds other numbers, or was cut short.

    Examples:
        >>> read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])).tolist()
        [7, 8, 9]

    Source: LeCun, "The IDX file format", on the pages of MNIST.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in KINDS:
        raise ValueError(
            f"an IDX file needs to begin with 0, 0, 8 and its dimensions; got {content[:4]!r}"
        )
    dimensions, start = content[3], 4 + 4 * content[3]
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(
            f"an IDX file needs 1 to {MOST_DIMENSIONS} dimensions; got {dimensions}; is it one?"
        )
    if len(content) < start:
        raise ValueError(f"an IDX file needs {dimensions} sizes; got {len(content)} bytes in all")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    size = math.prod(shape)
    if len(content) != start + size:
        raise ValueError(
            f"an IDX file of {shape} needs {size} bytes of numbers; got {len(content) - start}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def parts(images: Images, sizes: tuple[int, ...], seed: int) -> list[Images]:
    """Parts that share no image, drawn at random, each of so many.

    Raises:
        ValueError: there are not so many, or a part would be empty.
    """
    if min(sizes) < 1:
        raise ValueError(f"parts needs at least one image in each; got {sizes}; ask for more")
    if sum(sizes) > len(images):
        raise ValueError(f"parts needs {sum(sizes)} images; got {len(images)}; ask for fewer")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return [images.take(rows) for rows in order[: sum(sizes)].split(list(sizes))]


def three_parts(
    data: str, train_size: int, valid_size: int, seed: int, made: bool = False,
    cifar: Path | None = None,
) -> tuple[Images, Images, Images]:  # fmt: skip
    """Train and valid, drawn from the training part without a common image, and the test part.

    Args:
        data: the name of a data set, see `known`.
        train_size: images of train.
        valid_size: images of valid.
        seed: decides which.
        made: synthetic images in place of the data set.
        cifar: a folder with CIFAR-10, in place of the data set.

    Raises:
        ValueError, ConnectionError, FileNotFoundError: as `known`, `cifar_10` and `parts` do.
    """
    sizes = train_size, valid_size
    if made:
        whole = made_up(2 * sum(sizes), seed)
        train, valid, test = parts(whole, (*sizes, sum(sizes)), seed)
        return train, valid, test
    train, valid = parts(cifar_10(cifar, "train") if cifar else known(data, "train"), sizes, seed)
    return train, valid, cifar_10(cifar, "test") if cifar else known(data, "test")


def corrupted(images: Images, share: float, seed: int) -> Images:
    """A share of the labels replaced at random, by each class as likely: some stay right by chance.

    Args:
        images: any number.
        share: 0 to 1; just so many, rounded.
        seed: decides which, and what they become.

    Raises:
        ValueError: the share is not in 0..1.

    Source: Zhang et al. (2018), "mixup: Beyond Empirical Risk Minimization", section 3.4.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"corrupted needs a share in 0..1; got {share!r}")
    draw, labels = torch.Generator().manual_seed(seed), images.labels.clone()
    rows = torch.randperm(len(images), generator=draw)[: round(share * len(images))]
    labels[rows] = torch.randint(len(images.names), (len(rows),), generator=draw)
    return images.labelled(labels)


def made_up(count: int, seed: int, classes: int = 4, size: int = 8) -> Images:
    """Images with one bright square each, whose place tells the class; for a first try."""
    draw, side = torch.Generator().manual_seed(seed), size // 2
    labels = torch.randint(classes, (count,), generator=draw)
    pixels = torch.randint(0, 120, (count, size, size), generator=draw)
    rows = torch.arange(count)
    for r in range(side):
        for c in range(side):
            at = (labels % 2) * side + r, (labels // 2 % 2) * side + c
            pixels[rows, at[0], at[1]] += torch.randint(20, 100, (count,), generator=draw)
    names = tuple(f"square {k + 1}" for k in range(classes))
    return Images(pixels.to(torch.uint8), labels, names)
