"""Text, as a value."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SURROGATE = re.compile("[\ud800-\udfff]")
NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # those that "surrogateescape" never makes
MOST = 100_000_000  # characters


@dataclass(frozen=True)
class Text:
    """A text, `str`.

    Args:
        language: a tag such as "en", for the page; "" for any.
        any_bytes: whether bytes that are no UTF-8 may be in it, as lone surrogates, as
            Python's "surrogateescape" has it.
        name: what it is called in JSON.
    """

    language: str = ""
    any_bytes: bool = False
    name: str = "text"
    widget: str | Path = "text"
    forms: tuple[str, ...] = ("text",)

    def schema(self) -> dict[str, Any]:
        """A string."""
        about = f"a text in {self.language}" if self.language else "a text"
        language = {"x-language": self.language} if self.language else {}
        return {"type": "string", "description": about, **language}

    def read(self, raw: Any) -> str:
        """A text from bytes or a string.

        Raises:
            ValueError: it is something else, is no Unicode, or is far too long.
        """
        if isinstance(raw, bytes):
            raw = self._decoded(raw)
        if not isinstance(raw, str):
            raise ValueError(f"a text needs to be a string; got {type(raw).__name__}; give text")
        if len(raw) > MOST:
            raise ValueError(f"a text needs at most {MOST:,} characters; got {len(raw):,}; cut it")
        if odd := (NO_BYTE if self.any_bytes else SURROGATE).search(raw):
            raise ValueError(
                f"a text needs Unicode characters; got the surrogate {odd[0]!r} at character "
                f"{odd.start()}; decode the text as what it is"
            )
        return raw

    def _decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if self.any_bytes:
                return raw.decode("utf-8", "surrogateescape")
            raise ValueError(
                f"a text needs UTF-8; got the byte 0x{raw[error.start]:02x} at byte "
                f"{error.start}; convert it, as iconv does"
            ) from None

    def write(self, value: str, form: str) -> Any:
        """As it is; for the terminal with an end of line."""
        if form == "json":  # lone surrogates are no Unicode: what cannot be shown says so
            return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
        return value + "\n"

    def size(self, value: str) -> int:
        """In characters."""
        return len(value)
