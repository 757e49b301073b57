"""What every report keeps for who wants to know more: the machine and the versions."""

from collections.abc import Mapping
from typing import Any

from swiftrnn.report.page import Section
from swiftrnn.runs import results

SYNTHETIC = "The data of this run are synthetic: they test the program, not the paper's claims."
DATA = ("train", "data", "text", "csv", "cifar")  # settings that name data
VERSIONS = ("swiftrnn", "torch", "python", "commit")


def machine_and_versions(
    machine: Mapping[str, Any], load: Mapping[str, Mapping[str, Any]], date: str
) -> list[Section]:
    """Two sections of facts.

    Args:
        machine: as `runs.machine.machine` gives it.
        load: how busy it was, by when; empty where no time is shown.
        date: of the report.
    """
    facts = {key.replace("_", " "): value for key, value in machine.items() if key not in VERSIONS}
    facts |= {f"load at the {when}": each["note"] for when, each in load.items()}
    versions = {key: machine[key] for key in VERSIONS if machine[key]}
    return [("Machine", facts), ("Versions", versions | {"date": date})]


def busy(load: Mapping[str, Mapping[str, Any]]) -> str:
    """The warning of a report whose times were taken on a busy machine; "" otherwise."""
    notes = [each["note"] for each in load.values() if not each["idle"]]
    return notes[0][0].upper() + notes[0][1:] + "." if notes else ""


def synthetic(settings: Mapping[str, Any]) -> str:
    """The warning of a report whose data were generated; "" otherwise."""
    return SYNTHETIC if settings.get("made_up") else ""


def other_data(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> str:
    """Why claims about the data of a preset say nothing of a run; "" where they do.

    Args:
        settings: of the run.
        usual: those of the preset.
    """
    if settings.get("made_up"):
        return "the data are synthetic"
    for name in DATA:
        if (given := settings.get(name)) != usual.get(name):
            return f"the data are others: --{name} {given}"
    return ""


def settings(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings under names for people."""
    return {name.replace("_", " "): words(value) for name, value in values.items()}


def words(value: Any) -> str:
    """A setting as it is typed."""
    return " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def number(value: Any) -> str:
    """A metric for people; of several seeds, mean and standard deviation.

    Examples:
        >>> number(0.123456), number(123456), number({"mean": 54321.9, "sd": 123.4})
        ('0.1235', '123,456', '54,322 ± 123')
    """
    if isinstance(value, Mapping):
        sd = value["sd"]
        spread = "" if sd is None else f" ± {sd:,.0f}" if sd >= 100 else f" ± {sd:.2g}"
        return number(value["mean"]) + spread
    if isinstance(value, int | float) and 10_000 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return results.shown(value)
