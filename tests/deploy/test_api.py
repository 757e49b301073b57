"""What a server makes of a task: answers, pieces, options, limits, and its description."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

import httpx
from tests.deploy.served import ECHO, MOOD, answered_again, ask, fetch, made, served

from swiftrnn import __version__
from swiftrnn.deploy import api, describe, options, trained
from swiftrnn.runs import limits
from swiftrnn.tasks import NoOptions, Task
from swiftrnn.tasks.label import Label
from swiftrnn.tasks.text import Text


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    run, code = made(tmp_path_factory.mktemp("echo"), "echo", ECHO)
    return trained.load(run, recipe=code)


@pytest.fixture(scope="module")
def both(known):
    """The address of a server, and the server."""
    with served(known) as found:
        yield found


@pytest.fixture(scope="module")
def address(both):
    return both[0]


def stream(address, text, **options):
    """Each line of a stream, and the seconds until it came."""
    found, began = [], time.monotonic()
    body = {"inputs": [text], "options": options}
    with httpx.stream("POST", f"{address}/stream", json=body, timeout=30, verify=False) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        for line in answer.iter_lines():
            found.append((json.loads(line), time.monotonic() - began))
    return found


def test_inputs_are_answered_in_their_order_as_in_python(address, known):
    texts = ["one two", "", "“three”\nfour", "\u202e😀 five"]
    how = {"times": 2, "loud": True, "style": "quoted"}
    answer = ask(address, *texts, **how)
    assert answer.status_code == 200
    assert [each["said"] for each in answer.json()] == known.answer(texts, **how)
    assert answer.json()[0] == {"said": "“ONE” “TWO” “ONE” “TWO”"}


def test_pieces_make_the_answer_and_come_as_they_are_made(address):
    lines = stream(address, "one two three four", times=2, pause=0.1, loud=True)
    *pieces, end = [line for line, _ in lines]
    (whole,) = ask(address, "one two three four", times=2, loud=True).json()
    assert "".join(each["piece"] for each in pieces) == whole["said"]
    assert len(pieces) == 8
    assert end == {"done": True}
    times = [seconds for _, seconds in lines]
    assert times[-1] - times[0] > 0.5


def test_who_leaves_a_stream_frees_its_process(address, both):
    before = [each.pid for each in both[1].workers.staff.values()]
    body = {"inputs": ["word " * 200], "options": {"pause": 0.05}}
    with httpx.stream("POST", f"{address}/stream", json=body, verify=False) as answer:
        assert answer.iter_lines().__next__()
    began = time.monotonic()
    assert ask(address, "a" * 1000).status_code == 200  # by the same process: there is one for it
    assert time.monotonic() - began < 1.5  # of 2 that a stream may take
    assert [each.pid for each in both[1].workers.staff.values()] == before


def test_a_stream_ends_in_time_and_says_so(address, both):
    before = [each.pid for each in both[1].workers.staff.values()]
    *pieces, (end, seconds) = stream(address, "word " * 200, pause=0.05)
    assert 5 < len(pieces) < 60
    assert "too long" in end["error"]
    assert 1.5 < seconds < 4
    assert ask(address, "a" * 1000).status_code == 200
    assert [each.pid for each in both[1].workers.staff.values()] == before
    answer = ask(address, "a" * 1000, path="stream", pause=99)
    assert answer.status_code == 503  # not one piece was there
    assert answer.headers["retry-after"] == "1"
    assert answered_again(address, "a" * 1000, path="stream")  # by the next process


@pytest.mark.parametrize("path", ["predict", "stream"])
def test_what_fails_is_told_and_the_next_is_answered(address, path):
    for text in ("fail", "die"):
        answer = ask(address, text, path=path)
        assert answer.status_code == 500
        assert answer.json() == {"detail": "this could not be answered; the server's log says why"}
        assert answered_again(address, "alive", path=path)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"time": 2}, "got 'time'; did you mean times?"),
        ({"file": "/etc/passwd"}, "options may have times, pause, loud, style, name, share, ma"),
        ({"times": 0}, "options.times needs a whole number from 1 to 10; got 0; the default is 1"),
        ({"times": 2.5}, "options.times needs a whole number"),
        ({"times": "2"}, "options.times needs a whole number"),
        ({"times": True}, "options.times needs a whole number"),
        ({"times": None}, "options.times needs a whole number"),
        ({"loud": 1}, "options.loud needs true or false; got 1"),
        ({"style": "bold"}, "options.style needs one of plain, quoted; got bold"),
        ({"name": ["a"]}, "options.name needs a word"),
        ({"share": 1}, "options.share needs a number above 0 to below 1"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(address, given, why):
    for path in ("predict", "stream"):
        answer = ask(address, "a", path=path, **given)
        assert answer.status_code == 422
        assert why in answer.json()["detail"]
    fits = {"times": 10, "pause": 0, "loud": False, "style": "plain", "name": "", "share": None}
    assert ask(address, "a", **fits).status_code == 200


@pytest.mark.parametrize(
    ("inputs", "how", "why"),
    [
        (["a", "b"], {}, "a stream answers one input; got 2; send one"),
        (["a" * 10_001], {"times": 2}, "at most 20,000 units of work; got 20,002"),
        ([7], {}, "inputs.0: a text needs to be a string"),
        ([], {}, "at least 1 item"),
    ],
)
def test_a_stream_refuses_what_is_too_much(address, inputs, how, why):
    answer = ask(address, *inputs, path="stream", **how)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]


def test_answers_to_many_never_mix(address):
    def one(number):
        text = " ".join(f"{number}-{i}" for i in range(1 + number % 7))
        how = {"times": 1 + number % 3, "pause": 0.001 * (number % 2)}
        expected = " ".join([text] * how["times"])
        if number % 5 == 0:
            lines = patiently(text, path="stream", **how).text.splitlines()
            return "".join(json.loads(each)["piece"] for each in lines[:-1]) == expected
        said = [each["said"] for each in patiently(text, f"{number}", **how).json()]
        return said == [expected, " ".join([f"{number}"] * how["times"])]

    def patiently(*inputs, **how):
        """A busy machine may need more than the two seconds there are."""
        for _ in range(20):
            answer = ask(address, *inputs, **how)
            if answer.status_code != 503 and '{"error"' not in answer.text:
                return answer
        return pytest.fail("it is never answered")

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(120)))


def test_the_page_is_told_what_it_needs(address, known):
    found = fetch("GET", f"{address}/task").json()
    assert found["run"] == known.folder.name == "echo-run"
    assert found["recipe"] == "echo"
    assert found["about"] == "An echo that says again what it is told, word by word."
    assert (found["verb"], found["stream"], found["shows"]) == ("Say", True, [])
    assert found["takes"] == {"name": "text", "widget": "page/text.js", "schema": Text().schema()}
    assert found["gives"]["name"] == "said"
    assert [each["name"] for each in found["options"]] == [
        "times", "pause", "loud", "style", "name", "share", "made_up",
    ]  # fmt: skip
    times, _, loud, style, *_ = found["options"]
    assert times == {
        "name": "times", "kind": "integer", "default": 1, "help": "how often it is said",
        "choices": [], "low": 1, "high": 10,
    }  # fmt: skip
    assert (loud["kind"], loud["default"], loud["low"]) == ("boolean", False, None)
    assert (style["kind"], style["choices"]) == ("choice", ["plain", "quoted"])
    assert style["help"] == "plain, or between quotation marks"


def test_health(address):
    expected = {"status": "ok", "run": "echo-run", "recipe": "echo", "version": __version__}
    assert fetch("GET", f"{address}/health").json() == expected


def test_the_description_has_the_types_of_the_task(address):
    found = fetch("GET", f"{address}/openapi.json").json()
    assert set(found["paths"]) == {"/health", "/task", "/predict", "/stream"}
    post = found["paths"]["/predict"]["post"]
    takes = post["requestBody"]["content"]["application/json"]["schema"]
    assert takes["properties"]["inputs"]["items"] == Text().schema()
    assert takes["properties"]["inputs"]["maxItems"] == 64
    how = takes["properties"]["options"]["properties"]
    assert "file" not in how  # nobody names files of this machine
    assert (how["times"]["minimum"], how["times"]["maximum"]) == (1, 10)
    assert how["share"]["exclusiveMinimum"] == 0
    assert how["share"]["type"] == ["number", "null"]
    assert how["style"]["enum"] == ["plain", "quoted"]
    answer = post["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["items"]["properties"] == {"said": Text().schema()}
    stream = found["paths"]["/stream"]["post"]
    assert "application/x-ndjson" in stream["responses"]["200"]["content"]
    for each in (post, stream):
        assert {"413", "422", "503"} <= set(each["responses"])


def test_what_is_described_is_what_is_taken(address):
    validator = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    found = fetch("GET", f"{address}/openapi.json").json()
    post = found["paths"]["/predict"]["post"]
    takes = post["requestBody"]["content"]["application/json"]["schema"]
    gives = post["responses"]["200"]["content"]["application/json"]["schema"]
    for inputs, how in [
        (["a"], {}), (["a", "b"], {"times": 10, "style": "quoted"}), ([], {}), ([3], {}),
        (["a"] * 65, {}), (["a"], {"times": 11}), (["a"], {"share": 0}), (["a"], {"share": 0.5}),
        (["a"], {"odd": 1}), (["a"], {"share": None}), (["a"], {"style": ""}),
    ]:  # fmt: skip
        body = {"inputs": inputs, "options": how}
        allowed = not [*validator.Draft202012Validator(takes).iter_errors(body)]
        answer = ask(address, *inputs, **how)
        assert (answer.status_code == 200) == allowed, body
        if allowed:
            validator.validate(answer.json(), gives)


def test_the_documentation_can_be_read_and_its_example_works(address):
    answer = fetch("GET", f"{address}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    for text in ("POST /predict", "POST /stream", "options.times", "integer from 1 to 10",
                 "how often it is said", "said", "20,000 units"):  # fmt: skip
        assert text in answer.text, text
    text = answer.text.replace("&quot;", '"').replace("&#x27;", "'")
    for path, body in re.findall(r"localhost:8000/(\w+) .*\\\n    -d '(.*)'", text):
        assert ask(address, *json.loads(body)["inputs"], path=path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/page/page.js", "/page/text.js", "/page/page.css"])
def test_the_page_needs_nothing_from_elsewhere(address, path):
    there, head = fetch("GET", address + path), fetch("HEAD", address + path)
    assert (there.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-length"] == str(len(there.content))
    policy = there.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert there.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"https?://|@import|url\(|<style|style=|onclick|<script>", there.text)


def test_what_is_not_there_is_not_found(address):
    options = fetch("OPTIONS", f"{address}/predict")
    assert (options.status_code, options.headers["allow"]) == (405, "POST")
    assert fetch("GET", f"{address}/nothing/http://x").json() == {"detail": "Not Found"}
    for path in ("page/", "page/index.html", "page/..%2fapi.py", "page/../api.py", "widget/a.js"):
        assert fetch("GET", f"{address}/{path}").status_code == 404


def test_all_files_of_the_page_are_served(address):
    files = {each.name for each in api.PAGE.iterdir()}
    assert {"index.html", "page.css", "page.js"} <= files
    for name in files - {"index.html"}:
        kind = fetch("GET", f"{address}/page/{name}").headers["content-type"].partition(";")[0]
        assert kind == {"css": "text/css", "js": "text/javascript"}[name.rpartition(".")[2]]


def test_a_task_without_options_and_pieces_is_served_too(tmp_path):
    run, code = made(tmp_path, "mood", MOOD)
    known = trained.load(run, recipe=code)
    own = tmp_path / "own.js"
    own.write_text("export const output = () => ({ show() {} });")
    task = replace(known.task, gives=Label(widget=own))
    with served(replace(known, task=task, model=None)) as (address, _):
        (found,) = ask(address, "a sunny and sweet day").json()
        assert found["label"]["label"] == "glad"
        assert sum(found["label"]["probabilities"].values()) == pytest.approx(1, abs=1e-4)
        assert ask(address, "a", times=2).json()["detail"] == (
            "options may have no fields; got 'times'; leave it out"
        )
        assert ask(address, "a", path="stream").status_code == 404
        assert set(fetch("GET", f"{address}/openapi.json").json()["paths"]) == {
            "/health", "/task", "/predict",
        }  # fmt: skip
        about = fetch("GET", f"{address}/task").json()
        assert (about["stream"], about["options"]) == (False, [])
        assert about["gives"]["widget"] == "widget/label.js"
        assert fetch("GET", f"{address}/widget/label.js").text == own.read_text()


def test_two_scripts_for_one_name_are_refused(tmp_path):
    paths = [tmp_path / "a.js", tmp_path / "b.js"]
    for each in paths:
        each.touch()
    a, b = (Text(widget=each) for each in paths)
    with pytest.raises(ValueError, match="two for text; let one script export both"):
        describe.widgets(Task(a, b, lambda *_: []))
    assert describe.widgets(Task(a, a, lambda *_: [])) == {"widget/text.js": paths[0]}
    with pytest.raises(ValueError, match=r"needs a widget that is a file; got .*none\.js"):
        describe.widgets(Task(a, Text(widget=tmp_path / "none.js"), lambda *_: []))


@dataclass(frozen=True)
class Kinds(limits.Checked):
    """Options of all kinds.

    `help` comes from their comments.
    """

    plain: int = 3
    sizes: limits.Sizes = (1, 2)  # of each
    """the string below wins"""
    steps: limits.Steps = None
    choice: Literal["a", "b"] | None = None
    path: Path | None = None
    below: Annotated[float, limits.Range(-limits.math.inf, 1)] = 0.0


def test_options_of_all_kinds_are_described():
    found = {each.pop("name"): each for each in options.described(Kinds)}
    assert set(found) == {"plain", "sizes", "steps", "choice", "below"}
    assert found["plain"]["help"] == ""
    assert found["sizes"]["kind"] == "array"
    assert found["sizes"]["help"] == "the string below wins"
    assert (found["steps"]["kind"], found["steps"]["low"]) == ("integer", 1)
    assert (found["choice"]["kind"], found["choice"]["choices"]) == ("choice", ["a", "b"])
    assert (found["below"]["low"], found["below"]["high"]) == (None, 1)
    known = options.schema(Kinds)["properties"]
    assert known["choice"]["enum"] == ["a", "b", None]
    assert known["sizes"]["items"] == {"type": "integer", "minimum": 1, "maximum": 65536}
    assert options.read(Kinds, {"sizes": [3, 4], "steps": None}) == Kinds(sizes=(3, 4))
    with pytest.raises(ValueError, match=r"options\.sizes needs"):
        options.read(Kinds, {"sizes": [[1]]})
    assert options.schema(NoOptions)["properties"] == {}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, "An example."),
        ({"type": "string", "examples": ["x"]}, "x"),
        ({"enum": ["b", "a"]}, "b"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "array", "minItems": 2, "items": {"type": "boolean"}}, [False, False]),
        ({"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}, {"a": 0}),
        ({}, None),
    ],
)
def test_an_example_fits_its_schema(schema, expected):
    assert describe.example(schema) == expected
