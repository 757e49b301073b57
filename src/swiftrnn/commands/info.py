"""`swiftrnn info`: what this machine has, and which kernels run here."""

from dataclasses import dataclass

from swiftrnn.commands.parsing import about, parse
from swiftrnn.runs import limits
from swiftrnn.runs.extras import extras


@dataclass(frozen=True)
class Info(limits.Checked):
    """Show versions, devices, which kernels run here, and why others do not."""


OPTIONS = Info
EXAMPLES = ("swiftrnn info",)


def main(words: list[str]) -> None:
    """Run the command."""
    parse(Info, "swiftrnn info", about(Info, EXAMPLES), words)
    from swiftrnn.ops import kernels
    from swiftrnn.runs.machine import machine

    for key, value in machine().items():
        print(f"{key:14}{value}")
    for device, state in kernels().items():
        run_here = "run" if state["loaded"] else "do not run"
        print(f"{device + ' kernels':14}{run_here}: {state['why']}")
        if state["library"]:
            print(f"{'':14}{state['library']}")
    for extra, lacks in extras().items():
        found = f"lacks {', '.join(lacks)}" if lacks else "installed"
        print(f"{'extra ' + extra:16}{found}")
