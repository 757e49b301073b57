"""One fold: every layer in turn, each measured once on the test part; baselines and the control."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import seed_everything
from torch import Tensor

from swiftrnn.data import vector_files, vectors
from swiftrnn.data.batches import Batches
from swiftrnn.data.labelled import Labelled
from swiftrnn.data.segmentation.cutting import STYLES
from swiftrnn.data.words import WordBatcher
from swiftrnn.recipes.sentence_classification.data import Parts
from swiftrnn.recipes.sentence_classification.model import (
    Classifier,
    Vocabulary,
    numbers,
    sentences,
)
from swiftrnn.runs import folder, settings
from swiftrnn.runs.folder import VOCABULARY, WEIGHTS
from swiftrnn.training import weights
from swiftrnn.training.best import Best
from swiftrnn.training.fit import Fitted, fit

CLIP = 5.0  # the largest norm of a gradient
EARLY = "early.safetensors"  # the best weights within these seconds


class TextBatcher(WordBatcher):
    """Words of sentences to tensors."""

    def encode(self, sentence: Sequence[str]) -> np.ndarray:
        """(2, T): numbers of words and of forms."""
        return self.numbers(sentence)


class LabelledBatches(Batches):
    """Batches of sentences, with `labels` (B): the number of the class of each."""

    def __init__(
        self, words: Sequence[Sequence[str]], labels: Tensor, batcher: TextBatcher, batch_size: int
    ) -> None:
        super().__init__(words, batcher, batch_size)
        self.labels = labels

    def batch(self, numbers: np.ndarray) -> dict[str, Tensor]:
        """The tensors of some sentences."""
        return super().batch(numbers) | {"labels": self.labels[torch.from_numpy(numbers)]}


def vocabulary_for(config: Any, train: Labelled, layer: str) -> Vocabulary:
    """The words of train; raw texts are cut in the usual way, tokenized ones tell how."""
    cut = None if train.tokenized else STYLES["words"]
    words = sentences(train, cut or STYLES["words"])
    more = {"labels": train.classes, "layer": layer}
    return Vocabulary.of(words, config.lower, cut=cut, **more)


def build(config: Any, vocabulary: Vocabulary, steps: int = 1, rate: float = 1e-3) -> Classifier:
    """An untrained model."""
    names = signature(Classifier).parameters
    given = {k: v for k, v in asdict(config).items() if k in names}
    given |= {"steps": steps, "learning_rate": rate, "fixed": config.vectors is not None}
    return Classifier(vocabulary, **given)


def started(
    config: Any, parts: Parts, layer: str, rate: float
) -> tuple[Classifier, LabelledBatches]:
    """An untrained model of one layer, and what it learns from."""
    vocabulary = vocabulary_for(config, parts.train, layer)
    right = numbers(parts.train, vocabulary.labels)
    words = sentences(parts.train, vocabulary.how)
    batches = LabelledBatches(words, right, TextBatcher(vocabulary), config.batch_size)
    model = build(config, vocabulary, config.epochs * len(batches), rate)
    if config.vectors is not None:
        start_from(config.vectors, vocabulary, model.embedding.word.tokens.weight)
    return model, batches


def train(config: Any, parts: Parts, layer: str, out: Path, rate: float, early: int = 0) -> Fitted:
    """Train one layer; `out` gets the weights of the epoch that was best on valid.

    Args:
        config: the settings.
        parts: what is learnt from and chosen by.
        layer: what reads a sentence.
        out: a folder; a training in it that was killed goes on.
        rate: of Adam at the start.
        early: the best of the first epochs, as many as this, is kept apart as well.
    """
    seed_everything(config.seed, verbose=False)
    model, batches = started(config, parts, layer, rate)
    vocabulary = model.vocabulary
    valid, right = sentences(parts.valid, vocabulary.how), numbers(parts.valid, vocabulary.labels)

    def each_epoch(now: Any) -> dict[str, float]:
        found = accuracy(now, valid, right)
        best_of(out).offer(now, found)
        if now.global_step <= early * len(batches):
            Best(out / EARLY, "accuracy", later=True, record="early.json").offer(now, found)
        return {"accuracy": found}

    out.mkdir(parents=True, exist_ok=True)
    folder.write_json(out / VOCABULARY, asdict(vocabulary))
    fitted = fit(
        model, batches, out=out, steps=model.steps, valid=each_epoch, every=1 / config.epochs,
        clip=CLIP, resume=True, name=layer, progress=False,
    )  # fmt: skip
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return fitted


def best_of(out: Path) -> Best:
    """The weights that training keeps in a folder, and their accuracy on valid."""
    return Best(out / WEIGHTS, "accuracy", later=True)  # on few texts many epochs are equal


def accuracy(model: Classifier, words: Sequence[Sequence[str]], right: Tensor) -> float:
    """Percent of sentences whose likeliest class is right."""
    return 100 * (model.odds(words).argmax(1) == right).double().mean().item()


@torch.no_grad()
def start_from(path: Path, vocabulary: Vocabulary, table: Tensor) -> None:
    """Give words the vectors that a file has for them; says how many have one."""
    found = vectors.read(path, vocabulary.words)
    for i, word in enumerate(vocabulary.words):
        if word in found.of:
            table[i] = torch.from_numpy(found.of[word])


def read(config: Any, out: Path, name: str = WEIGHTS) -> Classifier:
    """What `train` left in a folder."""
    known = vocabulary_of(folder.read_json(out / VOCABULARY))
    return weights.built(lambda: build(config, known), out / name)


def vocabulary_of(saved: Any) -> Vocabulary:
    """The vocabulary that a run folder holds.

    Raises:
        ValueError: it lacks something, or something is there twice.
    """
    found = settings.read(Vocabulary, saved, Path(VOCABULARY), partly=True)
    for name in ("words", "labels"):
        if len(set(part := getattr(found, name))) < len(part) or not part:
            raise ValueError(
                f"vocabulary.json needs different {name}; got some twice, or none; it was damaged "
                "or changed, so train again"
            )
    return found


def sized(config: Any) -> Any:
    """The settings, with the size that the vectors of words have."""
    if config.vectors is None:
        return config
    return replace(config, word_size=vector_files.Found(config.vectors).dim)
