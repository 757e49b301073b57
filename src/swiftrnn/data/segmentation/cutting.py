"""How a corpus was cut into words: what its signs join, which words hold signs, where it ends."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from typing import Any, Literal, NamedTuple

import regex

from swiftrnn.data.segmentation.typography import plain

Style = Literal["words", "punctuation", "characters"]
MOST_ATOMS = 12  # of a word that is known as a whole
KEPT = 1 << 15  # texts without blanks whose cut is kept, of up to `SHORT` characters
SHORT = 40

# white space, and what cannot be seen and is not inside a word
CHUNK = regex.compile(r"[^\s\p{Cc}\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
ADDRESS = r"(?:https?://|www\.)\S*[^\s.,;:!?)\]'\"’”»]|[\w.+-]{1,64}+@[\w-]+(?:\.[\w-]+)+"
ALNUM = r"[\p{L}\p{N}][\p{L}\p{N}\p{M}\u00ad\u200c\u200d]*"  # with marks and joiners inside
ATOMS = {
    True: regex.compile(rf"(?P<address>{ADDRESS})|(?P<alnum>{ALNUM})|\X", regex.IGNORECASE),
    False: regex.compile(rf"(?P<alnum>{ALNUM})|\X"),
}
CLUSTER = regex.compile(r"\X")
DIGIT = regex.compile(r"\d")
INITIAL = regex.compile(r"\p{Lu}\.")
ORDINAL = regex.compile(r"0+\.")
LAST = regex.compile(r"([^\W_]*)([.!?])[\"')\]]*$")
OPENING = regex.compile(r"^[^\p{L}\p{N}]+")
ENDERS = frozenset(".!?。！？")


class Atom(NamedTuple):
    """What is never cut: letters and digits in a row, an address, or one sign."""

    start: int
    end: int
    text: str  # in plain form
    shape: str  # see `shape_of`; m for an address, nothing for a sign


@dataclass(frozen=True)
class Cut:
    """How text is cut into words and sentences.

    Attributes:
        style: what holds where the others say nothing, see `STYLES`.
        joints: whether signs join, by what stands beside them: "a-a" between words, "#>a" before
            one, "0<%" behind digits, ".." in a row.
        whole: words with signs that the joints do not tell, digits as 0.
        endings: what is cut from the end of a word: "'s", "n't".
        capitals: abbreviations that capitals and digits follow inside a sentence.
        breaks: whether a sign ends sentences, by what stands before and behind it: "a.A".
        addresses: whether addresses are whole.
        messages: whether lines are not cut into sentences, as training messages are not.
        final_dotted: whether U.S. keeps its period at the end of a sentence.
        final_plain: whether Inc. does.
    """

    style: Style = "words"
    joints: Mapping[str, bool] = field(default_factory=dict)
    whole: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    capitals: tuple[str, ...] = ()
    breaks: Mapping[str, bool] = field(default_factory=dict)
    addresses: bool = True
    messages: bool = False
    final_dotted: bool = True
    final_plain: bool = False

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Cut":
        """What `dataclasses.asdict` gave, back from JSON.

        Raises:
            ValueError: it is something else.
        """
        kinds = {"style": str, "joints": dict, "breaks": dict}
        try:
            given: dict[str, Any] = {
                name: tuple(v) if isinstance(v, list) else v for name, v in saved.items()
            }
            found = cls(**given)
            for each in fields(cls):
                value, default = getattr(found, each.name), getattr(cls, each.name, None)
                right = isinstance(value, kinds.get(each.name, type(default)))
                inside = value.values() if isinstance(value, dict) else ()
                texts = value if isinstance(value, tuple) else ()
                if not (right and all(isinstance(v, bool) for v in inside)
                        and all(isinstance(v, str) and v for v in texts)):  # fmt: skip
                    raise TypeError(f"{each.name} {value!r:.40}")
            if found.style not in JOINTS:
                raise TypeError(f"style {found.style!r:.40}")
        except TypeError as error:
            raise ValueError(
                f"vocabulary.json needs under cut how train was cut into words; got {error}; "
                "it was changed, so train again"
            ) from None
        return found

    @cached_property
    def known(self) -> tuple[frozenset[str], frozenset[str]]:
        """The whole words, and what any of them begins with."""
        first = {atoms(word, self.addresses)[0].text for word in self.whole if word}
        return frozenset(self.whole), frozenset(first)

    @cached_property
    def seen(self) -> dict[tuple[str, bool], tuple[tuple[int, int], ...]]:
        """What `cut_chunk` gave before: words come again and again."""
        return {}

    def joins(self, key: str, sign: str) -> bool:
        """Whether a sign joins, as seen in train, else as its style has it."""
        default = JOINTS[self.style]
        return self.joints.get(key, default.get(key, default.get(sign, False)))

    def goes_on(self, before: str, after: str) -> bool:
        """Whether a sentence goes on though it could end between two parts of a line."""
        last = OPENING.sub("", folded(before.rsplit(None, 1)[-1] if before.strip() else ""))
        end = LAST.search(last)
        if end is None or not after:
            return False
        key = break_key(end[1], end[2], plain(after))
        if not self.breaks.get(key, not key.endswith(".a")):
            return True
        return last.endswith(".") and bool(
            last in self.capital_set
            or (INITIAL.fullmatch(last) and self.joins("X<.", "."))
            or (ORDINAL.fullmatch(last) and self.joints.get("0<.", False))
        )

    @cached_property
    def capital_set(self) -> frozenset[str]:
        """`capitals`, to be looked up."""
        return frozenset(self.capitals)

    @cached_property
    def ending_set(self) -> frozenset[str]:
        """`endings`, to be looked up."""
        return frozenset(self.endings)


WORDS = {"-": True, "'": True, "_": True, "0.0": True, "0,0": True, "0:0": True, "x.x": True,
         "X.X": True, "X<.": True, "d<.": True, "..": True, "--": True}  # fmt: skip
WORDS |= {f"{sign}>{shape}": True for sign in "@#" for shape in "amxX"}
JOINTS: dict[Style, dict[str, bool]] = {"words": WORDS, "punctuation": {"0.0": True},
                                        "characters": {}}  # fmt: skip
CLITICS = ("'s", "'m", "'re", "'ve", "'ll", "'d")
STYLES: dict[Style, Cut] = {
    "words": Cut("words", endings=CLITICS),
    "punctuation": Cut("punctuation", addresses=False),
    "characters": Cut("characters", addresses=False),
}


@lru_cache(1 << 16)
def folded(word: str) -> str:
    """In plain form, digits as 0."""
    return DIGIT.sub("0", plain(word))


def chunks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What lies between white space."""
    return (m.span() for m in CHUNK.finditer(text, start, end))


