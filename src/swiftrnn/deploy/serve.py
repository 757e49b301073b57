"""A trained model on the network: a web page for people, JSON for programs.

The page is at `/`, `POST /predict` takes texts, `GET /health` says what runs, `/openapi.json`
describes it. What comes in is bounded: names, bytes, texts, characters, seconds, connections and
requests that wait; what is too much is refused with the status that says so, before it costs
anything. `connections` and `workers` have the parts that know no model.
"""

import json
import socket
import sys
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from swiftrnn.training import folder

folder.needs_extra("swiftrnn serve", "serve", "fastapi", "uvicorn")

import torch  # noqa: E402 (what is missing is said first)
import uvicorn  # noqa: E402
from fastapi import FastAPI, HTTPException, Response  # noqa: E402
from fastapi.exceptions import RequestValidationError  # noqa: E402
from fastapi.responses import HTMLResponse, JSONResponse  # noqa: E402
from pydantic import BaseModel, Field, TypeAdapter, model_validator  # noqa: E402
from pydantic_core import PydanticCustomError  # noqa: E402

from swiftrnn import __version__  # noqa: E402
from swiftrnn.deploy.connections import Guarded, patient, url  # noqa: E402
from swiftrnn.deploy.trained import Trained, load  # noqa: E402
from swiftrnn.deploy.workers import Busy, Workers, command  # noqa: E402

PAGE = Path(__file__).with_name("page.html")
POLICY = (  # the page talks to nobody else
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
AGAIN = {"Retry-After": "1"}
MOST_TEXTS, MOST_CHARACTERS, MOST_READINGS = 64, 20_000, 10
MOST_READ = 5_000  # characters of which there may be several readings
SMALL = 500  # characters that have a process of their own
COST_OF_READINGS = 5  # times that of one
MOST_SAID = 400  # characters of a refusal
OTHER_FILES = 100  # that the process has open beside its connections


@dataclass(frozen=True)
class Limits:
    """What a server takes."""

    body: int = 1_000_000  # bytes of a request
    seconds: float = 10.0  # to send a request, to answer it, and to read the answer, each
    waiting: int = 256  # small requests at a time, and as many others; more come again
    connections: int = 1_500  # beyond them, who has kept the server waiting longest is hung up on


class Request(BaseModel):
    """What `/predict` takes."""

    texts: list[Annotated[str, Field(max_length=MOST_CHARACTERS)]] = Field(
        min_length=1,
        max_length=MOST_TEXTS,
        description="raw texts; each is answered by itself; together "
        f"at most {MOST_CHARACTERS} characters, {MOST_READ} where more than one reading is asked",
    )
    readings: int = Field(
        1, ge=1, le=MOST_READINGS, description="how many ways to read each sentence, best first"
    )

    @model_validator(mode="after")
    def _not_too_much(self) -> Self:
        most = MOST_CHARACTERS if self.readings == 1 else MOST_READ
        if self.size > most:
            told = "" if self.readings == 1 else " where more than one reading is asked for"
            raise PydanticCustomError(
                "too_much",
                "texts should have at most {most} characters together{told}",
                {"most": most, "told": told},
            )
        return self

    @property
    def size(self) -> int:
        """Characters of all texts."""
        return sum(map(len, self.texts))


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


def app(trained: Trained, workers: Workers, limits: Limits, hosts: Collection[str] = ()) -> Any:
    """The application, as ASGI.

    Args:
        trained: of a recipe that finds spans in texts.
        workers: what answers, that use `answering`.
        limits: what it takes.
        hosts: names that it answers to, beside those of this machine itself.
    """
    api = FastAPI(
        title=f"swiftrnn {trained.folder.name}",
        version=__version__,
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
    )

    @api.exception_handler(RequestValidationError)
    def refused(_: Any, error: RequestValidationError) -> JSONResponse:
        """Says what is wrong without saying again what came, which may be no text at all."""
        each = (f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors())
        return JSONResponse({"detail": "; ".join(each)[:MOST_SAID]}, 422)

    @api.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text("utf-8"), headers=HEADERS)

    @api.head("/health", include_in_schema=False)
    @api.get("/health")
    async def health() -> dict[str, Any]:
        """What runs here."""
        types = sorted({t[2:] for t in trained.model.vocabulary.tags} - {""})
        return {"status": "ok", "run": trained.folder.name, "types": types, "version": __version__}

    @api.post("/predict", response_model=list[Answer])
    async def predict(request: Request) -> Response:
        """Find the names in each text."""
        task = json.dumps([request.texts, request.readings]).encode()
        cost = request.size * (1 if request.readings == 1 else COST_OF_READINGS)
        try:
            found = await workers.answer(task, cost, limits.seconds)
        except Busy:
            raise HTTPException(503, "too many requests at a time; try again", AGAIN) from None
        except TimeoutError:
            why = "this took too long; send less text, or try again when less is asked"
            raise HTTPException(503, why, AGAIN) from None
        if found is None:
            raise HTTPException(500, "this could not be answered; the server's log says why")
        return Response(found, media_type="application/json")

    return Guarded(api, hosts, limits.body, limits.seconds)


