"""`swiftrnn list`: the recipes, and what became of their papers' claims."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import Positional, arg

from swiftrnn import recipes
from swiftrnn.commands.parsing import about, parse
from swiftrnn.recipes import Found
from swiftrnn.runs import limits, record
from swiftrnn.runs.claims import AFTERWARDS, Verdict, counted

WIDTH = 100


@dataclass(frozen=True)
class List(limits.Checked):
    """List the recipes: what each one does, and how many claims of its paper we see.

    With a RECIPE, show its claims: the paper's number, ours, and the verdict.
    """

    recipe: Annotated[Positional[str | None], arg(metavar="RECIPE")] = None
    """recipe whose claims are shown"""


OPTIONS = List
EXAMPLES = ("swiftrnn list", "swiftrnn list mixup_robustness")


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(List, "swiftrnn list", about(List, EXAMPLES), words)
    if options.recipe is None:
        left = 2 + max(map(len, recipes.names()))
        for name in recipes.names():
            print(_line(recipes.find(name), left))
    else:
        print(_table(recipes.find(options.recipe)))


def _line(recipe: Found, left: int) -> str:
    """Its name, and behind so many characters what it is and how many claims are seen."""
    title = recipe.about.partition("\n")[0]
    told = counted(record.summary(recipe.folder))
    lines = textwrap.wrap(title, WIDTH - left)
    return "\n".join(
        [f"{recipe.name:{left}}{lines[0]}", *(" " * left + x for x in (*lines[1:], told) if x)]
    )


def _table(recipe: Found) -> str:
    parts = [textwrap.fill(recipe.about.partition("\n")[0], WIDTH)]
    for preset, results in record.recorded(recipe.folder):
        parts += ["", _heading(preset, results)]
        verdicts = record.verdicts(results)
        for verdict in verdicts:
            parts += ["", *described(verdict)]
        parts += ["", f"* {AFTERWARDS}"] * any(each.after for each in verdicts)
    if len(parts) == 1:
        parts += ["", f"nothing is recorded; swiftrnn run {recipe.typed} measures it"]
    return "\n".join(parts)


def _heading(preset: str | None, results: Mapping[str, Any]) -> str:
    what = "the default settings" if preset is None else f"--preset {preset}"
    seeds = f"{results['seeds']} seed" + "s" * (results["seeds"] != 1)
    return f"Recorded with {what}, {seeds}, commit {results['commit']}:"


def described(verdict: Verdict) -> list[str]:
    """A claim and its verdict, a few lines of a terminal."""
    paper = "–" if verdict.paper is None else f"{verdict.paper:g}"
    lines = textwrap.wrap(f"{verdict.says} ({verdict.where})", WIDTH - 2)
    if verdict.values:
        what = f" ({verdict.why})" if verdict.why else ""
        numbers = f"paper {paper}; ours {verdict.ours}{what}; seen if {verdict.needs}"
        lines += textwrap.wrap(numbers, WIDTH - 4, initial_indent="  ", subsequent_indent="  ")
    lines += textwrap.wrap(
        verdict.brief + " *" * verdict.after, WIDTH - 4, initial_indent="  ", subsequent_indent="  "
    )
    return lines
