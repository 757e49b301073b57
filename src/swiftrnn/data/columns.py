"""Files in columns, one word a line and its tag in the last column, as of the CoNLL tasks."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from swiftrnn.data import tags as tagging
from swiftrnn.data.tags import Scheme, Span

DOCUMENT = "-DOCSTART-"  # in place of a word: a document begins


@dataclass(frozen=True)
class Sentence:
    """Words, and the spans in them that have a type."""

    words: tuple[str, ...]
    spans: tuple[Span, ...] = ()

    def tags(self, scheme: Scheme = "IOBES") -> list[str]:
        """A tag for each word."""
        return tagging.to_tags(self.spans, len(self.words), scheme)


@dataclass(frozen=True)
class Columns:
    """What a file held.

    Attributes:
        sentences: those with at least one word.
        scheme: of its tags.
        documents: how many; 0 where the file does not tell.
    """

    sentences: tuple[Sentence, ...]
    scheme: Scheme
    documents: int = 0

    @property
    def types(self) -> list[str]:
        """The types of spans, in alphabetical order."""
        return sorted({span.type for s in self.sentences for span in s.spans})


def read(path: Path) -> Columns:
    """Read a file; `*.gz` is unpacked.

    Args:
        path: columns parted by tabs or blanks; a line without any visible character ends a
            sentence, as does `-DOCSTART-`, which begins a document; lines that begin with #
            and have no tag or another number of columns are comments. Tags are in one of
            `data.tags.SCHEMES`.

    Raises:
        ValueError: it cannot be read, or a line does not fit; the message names the line.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"tagged text needs a file that can be read; got {path} ({why})") from None
    return parse(content, str(path))


def parse(content: bytes, name: str) -> Columns:
    """The same for the bytes of a file; `name` is what messages call it."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"tagged text needs UTF-8; got byte {content[error.start]:#04x} at byte "
            f"{error.start:,} of {name}; convert the file"
        ) from None
    words, tags, documents = [[]], [[]], 0
    shown = [line for line in lines if line.strip()]
    plain = [line for line in shown if not line.startswith("#")] or shown
    width = len(_columns(plain[0])) if plain else 0
    for number, line in enumerate(lines, 1):
        columns = _columns(line)
        if columns[:1] == [DOCUMENT]:
            documents += 1
        if not columns or columns[0] == DOCUMENT:
            words.append([])
            tags.append([])
            continue
        comment = line.startswith("#") and not _is_tag(columns[-1])
        if comment or (line.startswith("#") and len(columns) != width):
            continue
        if len(columns) != width or width < 2:
            raise ValueError(
                f"{name}:{number} needs {max(width, 2)} columns, a word first and its tag last; "
                f"got {line[:60]!r}; a blank line ends a sentence"
            )
        words[-1].append(columns[0])
        tags[-1].append(columns[-1])
    return _checked(words, tags, documents, name)


def _columns(line: str) -> list[str]:
    """Parted by tabs if there are any: words may hold other blanks then."""
    if not line.strip():
        return []
    return [c for c in line.split("\t") if c] if "\t" in line else line.split()


def _is_tag(word: str) -> bool:
    try:
        tagging.split(word)
    except ValueError:
        return False
    return True


def _checked(words: list[list[str]], tags: list[list[str]], documents: int, name: str) -> Columns:
    try:
        scheme = tagging.scheme_of(tags)
        found = [
            Sentence(tuple(w), tuple(tagging.spans(t)))
            for w, t in zip(words, tags, strict=True)
            if w
        ]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not found:
        raise ValueError(f"tagged text needs at least one word; got none in {name}")
    return Columns(tuple(found), scheme, documents)


def write(sentences: list[Sentence], scheme: Scheme = "IOB2") -> str:
    r"""The text of a file: a word, a tab and its tag on a line, a blank line after a sentence.

    Example:
        >>> write([Sentence(("Bonn", "!"), (Span("city", 0, 1),))])
        'Bonn\tB-city\n!\tO\n\n'
    """
    parts = []
    for sentence in sentences:
        pairs = zip(sentence.words, sentence.tags(scheme), strict=True)
        parts += [f"{word}\t{tag}\n" for word, tag in pairs] + ["\n"]
    return "".join(parts)
