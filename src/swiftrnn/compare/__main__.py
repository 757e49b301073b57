"""The process that trains, or one layer of it: `python -m swiftrnn.compare RUN`.

Its standard input is a pipe whose other end the parent holds, and this is watched first: loading
torch takes seconds, in which the parent may end.
"""

import signal
import sys
from pathlib import Path

from swiftrnn.runs import children

if __name__ == "__main__":
    children.end_with_parent(children.closed(0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until there is something to save
    from swiftrnn.compare import train

    sys.exit(train.main(Path(sys.argv[1])))
