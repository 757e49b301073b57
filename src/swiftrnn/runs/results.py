"""What a training measured: numbers, what else is kept of it, and what shows it."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from swiftrnn.runs import folder


@dataclass(frozen=True)
class Result:
    """What a recipe's `run` returns.

    Attributes:
        metrics: numbers, measured on unseen data; claims are computed from them.
        details: what else metrics.json keeps, such as what was read. The report draws `history`,
            the rows of the training, and `rivals`, those of other layers by name.
        picture: the file of the run folder that shows the claims, and goes into the documentation;
            "" where there is none.
        sections: what the report shows beside these: tables, plots and texts of `swiftrnn.report`.
    """

    metrics: Mapping[str, float]
    details: Mapping[str, Any] = field(default_factory=dict)
    picture: str = ""
    sections: Sequence[Any] = ()

    def write(self, out: Path) -> None:
        """Write metrics.json."""
        shown = {"picture": self.picture} if self.picture else {}
        folder.end(out, {**self.metrics, **self.details, **shown})


def read(out: Path) -> dict[str, float]:
    """The numbers of a finished run.

    Raises:
        FileNotFoundError, ValueError: as `files.read_json`.
    """
    return numbers(folder.read_json(out / folder.METRICS))


def numbers(content: Mapping[str, Any]) -> dict[str, float]:
    """Those values of metrics.json that are numbers."""
    return {k: v for k, v in content.items() if type(v) in (int, float)}


def spread(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and sample standard deviation of every number that all of at least two results have.

    Examples:
        >>> spread([{"loss": 1.0}, {"loss": 3.0}])["loss"]["mean"]
        2.0
    """
    found = {}
    for key in numbers(results[0]):
        if all(key in result for result in results):
            values = [result[key] for result in results]
            mean, sd = statistics.fmean(values), statistics.stdev(values)
            found[key] = {"mean": mean, "sd": sd if math.isfinite(sd) else None, "values": values}
    return found


def shown(value: Any) -> str:
    """A metric in a line: of several seeds, mean and standard deviation.

    Examples:
        >>> shown(0.123456), shown({"mean": 2.0, "sd": 0.5})
        ('0.1235', '2 ± 0.5')
    """
    if isinstance(value, Mapping):
        spread = "" if value["sd"] is None else f" ± {value['sd']:.2g}"
        return f"{value['mean']:.4g}{spread}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
