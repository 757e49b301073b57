"""A process that answers for a server: `python -m swiftrnn.deploy RUN DEVICE RECIPE POLITE`."""

import contextlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from swiftrnn.deploy import workers


def answering(run: Path, device: str, recipe: str) -> workers.Act:
    """What turns requests, as `api.checked` writes them, to answers.

    Loads torch, which takes seconds, only once the end of the parent would be noticed.
    """
    import torch

    from swiftrnn.deploy import describe, options, trained
    from swiftrnn.tasks.text import SURROGATE

    torch.set_num_threads(1)  # requests share the cores
    ready = trained.load(run, device, recipe)
    task = ready.task

    def line(content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).encode()

    def act(asked: tuple[list[Any], dict[str, Any], bool]) -> bytes | Iterator[bytes]:
        inputs = [task.takes.read(each) for each in asked[0]]
        how = options.read(task.options, asked[1])
        if asked[2] and task.stream:
            return (line({"piece": each}) for each in task.stream(ready.model, inputs[0], how))
        return line([task.json(each) for each in task.answers(ready.model, inputs, how)])

    with contextlib.suppress(Exception):  # the first call takes longer; this input may not fit
        act(([describe.example(task.takes.schema())], {}, False))
    return act


if __name__ == "__main__":
    run, device, recipe, polite = sys.argv[1:]
    workers.work(partial(answering, Path(run), device, recipe), int(polite))
