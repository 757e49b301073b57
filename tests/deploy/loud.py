"""A run folder of a recipe that shouts, in no time: what batches are tested with."""

import itertools
import json
import sys
from pathlib import Path

import torch

from swiftrnn.runs import folder
from swiftrnn.training import weights

RECIPE = '''
"""Texts in capitals."""

import os
import time
from pathlib import Path
from dataclasses import dataclass

from torch import nn

from swiftrnn.runs import limits
from swiftrnn.tasks import Task
from swiftrnn.tasks.text import Text


HERE = Path(FOLDER)  # files here say what it does: processes share no environment


@dataclass(frozen=True)
class Config(limits.Checked):
    seed: limits.Seed = 0


@dataclass(frozen=True)
class How(limits.Checked):
    mark: str = ""  # what is put behind each text


class Size:
    name, widget, forms = "size", "number", ("text",)

    def schema(self):
        return {"type": "number"}

    def read(self, raw):
        return float(raw)

    def write(self, value, form):
        return value if form == "json" else f"{value}\\n"

    def size(self, value):
        return 1


def shout(model, texts, how):
    """Some texts have no answer, some a number that is none, and some show a fault."""
    if (HERE / "seconds").exists():
        time.sleep(float((HERE / "seconds").read_text()))
    slow = (HERE / "slow").read_text() if (HERE / "slow").exists() else ""
    if slow == str(os.getpid()):
        time.sleep(0.3)
    elif slow:
        (HERE / "others").touch()
    if "a fault" in texts:
        raise TypeError("a fault of ours")
    if "no answer" in texts:
        raise ValueError("nobody\\nanswers that")
    if "die" in texts and not (HERE / "died").exists() and slow != str(os.getpid()):
        (HERE / "died").touch()
        os.kill(os.getpid(), 9)
    with open(HERE / "answered", "a") as log:
        log.writelines(repr(each) + "\\n" for each in texts)
    return [(t.upper() + how.mark, float("nan" if t == "nan" else len(t))) for t in texts]


SMOKE = Config()
CLAIMS = ()
TASK = Task(Text(), Text(name="loud"), shout, How, shows=(Size(),))


def run(config, out):
    raise NotImplementedError


def build(config, vocabulary):
    return nn.Linear(2, 2)
'''


NUMBERS = itertools.count()


def made(here: Path) -> tuple[str, str, str]:
    """Make a run folder and the recipe; gives the words of a command line that use them."""
    name = f"loud{next(NUMBERS)}"  # processes that are forked may know another one by its name
    code, run = here / name, here / "run"
    code.mkdir()
    run.mkdir()
    (code / "__init__.py").write_text(RECIPE.replace("FOLDER", repr(str(here))))
    weights.save(torch.nn.Linear(2, 2), run / folder.WEIGHTS)
    about = {"recipe": name, "code": str(code), "config": {"seed": 0}}
    folder.write_json(run / folder.CONFIG, about)
    return str(run), "--recipe", str(code)


def rows(path: Path) -> list[dict]:
    """What a .jsonl file holds, each line by itself."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def command(*words: object) -> int:
    """`swiftrnn predict`, in a process of its own: its exit status."""
    from swiftrnn import cli

    return cli.main(["predict", *map(str, words)])


if __name__ == "__main__":
    sys.exit(command(*sys.argv[1:]))
