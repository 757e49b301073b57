"""A trained model on the network: a web page for people, JSON for programs.

The page is at `/`, `POST /predict` takes texts, `GET /health` says what runs, `/docs` describes it.
What comes in is bounded: bytes, texts, characters, seconds, connections and requests in the queue;
what is too much is refused with the status that says so, before it costs anything.
"""

import asyncio
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from swiftrnn.training import folder

folder.needs_extra("swiftrnn serve", "serve", "fastapi", "uvicorn")

import torch  # noqa: E402 (what is missing is said first)
import uvicorn  # noqa: E402
from fastapi import FastAPI, HTTPException, Response  # noqa: E402
from fastapi.exceptions import RequestValidationError  # noqa: E402
from fastapi.responses import HTMLResponse, JSONResponse  # noqa: E402
from pydantic import BaseModel, Field  # noqa: E402
from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402

from swiftrnn import __version__  # noqa: E402
from swiftrnn.deploy.trained import Trained, load  # noqa: E402

PAGE = Path(__file__).with_name("page.html")
POLICY = (  # the page talks to nobody else
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:"
)
MOST_TEXTS, MOST_CHARACTERS, MOST_READINGS = 64, 20_000, 10


@dataclass(frozen=True)
class Limits:
    """What a server takes."""

    body: int = 1_000_000  # bytes of a request
    seconds: float = 10.0  # to send a request, and to answer it
    waiting: int = 256  # requests at a time; more are told to come again
    connections: int = 1_500


class Request(BaseModel):
    """What `/predict` takes."""

    texts: list[Annotated[str, Field(max_length=MOST_CHARACTERS)]] = Field(
        min_length=1, max_length=MOST_TEXTS, description="raw texts; each is answered by itself"
    )
    readings: int = Field(
        1, ge=1, le=MOST_READINGS, description="how many ways to read each sentence, best first"
    )


class Found(BaseModel):
    """A name: the characters from start to end of its text, without end."""

    start: int
    end: int
    type: str
    text: str
    confidence: float = Field(description="the probability that it is one of this type")


class Reading(BaseModel):
    """One way to read a sentence."""

    probability: float
    entities: list[Found]


class Answer(BaseModel):
    """What is in one text."""

    entities: list[Found]
    readings: list[list[Reading]] = Field(description="of each sentence; only if asked for")


def app(trained: Trained, limits: Limits | None = None) -> Any:
    """The application, as ASGI.

    Args:
        trained: of a recipe that finds spans in texts.
        limits: what it takes.
    """
    limits = limits or Limits()
    api = FastAPI(title=f"swiftrnn {trained.folder.name}", version=__version__)
    workers = ThreadPoolExecutor(os.cpu_count() or 1)
    waiting = 0

    @api.exception_handler(RequestValidationError)
    def refused(_: Any, error: RequestValidationError) -> JSONResponse:
        """Says what is wrong without saying again what came, which may be no text at all."""
        each = (f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors())
        return JSONResponse({"detail": "; ".join(each)}, 422)

    @api.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page(response: Response) -> str:
        response.headers["Content-Security-Policy"] = POLICY
        return PAGE.read_text("utf-8")

    @api.get("/health")
    def health() -> dict[str, Any]:
        """What runs here."""
        types = sorted({t[2:] for t in trained.model.vocabulary.tags} - {""})
        return {"status": "ok", "run": trained.folder.name, "types": types, "version": __version__}

    @api.post("/predict")
    async def predict(request: Request) -> list[Answer]:
        """Find the names in each text."""
        nonlocal waiting
        if waiting >= limits.waiting:
            raise HTTPException(503, "too many requests at a time; try again", {"Retry-After": "1"})
        waiting += 1
        try:
            loop = asyncio.get_running_loop()
            until = time.monotonic() + limits.seconds
            work = loop.run_in_executor(workers, _answers, trained, request, until)
            return await asyncio.wait_for(work, limits.seconds)
        except TimeoutError:
            raise HTTPException(503, "this took too long; send less text") from None
        finally:
            waiting -= 1

    return Bounded(api, limits)


def _answers(trained: Trained, request: Request, until: float) -> list[Answer]:
    """One for each text, or TimeoutError when nobody waits for them any more."""
    recipe, model, found = trained.recipe, trained.model, []
    for text in request.texts:
        if time.monotonic() > until:
            raise TimeoutError
        entities = [Found(**asdict(each)) for each in recipe.predict(model, text)]
        readings = []
        if request.readings > 1:
            for sentence in recipe.readings(model, text, request.readings):
                each = [(p, [Found(**asdict(e)) for e in names]) for p, names in sentence]
                readings.append([Reading(probability=p, entities=names) for p, names in each])
        found.append(Answer(entities=entities, readings=readings))
    return found


class Bounded:
    """Refuses bodies that are too large, or that take too long to come, while they come."""

    def __init__(self, inner: Any, limits: Limits) -> None:
        self.inner, self.limits = inner, limits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's call."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        body, more = b"", True
        try:
            async with asyncio.timeout(self.limits.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.limits.body:
                        await _refuse(send, 413, f"at most {self.limits.body:,} bytes are taken")
                        return
        except TimeoutError:
            await _refuse(send, 408, "the request took too long to come")
            return
        whole = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Any:
            return next(whole, None) or await receive()

        await self.inner(scope, replay, send)


async def _refuse(send: Any, status: int, why: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f'{{"detail": "{why}"}}'.encode()})


def impatient(seconds: float) -> type[H11Protocol]:
    """A protocol that hangs up on who connects and does not ask for anything."""

    class Impatient(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(seconds, self._hang_up)

        def _hang_up(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Impatient


class Server(uvicorn.Server):
    """Says where it is, once it is there."""

    async def startup(self, sockets: Any = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        title = self.config.app.inner.title  # pyright: ignore
        print(f"{title} is at http://{host}:{port} ; Ctrl-C stops it", flush=True)


def server(trained: Trained, host: str, port: int, limits: Limits | None = None) -> Server:
    """A server that is ready to run; arguments are those of `app` and `main`."""
    limits = limits or Limits()
    config = uvicorn.Config(
        app(trained, limits),
        host=host,
        port=port,
        http=impatient(limits.seconds),
        limit_concurrency=limits.connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        log_level="warning",
        access_log=False,
    )
    return Server(config)


def main(run: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve a run folder until it is told to stop.

    Raises:
        FileNotFoundError, ValueError: the folder cannot be used; the message says why.
        OSError: the address cannot be had.
    """
    trained = load(run)
    if not hasattr(trained.recipe, "readings"):
        raise ValueError(
            f"swiftrnn serve needs a run that finds names, such as one of ner_crf; got {run}; "
            "use swiftrnn predict for it"
        )
    torch.set_num_threads(1)  # requests share the cores
    running = server(trained, host, port)
    running.run()
    print("stopped", file=sys.stderr)
