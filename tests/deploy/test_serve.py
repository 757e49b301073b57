"""A served tagger: answers, refusals, and what must not take it down."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

from swiftrnn import cli
from swiftrnn.deploy import connections, serve, trained, workers
from swiftrnn.deploy.serve import Limits
from swiftrnn.recipes import ner_crf, ner_stack_lstm

TEXT = "\u202e😀 Bokima lives in Sotataville"
LIMITS = Limits(body=40_000, seconds=2.0, connections=40)
HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("names")
    ner_crf.run(ner_crf.SMOKE, out)
    return out


@pytest.fixture(scope="module")
def address(folder):
    with served(folder) as url:
        yield url


@contextlib.contextmanager
def served(folder):
    """A server in a thread of this process, with small limits."""
    server = serve.server(trained.load(folder), "127.0.0.1", 0, LIMITS, ["names.example"])
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def ask(address, **body):
    return httpx.post(f"{address}/predict", json=body, timeout=30)


def test_texts_are_answered_as_by_predict(address, folder):
    known = trained.load(folder)
    texts = [TEXT, "", "no name", "In Rimonaville , Lututo met a friend .\nBokima slept ."]
    answer = ask(address, texts=texts)
    assert answer.status_code == 200
    for text, found in zip(texts, answer.json(), strict=True):
        expected = known.recipe.predict(known.model, text)
        assert [e["text"] for e in found["entities"]] == [e.text for e in expected]
        assert all(text[e["start"] : e["end"]] == e["text"] for e in found["entities"])
        assert found["readings"] == []


def test_readings_come_best_first(address):
    found = ask(address, texts=["Bokima lives in Sotataville"], readings=5).json()[0]
    (sentence,) = found["readings"]
    odds = [reading["probability"] for reading in sentence]
    assert odds == sorted(odds, reverse=True)
    assert len(odds) == 5
    assert 0 < sum(odds) <= 1 + 1e-6
    names = [[e["text"] for e in part] for part in (sentence[0]["entities"], found["entities"])]
    assert names[0] == names[1]


def test_health_and_description(address):
    health = httpx.get(f"{address}/health").json()
    assert health["status"] == "ok"
    assert health["types"] == ["person", "place"]
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    assert set(paths) == {"/health", "/predict"}
    assert httpx.get(f"{address}/docs").status_code == 404  # it would load scripts from elsewhere
    assert httpx.get(f"{address}/nothing").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 422, "body"),
        (b"{", 422, "JSON"),
        (b'{"texts": 3}', 422, "texts: "),
        (b'{"texts": []}', 422, "at least 1 item"),
        (json.dumps({"texts": ["a"] * 65}).encode(), 422, "at most 64 items"),
        (b'{"texts": ["a"], "readings": 99}', 422, "less than or equal to 10"),
        (b'{"texts": ["\\ud800"]}', 422, "texts.0: "),
        (b"\xff\xfe", 422, "JSON"),
        (b'{"texts": ["a"], "readings": NaN}', 422, "readings: "),
        (b"\xfe\x80" * 9, 400, "parsing"),
        (b"[" * 30_000, 400, "parsing"),
        (b'{"texts": ' + b"[" * 900 + b"]" * 900 + b"}", 422, "texts.0: "),
        (b'{"texts": ["a"], "readings": ' + b"1" * 5000 + b"}", 400, "parsing"),
        (json.dumps({"texts": ["a" * 20_001]}).encode(), 422, "at most 20000 characters"),
        (json.dumps({"texts": ["a" * 10_001] * 2}).encode(), 422, "at most 20000 characters"),
        (
            json.dumps({"texts": ["a" * 5_001], "readings": 2}).encode(),
            422,
            "at most 5000 characters together where more than one reading is asked for",
        ),
        (b'{"texts": ["' + b"a" * 40_001 + b'"]}', 413, "at most 40,000 bytes"),
        (b"a" * 600_000, 413, "at most 40,000 bytes"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(address, body, status, why):
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{address}/predict", content=body, headers=headers)
    assert answer.status_code == status
    assert why in answer.json()["detail"]
    assert len(answer.content) < 500
    assert ask(address, texts=["still here"]).status_code == 200


@pytest.mark.parametrize("text", ["\0", "אבג \u202e", "😀" * 300, "\t\n ", "a" * 5000, "A. " * 999])
def test_any_text_is_answered(address, text):
    assert ask(address, texts=[text]).status_code == 200


def connect(address):
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def whole(texts):
    body = json.dumps({"texts": texts}).encode()
    return HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def answered(connection):
    """Read one answer to a small request."""
    found = b""
    while not found.endswith(b"]}]"):
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
            assert ask(address, texts=["x"]).status_code == 200
            assert ended(slow).startswith(told)
            assert 1.5 < time.monotonic() - began < 6

    cases = [(before, *each) for before in (b"", whole(["x"])) for each in SLOW.values()]
    with ThreadPoolExecutor(len(cases)) as pool:
        found = [pool.submit(one, *case) for case in cases]
    names = [f"{name}, {which}" for which in ("the first", "a later one") for name in SLOW]
    raised = {name: each.exception() for name, each in zip(names, found, strict=True)}
    assert not {name: error for name, error in raised.items() if error}


def test_a_client_that_sends_one_byte_now_and_then_gains_no_time(address):
    with connect(address) as slow, pytest.raises(OSError):  # noqa: PT012
        slow.sendall(whole(["x"]))
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
        assert ask(address, texts=["x"]).status_code == 200


def test_who_asks_is_answered_however_many_do_not(address):
    """Each new connection takes the place of one that keeps the server waiting."""
    held = [connect(address) for _ in range(3 * LIMITS.connections)]
    for i, each in enumerate(held):
        with contextlib.suppress(OSError):  # some have made room already
            each.sendall((b"", whole(["x"]), HEAD + b"Content-Length: 99\r\n\r\n{")[i % 3])
    began = time.monotonic()
    for _ in range(5):
        assert ask(address, texts=["Bokima slept ."]).status_code == 200
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
    body = json.dumps({"texts": ["x"]}).encode()
    given = {"Content-Type": "application/json", **headers}
    answer = httpx.post(f"{address}/predict", content=body, headers=given, timeout=30)
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
    assert ask(address, texts=["x"]).status_code == 200


def test_the_page_can_be_asked_about_and_needs_nothing_from_elsewhere(address):
    for path in ("/", "/health"):
        there, head = httpx.get(address + path), httpx.head(address + path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(there.content))
    page = httpx.get(address)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.search(r"https?://|src=|@import|url\(", page.text)
    options = httpx.options(f"{address}/predict")
    assert (options.status_code, options.headers["allow"]) == (405, "POST")
    assert httpx.get(f"{address}/nothing/http://x").json() == {"detail": "Not Found"}


def test_small_requests_do_not_wait_for_large_ones(address):
    text = "In Rimonaville , Lututo met a friend . " * 100
    small = {"texts": ["Bokima lives in Sotataville ."]}
    with ThreadPoolExecutor(6) as others, httpx.Client(timeout=30) as client:
        large = [others.submit(ask, address, texts=[text], readings=10) for _ in range(6)]
        times = []
        while not all(each.done() for each in large):
            began = time.perf_counter()
            assert client.post(f"{address}/predict", json=small).status_code == 200
            times.append(time.perf_counter() - began)
        assert {each.result().status_code for each in large} <= {200, 503}
    assert min(times) < 0.1
    assert sorted(times)[len(times) // 2] < 0.5  # the machine of a test may be busy


def test_what_takes_too_long_is_ended_and_the_next_is_answered():
    code = (
        "import sys, time; from swiftrnn.deploy import workers\n"
        "def act(task):\n"
        "    if task == 'die': import os; os._exit(3)\n"
        "    if task == 'fail': raise KeyError(task)\n"
        "    print('noise'); time.sleep(task); return b'1'\n"
        "workers.work(lambda: act, int(sys.argv[1]))"
    )
    staff = workers.Workers([sys.executable, "-c", code], 1, 2, 1)
    staff.start()
    first = {process.pid for process in staff.staff.values()}

    async def all_of_it():
        assert await staff.answer(b"0", 5, 60) == b"1"
        assert await staff.answer(b'"fail"', 5, 60) is None
        assert await staff.answer(b'"die"', 5, 60) is None
        assert await staff.answer(b"0", 5, 60) == b"1"  # by the next process
        staff.staff[1].kill()  # as a system without memory does
        staff.staff[1].wait()
        assert await staff.answer(b"0", 5, 60) == b"1"
        late = asyncio.create_task(staff.answer(b"99", 5, 0.5))
        await asyncio.sleep(0.1)
        waiting = [asyncio.create_task(staff.answer(b"0", 5, 60)) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(workers.Busy):
            await staff.answer(b"0", 5, 60)
        assert await staff.answer(b"0", 1, 60) == b"1"  # a small one has a process of its own
        with pytest.raises(TimeoutError):
            await late
        assert [await each for each in waiting] == [b"1"] * 2

    asyncio.run(all_of_it())
    second = list(staff.staff.values())
    assert len(first - {process.pid for process in second}) == 1
    staff.stop()
    assert all(process.poll() is not None for process in second)


def test_a_process_that_cannot_begin_is_told():
    staff = workers.Workers([sys.executable, "-c", "raise SystemExit(1)"], 1, 2, 1)
    with pytest.raises(OSError, match="ended before it was ready"):
        staff.start()


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


def test_a_port_that_is_none_is_refused(folder, capsys):
    assert cli.main(["serve", str(folder), "--port", "70000"]) == 2
    assert "--port needs a whole number from 0 to 65,535; got 70000" in capsys.readouterr().err
    assert cli.main(["serve", str(folder), "--host", "no such host"]) == 2
    assert "needs an address of this machine" in capsys.readouterr().err


def test_the_command_serves_until_it_is_told_to_stop(folder, tmp_path):
    """What it has taken it answers; its processes end with it; no file that lies here runs."""
    folder = shutil.copytree(folder, tmp_path / "names")
    (tmp_path / "queue.py").write_text("open('ran', 'w').close()")
    command = [sys.executable, "-m", "swiftrnn", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        assert ask(address, texts=[TEXT]).json()[0]["entities"]
        with connect(address) as asked:
            asked.sendall(whole(["Bokima slept . " * 1000]))
            time.sleep(0.1)
            process.terminate()
            assert ended(asked, 20).startswith(b"HTTP/1.1 200")
        assert process.wait(20) in (0, -15)
    assert answering(folder) == []
    assert not (tmp_path / "ran").exists()


def answering(folder):
    """The processes that answer from a run folder."""
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in shown.stdout.splitlines() if f"swiftrnn.deploy {folder}" in line]


def test_another_tagger_is_served_as_well_and_a_killed_server_leaves_no_process(tmp_path):
    folder = tmp_path / "run"
    ner_stack_lstm.run(ner_stack_lstm.SMOKE, folder)
    known = trained.load(folder)
    command = [sys.executable, "-m", "swiftrnn", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
            found = ask(address, texts=[TEXT], readings=3).json()[0]
            assert len(answering(folder)) >= 2
        finally:
            process.kill()
    expected = known.recipe.predict(known.model, TEXT)
    assert [e["text"] for e in found["entities"]] == [e.text for e in expected]
    assert len(found["readings"]) == 1
    end = time.monotonic() + 20
    while found := answering(folder):
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_a_language_model_cannot_be_served(tmp_path, capsys):
    from swiftrnn.recipes import language_model

    tiny = {"hidden": 8, "steps": 1, "depth": 1, "ngrams": 1}
    config = language_model.Config(**{**vars(language_model.SMOKE), **tiny})
    language_model.train(config, tmp_path)
    assert cli.main(["serve", str(tmp_path)]) == 2
    assert "swiftrnn serve needs a run that finds names" in capsys.readouterr().err
    assert cli.main(["serve", str(Path(tmp_path) / "none")]) == 2
    assert "needs a run folder" in capsys.readouterr().err
