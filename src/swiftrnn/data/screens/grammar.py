"""What programs of three platforms are made of, as data: names, what holds what, and what it is.

A program is a tree of names. A container holds its slots in order: of each, any of some names, from
`least` to `most` times. The names are those of pix2code.
"""

from dataclasses import dataclass, field

MANY = 1 << 30  # as often as one likes
FULL = 12  # twelfths of the width that a row of cells has


@dataclass(frozen=True)
class Slot:
    """A place in a container.

    Attributes:
        names: what may stand there.
        least: how often at least.
        most: how often at most.
    """

    names: tuple[str, ...]
    least: int = 0
    most: int = MANY


@dataclass(frozen=True)
class Kind:
    """What a name stands for, in the terms that all platforms share.

    Attributes:
        role: "bar", "stack", "row", "cell", "title", "text", "label", "button", "tab", "slider",
            "switch", "check", "radio", "image" or "add"; "page" for a whole program.
        holds: the slots of a container; none for what stands alone.
        look: which of several: a colour, an icon, "active".
        width: of a cell, in twelfths; 0 for what has none.
        line: whether a row of these widths holds at most `FULL` twelfths.
        plain: its name without its colour, where it has one.
    """

    role: str
    holds: tuple[Slot, ...] = ()
    look: str = ""
    width: int = 0
    line: bool = False
    plain: str = ""


@dataclass(frozen=True)
class Platform:
    """A platform and its names.

    Attributes:
        name: "web", "android" or "ios".
        kinds: of each name; "body" is the whole program and is not written.
        size: (width, height) of its usual screen, in CSS pixels.
    """

    name: str
    kinds: dict[str, Kind] = field(repr=False)
    size: tuple[int, int]

    @property
    def names(self) -> tuple[str, ...]:
        """All names that may be written."""
        return tuple(name for name in self.kinds if name != "body")


CELL = (Slot(("small-title", "big-title", "text", "btn-green", "btn-orange", "btn-red"), 1),)
CELLS = (Slot(("single", "double", "quadruple"), 1),)
WIDGETS = ("label", "btn", "slider", "check", "radio", "switch")
ANDROID_TABS = {name: Kind("tab", look=name) for name in
                ("home", "dashboard", "notifications", "search")}  # fmt: skip
IOS_TABS = {name: Kind("tab", look=name) for name in ("search", "contact", "download", "more")}

WEB = Platform("web", {
    "body": Kind("page", (Slot(("header",), 0, 1), Slot(("row",)))),
    "header": Kind("bar", (Slot(("btn-active", "btn-inactive"), 1),)),
    "btn-active": Kind("tab", look="active", plain="btn"),
    "btn-inactive": Kind("tab", plain="btn"),
    "row": Kind("row", CELLS, line=True),
    "single": Kind("cell", CELL, width=12),
    "double": Kind("cell", CELL, width=6),
    "quadruple": Kind("cell", CELL, width=3),
    "small-title": Kind("title", look="small"),
    "big-title": Kind("title", look="big"),
    "text": Kind("text"),
    "btn-green": Kind("button", look="green", plain="btn"),
    "btn-orange": Kind("button", look="orange", plain="btn"),
    "btn-red": Kind("button", look="red", plain="btn"),
}, (1200, 690))  # fmt: skip

ANDROID = Platform("android", {
    "body": Kind("page", (Slot(("stack",), 0, 1), Slot(("footer",), 0, 1))),
    "stack": Kind("stack", (Slot(("row",), 1),)),
    "row": Kind("row", (Slot(WIDGETS, 1),)),
    "label": Kind("label"),
    "btn": Kind("button"),
    "slider": Kind("slider"),
    "check": Kind("check"),
    "radio": Kind("radio"),
    "switch": Kind("switch"),
    "footer": Kind("bar", (Slot(tuple(f"btn-{name}" for name in ANDROID_TABS), 1),)),
    **{f"btn-{name}": kind for name, kind in ANDROID_TABS.items()},
}, (412, 732))  # fmt: skip

IOS = Platform("ios", {
    "body": Kind("page", (Slot(("stack",), 0, 1), Slot(("footer",), 0, 1))),
    "stack": Kind("stack", (Slot(("row",), 1),)),
    "row": Kind("row", (Slot(("img", "label", "switch", "slider", "btn-add"), 1),)),
    "img": Kind("image"),
    "label": Kind("label"),
    "switch": Kind("switch"),
    "slider": Kind("slider"),
    "btn-add": Kind("add"),
    "footer": Kind("bar", (Slot(tuple(f"btn-{name}" for name in IOS_TABS), 1),)),
    **{f"btn-{name}": kind for name, kind in IOS_TABS.items()},
}, (375, 667))  # fmt: skip

PLATFORMS = {each.name: each for each in (WEB, ANDROID, IOS)}
