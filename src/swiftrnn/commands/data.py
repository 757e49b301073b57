"""`swiftrnn data`: the data sets there are, and how one comes here."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from swiftrnn.commands.parsing import UsageError, about, parse
from swiftrnn.recipes import nearest
from swiftrnn.runs import limits


@dataclass(frozen=True)
class Data(limits.Checked):
    """List the data sets with licence and size, or download one into the cache."""

    action: Annotated[Positional[str], arg(metavar="list|fetch")] = "list"
    """list or fetch"""
    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """data set to fetch"""


OPTIONS = Data
EXAMPLES = ("swiftrnn data list", "swiftrnn data fetch wikitext-2")


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Data, "swiftrnn data", about(Data, EXAMPLES), words)
    from swiftrnn.data.sources import fetch

    if options.action == "list" and options.name is None:
        for name, dataset in fetch.DATASETS.items():
            size = sum(file.size for file in dataset.files)
            print(f"{name:16}{size / 1e6:8.1f} MB  {dataset.licence:24}{dataset.about}")
    elif options.action != "fetch" or options.name is None:
        got = " ".join(filter(None, (options.action, options.name)))
        raise UsageError(
            f"swiftrnn data needs list, or fetch and a NAME; got {got}; "
            "swiftrnn data list shows the names"
        )
    elif options.name not in fetch.DATASETS:
        raise UsageError(
            f"swiftrnn data fetch needs one of {', '.join(fetch.DATASETS)}; got {options.name!r}; "
            f"{nearest(options.name, fetch.DATASETS)}swiftrnn data list describes them"
        )
    else:
        for file in fetch.DATASETS[options.name].files:
            print(fetch.fetch(options.name, file.name))
