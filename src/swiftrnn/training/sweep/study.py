"""A study in a database: one trial for each point of a grid, and the only ways to change it."""

import contextlib
import itertools
import json
import os
import random
import re
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from swiftrnn.runs import folder
from swiftrnn.runs.progress import Progress
from swiftrnn.training.sweep import records
from swiftrnn.training.sweep.liveness import Watch, beating, started, where

Axes = Mapping[str, Sequence[Any]]
Result = TypeVar("Result")

GRACE = 90.0  # seconds without a sign of life until a worker on another machine counts as dead
PATIENCE = 60.0  # seconds to wait for a database that is busy or restarts
TURN = 5.0  # seconds of making trials until others get the lock


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
        self.name, self.maximize, self.watch = name, maximize, Watch(grace)
        self.worker, self.others = uuid.uuid4().hex, 0
        self.passing = (  # while a database is busy, restarts, or gets its tables from another
            *(sql.OperationalError, sql.IntegrityError, sql.ProgrammingError),
            *(sqlite3.OperationalError, optuna.exceptions.StorageInternalError),
        )
        self.broken = (sql.DatabaseError, sqlite3.DatabaseError, json.JSONDecodeError)
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
            pid, key = os.getpid(), self._key(free[0])
            owner = {"worker": self.worker, "where": where(), "pid": pid, "started": started(pid)}
            self.storage.set_trial_user_attr(key, "owner", owner)  # first: none runs without owner
            self.storage.set_trial_state_values(key, self.states.RUNNING)
            return free[0]

        return self._alone(take)

    def _abandoned(self, trial: Any) -> bool:
        """Whether a running trial's worker is dead."""
        owner = trial.user_attrs.get("owner", {})
        if owner.get("worker") == self.worker:  # an answer of the database that was lost
            return True
        return self.watch.dead(trial.number, owner, trial.user_attrs.get("beat"))

    def living(self, trial: Any) -> Any:
        """Give signs of life for a trial, while the work inside goes on."""

        def sign(count: int) -> None:
            if self._mine(trial):
                self.storage.set_trial_user_attr(self._key(trial), "beat", count)

        return beating(sign, self.storage.remove_session, self.watch.grace / 9)

    def _key(self, trial: Any) -> int:
        """How the database counts a trial."""
        return self.storage.get_trial_id_from_study_id_trial_number(self.id, trial.number)

    def _mine(self, trial: Any) -> bool:
        now = self.storage.get_trial(self._key(trial))
        owner = now.user_attrs.get("owner", {})
        return now.state.name == "RUNNING" and owner.get("worker") == self.worker

    def end(self, trial: Any, state: str, values: list[float] | None = None, **found: Any) -> None:
        """Record what came of a trial, unless others took it over: then theirs counts."""

        def record() -> None:
            if self._mine(trial):
                for key, value in found.items():
                    self.storage.set_trial_user_attr(self._key(trial), key, value)
                self.storage.set_trial_state_values(self._key(trial), self.states[state], values)

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


def opened(storage: str | Path, name: str, maximize: bool) -> Study:
    """A study to work on, made where there is none.

    Raises:
        ValueError: the database is of another version of Optuna.
    """
    try:
        return Study(storage, name, maximize)
    except RuntimeError as error:  # what Optuna says of tables that another version made
        raise ValueError(
            f"a sweep needs a database of this Optuna; got one of another ({error}); "
            "upgrade it, or name a new one"
        ) from error


def checked_url(storage: str | None) -> str | None:
    """The URL without its password, if it can be that of a database.

    Raises:
        ValueError: it cannot, its driver is missing, or its folder.
    """
    if storage is None:
        return None
    import sqlalchemy.exc

    shown = re.sub(r"//.*@", "//***@", storage)
    try:
        url = sqlalchemy.make_url(storage)
        url.get_dialect().import_dbapi()
    except sqlalchemy.exc.ArgumentError:
        raise ValueError(
            f"--storage needs the URL of a database; got {shown}; write it like "
            "sqlite:///study.db or postgresql+psycopg://user@host/base"
        ) from None
    except ImportError as error:
        raise ValueError(
            f"--storage needs the driver of its database; got {shown}, and {error.name} is "
            "missing; install it, or name another, as in postgresql+psycopg"
        ) from None
    file = url.database if url.get_backend_name() == "sqlite" else "/"
    if file in (None, "", ":memory:") or not Path(file).parent.is_dir():
        raise ValueError(
            f"--storage needs a file in a folder that is there; got {shown}; make the folder, "
            "or leave --storage out"
        )
    return url.render_as_string()
