"""What a server allows its clients: so long for each part of a request, and names it answers to.

uvicorn bounds only the time between two requests. Here every connection has a deadline: for the
head of each request, for the rest of it and the answer, and for reading that answer. Where there
are more connections than allowed, the one that has kept the server waiting longest makes room, so
that who asks at once is answered, however many do not.
"""

import asyncio
import ipaddress
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.h11_impl import H11Protocol

LOCAL = ("localhost", "127.0.0.1", "::1")
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # all addresses of a machine, and one that works
AHEAD = 1 << 16  # bytes of further requests that may come before one is answered
READ = 16  # times what a body may have are read, and thrown away, so that a client hears why


class Unhurried(H11Protocol):
    """Hangs up on who sends more requests than it can be answered."""

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        super().data_received(data)
        if len(self.conn.trailing_data[0]) > AHEAD:
            self.transport.abort()


def patient(seconds: float, connections: int) -> type[H11Protocol]:
    """A protocol that hangs up on who takes too long.

    Args:
        seconds: for the head of a request, and for reading an answer; twice that, and a moment,
            for the rest of it and the work together, which others bound.
        connections: how many there may be.
    """
    asking: dict[Any, None] = {}  # who keeps us waiting, the longest first

    class Patient(Unhurried):
        deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._waits(seconds)
            if len(self.connections) > connections:
                longest = next(iter(asking))
                del asking[longest]  # the next newcomer takes another's place
                longest.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            asking.pop(self, None)
            if self.deadline is not None:
                self.deadline.cancel()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            before = self.cycle
            super().handle_events()
            if self.transport.is_closing() or self.cycle is None or self.cycle.response_complete:
                return
            if self.cycle is not before:
                self._waits(2 * seconds + 1)
            if not self.cycle.more_body:  # it is whole: now the client waits
                asking.pop(self, None)

        def on_response_complete(self) -> None:
            self._waits(seconds)  # until it has read this, and sent the next head
            super().on_response_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            asking[self] = None  # it does not read

        def _waits(self, limit: float) -> None:
            asking.pop(self, None)
            asking[self] = None
            if self.deadline is not None:
                self.deadline.cancel()
            self.deadline = self.loop.call_later(limit, self.transport.abort)

    return Patient


class Guarded:
    """Refuses who asks under another name, from another page, too much or too slowly.

    A page on the internet can let its own name lead to this machine, and a browser then sends
    requests here. Such a request names that page, as Host or as Origin.

    Args:
        inner: the application, as ASGI.
        hosts: names that clients may use; the address that a connection came to is one of them.
        body: most bytes of a request.
        seconds: to send it.
    """

    def __init__(self, inner: Any, hosts: Collection[str], body: int, seconds: float) -> None:
        self.inner, self.body, self.seconds = inner, body, seconds
        self.named = {_plain(each) for each in hosts} - {*LOCAL, *map(_plain, ANY)}
        self.hosts = {*LOCAL, *self.named}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI's call."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        status, why = self._stranger(scope, headers) or self._strange(scope, headers)
        if status:
            await refuse(send, status, why)
            return
        body, size, more = bytearray(), 0, True
        try:
            async with asyncio.timeout(self.seconds):
                while more and size <= READ * self.body:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    part, more = message.get("body", b""), message.get("more_body", False)
                    size += len(part)
                    body += part if size <= self.body else b""
        except TimeoutError:
            await refuse(send, 408, "the request took too long to come")
            return
        if size > self.body:
            await refuse(send, 413, self._too_large())
            return
        whole = iter([{"type": "http.request", "body": bytes(body), "more_body": False}])

        async def replay() -> Any:
            return next(whole, None) or await receive()

        await self.inner(scope, replay, send)

    def _stranger(self, scope: Any, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        here = {*self.hosts, _plain((scope.get("server") or ("",))[0])}
        asked = headers.get(b"host", b"").decode("latin-1")
        if _host(asked) not in here:
            return 400, "this server has another name; start it with --allow-host NAME to use this"
        origin = headers.get(b"origin")
        if origin is not None:
            page = urlsplit_or_none(origin.decode("latin-1"))
            same = page is not None and page.netloc.lower() == asked.lower()
            known = page is not None and _plain(page.hostname) in self.named
            if not (same or known):
                return 403, "requests from pages of others are not taken"
        return None

    def _strange(self, scope: Any, headers: dict[bytes, bytes]) -> tuple[int, str]:
        size = headers.get(b"content-length", b"0")
        if len(size) > 20 or int(size) > READ * self.body:
            return 413, self._too_large()
        kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if scope["method"] == "POST" and kind != b"application/json":
            return 415, "a request needs content-type: application/json"
        return 0, ""

    def _too_large(self) -> str:
        return f"at most {self.body:,} bytes are taken"


async def refuse(send: Any, status: int, why: str) -> None:
    """Answer with a status and its reason, and hang up: the rest of the request is not read."""
    body = f'{{"detail":"{why}"}}'.encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def urlsplit_or_none(text: str) -> Any:
    """The parts of an address, or None for what is none."""
    try:
        parts = urlsplit(text)
        return parts if parts.hostname else None
    except ValueError:
        return None


def _host(text: str) -> str:
    """The name in a Host header, without its port; "" where there is none."""
    parts = urlsplit_or_none(f"//{text}")
    return _plain(parts.hostname) if parts and parts.netloc == text and "@" not in text else ""


def _plain(host: str) -> str:
    """A name or address in its one form: lower case, without brackets and a final dot."""
    host = host.strip("[]").rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return host


def url(address: tuple[Any, ...]) -> str:
    """Where a browser on this machine finds a server that listens at this address."""
    host, port = str(address[0]), address[1]
    host = ANY.get(host, host)
    return f"http://[{host.replace('%', '%25')}]:{port}" if ":" in host else f"http://{host}:{port}"