def atoms(text: str, addresses: bool = True) -> list[Atom]:
    """The atoms of a text without blanks."""
    found = []
    for m in ATOMS[addresses].finditer(text):
        here, what = plain(m.group()), m.lastgroup
        shape = "" if what is None else "m" if what == "address" else shape_of(here)
        found.append(Atom(*m.span(), here, shape))
    return found


def shape_of(word: str) -> str:
    """Of letters and digits in a row: 0 digits, X a capital, x a letter, a letters, m both."""
    if word.isdigit():
        return "0"
    if any(c.isdigit() for c in word):
        return "m"
    return "a" if len(word) > 1 else "X" if word.isupper() else "x"


def break_key(left: str, sign: str, after: str) -> str:
    """What `Cut.breaks` knows a sign by: the shape of the word before it, and what follows.

    Examples:
        >>> break_key("home", ".", "Then"), break_key("3", ".", "5"), break_key("", "!", '"And')
        ('a.A', '0.0', '!"')
    """
    alike = after[:1]
    if alike.isalnum():
        alike = "0" if alike.isdigit() else "A" if alike.isupper() else "a"
    return f"{shape_of(left) if left else ''}{sign}{alike}"


def cut_chunk(text: str, cut: Cut, final: bool = False) -> tuple[tuple[int, int], ...]:
    """Where the words of a text without blanks begin and end; `final` ends a sentence."""
    found = cut.seen.get((text, final))
    if found is None:
        found = tuple(_cut_chunk(text, cut, final))
        if len(text) <= SHORT:
            if len(cut.seen) >= KEPT:
                cut.seen.clear()
            cut.seen[text, final] = found
    return found


