"""Two small recipes to be served, and a server for them in a thread of the tests' process."""

import contextlib
import json
import threading
import time
from pathlib import Path

import httpx

from swiftrnn import recipes
from swiftrnn.deploy import serve, trained
from swiftrnn.deploy.api import Limits
from swiftrnn.runs.folder import RunFolder

JSON = {"Content-Type": "application/json"}
LIMITS = Limits(body=40_000, seconds=2.0, connections=40)

ECHO = '''
"""An echo that says again what it is told, word by word.

Paper: none. Differs: nothing.
"""

import os
import time
from dataclasses import dataclass
from typing import Annotated, Literal

from torch import nn

from swiftrnn.runs import folder, limits
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.text import Text
from swiftrnn.training import weights


@dataclass(frozen=True)
class Config(limits.Checked):
    seed: limits.Seed = 0


@dataclass(frozen=True)
class Echo(limits.Checked):
    times: Annotated[int, limits.Range(1, 10)] = 1  # how often it is said
    pause: Annotated[float, limits.Range(0, 100)] = 0.0  # seconds before each word
    loud: bool = False  # in capitals
    # plain, or between
    # quotation marks
    style: Literal["plain", "quoted"] = "plain"
    name: str = ""  # of who says it
    share: limits.Inside | None = None
    file: limits.OwnFile = None  # for the command line alone
    made_up: bool = False


def words(model, text, how):
    if text == "die":
        os._exit(3)
    if text == "where":
        text = str(model.weight.device)
    if text == "fail":
        raise KeyError(text)
    for number, word in enumerate(text.split(" ") * how.times):
        time.sleep(how.pause)
        word = word.upper() if how.loud else word
        yield (" " if number else "") + (f"“{word}”" if how.style == "quoted" else word)


def answer(model, texts, how):
    return ["".join(words(model, text, how)) for text in texts]


SMOKE, CLAIMS = Config(), ()
TASK = Task(
    Text(), Text(name="said"), answer, Echo, stream=words, verb="Say",
    work=lambda text, how: len(text) * how.times,
)


def run(config, out):
    weights.save(build(config, {}), out / folder.WEIGHTS)
    return Result({"loss": 0.0})


def build(config, vocabulary):
    return nn.Linear(1, 1)
'''

MOOD = '''
"""A classifier of moods, by the words of a text.

Paper: none. Differs: nothing.
"""

import zlib
from dataclasses import dataclass

import torch
from torch import nn

from swiftrnn.runs import folder, limits
from swiftrnn.runs.results import Result
from swiftrnn.tasks import Task
from swiftrnn.tasks.label import Label
from swiftrnn.tasks.text import Text
from swiftrnn.training import weights

MOODS = {"glad": "sunny sweet fine", "sad": "rainy lost cold", "calm": "quiet slow even"}


@dataclass(frozen=True)
class Config(limits.Checked):
    seed: limits.Seed = 0


def scores(model, text):
    return model(torch.tensor([[zlib.crc32(word.encode()) % 997 for word in text.split()] or [0]]))


@torch.no_grad()
def classify(model, texts, options):
    odds = (scores(model, text)[0].softmax(0).tolist() for text in texts)
    return [dict(zip(MOODS, each)) for each in odds]


SMOKE, CLAIMS, TASK = Config(), (), Task(Text(), Label(), classify, verb="Classify")


def run(config, out):
    torch.manual_seed(config.seed)
    model = build(config, {})
    descent = torch.optim.Adam(model.parameters(), 0.1)
    for _ in range(60):
        losses = [
            nn.functional.cross_entropy(scores(model, word), torch.tensor([number]))
            for number, each in enumerate(MOODS.values())
            for word in each.split()
        ]
        descent.zero_grad()
        sum(losses).backward()
        descent.step()
    weights.save(model, out / folder.WEIGHTS)
    return Result({"loss": sum(losses).item()})


def build(config, vocabulary):
    return nn.EmbeddingBag(997, len(MOODS))
'''


def made(base: Path, name: str, source: str) -> tuple[Path, str]:
    """Write a recipe's folder and train it; the run folder, and what --recipe needs."""
    code = base / name
    code.mkdir(exist_ok=True)
    (code / "__init__.py").write_text(source)
    found = recipes.find(str(code))
    out = RunFolder(base / f"{name}-run", name, found.folder)
    out.begin(found.parts.SMOKE)
    found.run(found.parts.SMOKE, out)
    return out.path, str(code)


@contextlib.contextmanager
def served(known: trained.Trained, limits: Limits = LIMITS):
    """A server in a thread of this process, and its address."""
    server = serve.server(known, "127.0.0.1", 0, limits, ["names.example"])
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", server
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def ask(address: str, *inputs, path: str = "predict", **options) -> httpx.Response:
    """What a server answers."""
    body = json.dumps({"inputs": inputs, "options": options}).encode()  # lone surrogates too
    return fetch("POST", f"{address}/{path}", content=body, headers=JSON)


def fetch(method: str, url: str, **how) -> httpx.Response:
    """The same of any request; without the certificates, which take longer than the answer."""
    return httpx.request(method, url, timeout=30, verify=False, **how)


def answered_again(address: str, *inputs, path: str = "predict") -> bool:
    """Whether a process that had to be replaced answers; it takes seconds to load torch."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if ask(address, *inputs, path=path).status_code == 200:
            return True
    return False
