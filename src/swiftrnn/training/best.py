"""Keeping the weights that were best on valid."""

from pathlib import Path

from torch import nn

from swiftrnn.runs import folder
from swiftrnn.training import weights


class Best:
    """The weights of the best measurement of a training.

    They and the number lie in files, so that a run that goes on after a kill knows them.

    Args:
        path: of the weights.
        metric: what the number is called.
        higher: whether higher is better.
        later: whether the last one of several that are equal is kept, in place of the first.
        record: the file beside the weights that holds the number.
    """

    def __init__(
        self,
        path: Path,
        metric: str,
        higher: bool = True,
        later: bool = False,
        record: str = "best.json",
    ) -> None:
        self.path, self.metric, self.higher, self.later = path, metric, higher, later
        self.record = path.with_name(record)

    @property
    def value(self) -> float:
        """The best number so far.

        Raises:
            ValueError: its file is damaged, or there is none.
        """
        return folder.number(self.record, self.metric)

    def offer(self, model: nn.Module, value: float) -> None:
        """Keep the weights of a model if no measurement before was better."""
        if self.record.exists():
            gain = (value - self.value) * (1 if self.higher else -1)
            if not (gain > 0 or (self.later and gain == 0)):
                return
        weights.save(model, self.path)  # first: after a kill in between they are measured again
        folder.write_json(self.record, {self.metric: value})
