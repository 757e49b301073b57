"""Fine-tuning: the student is also judged by how likely the teacher finds what it writes.

L = w (L_teacher + L_draws) + (1 - w) L_distilled
L_teacher(f) = -sum_t sum_y p_S(y[t] | f) log p_T(y[t] | what S wrote before)     f: the aligner's
L_draws      = (L_teacher(f) - L_teacher(f_mean)) log p_F(f)                      f drawn from p_F

The derivative of the last is an estimate of that of the mean over draws (REINFORCE), less that of
the mean fertilities, its baseline.
"""

import torch
from torch import Tensor

from swiftrnn.data.translation.tokenizer import START
from swiftrnn.nn.attention import Memory
from swiftrnn.recipes.nonautoregressive_translation.decode import bounded, chosen
from swiftrnn.recipes.nonautoregressive_translation.model import Student, expanded
from swiftrnn.recipes.nonautoregressive_translation.teacher import Batch, Teacher, Trained


class Tuned(Trained):
    """A student under a teacher; only the student is trained.

    Args:
        student: of kind "fertility".
        teacher: whose weights stay.
        weight: of the teacher's judgement.
        learning_rate: of AdamW.
    """

    def __init__(
        self, student: Student, teacher: Teacher, weight: float, learning_rate: float
    ) -> None:
        super().__init__(learning_rate, "adamw")
        self.student, self.weight = student, weight
        self._teacher = [teacher.eval().requires_grad_(False)]  # no part of what is saved

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """The loss of a batch."""
        student, teacher = self.student, self._teacher[0]
        tokens, sizes = batch["sources"], batch["source_lengths"]
        encoded, memory = student.encode(tokens, sizes)
        with torch.no_grad():
            judged = teacher.encode(tokens, sizes)
        odds = student.odds_of_fertilities(encoded, sizes)
        with torch.no_grad():
            drawn = torch.distributions.Categorical(logits=odds).sample()
            drawn, mean = bounded(drawn, sizes), bounded(chosen(odds, "average"), sizes)
            reward = self._judged(tokens, memory, judged, drawn)
            reward = reward - self._judged(tokens, memory, judged, mean)
        likely = odds.gather(2, drawn[..., None])[..., 0].clamp(min=-50).sum(0)
        draws = (reward * likely).mean() / sizes.float().mean()
        known = self._judged(tokens, memory, judged, batch["fertilities"]).mean()
        return self.weight * (known + draws) + (1 - self.weight) * student.loss(batch)

    def _judged(
        self, tokens: Tensor, memory: list[Memory], judged: list[Memory], counts: Tensor
    ) -> Tensor:
        """L_teacher of each sentence, by token, if its source words are copied so often: (B,)."""
        student, teacher = self.student, self._teacher[0]
        places, lengths = expanded(counts)
        logits = student.logits(student.hidden(tokens, memory, places, lengths))
        with torch.no_grad():
            start = torch.full_like(places[:1], START)
            before = torch.cat([start, logits.argmax(-1)[:-1]])
            wanted = teacher.logits(teacher.hidden(judged, before)).log_softmax(-1)
        cost = -(logits.softmax(-1) * wanted).sum(-1)
        inside = torch.arange(len(places), device=lengths.device)[:, None] < lengths
        return torch.where(inside, cost, 0).sum(0) / lengths.clamp(min=1)
