"""Which process is which: on this machine, since it started."""

import os
import platform
from pathlib import Path


def where() -> str:
    """This machine since its start, as far as processes see each other; "" if it cannot be told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        seen = os.readlink("/proc/self") == str(os.getpid())
        space = f"{os.readlink('/proc/self/ns/pid')} {os.getuid()}"
        return f"{platform.node()} {boot} {space}" if seen else ""
    except OSError:  # no Linux
        return ""


def started(pid: int) -> str:
    """When a process started, in ticks since the machine did; "" for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]  # a killed process stays as a zombie until waited for
