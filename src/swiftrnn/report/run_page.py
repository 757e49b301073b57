"""What a run is shown as: verdicts on the terminal, and report.html, the same for all recipes."""

import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from swiftrnn.report import facts, plots
from swiftrnn.report import page as report
from swiftrnn.report.page import Cell, Column, Links, Page, Picture, Plot, Section, Table
from swiftrnn.report.plots import Line
from swiftrnn.runs import claims, folder, limits, machine, results
from swiftrnn.runs.claims import AFTERWARDS, NOT_TESTED, SEEN, Claim, Verdict
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result

WIDTH, LINES = 100, 18  # of a terminal: characters of a line, lines of numbers
COLUMNS = (
    Column("claim", "claim"),
    Column("paper", "paper"),
    Column("ours", "ours"),
    Column("verdict", "verdict"),
)
LEFT_OUT = (Column("claim", "claim"), Column("why", "why it is not tested"))
BETTER = {
    "loss": "lower", "bits": "lower", "perplexity": "lower", "error": "lower", "f1": "higher",
    "accuracy": "higher",
}  # fmt: skip
LABELS = {
    "loss": "training loss", "bits": "bits per byte, validation data",
    "perplexity": "perplexity on validation data", "f1": "F1 on validation data, %",
}  # fmt: skip


class Shown(Protocol):
    """What a page is about: a recipe, as `recipes.find` gives it."""

    @property
    def typed(self) -> str:
        """How it is named on the command line."""
        ...

    @property
    def about(self) -> str:
        """What it says of itself."""
        ...

    @property
    def parts(self) -> Any:
        """Its package."""
        ...

    @property
    def presets(self) -> dict[str, Any]:
        """Its settings by name, "default" among them."""
        ...


def write(recipe: Shown, config: Any, preset: str | None, out: RunFolder, result: Result) -> None:
    """Write report.html of a run with one seed.

    Args:
        recipe: what ran.
        config: its settings.
        preset: that they are of; None for the default.
        out: its folder.
        result: what it found.

    Raises:
        ModuleNotFoundError: the extra `report` is not installed.
        ValueError: the picture is no PNG file.
        OSError: it cannot be written.
    """
    picture = out / result.picture if result.picture else None
    own = {getattr(config, "layer", "model"): result.details.get("history", ())}
    shown = [*result.sections, *curves(own | result.details.get("rivals", {}))]
    made = page(recipe, config, preset, [result.metrics], picture, shown)
    report.write(made, out / folder.REPORT)


def write_seeds(
    recipe: Shown,
    config: Any,
    preset: str | None,
    out: Path,
    metrics: Sequence[Mapping[str, float]],
) -> None:
    """Write report.html of a run with several seeds: verdicts over all, links to each one's page.

    Args:
        recipe: what ran.
        config: its settings, with the first seed.
        preset: that they are of; None for the default.
        out: the run folder, which holds those of the seeds.
        metrics: of each seed.

    Raises:
        ModuleNotFoundError, ValueError, OSError: as `write`.
    """
    names = [f"seed-{config.seed + i}" for i in range(len(metrics))]
    kept = [folder.read_json(out / name / folder.METRICS) for name in names]
    picture = out / names[0] / kept[0]["picture"] if kept[0].get("picture") else None
    pages = [name for name in names if (out / name / folder.REPORT).is_file()]
    histories = [each.get("history", ()) for each in kept]
    titles = [name.replace("-", " ") for name in names]
    shown: list[Section] = list(curves(dict(zip(titles, histories, strict=True))))
    if pages:
        links = {name.replace("-", " "): f"{name}/{folder.REPORT}" for name in pages}
        shown.append(("Each seed", Links(links)))
    made = page(recipe, config, preset, metrics, picture, shown)
    report.write(made, out / folder.REPORT)


