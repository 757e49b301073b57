"""Screenshots of programs by a real browser, Chromium: in parallel, resumable, the same by seed."""

import multiprocessing
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swiftrnn.data.screens.generate import Screen, screen
from swiftrnn.data.screens.html import page
from swiftrnn.data.screens.program import Node, Program

WRAPPED = """[...document.querySelectorAll(".stack .row")].map((row) => {
  const boxes = [...row.children].map((each) => each.getBoundingClientRect());
  return boxes.some((one) => boxes.some((other) => one.top >= other.bottom));
})"""  # rows that take two lines: they look like two rows
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Wish:
    """Which screens to make; see `generate.screen`."""

    platform: str
    count: int
    level: str = "varied"
    rows: int = 5
    seed: int = 0


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window.

    Raises:
        ModuleNotFoundError: the extra `screens` (Playwright) is not installed.
        FileNotFoundError: there is no Chromium.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "making screenshots needs the extra screens; playwright is missing; "
            "run pip install 'swiftrnn[screens]'",
            name=missing.name,
        ) from None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            raise FileNotFoundError(
                "screenshots need Chromium; got none that starts; install it, or run "
                "`playwright install chromium`"
            ) from error
        try:
            yield started
        finally:
            started.close()


class Camera:
    """Photographs pages, all in one window.

    Args:
        started: a browser of Playwright.
    """

    def __init__(self, started: Any) -> None:
        self.page = started.new_page()
        self.page.route("**/*", lambda route: route.abort())  # nothing is fetched

    def picture(self, program: Program, size: tuple[int, int]) -> bytes:
        """A PNG of a program with the usual looks, (width, height) large; what is below is cut."""
        width, height = size
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.set_content(page(program))
        return self.page.screenshot()

    def shoot(self, wanted: Screen) -> tuple[Screen, bytes]:
        """A PNG of a screen, and what it shows.

        Rows below its end are taken from the program, and what does not fit beside others.
        """
        width, height = wanted.size
        self.page.set_viewport_size({"width": width, "height": height})
        while True:
            self.page.set_content(page(wanted.program, wanted.seed, wanted.theme))
            body = wanted.program.body
            less = _narrower(body, self.page.evaluate(WRAPPED))
            if self.page.evaluate("document.documentElement.scrollHeight") > height:
                less = _shorter(body)
            if less in (None, body):
                return wanted, self.page.screenshot()
            wanted = replace(wanted, program=replace(wanted.program, body=less))


def _narrower(body: Node, wrapped: Sequence[bool]) -> Node:
    """The program with one thing less in each row of its stack that takes two lines."""
    found = []
    for child in body.children:
        if child.name == "stack":
            rows = [
                replace(row, children=row.children[:-1]) if wraps and len(row.children) > 1 else row
                for row, wraps in zip(child.children, wrapped, strict=True)
            ]
            child = replace(child, children=tuple(rows))
        found.append(child)
    return replace(body, children=tuple(found))


def _shorter(body: Node) -> Node | None:
    """The program without its last row; None where only one is left."""
    for place in reversed(range(len(body.children))):
        child = body.children[place]
        rest = (body.children[:place], body.children[place + 1 :])
        if child.name == "row" and len(body.children) > 1:
            return replace(body, children=(*rest[0], *rest[1]))
        if child.name == "stack" and len(child.children) > 1:
            less = replace(child, children=child.children[:-1])
            return replace(body, children=(*rest[0], less, *rest[1]))
    return None


def name_of(wish: Wish, number: int) -> str:
    """The name of the files of a screen, without their ending."""
    return f"{wish.platform}-{wish.level}-{wish.seed + number:07d}"


def make(
    wish: Wish, folder: Path, processes: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[str]:
    """Make pairs of `NAME.png` and `NAME.gui` in a folder; those that lie there stay.

    Args:
        wish: which.
        folder: where; is made.
        processes: that photograph, each with a browser of its own.
        progress: gets how many are done, and of how many.

    Returns:
        The names.

    Raises:
        ModuleNotFoundError: the extra `screens` (Playwright) is not installed.
        OSError: there is no Chromium, or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name_of(wish, number) for number in range(wish.count)]
    left = [i for i, name in enumerate(names) if not (folder / f"{name}.gui").exists()]
    done = len(names) - len(left)
    jobs = [(wish, folder, left[k::processes]) for k in range(processes)]
    if processes == 1:
        for _ in _some(*jobs[0]):
            done += 1
            if progress:
                progress(done, len(names))
        return names
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        queue = manager.Queue()
        workers = [context.Process(target=_all, args=(*job, queue)) for job in jobs if job[2]]
        for worker in workers:
            worker.start()
        ended = 0
        while ended < len(workers):
            word = queue.get()
            if isinstance(word, str):
                for worker in workers:
                    worker.terminate()
                raise OSError(word)
            ended += not word
            done += word
            if progress and word:
                progress(done, len(names))
        for worker in workers:
            worker.join()
    return names


def _all(wish: Wish, folder: Path, numbers: list[int], queue: Any) -> None:
    try:
        for _ in _some(wish, folder, numbers):
            queue.put(1)
        queue.put(0)
    except Exception as error:
        queue.put(str(error) or type(error).__name__)


def _some(wish: Wish, folder: Path, numbers: list[int]) -> Iterator[None]:
    if not numbers:
        return
    with browser() as started:
        camera = Camera(started)
        for number in numbers:
            name = name_of(wish, number)
            wanted = screen(wish.platform, wish.seed + number, wish.level, wish.rows)
            shown, picture = camera.shoot(wanted)
            # the program last: a pair is whole when it is there
            _write(folder / f"{name}.png", picture)
            _write(folder / f"{name}.gui", f"{shown.program}\n".encode())
            yield


def _write(path: Path, content: bytes) -> None:
    part = path.with_suffix(f"{path.suffix}.part")
    part.write_bytes(content)
    part.replace(path)
