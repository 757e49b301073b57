"""An image, as a value."""

import base64
import binascii
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.runs.extras import needs_extra

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
MOST = 25_000_000  # pixels
UNIT = 256  # pixels that are one unit of work
MOST_BYTES = 100_000_000
DOT = (  # a white pixel, as an example
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mP4DwABAQEA"
    "HLCMmQAAAABJRU5ErkJggg=="
)


@dataclass(frozen=True)
class Image:
    """An image, a tensor of uint8: (H, W) in grey, or (3, H, W) in colour.

    Transparent parts become white; a photograph is turned as its camera says.

    Args:
        channels: 1 for grey, 3 for colour.
        draws: (width, height) of a field of the page to draw in, in dark on white; None for none.
        name: what it is called in JSON.

    Raises:
        ModuleNotFoundError: `read` and `write` need the extra `images` (Pillow).
    """

    channels: int = 3
    draws: tuple[int, int] | None = None
    name: str = "image"
    widget: str | Path = "image"
    forms: tuple[str, ...] = ("text",)
    media: str = "image/png,image/jpeg,image/gif,image/bmp,image/webp"  # see `tasks.OfFiles`
    files: int = 1

    def schema(self) -> dict[str, Any]:
        """A file as a data URL, or in base64."""
        about = "a PNG, JPEG, GIF, BMP or WebP file, as a data URL or in base64"
        found = {"type": "string", "title": "Image", "description": about, "examples": [DOT]}
        found |= {
            "contentEncoding": "base64",
            "contentMediaType": "image/*",
            "x-accept": self.media,
        }
        return found | ({"x-draw": [*self.draws]} if self.draws else {})

    def read(self, raw: Any) -> Tensor:
        """An image from a file's content, its path, a data URL, base64, or a tensor of uint8.

        A string is never taken for a path.

        Raises:
            ValueError: it is none of these, is damaged, or is too large.
        """
        if isinstance(raw, Tensor | np.ndarray):
            return self._checked(torch.as_tensor(raw))
        if isinstance(raw, Path):
            raw = _content(raw)
        if isinstance(raw, str):
            raw = _decoded(raw)
        if not isinstance(raw, bytes):
            raise ValueError(
                f"an image needs the bytes of a file, a path or base64; got {type(raw).__name__}"
            )
        return self._opened(raw)

    def _checked(self, image: Tensor) -> Tensor:
        lead = () if self.channels == 1 else (3,)
        sizes = tuple(image.shape)
        fits = len(sizes) == 2 + len(lead) and sizes[: len(lead)] == lead and min(sizes) > 0
        if image.dtype != torch.uint8 or not fits:
            needs = "(H, W)" if self.channels == 1 else "(3, H, W)"
            raise ValueError(f"an image needs {needs} of uint8; got {sizes} of {image.dtype}")
        _check_size(sizes[-1], sizes[-2])
        return image

    def _opened(self, content: bytes) -> Tensor:
        needs_extra("an image", "images", "PIL")
        from PIL import Image as Files
        from PIL import ImageOps, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Files.DecompressionBombWarning)  # refused below
                file = Files.open(io.BytesIO(content), formats=FORMATS)
            _check_size(*file.size)
            found: Any = ImageOps.exif_transpose(file)
            found.load()
        except UnidentifiedImageError:
            raise ValueError(
                f"an image needs a PNG, JPEG, GIF, BMP or WebP file; got {len(content):,} bytes of "
                "something else; convert it"
            ) from None
        except Files.DecompressionBombError:
            raise ValueError(
                f"an image needs at most {MOST:,} pixels; got far more; make it smaller"
            ) from None
        except (OSError, SyntaxError, EOFError) as error:
            raise ValueError(
                f"an image needs a whole file; got a damaged one ({error}); save it again"
            ) from None
        return self._tensor(found, Files)

    def _tensor(self, found: Any, files: Any) -> Tensor:
        if found.mode.startswith("I"):  # 16 bits: Pillow would cut off what is above 255
            deep = np.asarray(found).astype(np.int64).clip(0, 65_535)
            found = files.fromarray((deep // 257).astype(np.uint8))
        if found.has_transparency_data:
            above = found.convert("RGBA")
            found = files.new("RGBA", found.size, "white")
            found.alpha_composite(above)
        pixels = torch.from_numpy(np.array(found.convert("L" if self.channels == 1 else "RGB")))
        return pixels if self.channels == 1 else pixels.permute(2, 0, 1).contiguous()

    def write(self, value: Tensor, form: str) -> Any:
        """A PNG file as a data URL; for the terminal with an end of line."""
        needs_extra("an image", "images", "PIL")
        from PIL import Image as Files

        pixels = value if value.dim() == 2 else value.permute(1, 2, 0)
        file = io.BytesIO()
        Files.fromarray(pixels.contiguous().numpy()).save(file, "PNG")
        url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        return url if form == "json" else url + "\n"

    def size(self, value: Tensor) -> float:
        """In units of 256 pixels."""
        return value.shape[-1] * value.shape[-2] / UNIT


def _check_size(width: int, height: int) -> None:
    if width * height > MOST:
        raise ValueError(
            f"an image needs at most {MOST:,} pixels; got {width:,} x {height:,}; make it smaller"
        )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"an image needs a file that can be read; got {path} ({why})") from None
    if len(found) > MOST_BYTES:
        raise ValueError(f"an image needs a file of at most {MOST_BYTES:,} bytes; got {path}")
    return found


def _decoded(text: str) -> bytes:
    """The file in a data URL, or in base64."""
    if text.startswith("data:"):
        head, mark, text = text.partition(",")
        if not mark or not head.endswith(";base64"):
            raise ValueError("an image needs a data URL in base64; got another kind")
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not found:
        raise ValueError(
            "an image needs a data URL or base64; got other text; send the file's bytes in base64"
        )
    return found
