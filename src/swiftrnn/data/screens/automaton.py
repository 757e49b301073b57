"""What may follow in a program, as a finite automaton: what it lets through compiles."""

from collections import deque
from dataclasses import dataclass, replace

from swiftrnn.data.screens.grammar import FULL, MANY, Kind, Platform
from swiftrnn.data.screens.program import CLOSE

PAD, START, END = range(3)
SPECIAL = ("", "<start>", "<end>")


@dataclass(frozen=True)
class Frame:
    """A container that is open.

    Attributes:
        name: its name.
        place: the slot that was filled last.
        count: how often, as far as that matters.
        width: of the cells in it, in twelfths.
    """

    name: str
    place: int = 0
    count: int = 0
    width: int = 0


State = tuple[Frame, ...]


def symbols(platform: Platform) -> tuple[str, ...]:
    """Padding, start and end, then what `Program.names` of a platform is made of."""
    return (*SPECIAL, CLOSE, *platform.names)


def automaton(platform: Platform, longest: int) -> list[list[int]]:
    """Of each state, the state after each symbol; -1 where it may not come. State 0 is the start.

    A state knows how many symbols are left, so that whatever was begun is also closed in time.

    Args:
        platform: whose programs these are.
        longest: symbols that a program may have.

    Raises:
        ValueError: no program is so short.
    """
    leads = _reachable(platform)
    needed = _needed(leads)
    if needed[0] > longest:
        raise ValueError(f"automaton needs longest of at least {needed[0]}; got {longest}")
    # state q with k symbols left is q * (longest + 1) + (longest - k)
    table = []
    for row in leads:
        for used in range(longest + 1):
            after = [
                -1 if q < 0 or used + 1 + needed[q] > longest else q * (longest + 1) + used + 1
                for q in row
            ]
            after[END] = len(table) if row[END] >= 0 else -1
            table.append(after)
    return table


def _reachable(platform: Platform) -> list[list[int]]:
    """Of each state that can be reached, the state after each symbol; -1 where there is none."""
    first: State = (Frame("body"),)
    found: dict[State, int] = {first: 0}
    left: deque[State] = deque([first])
    leads: list[list[int]] = []
    while left:
        state, row = left.popleft(), []
        for symbol in symbols(platform):
            after = _after(state, symbol, platform)
            if after is not None and after not in found:
                found[after] = len(found)
                left.append(after)
            row.append(-1 if after is None else found[after])
        leads.append(row)
    return leads


def _after(state: State, symbol: str, platform: Platform) -> State | None:
    *below, top = state
    kind = platform.kinds[top.name]
    if symbol == SPECIAL[END]:
        return state if not below and _full(top, kind) else None
    if symbol == CLOSE:
        return tuple(below) if below and _full(top, kind) else None
    if symbol not in platform.kinds:
        return None
    filled = _filled(top, kind, symbol, platform.kinds[symbol].width)
    if filled is None:
        return None
    opened = (Frame(symbol),) if platform.kinds[symbol].holds else ()
    return (*below, filled, *opened)


def _full(frame: Frame, kind: Kind) -> bool:
    """Whether a container may be closed."""
    begun = frame.place > 0 or frame.count > 0
    enough = frame.count >= kind.holds[frame.place].least
    return begun and enough and not any(slot.least for slot in kind.holds[frame.place + 1 :])


def _filled(frame: Frame, kind: Kind, name: str, width: int) -> Frame | None:
    """The container with one thing more in it."""
    if kind.line and frame.width + width > FULL:
        return None
    for place in range(frame.place, len(kind.holds)):
        slot, count = kind.holds[place], frame.count if place == frame.place else 0
        if name in slot.names and count < slot.most:
            most = max(slot.least, 1) if slot.most == MANY else slot.most
            held = frame.width + width if kind.line else 0
            return replace(frame, place=place, count=min(count + 1, most), width=held)
        if count < slot.least:
            return None
    return None


def _needed(leads: list[list[int]]) -> list[int]:
    """How many symbols it takes at least from each state until the program may end."""
    needed = [0 if row[END] >= 0 else MANY for row in leads]
    for _ in leads:
        before = list(needed)
        for state, row in enumerate(leads):
            ways = [needed[q] + 1 for s, q in enumerate(row) if q >= 0 and s != END]
            needed[state] = min(needed[state], *ways) if ways else needed[state]
        if before == needed:
            break
    return needed
