"""The search: shared weights and a controller that train in turn."""

from typing import Any

import lightning as L
import torch
from lightning import seed_everything
from torch import Tensor

from swiftrnn.data.lanes import Lanes
from swiftrnn.recipes.enas.cells import FUNCTIONS
from swiftrnn.recipes.enas.controller import Controller, Sample, reinforce
from swiftrnn.recipes.enas.data import Words
from swiftrnn.recipes.enas.model import Shared, adamw
from swiftrnn.runs.folder import RunFolder
from swiftrnn.training.fit import Fitted, fit
from swiftrnn.training.techniques.schedule import OverBudget

WORTH = 80.0  # a cell's reward is this over its perplexity


def uniform(count: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Cells of which all descriptions are equally likely: choices (M, L) of nodes and functions."""
    before = torch.stack([torch.randint(0, node, (count,)) for node in range(1, nodes + 1)], 1)
    return before, torch.randint(0, len(FUNCTIONS), (count, nodes))


class Search(L.LightningModule):
    """Shared weights that are trained on cells of a policy, and the policy.

    Args:
        config: the settings.
        policy: "controller", "uniform", or "shuffled": a controller that gets the rewards of other
            cells.
        vocabulary: how many words there are.
        valid: words (N,) that rewards are measured on.
    """

    def __init__(self, config: Any, policy: str, vocabulary: int, valid: Tensor) -> None:
        super().__init__()
        self.config, self.policy = config, policy
        self.shared = Shared(config.nodes, config.size, vocabulary)
        self.controller = Controller(config.nodes, recency=config.recency)
        self.teacher = torch.optim.Adam(self.controller.parameters(), config.controller_rate)
        self.valid = Lanes(valid, config.rows, config.time, config.seed)
        self.carried: Any = None  # the states at the end of the last batch
        self.updates = 0  # of the shared weights
        self.told: list[tuple[float, float]] = []  # mean reward and entropy at the controller's

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Cells of the policy: choices (M, L) of nodes and functions."""
        if self.policy == "uniform":
            return uniform(count, self.config.nodes)
        with torch.no_grad():
            sample = self.controller(count)
        return sample.before, sample.functions

    def training_step(self, batch: Tensor, _: int) -> Tensor:
        """The mean loss of words (T + 1, G B), each group by a cell of its own."""
        self.updates += 1
        if self.policy != "uniform" and self.updates % self.config.every == 0:
            self._teach()
        grouped = batch.view(len(batch), self.config.groups, -1)
        losses, state = self.shared.losses(grouped, *self.draw(self.config.groups), self.carried)
        self.carried = state.detach()
        return losses.mean()

    def _teach(self) -> None:
        """One update of the controller, on the rewards of cells on one batch of valid."""
        sample: Sample = self.controller(self.config.samples)
        rewards = self.rewards(sample.before, sample.functions, len(self.told))
        given = rewards[torch.randperm(len(rewards))] if self.policy == "shuffled" else rewards
        self.teacher.zero_grad()
        reinforce(sample, given, self.config.entropy).backward()
        self.teacher.step()
        self.told.append((rewards.mean().item(), sample.entropy.mean().item()))

    @torch.no_grad()
    def rewards(self, before: Tensor, functions: Tensor, number: int) -> Tensor:
        """The reward (M,) of each cell on batch `number` of valid, the same one for all."""
        batch = self.valid.batch(number)[:, None].expand(-1, len(before), -1)
        losses, _ = self.shared.losses(batch, before, functions)
        return WORTH / losses.mean((0, 2)).exp()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW for the shared weights; the controller has an optimizer of its own."""
        return adamw(self.shared, self.config.learning_rate)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: what the controller's training carries belongs to a checkpoint."""
        checkpoint["search"] = {
            "carried": self.carried, "updates": self.updates, "told": self.told,
            "teacher": self.teacher.state_dict(),
        }  # fmt: skip

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Lightning's hook: take it back."""
        kept = checkpoint["search"]
        self.carried, self.updates = kept["carried"], kept["updates"]
        self.told = [tuple(each) for each in kept["told"]]
        self.teacher.load_state_dict(kept["teacher"])


def search(config: Any, policy: str, out: RunFolder, words: Words) -> tuple[Search, Fitted]:
    """Train shared weights on cells of a policy; a search that was killed goes on."""
    seed_everything(config.seed, verbose=False)
    first = words.valid[: len(words.valid) // 2]  # the rest tells how good the policy is
    model = Search(config, policy, len(words.vocabulary), first)
    batches = Lanes(words.train, config.groups * config.rows, config.time, config.seed)
    fitted = fit(
        model, batches, out=out.path, steps=config.steps, clip=config.clip,
        rate=OverBudget(config.warmup), resume=True, name=f"search, {policy}",
    )  # fmt: skip
    return model.eval(), fitted
