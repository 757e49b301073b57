"""Texts to fill a screen with: a program says where text stands, not which."""

import random
import string

STYLES = ("letters", "words")
LENGTHS = {  # letters and spaces, as in the screenshots of pix2code
    "button": (10, 1), "tab": (10, 1), "title": (5, 0), "label": (6, 0), "text": (56, 7),
}  # fmt: skip
WORDS = tuple(
    """
    about account add after again all also any apple area ask autumn back bank basket before
    best big bird blue board boat book box bread bridge bright bring build button buy call
    card care change city clear close cloud coast coffee cold come cook copy corner country
    cover day deep door down draw dream early earth east easy edge email end enter every
    face family farm fast field file find fire first floor flower follow food forest free
    fresh friend front fruit full garden gate gift give glass gold good grass green group
    grow guide hand happy harbour help hill history home horse hour house ice idea image
    island join journey keep key kind kitchen lake language large last late leaf learn left
    letter level light line list little local long look lunch make map market meet menu
    message milk money month moon more morning mountain move music name near new news next
    night north note now ocean offer office old open orange order other our page paper park
    part people photo picture place plan play please point price print quick quiet rain read
    ready red report rest right river road room round safe sail sale save school sea search
    season second see sell send service settings share ship shop short show sign simple sky
    slow small snow song south spring star start station stay stone stop store story street
    summer sun table talk tea team ten text thank thing time today together town train
    travel tree try under update user valley view village visit voice walk wall warm watch
    water way week welcome west white wide wind window winter wood word work world write
    year you
    """.split()  # noqa: SIM905 (three hundred lines)
)


class Texts:
    """Texts by seed, one after the other.

    Args:
        seed: the same seed gives the same texts.
        style: "letters" for random letters, as in the screenshots of pix2code, or "words".

    Examples:
        >>> texts = Texts(1)
        >>> texts.next("title") == Texts(1).next("title"), len(texts.next("button"))
        (True, 10)
    """

    def __init__(self, seed: int = 0, style: str = "letters") -> None:
        if style not in STYLES:
            raise ValueError(f"Texts needs a style of {', '.join(STYLES)}; got {style!r}")
        self._draw, self.style = random.Random(f"texts {seed}"), style

    def next(self, role: str) -> str:
        """A text for a role of `LENGTHS`; all but "text" begin with a capital."""
        length, spaces = LENGTHS[role]
        found = self._words(role) if self.style == "words" else self._letters(length, spaces)
        return found if role == "text" else found.title()

    def _letters(self, length: int, spaces: int) -> str:
        signs = self._draw.choices(string.ascii_lowercase, k=length)
        for place in self._draw.sample(range(1, length - 1), spaces):
            signs[place] = " "
        return "".join(signs)

    def _words(self, role: str) -> str:
        count = {"text": self._draw.randint(5, 14), "title": self._draw.randint(1, 3)}
        return " ".join(self._draw.choices(WORDS, k=count.get(role, self._draw.randint(1, 2))))
