"""What must not take a server down: slow, strange and hostile clients, and its own end."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from tests.deploy.served import ECHO, LIMITS, ask, fetch, made, served

from swiftrnn import cli
from swiftrnn.deploy import connections, serve, trained

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """A run folder, and the folder of its recipe."""
    return made(tmp_path_factory.mktemp("echo"), "echo", ECHO)


@pytest.fixture(scope="module")
def address(echo):
    with served(trained.load(echo[0], recipe=echo[1])) as (url, _):
        yield url


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 422, "body"),
        (b"{", 422, "JSON"),
        (b"[]", 422, "dictionary"),
        (b'{"inputs": 3}', 422, "inputs: "),
        (b'{"inputs": []}', 422, "at least 1 item"),
        (b'{"options": {}}', 422, "inputs: "),
        (b'{"inputs": ["a"], "texts": ["a"]}', 422, "texts: "),
        (json.dumps({"inputs": ["a"] * 65}).encode(), 422, "at most 64 items"),
        (b'{"inputs": ["\\ud800"]}', 422, "inputs.0: a text needs Unicode"),
        (b'{"inputs": ["a", 7]}', 422, "inputs.1: a text needs to be a string; got int"),
        (b'{"inputs": [null]}', 422, "inputs.0: a text needs to be a string; got NoneType"),
        (b"\xff\xfe", 422, "JSON"),
        (b'{"inputs": ["a"], "options": {"pause": NaN}}', 422, "options.pause needs a number"),
        (b'{"inputs": ["a"], "options": {"pause": Infinity}}', 422, "options.pause needs"),
        (b'{"inputs": ["a"], "options": {"times": 99}}', 422, "options.times needs a whole number"),
        (b'{"inputs": ["a"], "options": {"\\ud800": 1}}', 422, "got '\\ud800'"),
        (b'{"inputs": ["a"], "options": {"style": "\\ud800"}}', 422, "one of plain, quoted"),
        (b'{"inputs": ["a"], "options": [1]}', 422, "options: "),
        (b"\xfe\x80" * 9, 400, "parsing"),
        (b"[" * 30_000, 400, "parsing"),
        (b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}", 422, "inputs.0: "),
        (b'{"inputs": ["a"], "options": {"times": ' + b"1" * 5000 + b"}}", 400, "parsing"),
        (b'{"inputs": ["a"], "options": {"times": ' + b"1" * 4000 + b"}}", 422, "options.times"),
        (b'{"inputs": ["a"], "options": {"pause": ' + b"1" * 4000 + b"}}", 422, "options.pause"),
        (json.dumps({"inputs": ["a" * 20_001]}).encode(), 422, "at most 20,000 units of work; got"),
        (json.dumps({"inputs": ["a" * 10_001] * 2}).encode(), 422, "of work; got 20,002"),
        (
            json.dumps({"inputs": ["a" * 5_001], "options": {"times": 4}}).encode(),
            422,
            "at most 20,000 units of work; got 20,004; send less at a time, or ask for less",
        ),
        (b'{"inputs": ["' + b"a" * 40_001 + b'"]}', 413, "at most 40,000 bytes"),
        (b"a" * 600_000, 413, "at most 40,000 bytes"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(address, body, status, why):
    headers = {"Content-Type": "application/json"}
    answer = fetch("POST", f"{address}/predict", content=body, headers=headers)
    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert len(answer.content) < 500
    assert ask(address, "still here").status_code == 200


@pytest.mark.parametrize("text", ["\0", "אבג \u202e", "😀" * 300, "\t\n ", "a" * 5000, "A. " * 999])
def test_any_text_is_answered(address, text):
    assert ask(address, text).json() == [{"said": text}]


def connect(address):
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def whole(*inputs, **options):
    body = json.dumps({"inputs": inputs, "options": options}).encode()
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def answered(connection):
    """Read one answer to a small request."""
    found = b""
    while not found.endswith(b'"}]'):
        part = connection.recv(9999)
        assert part, found
        found += part
    assert found.startswith(b"HTTP/1.1 200")


def ended(connection, seconds=8):
    """All that still comes, up to the end; it must come in time."""
    connection.settimeout(seconds)
    found = b""
    try:
        while part := connection.recv(1 << 16):
            found += part
    except ConnectionResetError:
        pass
    return found


SLOW = {  # what a client sends before it falls silent, and what it is told
    "nothing": (b"", b""),
    "half a line": (b"POST /pre", b""),
    "half a head": (HEAD + b"X-Long: ", b""),
    "half a body": (HEAD + b"Content-Length: 99\r\n\r\n{", b"HTTP/1.1 408"),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", b"HTTP/1.1 408"),
}


def test_slow_clients_are_hung_up_on(address):
    """At every request of a connection, and though something comes now and then."""

    def one(before, sent, told):
        with connect(address) as slow:
            if before:
                slow.sendall(before)
                answered(slow)
            slow.sendall(sent)
            began = time.monotonic()
            assert ask(address, "x").status_code == 200
            assert ended(slow).startswith(told)
            assert 1.5 < time.monotonic() - began < 6

    cases = [(before, *each) for before in (b"", whole("x")) for each in SLOW.values()]
    with ThreadPoolExecutor(len(cases)) as pool:
        found = [pool.submit(one, *case) for case in cases]
    names = [f"{name}, {which}" for which in ("the first", "a later one") for name in SLOW]
    raised = {name: each.exception() for name, each in zip(names, found, strict=True)}
    assert not {name: error for name, error in raised.items() if error}


def test_a_client_that_sends_one_byte_now_and_then_gains_no_time(address):
    with connect(address) as slow, pytest.raises(OSError):  # noqa: PT012
        slow.sendall(whole("x"))
        answered(slow)
        slow.sendall(b"GET /health HTTP/1.1\r\nX: ")
        for _ in range(80):
            slow.sendall(b"a")
            time.sleep(0.1)


def test_a_client_that_never_reads_is_hung_up_on(address):
    """Pipelined requests whose answers fill all buffers; the server must not keep them."""
    many = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    with connect(address) as deaf:
        with pytest.raises((ConnectionResetError, BrokenPipeError)):  # noqa: PT012
            for _ in range(10_000):
                deaf.sendall(many)
            pytest.fail("the server takes any number of requests")
        assert ask(address, "x").status_code == 200


def test_who_asks_is_answered_however_many_do_not(address):
    """Each new connection takes the place of one that keeps the server waiting."""
    held = [connect(address) for _ in range(3 * LIMITS.connections)]
    for i, each in enumerate(held):
        with contextlib.suppress(OSError):  # some have made room already
            each.sendall((b"", whole("x"), HEAD + b"Content-Length: 99\r\n\r\n{")[i % 3])
    began = time.monotonic()
    for _ in range(5):
        assert ask(address, "Bokima slept .").status_code == 200
    assert time.monotonic() - began < 10
    gone = 0
    for each in held:
        each.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            try:
                gone += not each.recv(9999)
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                gone += 1
        each.close()
    assert gone >= LIMITS.connections


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "evil.example:8000"}, 400),
        ({"Host": "localhost.evil.example"}, 400),
        ({"Host": "localhost@evil.example"}, 400),
        ({"Host": "[::1"}, 400),
        ({"Host": ""}, 400),
        ({"Host": "localhost"}, 200),
        ({"Host": "LocalHost:1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "names.example"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://names.example"}, 200),
        ({"Host": "localhost:5", "Origin": "http://localhost:5"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
    ids=str,
)
def test_who_asks_under_another_name_or_from_another_page_is_refused(address, headers, status):
    body = json.dumps({"inputs": ["x"]}).encode()
    given = {"Content-Type": "application/json", **headers}
    answer = fetch("POST", f"{address}/predict", content=body, headers=given)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"Content-Length: 999999999999999999\r\n", b"413"),
        (b"Content-Length: 99999999999999999999999\r\n", b"4"),
        (b"Content-Length: -1\r\n", b"400"),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"400"),
        (b"Host: localhost\r\n", b"400"),
        (b"X: a\0b\r\n", b"400"),
        (b"X: " + b"a" * 100_000 + b"\r\n", b"400"),
        (b"X: a\r\n" * 100_000, b"400"),
        (b"Transfer-Encoding: chunked\r\nX: a\r\n\r\nzz\r\n", b"400"),
        (b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n{}", b"422"),
    ],
    ids=lambda each: str(each[:30]),
)
def test_a_head_that_makes_no_sense_is_refused_at_once(address, head, told):
    with connect(address) as strange:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it may be refused before all was sent
            strange.sendall(HEAD + head + b"\r\n")
        found = b""
        with contextlib.suppress(ConnectionResetError):
            found = strange.recv(9999)
        assert found.startswith(b"HTTP/1.1 " + told) or len(head) > 99_999
        assert time.monotonic() - began < 1.5
    assert ask(address, "x").status_code == 200


@pytest.mark.parametrize(
    ("bound", "shown"),
    [
        (("127.0.0.1", 80), "http://127.0.0.1:80"),
        (("::1", 80, 0, 0), "http://[::1]:80"),
        (("0.0.0.0", 80), "http://127.0.0.1:80"),
        (("::", 80, 0, 0), "http://[::1]:80"),
        (("fe80::1%eth0", 80, 0, 2), "http://[fe80::1%25eth0]:80"),
    ],
)
def test_the_address_it_prints_works_in_a_browser(bound, shown):
    assert connections.url(bound) == shown


def test_answers_are_sent_at_once():  # not when the last one was acknowledged, 40 ms later
    (listening, *_) = serve._listening("127.0.0.1", 0)
    with listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("host", ["::1", "localhost", "0.0.0.0"])
def test_it_listens_where_it_says(host):
    try:
        sockets = serve._listening(host, 0)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert len({each.getsockname()[1] for each in sockets}) == 1  # one port at all addresses
    parts = urlsplit(connections.url(sockets[0].getsockname()))
    socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    taken = f"got {host}, port {parts.port}"
    with pytest.raises(OSError, match=f"a free port; {taken}"):
        serve._listening(host, parts.port)
    for each in sockets:
        each.close()


def test_a_port_that_is_none_is_refused(echo, capsys):
    run, code = echo
    command = ["serve", str(run), "--recipe", code]
    assert cli.main([*command, "--port", "70000"]) == 2
    assert "--port needs a whole number from 0 to 65,535; got 70000" in capsys.readouterr().err
    assert cli.main([*command, "--host", "no such host"]) == 2
    assert "needs an address of this machine" in capsys.readouterr().err


def test_what_cannot_be_served_is_told_in_a_line(echo, tmp_path, capsys):
    assert cli.main(["serve", str(tmp_path / "none")]) == 2
    assert "needs a run folder" in capsys.readouterr().err
    assert cli.main(["serve", str(echo[0]), "--recipe", "ner_crf"]) == 2
    assert "needs the recipe of the run; got ner_crf" in capsys.readouterr().err
    assert cli.main(["serve", str(echo[0]), "--recipe", echo[1], "--device", "tpu9"]) == 2
    assert "needs a --device of this machine; got tpu9" in capsys.readouterr().err


@contextlib.contextmanager
def command(run, code, folder, *more):
    """The command in a process of its own, and its address."""
    words = ["-m", "swiftrnn", "serve", str(run), "--recipe", code, "--port", "0", *more]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=folder
    ) as process:
        try:
            line = process.stdout.readline()
            yield process, next(w for w in line.split() if w.startswith("http://127.0.0.1:"))
        finally:
            process.kill()


def test_the_command_serves_until_it_is_told_to_stop(echo, tmp_path):
    """What it has taken it answers; its processes end with it; no file that lies here runs."""
    run = shutil.copytree(echo[0], tmp_path / "run")
    (tmp_path / "queue.py").write_text("open('ran', 'w').close()")
    with command(run, echo[1], tmp_path) as (process, address):
        assert ask(address, "hear").json() == [{"said": "hear"}]
        assert len(answering(run)) >= 2
        with connect(address) as asked:
            asked.sendall(whole("word " * 200, pause=0.002))
            time.sleep(0.1)
            process.terminate()
            assert ended(asked, 20).startswith(b"HTTP/1.1 200")
        assert process.wait(20) in (0, -15)
    assert answering(run) == []
    assert not (tmp_path / "ran").exists()


def answering(run):
    """The processes that answer from a run folder."""
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in shown.stdout.splitlines() if f"swiftrnn.deploy {run}" in line]


def test_its_processes_have_the_device_and_end_when_it_is_killed(echo, tmp_path):
    run = shutil.copytree(echo[0], tmp_path / "run")
    with command(run, echo[1], tmp_path, "--device", "meta") as (process, address):
        assert ask(address, "where").json() == [{"said": "meta"}]
        process.kill()
    end = time.monotonic() + 20
    while found := answering(run):
        assert time.monotonic() < end, found
        time.sleep(0.05)
