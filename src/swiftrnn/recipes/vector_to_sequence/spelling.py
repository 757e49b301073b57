"""Numbers from 0 to 999 in English and German words, letter by letter."""

from collections.abc import Sequence

ENGLISH = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
ENGLISH_TENS = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
GERMAN = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn",
    "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn",
    "neunzehn",
)  # fmt: skip
GERMAN_TENS = (
    "", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig",
)  # fmt: skip
LANGUAGES = ("english", "german")
PAD, START, END = range(3)


def spelled(number: int, language: str) -> str:
    """A number from 0 to 999 in words.

    Examples:
        >>> spelled(305, "english"), spelled(21, "german"), spelled(700, "german")
        ('three hundred and five', 'einundzwanzig', 'siebenhundert')
    """
    return _english(number) if language == "english" else _german(number)


def _english(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if rest < 20:
        below = ENGLISH[rest]
    else:
        tens, ones = divmod(rest, 10)
        below = ENGLISH_TENS[tens] + (f"-{ENGLISH[ones]}" if ones else "")
    if not hundreds:
        return below
    return f"{ENGLISH[hundreds]} hundred" + (f" and {below}" if rest else "")


def _german(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if rest < 20:
        below = GERMAN[rest]
    else:
        tens, ones = divmod(rest, 10)
        below = (f"{_joined(ones)}und" if ones else "") + GERMAN_TENS[tens]
    if not hundreds:
        return below
    return f"{_joined(hundreds)}hundert" + (below if rest else "")


def _joined(digit: int) -> str:
    """A digit before another part of the word."""
    return "ein" if digit == 1 else GERMAN[digit]


class Letters:
    """The letters of a language's numbers, as tokens: padding, start and end come first.

    Args:
        language: one of `LANGUAGES`.

    Examples:
        >>> letters = Letters("english")
        >>> letters.text(letters.tokens("seven"))
        'seven'
    """

    def __init__(self, language: str) -> None:
        words = [spelled(number, language) for number in range(1000)]
        self.signs = ["", "", "", *sorted(set("".join(words)))]
        self.longest = max(map(len, words))
        self._number = {sign: i for i, sign in enumerate(self.signs) if sign}

    def __len__(self) -> int:
        return len(self.signs)

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, without start and end."""
        return [self._number[sign] for sign in text]

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens; padding, start and end are nothing."""
        return "".join(self.signs[token] for token in tokens)