def answering(run: Path) -> Callable[[Any], bytes]:
    """The function that answers in each process of a server: texts and readings to JSON."""
    torch.set_num_threads(1)  # requests share the cores
    trained = load(run)
    write = TypeAdapter(list[Answer]).dump_json

    def answer(task: tuple[list[str], int]) -> bytes:
        texts, n = task
        return write([_answer(trained, text, n) for text in texts])

    answer((["A name ."], 2))  # the first call takes longer
    return answer


def _answer(trained: Trained, text: str, n: int) -> Answer:
    recipe, model = trained.recipe, trained.model
    entities = [Found(**asdict(each)) for each in recipe.predict(model, text)]
    readings = []
    for sentence in recipe.readings(model, text, n) if n > 1 else ():
        each = [(p, [Found(**asdict(e)) for e in names]) for p, names in sentence]
        readings.append([Reading(probability=p, entities=names) for p, names in each])
    return Answer(entities=entities, readings=readings)


class Server(uvicorn.Server):
    """Answers by processes of its own, and says where it is, once it is there."""

    def __init__(self, config: uvicorn.Config, workers: Workers, title: str) -> None:
        super().__init__(config)
        self.workers, self.title = workers, title

    async def startup(self, sockets: Any = None) -> None:
        """Begin to listen."""
        self.workers.start()
        await super().startup(sockets)
        where = url(self.servers[0].sockets[0].getsockname())
        print(f"{self.title} is at {where} ; Ctrl-C stops it", flush=True)

    async def shutdown(self, sockets: Any = None) -> None:
        """Answer what has been asked, then end."""
        try:
            await super().shutdown(sockets)
        finally:
            self.workers.stop()


def server(
    trained: Trained,
    host: str,
    port: int,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
) -> Server:
    """A server that is ready to run; arguments are those of `app` and `main`."""
    limits = limits or Limits()
    start = command("swiftrnn.deploy", str(trained.folder))
    workers = Workers(start, SMALL, limits.waiting)
    config = uvicorn.Config(
        app(trained, workers, limits, [host, *hosts]),
        host=host,
        port=port,
        http=patient(limits.seconds, _possible(limits.connections)),
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
        log_level="error",
        access_log=False,
    )
    return Server(config, workers, f"swiftrnn {trained.folder.name}")


def _possible(connections: int) -> int:
    """As many as wanted, or as the system lets this process have beside its other files."""
    try:
        import resource
    except ImportError:  # Windows
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
        return max(1, top - OTHER_FILES)
    return connections


def _listening(host: str, port: int) -> list[socket.socket]:
    """Sockets at all addresses of a name.

    Raises:
        ValueError: the port is none.
        OSError: the address cannot be had.
    """
    if not 0 <= port < 1 << 16:
        raise ValueError(
            f"swiftrnn serve needs a --port from 0 to 65535; got {port}; 8000 is usual"
        )
    sockets: list[socket.socket] = []
    try:
        for family, *_, address in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            same = sockets[0].getsockname()[1] if sockets else port
            place: Any = (address[0], same, *address[2:])
            sockets.append(socket.create_server(place, family=family, backlog=2048))
    except OSError as error:
        for each in sockets:
            each.close()
        raise OSError(
            f"swiftrnn serve needs an address of this machine with a free port; got {host}, port "
            f"{port} ({error.strerror or error}); choose another --port or --host"
        ) from error
    return sockets


def main(
    run: Path, host: str = "127.0.0.1", port: int = 8000, allow_host: Collection[str] = ()
) -> None:
    """Serve a run folder until it is told to stop.

    Args:
        run: the run folder.
        host: an address of this machine, or a name of one.
        port: 0 takes a free one.
        allow_host: names by which clients may ask, beside those of this machine and `host`.

    Raises:
        FileNotFoundError, ValueError: the folder or the port cannot be used; the message says why.
        OSError: the address cannot be had.
    """
    trained = load(run)
    if not hasattr(trained.recipe, "readings"):
        raise ValueError(
            f"swiftrnn serve needs a run that finds names, such as one of ner_crf; got {run}; "
            "use swiftrnn predict for it"
        )
    sockets = _listening(host, port)
    server(trained, host, port, hosts=allow_host).run(sockets)
    print("stopped", file=sys.stderr)
