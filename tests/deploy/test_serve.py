"""A served tagger: answers, refusals, and what must not take it down."""

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx

from swiftrnn import cli
from swiftrnn.deploy import serve, trained
from swiftrnn.deploy.serve import Limits
from swiftrnn.recipes import ner_crf, ner_stack_lstm

TEXT = "\u202e😀 Bokima lives in Sotataville"
LIMITS = Limits(body=20_000, seconds=1.0, connections=40)


@pytest.fixture(scope="module", params=[ner_crf, ner_stack_lstm], ids=lambda r: r.__name__[17:])
def folder(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("names")
    request.param.run(request.param.SMOKE, out)
    return out


@pytest.fixture(scope="module")
def address(folder):
    """A server in a thread of this process, with small limits."""
    server = serve.server(trained.load(folder), "127.0.0.1", 0, LIMITS)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
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
    assert httpx.get(f"{address}/docs").status_code == 200
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
        (b'{"texts": ["' + b"a" * 20_001 + b'"]}', 413, "at most 20,000 bytes"),
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


def test_slow_clients_are_hung_up_on(address):
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"
    with connect(address) as silent, connect(address) as slow:
        slow.sendall(head)
        assert ask(address, texts=["x"]).status_code == 200
        assert silent.recv(999) == b""  # after a second
        assert b"408" in slow.recv(999)


def test_more_connections_than_allowed_are_turned_away(address):
    held = [connect(address) for _ in range(LIMITS.connections + 5)]
    time.sleep(0.2)
    assert httpx.get(f"{address}/health").status_code == 503
    for each in held:
        each.close()
    time.sleep(0.2)
    assert httpx.get(f"{address}/health").status_code == 200


def test_the_command_serves_until_it_is_told_to_stop(folder):
    command = [sys.executable, "-m", "swiftrnn", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        assert ask(address, texts=[TEXT]).json()[0]["entities"]
        process.terminate()
        assert process.wait(20) in (0, -15)


def test_a_language_model_cannot_be_served(tmp_path, capsys):
    from swiftrnn.recipes import language_model

    tiny = {"hidden": 8, "steps": 1, "depth": 1, "ngrams": 1}
    config = language_model.Config(**{**vars(language_model.SMOKE), **tiny})
    language_model.train(config, tmp_path)
    assert cli.main(["serve", str(tmp_path)]) == 2
    assert "swiftrnn serve needs a run that finds names" in capsys.readouterr().err
    assert cli.main(["serve", str(Path(tmp_path) / "none")]) == 2
    assert "needs a run folder" in capsys.readouterr().err


def test_work_that_nobody_waits_for_stops_at_the_next_text(folder):
    request = serve.Request(texts=["Bokima slept ."] * 3)
    known = trained.load(folder)
    assert len(serve._answers(known, request, time.monotonic() + 60)) == 3
    with pytest.raises(TimeoutError):
        serve._answers(known, request, time.monotonic() - 1)