def _cut_chunk(text: str, cut: Cut, final: bool) -> list[tuple[int, int]]:
    if cut.style == "characters":
        return [m.span() for m in CLUSTER.finditer(text)]
    parts, found, i = atoms(text, cut.addresses), [], 0
    if len(parts) == 1:
        return [(0, len(text))]
    last = max((k for k, atom in enumerate(parts) if atom.shape), default=-1)
    while i < len(parts):
        end = _grown(text, parts, i, cut)
        closes = final and end > last and parts[end - 1].text == "." and parts[i].shape
        if closes and (end == len(parts) or parts[end].text != "."):
            stem = text[parts[i].start : parts[end - 1].start]
            end -= not (cut.final_dotted if "." in stem else cut.final_plain)
        found += _without_endings(text, parts[i].start, parts[end - 1].end, cut)
        i = end
    return found


def _grown(text: str, parts: list[Atom], i: int, cut: Cut) -> int:
    """The end of the word that begins with an atom."""
    end, shape = _unit(text, parts, i, cut)
    if not shape:  # a sign: more of it, or what it stands before
        sign = parts[i].text
        if end == i + 1 and end < len(parts) and cut.joins(f"{sign}{sign}", ""):
            while end < len(parts) and parts[end].text == sign:
                end += 1
        if end > i + 1 or end == len(parts) or not parts[end].shape:
            return end
        if not cut.joins(f"{sign}>{parts[end].shape}", ""):
            return end
        end, shape = _unit(text, parts, end, cut)
    dotted = False
    while end < len(parts) and not parts[end].shape:
        dotted |= any(p.text == "." for p in parts[max(i, end - MOST_ATOMS) : end])
        sign = parts[end].text
        right = parts[end + 1] if end + 1 < len(parts) else None
        if right and right.shape and _joint(parts, end, shape, cut):
            end, shape = _unit(text, parts, end + 1, cut)
            continue
        run = [p.text for p in parts[end : end + 3]] == [sign] * 3  # and not Inc. and a period
        key = f"{'d' if dotted and sign == '.' else shape}<{sign}"
        if (run and cut.joins(f"{sign}{sign}", "")) or not cut.joins(key, ""):
            return end
        end += 1
        if right is None or right.shape or right.text == sign:
            return end
        shape = "a"  # U.S.-led goes on as a word does
        if end + 1 == len(parts) or not parts[end + 1].shape or not _joint(parts, end, shape, cut):
            return end
    return end


def _joint(parts: list[Atom], at: int, shape: str, cut: Cut) -> bool:
    """Whether a sign joins what stands before and behind it."""
    left, sign, right = parts[at - 1].text, parts[at].text, parts[at + 1]
    if sign == "'":
        ending = f"'{right.text}".lower()
        if ending in cut.ending_set or left[-1:].lower() + ending in cut.ending_set:
            return True
    return cut.joins(f"{shape}{sign}{right.shape}", sign)


def _unit(text: str, parts: list[Atom], i: int, cut: Cut) -> tuple[int, str]:
    """The end of the longest known word from an atom on, or of the atom, and its shape."""
    whole, first = cut.known
    if parts[i].text in first:
        for end in range(min(len(parts), i + MOST_ATOMS), i + 1, -1):
            if folded(text[parts[i].start : parts[end - 1].end]) in whole:
                return end, next((p.shape for p in parts[i:end][::-1] if p.shape), "")
    return i + 1, parts[i].shape


def _without_endings(text: str, start: int, end: int, cut: Cut) -> list[tuple[int, int]]:
    word = plain(text[start:end])
    if "'" in word[1:] and len(word) == end - start and folded(word) not in cut.known[0]:
        lower = word.lower()
        for ending in cut.endings:  # the longest first
            if lower.endswith(ending) and lower[: -len(ending)][-1:] not in ("", "'"):
                here = end - len(ending)
                return [(start, here), (here, end)]
    return [(start, end)]
