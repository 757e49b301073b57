"""Characters that stand for the same, as quotes, dashes and blanks do; and what kind one is."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import regex

# of characters that a model has not met: letters, capitals, digits, all others
KINDS = ("<letter>", "<capital>", "<digit>", "<sign>")
SIGN = len(KINDS) - 1
OFTEN = 10  # sights of a quote or dash in train; with fewer it is no other than those it looks like
PAIRS = {
    "‘’‚‛`´ʼʹ′‵＇": "'", "“”„‟«»″‶〝〞＂": '"', "‹›": "'",
    "‐‑‒–—―−﹘﹣－": "-", "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u202f\u205f\u3000": " ",
}  # fmt: skip
ONE = {ord(c): plain for group, plain in PAIRS.items() for c in group} | {ord("…"): "..."}
WORDS = {"``": '"', "''": '"', "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]",
         "-LCB-": "{", "-RCB-": "}"}  # fmt: skip
# seen by nobody: zero-width blanks, soft hyphens, directions, how an emoji is drawn
UNSEEN = regex.compile(r"[\p{Cf}\p{Cc}\p{Cs}\p{Variation_Selector}]")


def own(words: Iterable[str]) -> frozenset[str]:
    """The quotes, dashes and dots that are words of a corpus, often enough to be learnt from.

    What they tell, such as where a quotation opens and where it closes, is lost in the plain form,
    and taggers find fewer names without it.

    Examples:
        >>> sorted(own(["“", "Ja", "”", ",", "“"] * 5))
        ['“']
    """
    alone = Counter(word for word in words if len(word) == 1 and ord(word) in ONE)
    return frozenset(word for word, count in alone.items() if count >= OFTEN)


@lru_cache(1 << 16)
def plain(word: str, own: frozenset[str] = frozenset()) -> str:
    r"""A word in the one form of all that look alike: composed, with ' " - ... as on a keyboard.

    Brackets and quotes of the Penn Treebank become those they stand for, and what cannot be seen
    is left out, if something is left then. The words in `own` stay as they are.

    Examples:
        >>> plain("O’Brien"), plain("``"), plain("-LRB-"), plain("u\u0308ber"), plain("Ulm\u200b")
        ("O'Brien", '"', '(', 'über', 'Ulm')
    """
    if word.isascii():
        return WORDS.get(word, word)
    if word in own:
        return word
    seen = UNSEEN.sub("", word) or word
    return WORDS.get(word := unicodedata.normalize("NFC", seen).translate(ONE), word)


def kind(character: str) -> int:
    """Which of `KINDS` a character is.

    Examples:
        >>> [KINDS[kind(c)] for c in "aÄ५😀"]
        ['<letter>', '<capital>', '<digit>', '<sign>']
    """
    category = unicodedata.category(character)
    if category in ("Lu", "Lt"):
        return 1
    return {"L": 0, "M": 0, "N": 2}.get(category[0], SIGN)


@lru_cache(1 << 16)
def is_sign(word: str) -> bool:
    """Whether a word has neither letters nor digits.

    Examples:
        >>> is_sign("..."), is_sign("👍🏽"), is_sign("3%")
        (True, True, False)
    """
    return not any(c.isalnum() for c in word)