def page(
    recipe: Shown,
    config: Any,
    preset: str | None,
    metrics: Sequence[Mapping[str, float]],
    picture: Path | None = None,
    shown: Sequence[Section] = (),
) -> Page:
    """The report: claims first, the picture that shows them, curves, then all else, folded.

    Args:
        recipe: what ran.
        config: its settings, with the first seed.
        preset: that they are of; None for the default.
        metrics: of each seed.
        picture: a PNG file that shows the claims.
        shown: what is between it and what is folded.
    """
    title, _, more = recipe.about.partition("\n")
    verdicts = judge(recipe, metrics, preset, config)
    tested = [each for each in verdicts if each.values]
    left_out = [each for each in verdicts if not each.values]
    sections: list[Section] = []
    if tested:
        sections.append(("What the paper claims, and what we see", table(tested)))
    if picture:
        first = f", seed {config.seed}" * (len(metrics) > 1)
        sections.append((f"In one picture{first}", Picture(f"Figure: {title}", picture)))
    measured: Section = ("All numbers", numbers(metrics, config.seed))
    date = time.strftime("%Y-%m-%d %H:%M %z")
    folded: list[Section] = [
        *([("Claims that are not tested", reasons(left_out))] if left_out else []),
        *([measured] if tested else []),
        ("Settings", _settings(config, recipe.presets[preset or "default"])),
        *facts.machine_and_versions(machine.machine(), {}, date),
    ]
    return Page(
        title=title.rstrip("."),
        summary=[_summary(recipe, verdicts, len(metrics))],
        warning=facts.synthetic(asdict(config)),
        sections=[*sections, *shown, *([] if tested else [measured])],
        folded=folded,
        command=_command(recipe, config, preset, len(metrics)),
        about=_about(more),
    )


def judge(
    recipe: Shown, metrics: Sequence[Mapping[str, float]], preset: str | None, config: Any
) -> list[Verdict]:
    """Verdicts, as `claims.judge` gives them; on other data, or synthetic ones, none is tested."""
    of: Sequence[Claim] = recipe.parts.CLAIMS
    if why := facts.other_data(asdict(config), asdict(recipe.presets[preset or "default"])):
        of = [c if c.ours is None else replace(c, ours=None, holds=None, why=why) for c in of]
    return claims.judge(of, metrics, preset)


def table(verdicts: Sequence[Verdict]) -> Table:
    """Claims that were tested: the paper's number, ours, and the verdict."""
    rows = []
    for each in verdicts:
        where = f"{each.where}; {each.why}" if each.why else each.where
        row: dict[str, Any] = {
            "claim": Cell(each.says, where),
            "ours": Cell(each.ours, f"seen if {each.needs}"),
            "verdict": Cell(_brief(each), sign="good" if each.verdict == SEEN else "bad"),
        }
        rows.append(row | ({} if each.paper is None else {"paper": f"{each.paper:g}"}))
    seeds = len(verdicts[0].values)
    note = "Seen: our number meets the condition beside it" + " with every seed" * (seeds > 1) + "."
    note += " Ours: mean ± standard deviation over seeds." * (seeds > 1)
    note += f" *\N{NO-BREAK SPACE}{AFTERWARDS}." * any(each.after for each in verdicts)
    return Table(COLUMNS, rows, note, sentences=True)


def _brief(each: Verdict) -> str:
    return each.brief + " *" * each.after


def reasons(verdicts: Sequence[Verdict]) -> Table:
    """Claims that were not tested, and why."""
    rows = [{"claim": Cell(each.says, each.where), "why": each.why} for each in verdicts]
    return Table(LEFT_OUT, rows, sentences=True)


def numbers(metrics: Sequence[Mapping[str, float]], first: int) -> Mapping[str, Any] | Table:
    """All that was measured, under names for people; of several seeds, a table."""
    if len(metrics) == 1:
        return {name.replace("_", " "): facts.number(value) for name, value in metrics[0].items()}
    rows = [
        {"name": name.replace("_", " "), "mean": facts.number(value)}
        | {str(i): facts.number(each) for i, each in enumerate(value["values"])}
        for name, value in results.spread(metrics).items()
    ]
    seeds = [Column(str(i), f"seed {first + i}") for i in range(len(metrics))]
    return Table([Column("name", "number"), Column("mean", "mean ± sd"), *seeds], rows)


def curves(histories: Mapping[str, Any]) -> list[tuple[str, Plot]]:
    """A plot of each number that trainings kept at their steps, with a line for each training.

    Args:
        histories: what each training is called, and its rows of numbers by name, "step" among them.
    """
    rows = {k: [r for r in v if isinstance(r, Mapping)] for k, v in histories.items()}
    names = {name for each in rows.values() for row in each for name in row}
    drawn = []
    for name in sorted(names & BETTER.keys(), key=list(BETTER).index, reverse=True):
        lines = []
        for place, (label, each) in enumerate(rows.items()):
            points = [(row["step"], row[name]) for row in each if {"step", name} <= row.keys()]
            if points:
                x, y = zip(*points, strict=True)
                lines.append(Line(label, x, y, place))
        if lines:
            title, caption = f"{name} while training", f"{BETTER[name].capitalize()} is better."
            label, title = LABELS.get(name, name), title[0].upper() + title[1:]
            svg = plots.plot(title, caption, plots.lines, lines, "updates", label)
            drawn.append((title, svg))
    return drawn


