"""Raw text to sentences of words that know where they stood."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Style = Literal["words", "punctuation", "characters"]
MOST_WORDS = 200  # of a sentence; a longer one is cut

ADDRESS = r"(?:https?://|www\.)\S*[^\s.,;:!?)\]'\"]|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
CLITIC = r"'(?:s|m|re|ve|ll|d)\b"  # the end of "it's"
PATTERNS = {
    # an address, a @name or #topic, such an end, a number such as 3,000.5, a word, a sign
    "words": re.compile(
        rf"{ADDRESS}|[@#]\w+|{CLITIC}|\d+(?:[.,:]\d+)+|\w+(?:(?!{CLITIC})[-'’]\w+)*"
        r"|\.\.\.+|[^\w\s]",
        re.IGNORECASE,
    ),
    # runs of letters and digits; everything else by itself
    "punctuation": re.compile(r"\d+\.\d+|[^\W_]+|[^\s]"),
    "characters": re.compile(r"\S"),
}
BREAKS = {
    "words": re.compile(r"\n+|(?<=[.!?])[\"')\]]*\s+(?=[^\Wa-z_]|[@#\"'(\[])"),
    "punctuation": re.compile(r"\n+|(?<=[.!?])[\"')\]]*\s+(?=[^\Wa-z_]|[\"'(\[])"),
    "characters": re.compile(r"\n+|(?<=[。！？!?])"),
}


class Token(NamedTuple):
    """The characters from `start` to `end` of a text, without `end`."""

    text: str
    start: int
    end: int


def sentences(text: str, style: Style = "words") -> list[list[Token]]:
    """The sentences of a text, each with at least one word and at most `MOST_WORDS`.

    Sentences end at the end of a line, and behind . ! ? where a capital follows; with
    "characters" behind 。！？ too. White space is in no word, everything else is in one.

    Args:
        text: anything.
        style: "words" keeps addresses, @names, #topics and words with a hyphen whole, and parts
            's, 'm, 're, 've, 'll, 'd from the word before; "punctuation" keeps only runs of letters
            and digits whole, as in biomedical corpora; "characters" nothing, as for Chinese.

    Example:
        >>> [[t.text for t in s] for s in sentences("It's Bonn-Sud. See @you")]
        [['It', "'s", 'Bonn-Sud', '.'], ['See', '@you']]
    """
    found, start = [], 0
    ends = [m.end() for m in BREAKS[style].finditer(text)]
    for end in (*ends, len(text)):
        words = [Token(m.group(), m.start() + start, m.end() + start)
                 for m in PATTERNS[style].finditer(text[start:end])]  # fmt: skip
        found += [words[i : i + MOST_WORDS] for i in range(0, len(words), MOST_WORDS)]
        start = end
    return found


def style_of(words: Iterable[str]) -> Style:
    """The style in which a corpus was cut into words.

    Example:
        >>> style_of(["non", "-", "small"]), style_of(["T-shirt"]), style_of(["我", "们"])
        ('punctuation', 'words', 'characters')
    """
    words = list(words)
    letters = [w for w in words if w.isalpha()]
    wide = sum(len(w) == 1 and ord(w) >= 0x2E80 for w in letters)
    if letters and wide > len(letters) / 2:
        return "characters"
    joined = sum(re.search(r"\w[-'/]\w", w) is not None for w in words)
    return "words" if joined * 1000 > len(words) else "punctuation"
