"""Files in columns, one word a line and its tag in the last column, as of the CoNLL tasks."""

import gzip
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftrnn.data.tagged import lines
from swiftrnn.data.tagged import tags as tagging
from swiftrnn.data.tagged.lines import Layout, Row
from swiftrnn.data.tagged.tags import Scheme, Span

UNTYPED = "entity"  # the type of spans in files whose tags have none


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
        irregular: spans whose tags break a rule of the scheme; they count as conlleval has them.
    """

    sentences: tuple[Sentence, ...]
    scheme: Scheme
    documents: int = 0
    irregular: int = 0

    @property
    def types(self) -> list[str]:
        """The types of spans, in alphabetical order."""
        return sorted({span.type for s in self.sentences for span in s.spans})

    def about(self) -> dict[str, Any]:
        """What was read, in numbers, and the first span that has a type."""
        counts = Counter(span.type for s in self.sentences for span in s.spans)
        named = next((s for s in self.sentences if s.spans), None)
        first = None
        if named:
            span = named.spans[0]
            first = {"words": " ".join(named.words[span.first : span.end]), "type": span.type}
        return {
            "scheme": self.scheme,
            "sentences": len(self.sentences),
            "words": sum(len(s.words) for s in self.sentences),
            "types": dict(sorted(counts.items())),
            "first": first,
            "irregular": self.irregular,
            "documents": self.documents,
        }

    def __str__(self) -> str:
        """The same in a line."""
        about = self.about()
        types = ", ".join(f"{name} {n:,}" for name, n in about["types"].items()) or "no spans"
        sizes = f"{about['sentences']:,} sentences, {about['words']:,} words"
        parts = [f"{sizes}, {self.scheme}: {types}"]
        if first := about["first"]:
            parts.append(f"first {first['type']}: {first['words']}")
        if self.irregular:
            parts.append(f"{self.irregular:,} against the rules of {self.scheme}")
        return "; ".join(parts)


def read(path: Path, layout: Layout | None = None) -> Columns:
    """Read a file; `*.gz` is unpacked.

    Args:
        path: columns parted by tabs or blanks, as the first line with a word has it; a line of
            tabs and blanks alone ends a sentence, as does `-DOCSTART-`, which begins a document;
            lines that begin with # and have no tag or another number of columns are comments. Lines
            end in a line feed and nothing else. Tags are in one of `data.tags.SCHEMES`; where none
            has a type, as in B I O, the type is "entity".
        layout: where words and tags are; as of CoNLL-2003 unless given.

    Raises:
        ValueError: it cannot be read, or a line does not fit; the message names the line.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"tagged text needs a file that can be read; got {path} ({why})") from None
    return parse(content, str(path), layout)


def parse(content: bytes, name: str, layout: Layout | None = None) -> Columns:
    """The same for the bytes of a file; `name` is what messages call it."""
    layout = layout or Layout()
    rows, documents = lines.sentences(lines.decoded(content, name, layout.encoding), name, layout)
    tags = _typed(rows)
    scheme = _scheme(rows, tags, name)
    found, irregular = [], 0
    for each, written in zip(rows, tags, strict=True):
        spans = tagging.spans(written)
        irregular += len(spans) - len(tagging.strict_spans(written, scheme))
        found.append(Sentence(tuple(row.word for row in each), tuple(spans)))
    if not found:
        raise ValueError(f"tagged text needs at least one word; got none in {name}")
    return Columns(tuple(found), scheme, documents, irregular)


def _typed(sentences: list[list[Row]]) -> list[list[str]]:
    """The tags of sentences; where none in the file has a type, with one."""
    tags = [[row.tag for row in sentence] for sentence in sentences]
    if not {tag for row in tags for tag in row} <= tagging.BARE:
        return tags
    return [[tag if tag == "O" else f"{tag}-{UNTYPED}" for tag in row] for row in tags]


def _scheme(sentences: list[list[Row]], tags: list[list[str]], name: str) -> Scheme:
    """The scheme of a file's tags; a line that fits none is named."""
    seen: set[str] = set()
    for row, written in zip(sentences, tags, strict=True):
        for (line, _, _), tag in zip(row, written, strict=True):
            try:
                tagging.split(tag)
                if tag[:1] not in seen:
                    seen.add(tag[:1])
                    tagging.scheme_of([[f"{p}-x" if p != "O" else "O" for p in sorted(seen)]])
            except ValueError as error:
                raise ValueError(f"{name}:{line}: {error}") from None
    return tagging.scheme_of(tags)


def write(sentences: list[Sentence], scheme: Scheme = "IOB2") -> str:
    r"""The text of a file: a word, a tab and its tag on a line, a blank line after a sentence.

    Examples:
        >>> write([Sentence(("Bonn", "!"), (Span("city", 0, 1),))])
        'Bonn\tB-city\n!\tO\n\n'
    """
    parts = []
    for sentence in sentences:
        pairs = zip(sentence.words, sentence.tags(scheme), strict=True)
        parts += [f"{word}\t{tag}\n" for word, tag in pairs] + ["\n"]
    return "".join(parts)
