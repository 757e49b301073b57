"""Grid sweeps: every point of a grid runs once, whoever is killed meanwhile.

A study in a database of Optuna has one trial for each point, numbered as the grid counts. Workers
on any number of machines take waiting trials; a trial whose worker died waits again, under its
number, so that it goes on in its folder. All that changes a study happens under a lock of the
database, which ends with the process that holds it. Optuna alone reads the state of a trial and
writes it in two steps: on SQLite, 8 of 60 trials went to more than one of four processes.
"""

import contextlib
import gc
import itertools
import json
import math
import multiprocessing
import os
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swiftrnn.training import folder, records
from swiftrnn.training.processes import started, where
from swiftrnn.training.progress import Progress

Axes = Mapping[str, Sequence[Any]]
Point = dict[str, Any]
Result = TypeVar("Result")
Objective = Callable[[Point, Path], Mapping[str, float]]
"""Takes a point and a folder of its own, which may hold what a killed worker left; gives metrics.
ValueError and ArithmeticError mean that it diverged; any other error ends the worker."""

GRACE = 90.0  # seconds without a sign of life until a worker on another machine counts as dead
PATIENCE = 60.0  # seconds to wait for a database that is busy or restarts
POLL = 0.5  # seconds between two looks at a study of which all is taken
TURN = 5.0  # seconds of making trials until others get the lock


def work(
    objective: Objective,
    axes: Axes,
    storage: str | Path,
    name: str,
    *,
    out: Path,
    metric: str | None,
    maximize: bool = False,
    seeds: Sequence[int] = (),
    about: Mapping[str, Any] | None = None,
    grace: float = GRACE,
    progress: bool = True,
) -> list[tuple[Point, dict[str, float]]]:
    """Work on a sweep until nothing is left of it, beside all others that do.

    Start it again, anywhere, to go on after a kill, or to help: what is done is not done again.

    Args:
        objective: measures a point; see `Objective`.
        axes: the values of each name: numbers, words, None; a Path becomes text.
        storage: a file of SQLite, or the URL of a database.
        name: of the study; those who give the same work together.
        out: where trials have their folders, `trial-<number>`.
        metric: the one to compare by.
        maximize: whether more of it is better.
        seeds: one more axis, `seed`.
        about: what else those who work together must have in common, ready for JSON.
        grace: seconds without a sign of life until a worker on another machine counts as dead.
        progress: whether to draw the progress line.

    Returns:
        What `finished` does.

    Raises:
        ValueError: the study began with something else, or trials do not give the metric.
        OSError: the database does not answer.
        ModuleNotFoundError: Optuna is missing.

    Example:
        >>> import tempfile
        >>> def square(point, out):
        ...     return {"loss": point["x"] ** 2}
        >>> with tempfile.TemporaryDirectory() as made:
        ...     there = {"out": Path(made), "storage": Path(made) / "study.db"}
        ...     work(square, {"x": [-1, 3]}, name="a", metric="loss", progress=False, **there)
        [({'x': -1}, {'loss': 1}), ({'x': 3}, {'loss': 9})]
    """
    bar, parent = Progress("sweep", shown=progress), multiprocessing.parent_process()
    with contextlib.closing(Study(storage, name, maximize, grace)) as study:
        study.begin({**axes, "seed": [*seeds]} if seeds else axes, metric, about or {})
        gc.freeze()  # what is there now is not searched again after every trial
        try:
            while parent is None or parent.is_alive():
                study.draw(bar)
                if trial := study.claim():
                    _try(study, trial, objective, Path(out) / f"trial-{trial.number}", metric)
                elif study.others:
                    time.sleep(POLL)
                else:
                    break
        finally:
            gc.unfreeze()
            bar.close()
            study.leave()
    return finished(storage, name)


def _try(study: "Study", trial: Any, objective: Objective, out: Path, metric: str | None) -> None:
    try:
        with study.living(trial):
            out.mkdir(parents=True, exist_ok=True)
            found = objective(dict(trial.params), out)
    except (ValueError, ArithmeticError) as error:
        study.end(trial, "FAIL", error=" ".join(f"{type(error).__name__}: {error}".split())[:1000])
        return
    gc.collect()  # a training leaves its data in a cycle of objects: hundreds of them fill memory
    if (value := found.get(metric or "")) is None:  # the trial waits again, as `work` leaves
        raise ValueError(
            f"a sweep needs one of the metrics {', '.join(sorted(found))} to compare by; "
            f"got {metric or 'none'}; name it, on the command line by --metric"
        )
    if math.isfinite(value):
        check = records.checksum(dict(trial.params), found)
        study.end(trial, "COMPLETE", [float(value)], metrics=dict(found), checksum=check)
    else:
        study.end(trial, "FAIL", metrics=dict(found), error=f"{metric} is {value}")


def finished(storage: str | Path, name: str) -> list[tuple[Point, dict[str, float]]]:
    """Read the points of a study that were measured, and their metrics, in the grid's order.

    Raises:
        ValueError, OSError, ModuleNotFoundError: as `Study` does.
    """
    with contextlib.closing(Study(storage, name)) as study:
        base, done = study.file or study.url, study.trials("COMPLETE")
        return [(each.params, records.metrics(each, base)) for each in done]