def text(
    recipe: Shown,
    metrics: Sequence[Mapping[str, float]],
    preset: str | None,
    config: Any,
    out: Path,
) -> str:
    """What is printed at the end of a run: verdicts; where no claim is tested, numbers.

    Args:
        recipe: what ran.
        metrics: of each seed.
        preset: that the settings are of; None for the default.
        config: the settings.
        out: the run folder, where the rest is.
    """
    verdicts = judge(recipe, metrics, preset, config)
    tested = [each for each in verdicts if each.values]
    lines = [told] if (told := facts.synthetic(asdict(config))) else []
    for each in tested:
        lines += _printed(each)
    summary = _summary(recipe, verdicts, len(metrics))
    if tested:
        after = [f"* {AFTERWARDS}"] if any(each.after for each in tested) else []
        return "\n".join([*lines, "", *after, summary])
    found = results.spread(metrics) if len(metrics) > 1 else metrics[0]
    few = list(found.items())[:LINES]
    wide = max((len(name) for name, _ in few), default=0)
    lines.append(summary)
    lines += [f"{name.replace('_', ' '):{wide}}  {facts.number(value)}" for name, value in few]
    if more := len(found) - len(few):
        lines.append(f"and {more} more in {out / folder.REPORT}")
    return "\n".join(lines)


def _printed(each: Verdict) -> list[str]:
    """A claim that was tested, on a few lines."""
    head = f"{'+' if each.verdict == SEEN else '-'} {each.says} ({each.where})"
    paper = "" if each.paper is None else f"paper {each.paper:g}, "
    told = f"{_brief(each)}: {paper}ours {each.ours}; seen if {each.needs}"
    told += f" ({each.why})" * bool(each.why)
    lines = textwrap.wrap(head, WIDTH, subsequent_indent="  ")
    return lines + textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _summary(recipe: Shown, verdicts: Sequence[Verdict], seeds: int) -> str:
    tested = [each for each in verdicts if each.verdict != NOT_TESTED]
    if not tested:
        named = {c.preset for c in recipe.parts.CLAIMS if c.ours is not None}
        options = sorted(f" --preset {name}" if name else "" for name in named)
        commands = " or ".join(f"swiftrnn run {recipe.typed}{each}" for each in options)
        where = f"; {commands} tests them" if commands else ""
        return f"No claim of the paper is tested with these settings{where}."
    seen, rest = sum(each.verdict == SEEN for each in tested), len(verdicts) - len(tested)
    many = f"{len(tested)} claims" if len(tested) > 1 else "one claim"
    over = f"{seeds} seeds" if seeds > 1 else "one seed"
    told = f"Of {many} tested with {over}, {seen} {_are(seen)} seen and {len(tested) - seen} not"
    return told + f"; {rest} more {_are(rest)} not tested" * bool(rest) + "."


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _about(text: str) -> dict[str, str]:
    """The paragraphs of a docstring by the word before their colon: Paper, Differs."""
    found: dict[str, str] = {}
    for line in text.strip().splitlines():
        word, colon, rest = line.partition(": ")
        if colon and word.isalpha() and word.istitle():
            found[word] = rest
        elif line and found:
            found[list(found)[-1]] += f" {line.strip()}"
        elif line:
            found["About"] = line
    return found


def _command(recipe: Shown, config: Any, preset: str | None, seeds: int) -> str:
    """What to type for this run."""
    given, usual = asdict(config), asdict(recipe.presets[preset or "default"])
    typed = [f"swiftrnn run {recipe.typed}", *([f"--preset {preset}"] if preset else [])]
    for name, value in given.items():
        if value != usual[name]:
            flag = f"--{limits.option(name)}"
            typed.append(flag if value is True else f"{flag} {facts.words(value)}")
    return " ".join([*typed, *([f"--seeds {seeds}"] if seeds > 1 else [])])


def _settings(config: Any, usual: Any) -> dict[str, str]:
    """Every setting; where it is not that of its preset, that too."""
    theirs = asdict(usual)
    return {
        name.replace("_", " "): f"{facts.words(value)}"
        + ("" if value == theirs[name] else f" (preset: {facts.words(theirs[name])})")
        for name, value in asdict(config).items()
    }
