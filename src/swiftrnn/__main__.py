"""`python -m swiftrnn` is `swiftrnn`."""

import sys

from swiftrnn.cli import main

sys.exit(main())
