"""A process that answers for a server: `python -m swiftrnn.deploy RUN POLITE`."""

import sys
from functools import partial
from pathlib import Path

from swiftrnn.deploy import workers


def answering(run: Path) -> workers.Act:
    """Loads torch, which takes seconds, only once the end of the parent would be noticed."""
    from swiftrnn.deploy import serve

    return serve.answering(run)


if __name__ == "__main__":
    workers.work(partial(answering, Path(sys.argv[1])), int(sys.argv[2]))
