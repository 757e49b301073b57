"""A batch of inputs to lines of JSON with the answers, or with what was wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftrnn.deploy import predict
from swiftrnn.deploy.batch.rows import Unreadable, clean
from swiftrnn.deploy.trained import load
from swiftrnn.tasks import Task

ROW, ERROR, LINE = "row", "error", "line"
Line = dict[str, Any]


def names(task: Task[Any, Any]) -> dict[str, str]:
    """What each row gets beside its columns, and its type as `rows.Source.fields` has them."""
    values = (task.gives, *task.shows)
    return {v.name: str(v.schema().get("type")) for v in values} | {ERROR: "string"}


@dataclass(frozen=True)
class Work:
    """What is to be done with inputs, in this process or another.

    Attributes:
        run: the run folder.
        device: where the model works.
        recipe: the folder of the recipe's code, where that is no part of swiftrnn.
        options: of the task, by name.
        form: one of the task's forms, for answers in a line each; None for JSON.
    """

    run: Path
    device: str
    recipe: str | None
    options: Mapping[str, Any]
    form: str | None = None

    def begin(self) -> "Answering":
        """Read the model."""
        trained = load(self.run, self.device, self.recipe)
        options = trained.task.options(**self.options)
        return Answering(trained.task, trained.model, options, self.form)


class Answering:
    """A task at work.

    Args:
        task: what it is.
        model: that answers.
        options: of the task.
        form: as of `Work`.
    """

    def __init__(self, task: Task[Any, Any], model: Any, options: Any, form: str | None) -> None:
        self.task, self.model, self.options, self.form = task, model, options, form
        self.nothing: Line = {LINE: None} if form else dict.fromkeys([*names(task)][:-1])

    def __call__(self, first: int, given: Sequence[Any]) -> bytes:
        r"""Answer a batch.

        Args:
            first: the number of its first row.
            given: what the task reads, or `Unreadable`.

        Returns:
            A line of JSON for each, with its number: its answers by name, and why there are none.
        """
        values = [self._read(each) for each in given]
        outputs = iter(self._outputs([v for v in values if not isinstance(v, Unreadable)]))
        found = (v if isinstance(v, Unreadable) else next(outputs) for v in values)
        return b"".join(self._line(number, each) for number, each in enumerate(found, first))

    def _read(self, given: Any) -> Any:
        if isinstance(given, Unreadable):
            return given
        try:
            return self.task.takes.read(given)
        except ValueError as error:
            return _why(error)

    def _outputs(self, values: Sequence[Any]) -> list[Any]:
        """Answers; where a batch has none, those of its halves, down to the input that has none."""
        if not values:
            return []
        try:
            return [*self.task.answers(self.model, values, self.options)]
        except ValueError as error:
            if len(values) == 1:
                return [_why(error)]
        half = len(values) // 2
        return self._outputs(values[:half]) + self._outputs(values[half:])

    def _line(self, number: int, outputs: Any) -> bytes:
        wrong = outputs if isinstance(outputs, Unreadable) else None
        if wrong is None:
            try:
                return self._json({ROW: number} | self._written(outputs) | {ERROR: None})
            except ValueError as error:  # a number that is none has no form in JSON
                wrong = _why(error)
        return self._json({ROW: number} | self.nothing | {ERROR: wrong.why})

    def _written(self, outputs: tuple[Any, ...]) -> Line:
        if self.form is None:
            return self.nothing | self.task.json(outputs)
        return {LINE: predict.written(self.task, {}, outputs, self.form).removesuffix("\n")}

    def _json(self, line: Line) -> bytes:
        return clean(predict.json_line(line)).encode()


def _why(error: ValueError) -> Unreadable:
    return Unreadable(" ".join(str(error).split()) or type(error).__name__)
