"""What goes into a trained system and what comes out of it: values, and tasks made of two of them.

A recipe that can be used declares one `Task`. Predicting, files of many inputs, the server with its
page, and export are written once for all tasks, from the values alone: a `Value` knows how it is
read, written, shown and described.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from swiftrnn.runs import limits

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")


class Value(Protocol[T]):
    """A kind of input or output."""

    @property
    def name(self) -> str:
        """What it is called in JSON, in the columns of tables and on the page: "text"."""
        ...

    @property
    def widget(self) -> str | Path:
        """What shows it on the page: a script of `deploy/page/` by name, or the path of yours."""
        ...

    @property
    def forms(self) -> tuple[str, ...]:
        """How `predict --format` may write it, the usual form first; `jsonl` is always there."""
        ...

    def schema(self) -> dict[str, Any]:
        """A JSON Schema of it, for the API."""
        ...

    def read(self, raw: Any) -> T:
        """The value, from words of a command line, a file's content, or JSON.

        Raises:
            ValueError: it is of the wrong kind or too large; the message says what it should be.
        """
        ...

    def write(self, value: T, form: str) -> Any:
        """The value in a form: for "json" what `json.dumps` takes, else text to be printed."""
        ...

    def size(self, value: T) -> float:
        """How large it is, in units that grow with the work: characters, pixels, hours."""
        ...


@runtime_checkable
class OfFiles(Protocol):
    """A value that lies in files of its own: on the command line it is given by their paths.

    Its `read` takes a `pathlib.Path`, or a list of as many as there are files, beside what it takes
    from JSON.
    """

    @property
    def media(self) -> str:
        """Kinds of files, as the attribute `accept` of HTML has them: "image/png,image/jpeg"."""
        ...

    @property
    def files(self) -> int:
        """How many files one value lies in."""
        ...


@dataclass(frozen=True)
class NoOptions(limits.Checked):
    """A task without options."""


class Scored(NamedTuple):
    """How well a model did on a file.

    Attributes:
        read: what the file held, in a line.
        metrics: numbers under their names.
        predictions: the right answers beside those of the model, as a file has them; "" for none.
    """

    read: str
    metrics: dict[str, float]
    predictions: str = ""


@dataclass(frozen=True)
class Scoring:
    """How a model is measured on files that hold the right answers, for `swiftrnn evaluate`.

    Attributes:
        score: the model, a file and the options, to what was found. Raises a ValueError for a file
            that does not fit.
        options: where in a file things are; a frozen dataclass derived from `limits.Checked`.
        ending: of a file of predictions, such as ".csv"; "" where there are none.
    """

    score: Callable[[Any, Path, Any], Scored]
    options: type = NoOptions
    ending: str = ""


@dataclass(frozen=True)
class Task(Generic[In, Out]):
    """What a trained system does.

    Attributes:
        takes: its input.
        gives: its output.
        answer: the model, a batch of inputs and the options, to as many outputs. Where `shows` is
            given, each output is a tuple: the output, then a value for each of `shows`, or None
            where it was not asked for.
        options: flags of the command line, fields of the API, controls of the page; a frozen
            dataclass derived from `limits.Checked`.
        graph: the model to a module and examples of its inputs, for `export`; see
            `deploy.export.to_onnx`.
        stream: the model, one input and the options, to pieces of the output in JSON, which
            together make it.
        shows: values beside the output: alternatives, attention.
        work: an input and the options, to how much work an answer is, in the units of the input's
            size; that size unless given.
        verb: what the button of the page says.
        scoring: how the model is measured on files; None where it is not.

    Examples:
        >>> from swiftrnn.tasks.text import Text
        >>> shout = Task(Text(), Text(), lambda model, texts, options: [t.upper() for t in texts])
        >>> shout.answers(None, ["hear!"], shout.options())
        [('HEAR!',)]
    """

    takes: Value[In]
    gives: Value[Out]
    answer: Callable[[Any, Sequence[In], Any], Sequence[Any]]
    options: type = NoOptions
    graph: Callable[[Any], tuple[Any, Sequence[tuple[Any, ...]]]] | None = None
    stream: Callable[[Any, In, Any], Iterator[Any]] | None = None
    shows: tuple[Value[Any], ...] = ()
    work: Callable[[In, Any], float] | None = None
    verb: str = "Answer"
    scoring: Scoring | None = None

    def answers(self, model: Any, inputs: Sequence[In], options: Any) -> list[tuple[Any, ...]]:
        """The outputs of a batch, each a tuple with a value for `gives` and for each of `shows`."""
        found = self.answer(model, inputs, options)
        if len(found) != len(inputs):
            raise RuntimeError(f"a task gave {len(found)} answers to {len(inputs)} inputs")
        return [tuple(each) if self.shows else (each,) for each in found]

    def json(self, outputs: tuple[Any, ...]) -> dict[str, Any]:
        """An answer as JSON has it: each value under its name."""
        values = (self.gives, *self.shows)
        both = zip(values, outputs, strict=True)
        return {v.name: v.write(each, "json") for v, each in both if each is not None}

    def cost(self, value: In, options: Any) -> float:
        """How much work an answer is."""
        return self.work(value, options) if self.work else self.takes.size(value)

    @property
    def forms(self) -> tuple[str, ...]:
        """What `predict --format` may be."""
        return (*self.gives.forms, "jsonl")
