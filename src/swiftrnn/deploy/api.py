"""The application of a server, made from a task: what it takes, what it gives, what it refuses.

The page is at `/`, `POST /predict` takes inputs, `POST /stream` gives an answer in pieces,
`GET /health` says what runs, `GET /task`, `/openapi.json` and `/docs` describe it.
"""

import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from swiftrnn import __version__
from swiftrnn.deploy import describe, docs, options
from swiftrnn.deploy.connections import Guarded
from swiftrnn.deploy.describe import MOST_INPUTS, MOST_WORK
from swiftrnn.deploy.trained import Trained
from swiftrnn.deploy.workers import Busy, Failed, Workers
from swiftrnn.tasks import Task
from swiftrnn.tasks.text import SURROGATE

PAGE = Path(__file__).with_name("page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = (  # the page talks to nobody else
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
AGAIN = {"Retry-After": "1"}
UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second for nginx
SEEN = ["GET", "HEAD"]
MOST_SAID = 400  # characters of a refusal


@dataclass(frozen=True)
class Limits:
    """What a server takes."""

    body: int = 1_000_000  # bytes of a request
    seconds: float = 10.0  # to send a request, to answer it, and to read the answer, each
    waiting: int = 256  # small requests at a time, and as many others; more come again
    connections: int = 1_500  # beyond them, who has kept the server waiting longest is hung up on


class Request(BaseModel):
    """What is asked; `describe` says what inputs and options are."""

    model_config = ConfigDict(extra="forbid")
    inputs: list[Any] = Field(min_length=1, max_length=MOST_INPUTS)
    options: dict[str, Any] = Field(default_factory=dict)


class Pieces(StreamingResponse):
    """An answer in pieces, which are no longer made once their reader has gone.

    Args:
        first: the first one, which was waited for.
        others: as `Workers.pieces` gives them.
    """

    def __init__(self, first: bytes, others: AsyncGenerator[bytes]) -> None:
        self.lines, self.others = _lines(first, others), others
        super().__init__(self.lines, media_type=describe.PIECES, headers=UNBUFFERED)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's call."""
        async with contextlib.aclosing(self.others), contextlib.aclosing(self.lines):
            await super().__call__(scope, receive, send)


def app(trained: Trained, workers: Workers, limits: Limits, hosts: Collection[str] = ()) -> Any:
    """The application, as ASGI.

    Args:
        trained: what is served; its model is not used.
        workers: what answers, each a process that runs `swiftrnn.deploy`.
        limits: what it takes.
        hosts: names that it answers to, beside those of this machine itself.

    Raises:
        ValueError: the scripts of the task's values cannot be had.
    """
    api = FastAPI(openapi_url=None)  # it knows nothing of the task
    for path, answer in _files(trained, limits).items():
        api.add_api_route(path, answer, methods=SEEN)

    @api.exception_handler(RequestValidationError)
    def refused(_: Any, error: RequestValidationError) -> JSONResponse:
        """Says what is wrong without saying again what came, which may be no text at all."""
        each = (f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors())
        return JSONResponse({"detail": _said("; ".join(each))}, 422)

    @api.post("/predict")
    async def predict(request: Request) -> Response:
        task, cost = await run_in_threadpool(checked, trained.task, request)
        try:
            found = await workers.answer(task, cost, limits.seconds)
        except (Busy, Failed, TimeoutError) as error:
            raise refusal(error) from None
        return Response(found, media_type="application/json")

    if trained.task.stream is not None:

        @api.post("/stream")
        async def stream(request: Request) -> Response:
            task, cost = await run_in_threadpool(checked, trained.task, request, True)
            pieces = workers.pieces(task, cost, limits.seconds)
            try:  # before the first piece there can be another status than 200
                first = await anext(pieces, b"")
            except (Busy, Failed, TimeoutError) as error:
                raise refusal(error) from None
            return Pieces(first, pieces)

    return Guarded(api, hosts, limits.body, limits.seconds)


def checked(task: Task[Any, Any], request: Request, streams: bool = False) -> tuple[bytes, float]:
    """A request as the processes read it, and how much work it is.

    Raises:
        HTTPException: an input or an option does not fit, or it is too much.
    """
    if streams and len(request.inputs) > 1:
        raise _unfit(f"inputs: a stream answers one input; got {len(request.inputs)}; send one")
    try:
        how = options.read(task.options, request.options)
    except ValueError as error:
        raise _unfit(str(error)) from None
    cost = 0.0
    for number, raw in enumerate(request.inputs):
        try:
            cost += task.cost(task.takes.read(raw), how)
        except ValueError as error:
            raise _unfit(f"inputs.{number}: {error}") from None
    if not cost <= MOST_WORK:
        raise _unfit(
            f"a request needs at most {MOST_WORK:,} units of work; got {cost:,.0f}; "
            "send less at a time, or ask for less by the options"
        )
    return json.dumps([request.inputs, request.options, streams]).encode(), cost


def refusal(error: Exception) -> HTTPException:
    """The status of what `workers` could not answer, and its reason."""
    if isinstance(error, Busy):
        return HTTPException(503, "too many requests at a time; try again", AGAIN)
    if isinstance(error, TimeoutError):
        why = "this took too long; ask for less, or try again when less is asked"
        return HTTPException(503, why, AGAIN)
    return HTTPException(500, "this could not be answered; the server's log says why")


async def _lines(first: bytes, others: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Lines of JSON: the pieces, then that it is done, or why there are no more."""
    end: dict[str, Any] = {"done": True}
    try:
        if first:
            yield first + b"\n"
        async for piece in others:
            yield piece + b"\n"
    except (Failed, TimeoutError) as error:
        end = {"error": refusal(error).detail}
    yield json.dumps(end).encode() + b"\n"


def _unfit(why: str) -> HTTPException:
    return HTTPException(422, _said(why))


def _said(why: str) -> str:
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", why)[:MOST_SAID]


def _files(trained: Trained, limits: Limits) -> dict[str, Callable[[], Any]]:
    """What never changes, by its path: the page, its scripts, and what describes the task."""
    api = describe.openapi(trained, limits.body, limits.seconds)
    runs = {"run": trained.folder.name, "recipe": trained.recipe.name, "version": __version__}
    found = {
        "/health": _json({"status": "ok", **runs}),
        "/task": _json(describe.page(trained)),
        "/openapi.json": _json(api),
        "/docs": _text(docs.page(api), KINDS[".html"]),
    }
    own = describe.widgets(trained.task)
    shown = {f"/page/{each.name}": each for each in PAGE.iterdir() if each.suffix in KINDS}
    for path, file in [*shown.items(), *((f"/{path}", file) for path, file in own.items())]:
        found[path] = _text(file.read_text("utf-8"), KINDS.get(file.suffix, KINDS[".js"]))
    found["/"] = found.pop("/page/index.html")
    return found


def _json(content: Any) -> Callable[[], Any]:
    return _text(json.dumps(content, ensure_ascii=False), "application/json")


def _text(content: str, kind: str) -> Callable[[], Any]:
    async def answer() -> Response:
        return Response(content.encode(), media_type=kind, headers=HEADERS)

    return answer
