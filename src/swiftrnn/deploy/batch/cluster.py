"""Batches answered by a Ray cluster: read here, answered by a pool of actors, gathered in order.

The files of the run travel with the work, so the machines need swiftrnn but no common disk. What an
actor had when it died is answered by another.
"""

import contextlib
import dataclasses
import logging
import os
import pickle
import socket
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from swiftrnn.deploy.batch.answers import Work
from swiftrnn.deploy.batch.pool import Done, settle
from swiftrnn.deploy.batch.rows import Source, batches
from swiftrnn.deploy.trained import Trained
from swiftrnn.runs import folder
from swiftrnn.runs.extras import needs_extra
from swiftrnn.runs.files import why

needs_extra("swiftrnn predict --ray", "ray", "ray", "pyarrow")
for name, value in (
    ("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"),  # else it warns that this will be so one day
    ("RAY_BACKEND_LOG_LEVEL", "fatal"),  # else each actor is an error on the terminal
    ("RAY_USAGE_STATS_ENABLED", "0"),
):
    os.environ.setdefault(name, value)

import pyarrow  # noqa: E402
import ray  # noqa: E402
from ray.data import DataContext, Datasource, ReadTask, read_datasource  # noqa: E402
from ray.data.block import BlockMetadata  # noqa: E402
from ray.exceptions import RayError, RayTaskError  # noqa: E402

HERE = "local"  # the address that starts a cluster
PATIENCE = 10  # seconds until a cluster answers


def answered(
    address: str, trained: Trained, work: Work, source: Source, first: int, options: Any
) -> Generator[Done, None, None]:
    """Answer the rows of a source from a number on, in their order.

    Args:
        address: of the cluster, which this machine is part of; `HERE` starts one.
        trained: what answers.
        work: what is to be done.
        source: the inputs, which this machine alone reads.
        first: the number of the first row.
        options: those of the command.

    Raises:
        ValueError: there is no such cluster, or it has nothing to compute with.
    """
    with _joined(address):
        actors, gpus = _resources(address, work.device, options.processes)
        context = DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.target_max_block_size = 1  # a batch is a block, so that every actor gets some
        inputs = _Batches(source, first, options.batch)
        shipped = ray.put(_shipped(trained, work))
        found = read_datasource(inputs, override_num_blocks=1, num_cpus=0).map_batches(
            _Actor, batch_size=1, batch_format="pyarrow", concurrency=actors, num_gpus=gpus,
            fn_constructor_args=([shipped],),
        )  # fmt: skip
        try:
            for each in found.iter_rows():
                yield Done(each["end"], each["lines"])
        except RayTaskError as error:  # of what reads, or a fault of ours with where it was
            raise error.cause if isinstance(error, OSError | ValueError) else error from None
        except RayError as error:
            said = str(error).strip().splitlines() or [type(error).__name__]
            raise ChildProcessError(
                f"swiftrnn predict --ray needs a cluster that lives; got {address}, where: "
                f"{said[0]} {said[-1]}; the same command goes on from there"
            ) from error


@contextlib.contextmanager
def _joined(address: str) -> Iterator[None]:
    """Connect to a cluster, unless this process is connected, and keep it quiet."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):  # what it says of machines that fail
        try:
            _reach(address)
            with _silent():
                ray.init(
                    address, log_to_driver=False, logging_level=logging.CRITICAL,
                    include_dashboard=False if address == HERE else None,
                )  # fmt: skip
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"swiftrnn predict --ray needs the address of a running cluster, or {HERE}; got "
                f"{address} ({why(error)})"
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _reach(address: str) -> None:
    """Refuse an address where nothing listens, which Ray would wait for without end.

    Raises:
        OSError: nothing listens there.
        ValueError: it is that of a client, which is no part of the cluster.
    """
    if "://" in address:
        raise ValueError("a client, which is no part of the cluster; run this on one of its nodes")
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), PATIENCE).close()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let nobody see that the level of logging was set, which is logged at every level."""
    try:
        before = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)


def _resources(address: str, device: str, asked: int) -> tuple[int, int]:
    """How many actors there are, and how many GPUs each has."""
    gpus = int(device.startswith("cuda"))
    there = int(ray.cluster_resources().get("GPU" if gpus else "CPU", 0))
    if not there:
        raise ValueError(
            f"swiftrnn predict --ray needs a cluster with {'GPUs' if gpus else 'CPUs'}; got "
            f"{address}, which has none; give another"
        )
    if asked > there:
        raise ValueError(
            f"swiftrnn predict --processes needs at most {there} with this cluster, one for each "
            f"{'GPU' if gpus else 'CPU'}; got {asked}"
        )
    return asked or there, gpus


class _Batches(Datasource):
    """Batches of a source, read one after the other where the command runs."""

    def __init__(self, source: Source, first: int, most: int) -> None:
        super().__init__()
        self.source, self.first, self.most = source, first, most
        source.path = source.path.absolute()  # what reads it works in another folder

    @property
    def supports_distributed_reads(self) -> bool:
        return False

    def estimate_inmemory_data_size(self) -> int:
        return self.source.size

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:  # noqa: ARG002
        return [ReadTask(self._blocks, BlockMetadata(None, self.source.size, None, None))]

    def _blocks(self) -> Iterator[pyarrow.Table]:
        for batch in batches(self.source, self.first, self.most):
            given = pickle.dumps(batch.given)
            yield pyarrow.table({"first": [batch.first], "given": [given], "end": [batch.end]})


@dataclasses.dataclass(frozen=True)
class _Shipped:
    """A run without its folder: the content of its files, and of its recipe's where that is own."""

    work: Work
    made: dict[str, bytes]
    recipe: Path | None
    code: dict[str, bytes]


def _shipped(trained: Trained, work: Work) -> _Shipped:
    run, code = trained.folder, trained.recipe.code
    names = [name for name in (folder.CONFIG, folder.VOCABULARY, folder.WEIGHTS)
             if (run / name).exists()]  # fmt: skip
    made = {name: (run / name).read_bytes() for name in names}
    if code is None:
        return _Shipped(work, made, None, {})
    files = [f for f in code.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    read = {f.relative_to(code).as_posix(): f.read_bytes() for f in files}
    return _Shipped(work, made, code, read)


class _Actor:
    """Answers batches; reads the model once."""

    def __init__(self, given: list["ray.ObjectRef[_Shipped]"]) -> None:
        import torch

        torch.set_num_threads(1)
        shipped = ray.get(given[0])
        self.folder = tempfile.TemporaryDirectory()
        place, recipe = Path(self.folder.name), None
        os.environ["XDG_STATE_HOME"] = str(place)  # what is trusted here is trusted nowhere else
        _unpack(shipped.made, place / "run")
        if shipped.recipe:
            recipe, beside = place / shipped.recipe.name, str(shipped.recipe.parent)
            _unpack(shipped.code, recipe)
            sys.path[:] = [each for each in sys.path if each != beside]  # that of the command
        work = dataclasses.replace(shipped.work, run=place / "run", recipe=recipe and str(recipe))
        self.answering = work.begin()
        settle()

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        (row,) = batch.to_pylist()
        lines = self.answering(row["first"], pickle.loads(row["given"]))
        return pyarrow.table({"end": [row["end"]], "lines": [lines]})


def _unpack(files: dict[str, bytes], place: Path) -> None:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
