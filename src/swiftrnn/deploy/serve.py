"""A trained model on the network: the processes, sockets and limits of a server.

What comes in is bounded: names, bytes, inputs, work, seconds, connections and requests that wait;
what is too much is refused with the status that says so, before it costs anything. `api` has the
application, `connections` and `workers` the parts that know no task.
"""

import dataclasses
import socket
import sys
from collections.abc import Collection
from typing import Any

from swiftrnn.runs import folder

folder.needs_extra("swiftrnn serve", "serve", "fastapi", "uvicorn")

import uvicorn  # noqa: E402 (what is missing is said first)

from swiftrnn.deploy.api import Limits, app  # noqa: E402
from swiftrnn.deploy.connections import patient, url  # noqa: E402
from swiftrnn.deploy.trained import Trained, load  # noqa: E402
from swiftrnn.deploy.workers import Workers, command  # noqa: E402

SMALL = 500  # units of work that have a process of their own
OTHER_FILES = 100  # that the process has open beside its connections


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
    device: str = "cpu",
) -> Server:
    """A server that is ready to run.

    Args:
        trained: what is served; each process reads it again.
        host: an address of this machine, or a name of one.
        port: 0 takes a free one.
        limits: what it takes.
        hosts: names by which clients may ask, beside those of this machine and `host`.
        device: where the models of the processes work.

    Raises:
        ValueError: the scripts of the task's values cannot be had.
    """
    limits = limits or Limits()
    start = command("swiftrnn.deploy", str(trained.folder), device, trained.recipe.typed)
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
        OSError: the address cannot be had.
    """
    sockets: list[socket.socket] = []
    try:
        for family, *_, address in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            same = sockets[0].getsockname()[1] if sockets else port
            place: Any = (address[0], same, *address[2:])
            made = socket.create_server(place, family=family, backlog=2048)
            sockets.append(made)
            # asyncio does so where it makes the socket; else a kept connection waits 40 ms
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        for each in sockets:
            each.close()
        raise OSError(
            f"swiftrnn serve needs an address of this machine with a free port; got {host}, port "
            f"{port} ({error.strerror or error}); choose another --port or --host"
        ) from error
    return sockets


def main(options: Any) -> None:
    """Serve a run folder until it is told to stop.

    Args:
        options: those of the command.

    Raises:
        FileNotFoundError, ValueError: the folder cannot be used; the message says why.
        OSError: the address cannot be had.
    """
    trained = load(options.run, options.device, options.recipe)
    trained = dataclasses.replace(trained, model=None)  # it could be read; others answer
    sockets = _listening(options.host, options.port)
    made = server(
        trained, options.host, options.port, hosts=options.allow_host, device=options.device
    )
    made.run(sockets)
    print("stopped", file=sys.stderr)
