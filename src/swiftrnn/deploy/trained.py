"""Reading what was trained: a run folder becomes a model, and nothing in the folder can run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swiftrnn import recipes
from swiftrnn.recipes import Found
from swiftrnn.runs import folder, settings
from swiftrnn.tasks import Task
from swiftrnn.training import weights


@dataclass(frozen=True)
class Trained:
    """A model that was read back, and what it can do.

    Attributes:
        folder: the run folder.
        recipe: what trained it.
        config: its settings.
        model: ready for use.
        task: what goes in and comes out.

    Examples:
        >>> import swiftrnn
        >>> trained = swiftrnn.load("runs/names")  # doctest: +SKIP
        >>> trained.answer(["In Paris , Mary slept ."])  # doctest: +SKIP
    """

    folder: Path
    recipe: Found
    config: Any
    model: Any
    task: Task[Any, Any]

    def answer(self, inputs: Sequence[Any], **options: Any) -> list[Any]:
        """What the task gives for each input.

        Args:
            inputs: as the task takes them: texts, for one.
            options: of the task, such as `n_best=3`.

        Returns:
            For each input the output; where the task shows more beside it, a tuple of all.

        Raises:
            TypeError: inputs are a single text, or there is no such option.
            ValueError: an input or an option does not fit.
        """
        if isinstance(inputs, str | bytes):
            raise TypeError("answer needs a list of inputs; got one text; write [text]")
        read = [self.task.takes.read(each) for each in inputs]
        found = self.task.answers(self.model, read, self.task.options(**options))
        return found if self.task.shows else [each for (each,) in found]


def load(run: str | Path, device: str = "cpu", recipe: str | None = None) -> Trained:
    """Read a run folder; of a comparison, its best layer.

    Args:
        run: a run folder, or the folder of one layer in that of a comparison.
        device: where the model is to work, as torch names it.
        recipe: ./FOLDER of the recipe that trained it, if its code was moved or never ran here.

    Raises:
        FileNotFoundError: there is no such run.
        ValueError: a file of it was cut short or changed, the comparison is not complete, there is
            no such device, or what was trained cannot be used.
    """
    run = _chosen(Path(run))
    found, task = recipe_of(run, recipe)
    config = config_of(run, found)
    has = (run / folder.VOCABULARY).exists()
    vocabulary = folder.read_json(run / folder.VOCABULARY) if has else {}
    try:
        model = weights.built(lambda: found.parts.build(config, vocabulary), run / folder.WEIGHTS)
    except ValueError as error:
        raise error if str(run) in str(error) else ValueError(f"{error} (in {run})") from None
    return Trained(run, found, config, _on(model, device), task)


def task_of(run: Path, recipe: str | None = None) -> Task[Any, Any]:
    """What a run folder's model does, without reading its weights; arguments as of `load`."""
    return recipe_of(_chosen(run), recipe)[1]


def _chosen(run: Path) -> Path:
    """The folder of the model: a run's, or of a comparison that of its best layer."""
    if not run.is_dir():
        raise FileNotFoundError(
            f"swiftrnn needs a run folder; got {run}, "
            f"{'a file' if run.exists() else 'which does not exist'}; "
            "give the folder that a run printed, such as runs/compare-<time>"
        )
    return _best(run) if "compare" in folder.read_json(run / folder.CONFIG) else run


def _on(model: Any, device: str) -> Any:
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:  # torch says of CUDA by assert
        raise ValueError(
            f"swiftrnn needs a --device of this machine; got {device} "
            f"({str(error).splitlines()[0]}); cpu is everywhere"
        ) from error


def _best(run: Path) -> Path:
    if not (run / folder.METRICS).exists():
        done = sorted(path.parent.name for path in run.glob(f"*/{folder.WEIGHTS}"))
        raise ValueError(
            f"swiftrnn needs a complete comparison; got {run}, which was interrupted; "
            f"go on with swiftrnn compare --resume --out {run}"
            + (f", or give {run / done[0]}" if done else "")
        )
    best = folder.read_json(run / folder.METRICS, needs=("best",))["best"]
    if best not in [path.name for path in run.iterdir() if path.is_dir()]:
        raise ValueError(
            f"metrics.json needs the best layer's name; got {best!r} in {run}; "
            "it was changed, so give the folder of a layer"
        )
    return run / best


def recipe_of(run: Path, typed: str | None = None) -> tuple[Found, Task[Any, Any]]:
    """The recipe that a run folder's config.json names, and its task.

    Args:
        run: the folder.
        typed: ./FOLDER of the recipe, in the place of what the run says.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: it was cut short, its recipe is not known, or has nothing to use.
    """
    saved: Mapping[str, Any] = folder.read_json(run / folder.CONFIG, needs=("recipe", "config"))
    if typed is None:
        found = recipes.of_run(dict(saved), run)
    else:
        found = recipes.find(typed)
        recipes.trust(found)
    if found.name != saved["recipe"]:
        raise ValueError(
            f"swiftrnn needs the recipe of the run; got {found.name} for {run}, a run of "
            f"{saved['recipe']}; give that one's folder"
        )
    if found.parts.TASK is None:
        raise ValueError(
            f"swiftrnn needs a run that can be used; got {run}, one of {found.name}, which only "
            "measures; see its report.html"
        )
    return found, found.parts.TASK


def config_of(run: Path, found: Found | None = None) -> Any:
    """The settings in a run folder's config.json, each of its right type.

    Raises:
        FileNotFoundError: there is no config.json.
        ValueError: it was cut short or changed, or is of another version.
    """
    path = run / folder.CONFIG
    found = found or recipe_of(run)[0]
    return settings.read(found.parts.Config, folder.settings_of(run), path)
