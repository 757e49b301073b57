"""The result files: one CSV per machine, one row per measured thing; and looking things up."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swiftrnn import bench
from swiftrnn.bench import OWN, PRODUCTS

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
    subject: str  # layer, kernel, product, or stack: of layers, in grid.py
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
    layers: int = 1  # of a stack
    directions: int = 1

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


def caption(found: Sequence[Row]) -> str:
    """Where and when rows were measured, and how busy it was."""
    last, most = max(found, key=lambda r: r.date), max(r.others for r in found)
    commits = ", ".join(sorted({r.commit for r in found if r.commit}))
    busy = " **(busy: the times are too high)**" if most >= 0.15 else ""
    beside = f"other processes took at most {most:.2f} cores{busy}"
    if any(math.isnan(r.others) for r in found):
        beside = "other processes were not looked at"
    return (
        f"{last.cpu}, {last.cores} cores, {last.threads} threads, torch {last.torch}, "
        f"swiftrnn {last.swiftrnn} ({commits or 'no commit'}), {last.date[:10]}; "
        f"{beside}."
    )


class Results:
    """The newest row of every measurement on one machine with one number of threads."""

    def __init__(self, all_rows: list[Row]) -> None:
        here = [r for r in all_rows if r.subject != "stack"]
        self.by_key = {(r.subject, r.provider, r.mode, *r.cell): r for r in here}
        self.stacks = {  # by cell of `grid.py`, provider and mode
            (r.B, r.T, r.H, r.layers, r.directions, r.provider, r.mode): r
            for r in all_rows
            if r.subject == "stack"
        }

    def get(
        self, subject: str, provider: str, mode: str, cell: tuple[int, int, int], dtype: str
    ) -> Row | None:
        """The row, or None where it was not measured."""
        B, T, H = cell
        return self.by_key.get((subject, provider, mode, B, 1 if mode == "stream" else T, H, dtype))

    def seconds(
        self, provider: str, mode: str, cell: tuple[int, int, int], dtype: str = "float32"
    ) -> float | None:
        """Median seconds of a layer."""
        row = self.get("layer", provider, mode, cell, dtype)
        return row.median_s if row else None

    def product(
        self,
        layer: str,
        name: str,
        cell: tuple[int, int, int],
        dtype: str = "float32",
        own: bool = False,
    ) -> Row | None:
        """The fastest library for one bare product of a layer, or our own kernel."""
        found = [
            r
            for r in self.by_key.values()
            if r.subject == "product"
            and r.provider.startswith(f"{layer} ")
            and (r.provider == f"{layer} {OWN}") == own
            and r.mode == name
            and r.cell == (*cell, dtype)
        ]
        return min(found, key=lambda r: r.median_s, default=None)

    def floor(self, layer: str, mode: str, cell: tuple[int, int, int], dtype: str) -> float | None:
        """Seconds of the bare products inside `mode`."""
        names = PRODUCTS if mode == "step" else PRODUCTS[:1]
        found = [self.product(layer, name, cell, dtype) for name in names]
        return sum(r.median_s for r in found if r) if all(found) else None

    def copy_share(self, row: Row) -> float | None:
        """A kernel's bytes per second, over those of a plain copy in the same rounds."""
        copy = self.get("kernel", row.provider, "copy", (row.B, row.T, row.H), row.dtype)
        return row.bytes / row.median_s / (copy.bytes / copy.median_s) if copy else None

    def cells(self, dtype: str = "float32") -> list[tuple[int, int, int]]:
        """Where layers were measured: H, then B, then T upwards."""
        found = {
            r.cell[:3]
            for r in self.by_key.values()
            if r.subject == "layer" and r.mode == "step" and r.dtype == dtype
        }
        return sorted(found, key=lambda c: (c[2], c[0], c[1]))
