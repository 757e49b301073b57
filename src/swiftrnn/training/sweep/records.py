"""What a study's database holds, read with care: SQLite and Optuna have no checksums of values."""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ANEW = "it was damaged: remove it to start over, trials that are done are not done again"


def check_file(path: Path) -> None:
    """Look whether SQLite can read all of a file.

    Raises:
        ValueError: it is damaged, or is no database.
    """
    if not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(path, 5)) as base:
            (found,) = base.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if path.is_file():
            return  # busy, or not to be written: who uses it waits or says so
        found = str(error)
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        why = " ".join(found.split())
        raise ValueError(f"a sweep needs a whole database; got {path} ({why}); {ANEW}")


def checksum(point: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """Of a trial, to be recorded with it."""
    text = json.dumps([dict(point), dict(metrics)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def metrics(trial: Any, where: object) -> dict[str, float]:
    """What a trial measured; those of older versions have no checksum.

    Args:
        trial: of Optuna.
        where: the database, for the message.

    Raises:
        ValueError: it is not what was recorded.
    """
    found, check = trial.user_attrs.get("metrics"), trial.user_attrs.get("checksum")
    if not isinstance(found, dict) or check not in (None, checksum(trial.params, found)):
        raise ValueError(
            f"a sweep needs its trials as they were recorded; got another trial {trial.number} in "
            f"{where}; {ANEW}"
        )
    return found
