"""The published runs: 20 times 20 characters of an alphabet that nothing was learnt from."""

import zipfile

import torch
from torch import Tensor

from swiftrnn.recipes.one_shot import data
from swiftrnn.recipes.one_shot.episodes import Run
from swiftrnn.tasks.image import Image

NAME = "all_runs.zip"
LABELS = "class_labels.txt"  # in the folder of a run: an item and its class on each line


def runs() -> list[Run]:
    """All of them; in each, one person drew the candidates and another what is to be recognised.

    Raises:
        ValueError: they are not here, or the file is not what it should be.

    Source: Lake, Salakhutdinov, Tenenbaum (2015), "Human-level concept learning through
    probabilistic program induction".
    """
    path = data.file(NAME)
    try:
        with zipfile.ZipFile(path) as packed:
            known = {each.filename: each for each in packed.infolist()}
            names = sorted(each for each in known if each.endswith(f"/{LABELS}"))
            found = [_run(packed, known, each) for each in names]
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"the published runs need their zip file; got {path} ({error})") from None
    if not found:
        raise ValueError(f"the published runs need their zip file; got no {LABELS} in {path}")
    return found


def _run(packed: zipfile.ZipFile, known: dict[str, zipfile.ZipInfo], labels: str) -> Run:
    lines = data.unpacked(packed, known[labels]).decode().splitlines()
    pairs = [line.split() for line in lines if line.strip()]
    support = sorted({right for _, right in pairs})
    right = torch.tensor([support.index(each) for _, each in pairs])

    def shown(names: list[str]) -> Tensor:
        content = (data.unpacked(packed, known[each]) for each in names)
        return torch.stack([data.fitted(Image(1).read(each)) for each in content])

    return Run(shown(support), shown([item for item, _ in pairs]), right)
