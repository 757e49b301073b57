"""Packed bytes are unpacked up to a known size: a small file cannot fill the memory."""

import gzip
import io
import zlib

MAGIC = b"\x1f\x8b"  # how a gzip file begins, whatever its name
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)  # what a damaged or truncated one raises


def gunzip(content: bytes, most: int) -> bytes:
    """Unpack a gzip file of at most `most` bytes.

    Raises:
        ValueError: it is damaged, was cut short, or holds more.

    Examples:
        >>> gunzip(gzip.compress(b"one"), most=3)
        b'one'
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(most + 1)
    except DAMAGED as error:
        raise ValueError(f"a gzip file needs to be whole; got {error}; get it again") from error
    if len(found) > most:
        raise ValueError(
            f"a gzip file needs at most {most:,} bytes in it; got more from {len(content):,}; "
            "unpack it yourself if that is right"
        )
    return found