def failed(storage: str | Path, name: str) -> list[tuple[Point, str]]:
    """Read the points of a study that could not be measured, and why, in the grid's order.

    Raises:
        ValueError, OSError, ModuleNotFoundError: as `Study` does.
    """
    with contextlib.closing(Study(storage, name)) as study:
        return [(t.params, t.user_attrs.get("error", "")) for t in study.trials("FAIL")]


class Study:
    """A study, and the only ways to change it: each is a step under its lock.

    Args:
        storage: a file of SQLite, or the URL of a database.
        name: of the study.
        maximize: makes the study where there is none; None only reads.
        grace: see `work`.

    Raises:
        ValueError: there is no such study.
        OSError: the database does not answer.
        ModuleNotFoundError: Optuna is missing.
    """

    def __init__(
        self, storage: str | Path, name: str, maximize: bool | None = None, grace: float = GRACE
    ) -> None:
        folder.needs_extra("a sweep", "sweep", "optuna")
        import optuna
        import sqlalchemy.exc

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.states = optuna, optuna.trial.TrialState
        self.sql, sql = sqlalchemy, sqlalchemy.exc
        self.name, self.maximize, self.grace = name, maximize, grace
        self.worker, self.others = uuid.uuid4().hex, 0
        self.passing = (  # while a database is busy, restarts, or gets its tables from another
            *(sql.OperationalError, sql.IntegrityError, sql.ProgrammingError),
            *(sqlite3.OperationalError, optuna.exceptions.StorageInternalError),
        )
        self.broken = (sql.DatabaseError, sqlite3.DatabaseError, json.JSONDecodeError)
        self._heard: dict[int, tuple[Any, float]] = {}  # trial -> its sign of life, since when
        self._began: tuple[float, int] | None = None  # when, and with how many trials done
        if "://" not in str(storage):
            self.url = sqlalchemy.URL.create("sqlite", database=str(Path(storage).absolute()))
        else:
            self.url = sqlalchemy.make_url(str(storage))
        small = self.url.get_backend_name() == "sqlite"
        self.file = Path(self.url.database or "") if small else None
        if self.file:
            records.check_file(self.file)
        self.storage = self._patiently(self._opened, PATIENCE / 12)
        self.id = self._patiently(self._found, PATIENCE / 12)

    def close(self) -> None:
        """End all connections."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _opened(self) -> Any:
        if self.file and self.maximize is None and not self.file.exists():
            raise ValueError(f"a sweep needs its database; got no {self.file}; name another")
        url = self.url.render_as_string(False).replace("{", "{{").replace("}", "}}")  # filled in
        how = {"connect_args": {"timeout": PATIENCE}} if self.file else {}
        return self.optuna.storages.RDBStorage(url, engine_kwargs=how)

    def _found(self) -> int:
        if self.maximize is not None:
            way = self.optuna.study.StudyDirection(1 + self.maximize)
            with contextlib.suppress(self.optuna.exceptions.DuplicatedStudyError):
                return self.storage.create_new_study([way], self.name)
        try:
            return self.storage.get_study_id_from_name(self.name)
        except KeyError:
            raise ValueError(
                f"a sweep needs a study; got no {self.name!r} in {self.url!r}; name another"
            ) from None

    def _patiently(self, step: Callable[[], Result], patience: float = PATIENCE) -> Result:
        """Steps can be done twice: a broken connection hides whether one was done."""
        until = time.monotonic() + patience
        while True:
            try:
                return step()
            except (*self.passing, *self.broken) as error:
                if time.monotonic() > until or not isinstance(error, self.passing):
                    why = " ".join(str(error.__cause__ or error).split())
                    raise OSError(
                        f"a sweep needs its database; got no answer from {self.url!r} ({why}); "
                        "what is done is kept, so start again when it answers"
                    ) from error
                time.sleep(random.uniform(0.1, 0.5))

    def _alone(self, step: Callable[[], Result]) -> Result:
        """Do a step while nobody else does one."""
        return self._patiently(self._lock()(step))  # as a decorator: locks at each call

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        if self.file:
            file = sqlite3.connect(f"{self.file}.lock", PATIENCE, isolation_level=None)
            with contextlib.closing(file):
                file.execute("BEGIN EXCLUSIVE")
                yield
            return
        # a row that Optuna only reads, so that its own transactions go on meanwhile
        row = "SELECT objective FROM study_directions WHERE study_id = :id FOR UPDATE"
        with self.storage.engine.begin() as held:
            if held.dialect.name == "postgresql":  # lets go where a machine vanishes
                held.execute(self.sql.text("SET LOCAL idle_in_transaction_session_timeout = 60000"))
            held.execute(self.sql.text(row), {"id": self.id})
            yield

    def trials(self, *states: str) -> list[Any]:
        """The trials in these states, or all, in the grid's order."""
        wanted = tuple(self.states[state] for state in states) or None
        return self._patiently(lambda: self.storage.get_all_trials(self.id, False, wanted))

    def begin(self, axes: Axes, metric: str | None, about: Mapping[str, Any]) -> None:
        """Make a trial of every point that has none; a killed worker may have left some out.

        Raises:
            ValueError: the study began with something else.
        """
        plan = {**about, "axes": axes, "metric": metric, "maximize": self.maximize}
        plan = json.loads(json.dumps(plan, default=os.fspath))
        kind = self.optuna.distributions.CategoricalDistribution
        kinds = {key: kind(values) for key, values in plan["axes"].items()}
        points = dict.fromkeys(itertools.product(*plan["axes"].values()))

        def make() -> bool:
            there = {tuple(trial.params[key] for key in kinds) for trial in self.trials()}
            until = time.monotonic() + TURN
            for point in points:
                if point not in there and time.monotonic() < until:
                    trial = self.optuna.trial.create_trial(
                        state=self.states.WAITING,
                        params=dict(zip(kinds, point, strict=True)),
                        distributions=kinds,
                    )
                    self.storage.create_new_trial(self.id, trial)
            return time.monotonic() < until

        self._alone(lambda: self._agree(plan))
        while not self._alone(make):
            pass

    def _agree(self, plan: dict[str, Any]) -> None:
        saved = self.storage.get_study_user_attrs(self.id).get("plan", plan)
        for key, value in plan.items():
            began = saved.get(key)
            if began != value and (key, began) != ("metric", None):
                raise ValueError(
                    f"the study {self.name} needs the {key} it began with, {began}; got {value}; "
                    "give that, or another name"
                )
        self.storage.set_study_user_attr(self.id, "plan", plan)

    def claim(self) -> Any:
        """Take the next trial that waits, or whose worker died; None where others have all."""

        def take() -> Any:
            left = self.trials("WAITING", "RUNNING")
            free = [t for t in left if t.state.name == "WAITING" or self._abandoned(t)]
            self.others = len(left) - len(free)
            if not free:
                return None
            pid, key = os.getpid(), free[0]._trial_id
            owner = {"worker": self.worker, "where": where(), "pid": pid, "started": started(pid)}
            self.storage.set_trial_user_attr(key, "owner", owner)  # first: none runs without owner
            self.storage.set_trial_state_values(key, self.states.RUNNING)
            return free[0]

        return self._alone(take)

    def _abandoned(self, trial: Any) -> bool:
        """Whether the worker is dead; one on this machine that only sleeps is not."""
        owner = trial.user_attrs.get("owner", {})
        if owner.get("worker") == self.worker:  # an answer of the database that was lost
            return True
        if owner.get("where") and owner["where"] == where():
            return started(owner["pid"]) != owner["started"]
        sign, now = (owner, trial.user_attrs.get("beat")), time.monotonic()
        if self._heard.get(trial.number, (None,))[0] != sign:
            self._heard[trial.number] = sign, now
        return now - self._heard[trial.number][1] > self.grace

    @contextlib.contextmanager
    def living(self, trial: Any) -> Iterator[None]:
        """Give signs of life for a trial, which others watch change: clocks are not compared."""
        stop = threading.Event()

        def beat() -> None:
            for count in itertools.count():
                if stop.wait(self.grace / 9):
                    break
                with contextlib.suppress(Exception):  # whatever it is, the next may get through
                    if self._mine(trial):
                        self.storage.set_trial_user_attr(trial._trial_id, "beat", count)
            self.storage.remove_session()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _mine(self, trial: Any) -> bool:
        now = self.storage.get_trial(trial._trial_id)
        owner = now.user_attrs.get("owner", {})
        return now.state.name == "RUNNING" and owner.get("worker") == self.worker

    def end(self, trial: Any, state: str, values: list[float] | None = None, **found: Any) -> None:
        """Record what came of a trial, unless others took it over: then theirs counts."""

        def record() -> None:
            if self._mine(trial):
                for key, value in found.items():
                    self.storage.set_trial_user_attr(trial._trial_id, key, value)
                self.storage.set_trial_state_values(trial._trial_id, self.states[state], values)

        self._alone(record)

    def leave(self) -> None:
        """Let others have what this worker has not ended."""
        for trial in self.trials("RUNNING"):
            self.end(trial, "WAITING")

    def draw(self, bar: Progress) -> None:
        """Draw how much is done, and how long the rest will take."""
        query = "SELECT state, COUNT(*) FROM trials WHERE study_id = :id GROUP BY state"
        with contextlib.suppress(*self.passing), self.storage.engine.connect() as connection:
            rows = connection.execute(self.sql.text(query), {"id": self.id}).all()
            count, now = {state: number for state, number in rows}, time.monotonic()  # noqa: C416
            failed, total = count.get("FAIL", 0), sum(count.values())
            done = failed + count.get("COMPLETE", 0)
            since, before = self._began = self._began or (now, done)
            left = (now - since) / (done - before) * (total - done) if done > before else None
            if bar.due(done / total):
                facts = f"{done} of {total} done" + f", {failed} failed" * (failed > 0)
                bar.draw(done / total, left, facts)
