"""`python -m swiftrnn` is `swiftrnn`."""

import os
import sys

# Python puts the working folder first; nothing there may stand in for a module, here or in children
if not sys.flags.safe_path and os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()):
    folder = sys.path.pop(0)
    if os.path.realpath(folder) == os.path.dirname(os.path.dirname(os.path.realpath(__file__))):
        sys.path.append(folder)  # swiftrnn itself lies here
        known = filter(None, (os.environ.get("PYTHONPATH"), folder))
        os.environ["PYTHONPATH"] = os.pathsep.join(known)

from swiftrnn.cli import main

sys.exit(main())
