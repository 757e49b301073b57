"""Folders of screenshots and their programs: `NAME.png` beside `NAME.gui`, or both in zip files."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from swiftrnn.data.screens.program import Program, parse

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MOST_BYTES = 100_000_000  # of a picture that is unpacked


@dataclass(frozen=True)
class Pair:
    """A screenshot and its program.

    Attributes:
        name: of the files, without their ending.
        program: what it shows.
        file: the picture, or the zip file that it lies in.
        inside: its name in the zip file; "" for a file of its own.
    """

    name: str
    program: Program
    file: Path
    inside: str = ""

    def picture(self) -> bytes:
        """The content of the picture's file."""
        if not self.inside:
            return self.file.read_bytes()
        with zipfile.ZipFile(self.file) as packed:
            return packed.read(self.inside)


def read(folder: Path, platform: str) -> list[Pair]:
    """All pairs of a folder, by name.

    Raises:
        ValueError: it is no folder, holds no pairs, or a program does not fit, which is named.
    """
    if not folder.is_dir():
        raise ValueError(f"screens need a folder of NAME.png and NAME.gui; got {folder}")
    pictures: dict[str, tuple[Path, str]] = {}
    programs: dict[str, bytes] = {}
    for file in sorted(folder.iterdir()):
        for inside, path, content in _content(file):
            if path.suffix.lower() == ".gui":
                programs[path.stem] = content()
            elif path.suffix.lower() in PICTURES:
                pictures[path.stem] = (file, inside)
    names = sorted(pictures.keys() & programs.keys())
    if not names:
        raise ValueError(
            f"screens need NAME.png beside NAME.gui; got {len(pictures):,} pictures and "
            f"{len(programs):,} programs without one another in {folder}"
        )
    return [Pair(name, _parsed(programs[name], name, platform), *pictures[name]) for name in names]


def _parsed(content: bytes, name: str, platform: str) -> Program:
    try:
        return parse(content.decode("utf-8"), platform)
    except UnicodeDecodeError:
        raise ValueError(f"{name}.gui: a program needs UTF-8; got another encoding") from None
    except ValueError as error:
        raise ValueError(f"{name}.gui: {error}") from None


def _content(file: Path) -> Iterator[tuple[str, Path, Callable[[], bytes]]]:
    """What a file holds: itself, or the files of a zip file with their names in it."""
    if file.suffix.lower() != ".zip":
        yield "", file, file.read_bytes
        return
    try:
        with zipfile.ZipFile(file) as packed:
            for each in packed.infolist():
                if each.file_size > MOST_BYTES:
                    raise ValueError(
                        f"screens need files of at most {MOST_BYTES:,} bytes; got {each.filename} "
                        f"of {each.file_size:,} in {file}"
                    )
                yield each.filename, Path(each.filename), partial(packed.read, each)
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"screens need whole zip files; got {file} ({error})") from None
