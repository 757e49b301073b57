"""The recipes of swiftrnn as they are served: the same answers as in Python, at any load."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx
from tests.deploy.served import ask, fetch, served

from swiftrnn.deploy import trained
from swiftrnn.deploy.api import Limits

TEXT = "\u202e😀 Bokima lives in Sotataville"


@pytest.fixture(scope="module")
def names(smoke):
    known = trained.load(smoke("ner_crf"))
    with served(known, Limits()) as (address, _):
        yield known, address


@pytest.fixture(scope="module")
def model(smoke):
    known = trained.load(smoke("language_model"))
    with served(known, Limits()) as (address, _):
        yield known, address


def test_texts_are_answered_as_by_predict(names):
    known, address = names
    texts = [TEXT, "", "no name", "In Rimonaville , Lututo met a friend .\nBokima slept ."]
    answer = ask(address, *texts)
    assert answer.status_code == 200
    for text, found, (expected, _) in zip(texts, answer.json(), known.answer(texts), strict=True):
        assert [e["text"] for e in found["entities"]] == [e.text for e in expected.found]
        assert all(text[e["start"] : e["end"]] == e["text"] for e in found["entities"])
        assert "n_best" not in found


def test_alternatives_come_best_first(names):
    found = ask(names[1], "Bokima lives in Sotataville", n_best=5).json()[0]
    (sentence,) = found["n_best"]
    odds = [each["probability"] for each in sentence]
    assert odds == sorted(odds, reverse=True)
    assert len(odds) == 5
    assert 0 < sum(odds) <= 1 + 1e-6
    texts = [[e["text"] for e in part] for part in (sentence[0]["entities"], found["entities"])]
    assert texts[0] == texts[1]


def test_what_costs_more_is_refused_sooner(names):
    assert ask(names[1], "a" * 5_000).status_code == 200
    answer = ask(names[1], "a" * 5_001, n_best=2)
    assert answer.status_code == 422
    assert "at most 20,000 units of work; got 20,004" in answer.json()["detail"]
    assert (
        "options.n_best needs a whole number from 1 to 10; got 99"
        in (ask(names[1], "a", n_best=99).json()["detail"])
    )
    assert ask(names[1], "a", path="stream").status_code == 404


def test_a_chunker_is_served_as_well(smoke):
    known = trained.load(smoke("ner_stack_lstm"))
    with served(known, Limits()) as (address, _):
        (found,) = ask(address, TEXT, n_best=3).json()
    ((expected, n_best),) = known.answer([TEXT], n_best=3)
    assert [e["text"] for e in found["entities"]] == [e.text for e in expected.found]
    assert len(found["n_best"]) == len(n_best) == 1


def test_a_text_goes_on_as_by_predict_at_once_or_in_pieces(model):
    known, address = model
    cases = {
        "3+4=": {"length": 40},
        "😀é": {"length": 9, "seed": 3},
        "": {"length": 0},
        "\udcff1+": {"length": 5, "temperature": 0},  # a byte that is no UTF-8
    }
    for text, how in cases.items():
        (expected,) = known.answer([text], **how)
        shown = known.task.gives.write(expected, "json")
        assert ask(address, text, **how).json() == [{"continued": shown}]
        *pieces, end = map(json.loads, ask(address, text, path="stream", **how).text.splitlines())
        assert "".join(each["piece"] for each in pieces) == shown
        assert end == {"done": True}


def test_a_text_that_would_be_too_long_is_refused(model):
    for path in ("predict", "stream"):
        answer = ask(model[1], "3+4=", path=path, length=7_000)
        assert answer.status_code == 422
        assert "at most 20,000 units of work; got 21,004" in answer.json()["detail"]
    assert "inputs.0: a text needs Unicode" in ask(model[1], "\ud800").json()["detail"]


def test_small_requests_do_not_wait_for_large_ones(names):
    _, address = names
    text = "In Rimonaville , Lututo met a friend . " * 100
    small = {"inputs": ["Bokima lives in Sotataville ."]}
    with (
        ThreadPoolExecutor(6) as others,
        httpx.Client(timeout=30, verify=False) as client,
    ):
        large = [others.submit(ask, address, text, n_best=10) for _ in range(6)]
        times = []
        while not all(each.done() for each in large):
            began = time.perf_counter()
            assert client.post(f"{address}/predict", json=small).status_code == 200
            times.append(time.perf_counter() - began)
        assert {each.result().status_code for each in large} <= {200, 503}
    assert min(times) < 0.1
    assert sorted(times)[len(times) // 2] < 0.5  # the machine of a test may be busy


def test_its_page_is_told_what_it_shows(names, model):
    about = fetch("GET", f"{names[1]}/task").json()
    assert about["about"].startswith("A named-entity tagger: ")
    assert [about["gives"]["widget"], about["shows"][0]["widget"]] == [
        "page/spans.js",
        "page/alternatives.js",
    ]
    assert about["options"][0]["high"] == 10
    assert about["options"][0]["help"].startswith("length of the n-best list")
    about = fetch("GET", f"{model[1]}/task").json()
    assert (about["verb"], about["stream"]) == ("Continue", True)
    named = [each["name"] for each in about["options"]]
    assert named == ["length", "temperature", "top_k", "top_p", "seed"]
