"""`swiftrnn run`: train a recipe and measure it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from swiftrnn import recipes
from swiftrnn.commands.parsing import HELP, UsageError, about, of_recipe, parse
from swiftrnn.runs import children, folder, limits, record
from swiftrnn.runs.claims import Verdict
from swiftrnn.runs.results import Result


@dataclass(frozen=True)
class Run(limits.Checked):
    """Train a recipe and evaluate it on unseen data; writes a run folder.

    The recipe's settings are options too: `swiftrnn run RECIPE --help` lists them.
    """

    preset: str = "default"  # settings of the recipe to start from
    # number of seeds, from --seed upwards; reports mean and standard deviation
    seeds: limits.Count = 1
    out: Path | None = None  # run folder; default: runs/<recipe>-<time>
    resume: bool = False  # continue the run in --out, or the recipe's newest
    # write the results into the recipe; needs a source checkout without uncommitted changes
    record: bool = False
    # with --record: add these seeds to those recorded before with the same settings
    join: Annotated[bool, limits.With("record")] = False


OPTIONS = Run
EXAMPLES = (
    "swiftrnn run language_model --preset smoke",
    "swiftrnn run language_model --layer lstm --seeds 3 --out runs/lstm",
    "swiftrnn run language_model --resume",
)


def main(words: list[str]) -> None:
    """Run the command."""
    if not words or words[0].startswith("-"):
        if HELP & set(words):
            parse(Run, "swiftrnn run RECIPE", about(Run, EXAMPLES), words)
        raise UsageError("swiftrnn run needs a recipe first; got none; swiftrnn list shows all")
    folder.needs_extra("swiftrnn run", "train,report", "lightning", "matplotlib", "jinja2")
    recipe = recipes.find(words[0])
    how, config = of_recipe(f"swiftrnn run {recipe.typed}", Run, recipe, words[1:])
    if how.record:
        record.check(recipe.folder, recipe.code)  # before hours of training
    preset = None if how.preset == "default" else how.preset
    if how.join:
        record.check_join(recipe.folder, config, preset)
    from swiftrnn.deploy import trained
    from swiftrnn.report import run_page  # loads torch: only now, when all was checked
    from swiftrnn.runs import machine
    from swiftrnn.runs import run as runs

    recipes.trust(recipe)
    machine.keep_pages()
    children.launched_here()

    def finished(began: Any, out: folder.RunFolder, result: Result) -> None:
        run_page.write(recipe, began, out.preset, out, result)

    done = runs.run(recipe, config, how.out, how.resume, how.seeds, finished, preset, trained.load)
    if not folder.leads():  # of several processes one speaks
        return
    if how.seeds > 1:
        run_page.write_seeds(recipe, done.config, done.preset, done.out, done.metrics)
    print(run_page.text(recipe, done.metrics, done.preset, done.config, done.out))
    print(f"\nThe run is in {done.out}")
    if how.record:

        def judge(metrics: list[dict[str, float]]) -> Sequence[Verdict]:
            return run_page.judge(recipe, metrics, done.preset, done.config)

        path = record.record(recipe, done, judge, how.join)
        print(f"Recorded in {path}")
