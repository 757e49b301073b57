"""The result files: one CSV per machine, long format, one row per measured thing."""

import csv
import re
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swiftrnn import bench

RESULTS = Path(__file__).parent / "results"
NOT_TIMED = bench.Timing(0.0, 0.0, 1)


@dataclass(frozen=True)
class Row:
    """One measurement. Seconds are 0 where only bytes were measured."""

    date: str
    commit: str
    swiftrnn: str
    torch: str
    python: str
    cpu: str
    cores: int
    threads: int
    others: float  # cores that other processes took, before or after, whichever is more
    subject: str  # layer, kernel, product or copy
    provider: str
    mode: str
    B: int
    T: int
    H: int
    dtype: str
    median_s: float
    min_s: float
    repeats: int
    bytes: int  # compulsory ones of a kernel; at the peak in mode memory; else 0

    @property
    def cell(self) -> tuple[int, int, int, str]:
        """Where in the grid it stands: B, T, H, dtype."""
        return self.B, self.T, self.H, self.dtype


def default_path() -> Path:
    """The CSV of this machine, named after its processor and number of cores."""
    facts = bench.machine()
    name = re.sub(r"[^a-z0-9]+", "-", f"{facts['cpu']} {facts['cores']} cores".lower()).strip("-")
    return RESULTS / f"{name}.csv"


def read(path: Path) -> list[Row]:
    """All rows, oldest first; [] where there is no file yet."""
    if not path.exists():
        return []
    kinds = {f.name: f.type for f in fields(Row)}
    with path.open(newline="") as file:
        return [
            Row(**{name: kinds[name](text) for name, text in line.items()})  # pyright: ignore
            for line in csv.DictReader(file)
        ]


def append(path: Path, rows: list[Row]) -> None:
    """Add rows at the end, so that an interrupted grid keeps what it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def make(
    times: dict[tuple[str, str, str], bench.Timing],
    sizes: dict[tuple[str, str, str], int],
    cell: tuple[int, int, int, str],
    others: float,
) -> list[Row]:
    """Rows of one cell: `times` and `sizes` go by (subject, provider, mode)."""
    facts = bench.machine()
    known: dict[str, Any] = {f.name: facts[f.name] for f in fields(Row) if f.name in facts}
    known |= {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"), "others": round(others, 2)}
    known |= dict(zip(("B", "T", "H", "dtype"), cell, strict=True))
    rows = []
    for key in [*times, *(k for k in sizes if k not in times)]:
        timing, (subject, provider, mode) = times.get(key, NOT_TIMED), key
        row = Row(
            **known,
            subject=subject,
            provider=provider,
            mode=mode,
            median_s=float(f"{timing.median:.4g}"),
            min_s=float(f"{timing.minimum:.4g}"),
            repeats=timing.repeats,
            bytes=sizes.get(key, 0),
        )
        rows.append(replace(row, T=1) if mode == "stream" else row)
    return rows


def others() -> float:
    """Cores that other processes take now; 0 where the system does not tell."""
    return float(bench.load()["others"] or 0.0)  # pyright: ignore[reportArgumentType]
