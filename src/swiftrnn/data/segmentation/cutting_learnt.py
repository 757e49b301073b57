"""Reading off a corpus how it was cut into words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest

import regex

from swiftrnn.data.segmentation.cutting import (
    ADDRESS,
    CLITICS,
    ENDERS,
    MOST_ATOMS,
    Atom,
    Cut,
    Style,
    atoms,
    break_key,
    cut_chunk,
    folded,
)
from swiftrnn.data.segmentation.typography import plain

SPACED = 8  # times as many of a sign alone had a blank behind it in the raw text
COMMAS = ".,:;!?"
CLOSING = frozenset("\"')]")
FEW = 20  # ends of sentences; fewer say nothing
WEB = regex.compile(ADDRESS, regex.IGNORECASE)
JOINED = regex.compile(r"\w[-'/]\w")
ENDING = regex.compile(r"\p{L}?'\p{L}+")
WIDE = 0x2E80  # where the characters of Chinese, Japanese and Korean begin


def style_of(words: Iterable[str]) -> Style:
    """The style in which a corpus was cut into words.

    Examples:
        >>> style_of(["non", "-", "small"]), style_of(["T-shirt"]), style_of(["我", "们"])
        ('punctuation', 'words', 'characters')
    """
    words = list(words)
    letters = [w for w in words if w.isalpha()]
    wide = sum(len(w) == 1 and ord(w) >= WIDE for w in letters)
    if letters and wide > len(letters) / 2:
        return "characters"
    joined = sum(JOINED.search(plain(w)) is not None for w in words)
    return "words" if joined * 1000 > len(words) else "punctuation"


def learnt(sentences: Iterable[Sequence[str]]) -> Cut:
    """How a corpus was cut: raw text can be cut alike.

    A sign joins what it stands between if it did so more often than it stood there by itself;
    what that rule does not tell is kept as a word, if it was one more often than not.

    Args:
        sentences: their words.

    Examples:
        >>> cut = learnt([["C++", "is", "n't", "a", "T-shirt", "for", "Yahoo!", "!"], ["Ha", "!"]])
        >>> cut.whole, cut.endings[0], cut.joints["X-a"], cut.joints["a<!"]
        (('C++', 'Yahoo!'), "n't", True, False)
    """
    sentences = [[*map(plain, words)] for words in sentences]
    style = style_of(w for words in sentences for w in words)
    messages = _messages(sentences)
    if style == "characters":
        return Cut(style, addresses=False, messages=messages)
    addresses = style == "words" or any(WEB.fullmatch(w) for words in sentences for w in words)
    joints, endings = _joints(sentences, addresses), _endings(sentences, style)
    cut = Cut(style, joints, endings=endings, addresses=addresses, messages=messages)
    whole = _whole(sentences, cut)
    dotted, without = _final(sentences, frozenset(whole))
    capitals, breaks = _capitals(sentences), _breaks(sentences)
    return replace(cut, whole=whole, capitals=capitals, breaks=breaks, final_dotted=dotted,
                   final_plain=without)  # fmt: skip


def _messages(sentences: list[list[str]]) -> bool:
    """Whether what ends a sentence stands inside more often than at the end."""
    inside = sum(w in ENDERS for words in sentences for w in words[:-1])
    last = sum(words[-1] in ENDERS for words in sentences if words)
    return inside > last and inside + last >= FEW


def _joints(sentences: list[list[str]], addresses: bool) -> dict[str, bool]:
    joined, alone = Counter(), Counter()
    known: dict[str, list[Atom]] = {}
    for words in sentences:
        rows = [known.setdefault(w, atoms(w, addresses)) for w in words]
        for i, row in enumerate(rows):
            last = i == len(rows) - 1
            joined.update(_inside(row, last))
            if len(row) == 1 and not row[0].shape:
                alone.update(_beside(rows, i, last))
    seen = sorted(joined.keys() | alone.keys())
    # a comma between two words is one for which a blank was lost with the raw text
    weights = {key: SPACED if key[1:2] in COMMAS and key[2:3].isalnum() else 1 for key in seen}
    return {key: joined[key] * weights[key] > alone[key] for key in seen}


def _inside(row: list[Atom], last: bool) -> list[str]:
    """The keys of what a word joins; see `Cut.joints`."""
    keys = []
    for i, (_, _, sign, shape) in enumerate(row):
        if shape:
            continue
        left, right = (row[i - 1].shape if i else ""), (row[i + 1].shape if row[i + 1 :] else "")
        if left and right:
            keys.append(f"{left}{sign}{right}")
        elif right and i == 0:
            keys.append(f"{sign}>{right}")
        elif left and i == len(row) - 1 and not (last and sign == "."):
            dotted = sign == "." and any(a.text == "." for a in row[:i])
            keys.append(f"{'d' if dotted else left}<{sign}")
        if i and row[i - 1].text == sign:
            keys.append(f"{sign}{sign}")
    return keys


def _beside(rows: list[list[Atom]], i: int, last: bool) -> list[str]:
    """The keys of what a sign by itself does not join."""
    sign, keys = rows[i][0].text, []
    left = rows[i - 1][-1].shape if i else ""
    right = "" if last else rows[i + 1][0].shape
    if left and right:
        keys.append(f"{left}{sign}{right}")
    if right:
        keys.append(f"{sign}>{right}")
    if left and not (last and sign == "."):
        dotted = sign == "." and any(a.text == "." for a in rows[i - 1])
        keys.append(f"{'d' if dotted else left}<{sign}")
    if not last and [a.text for a in rows[i + 1]] == [sign]:
        keys.append(f"{sign}{sign}")
    return keys


def _endings(sentences: list[list[str]], style: Style) -> tuple[str, ...]:
    """What stands as a word of its own more often than at the end of one."""
    apart, within = Counter(), Counter()
    for words in sentences:
        for i, word in enumerate(words):
            at = word.find("'")
            if at < 0:
                continue
            if i and ENDING.fullmatch(word):
                apart[word.lower()] += 1
            elif at:
                within.update((word[at:].lower(), word[at - 1 :].lower()))
    found = {e for e, n in apart.items() if n > within[e]}
    clitics = {e for e in CLITICS if not apart[e] + within[e]}
    if style == "words" and sum(apart.values()) >= sum(within[e] for e in CLITICS):
        found |= clitics  # those not met go as the others
    return tuple(sorted(found, key=lambda e: (-len(e), -apart[e], e)))


def _whole(sentences: list[list[str]], cut: Cut) -> tuple[str, ...]:
    """Words with signs that are not told by what signs join."""
    counts = Counter(
        folded(word)
        for words in sentences
        for i, word in enumerate(words)
        if not (i == len(words) - 1 and word.endswith("."))
    )
    parts: dict[tuple[str, ...], str] = {}
    for word in counts:
        if len(word) > 1 and not word.isalnum() and not any(c.isspace() for c in word):
            pieces = tuple(word[a:b] for a, b in cut_chunk(word, cut))
            if len(pieces) > 1 and len(atoms(word, cut.addresses)) <= MOST_ATOMS:
                parts[pieces] = word
    apart, sizes = Counter(), {len(pieces) for pieces in parts}
    begins = {pieces[0] for pieces in parts}
    for words in sentences:
        row = [*map(folded, words)]
        for i, word in enumerate(row):
            if word in begins:
                apart.update(row_part for n in sizes if (row_part := tuple(row[i : i + n])) in parts
                             and not (i + n == len(row) and row_part[-1] == "."))  # fmt: skip
    return tuple(sorted(word for pieces, word in parts.items() if counts[word] > apart[pieces]))


def _capitals(sentences: list[list[str]]) -> tuple[str, ...]:
    """Words with a period that capitals and digits follow inside a sentence."""
    return tuple(sorted({
        folded(word)
        for words in sentences
        for word, after in pairwise(words)
        if word.endswith(".") and any(map(str.isalnum, word))
        and (after[0].isupper() or after[0].isdigit())
    }))  # fmt: skip


def _breaks(sentences: list[list[str]]) -> dict[str, bool]:
    """What `Cut.breaks` holds: sentences follow each other as they do in the corpus."""
    inside, last = Counter(), Counter()
    for words, following in zip_longest(sentences, sentences[1:]):
        for i, word in enumerate(words):
            if word not in ENDERS or not i:
                continue
            rest = i + 1
            while rest < len(words) and words[rest] in CLOSING:
                rest += 1
            shape = atoms(words[i - 1])[-1]
            left = shape.text if shape.shape else ""
            if rest < len(words):
                inside[break_key(left, word, words[rest])] += 1
            elif following:
                last[break_key(left, word, following[0])] += 1
    return {key: 2 * last[key] >= inside[key] for key in sorted(inside.keys() | last.keys())}


def _final(sentences: list[list[str]], whole: frozenset[str]) -> tuple[bool, bool]:
    """Whether abbreviations with and without a period inside keep theirs at the end."""
    kept, cut = Counter(), Counter()
    for words in sentences:
        last = words[-1] if words else ""
        if last == "." and len(words) > 1:
            stem = words[-2]
            if "." in stem[:-1] and not stem.endswith("."):
                cut["dotted"] += any(c.isalpha() for c in stem)
            elif folded(stem + ".") in whole:
                cut["plain"] += 1
        elif last.endswith(".") and any(c.isalpha() for c in last):
            kept["dotted" if "." in last[:-1] else "plain"] += 1
    return kept["dotted"] >= cut["dotted"], kept["plain"] > cut["plain"]
