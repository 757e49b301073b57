"""What a trained model is good for: measuring a text, continuing one, being loaded again."""

import math
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.data.text import Text
from swiftrnn.data.vocabulary import Vocabulary
from swiftrnn.metrics import compression
from swiftrnn.recipes.language_model.model import LanguageModel, hidden_for, parameters_of
from swiftrnn.training import folder, weights

WEIGHTS = "model.safetensors"
LOGITS = 1 << 20  # of float32, when measuring: they stay in the processor's cache


def width_for(config: Any, size: int = 256, sru_depth: int = 0) -> int:
    """The layer's width: as given, or that at which it is as large as SRU at `config.hidden`.

    SRU has as many layers as the layer has, or else `sru_depth`.
    """
    if config.width or config.layer == "sru":
        return config.width or config.hidden
    wanted = parameters_of("sru", config.hidden, sru_depth or config.depth, size, config.ngrams)
    return hidden_for(config.layer, wanted, config.depth, size, config.ngrams)


def build(config: Any, vocabulary: Vocabulary) -> LanguageModel:
    """An untrained model, as large as SRU at `config.hidden`, whatever its layer."""
    names, size = signature(LanguageModel).parameters, len(vocabulary)
    given: dict[str, Any] = {name: getattr(config, name, None) for name in names}
    given.update(hidden=width_for(config, size), vocabulary=size)
    model = LanguageModel(**given)
    model.vocabulary = vocabulary
    return model


def load(config: Any, out: Path, file: Path | None = None) -> LanguageModel:
    """Read a trained model; nothing in the files can run.

    Args:
        config: what it was trained with.
        out: the run folder.
        file: another one than its `model.safetensors`, such as a snapshot.

    Raises:
        ValueError: a file is missing, was cut short, or belongs to another model.
    """
    words = Vocabulary()
    if config.level == "word":
        words = Vocabulary.read(folder.read_json(out / "vocabulary.json", ("words",))["words"], out)
    return weights.built(lambda: build(config, words), file or out / WEIGHTS)


@torch.no_grad()
def bits(
    model: LanguageModel, tokens: Tensor, lanes: int = 16, chunk: int = 0
) -> tuple[float, int]:
    """How well a model predicts a text, its state carried from the beginning to the end.

    The text is cut into `lanes` equal pieces that are read side by side, each from an empty state.

    Args:
        model: in eval mode, if it has dropout.
        tokens: (N,) of any integer type.
        lanes: more are faster, but each begins knowing nothing.
        chunk: tokens of each lane at a time; changes memory, not the result; 0 lets the logits
            fill a few megabytes.

    Returns:
        Bits per token, and the number of tokens that were predicted.

    Raises:
        ValueError: there are fewer than two tokens in a lane.
    """
    length = len(tokens) // lanes
    if length < 2:
        raise ValueError(
            f"measuring needs at least {2 * lanes} tokens; got {len(tokens)}; give a longer text"
        )
    chunk = chunk or max(1, LOGITS // (lanes * len(model.vocabulary)))
    text_NB = tokens[: length * lanes].view(lanes, length).t().long()
    total, state = 0.0, None
    for start in range(0, length - 1, chunk):
        target = text_NB[start + 1 : start + 1 + chunk]
        logits_TBV, state = model(text_NB[start : start + len(target)], state)
        loss = nn.functional.cross_entropy(
            logits_TBV.flatten(0, 1), target.flatten(), reduction="sum"
        )
        total += loss.item()
    count = (length - 1) * lanes
    return total / count / math.log(2), count


def measure(model: LanguageModel, text: Text) -> dict[str, float]:
    """The test part of a text: how well it is predicted, and how well without a model."""
    words = model.vocabulary
    found, count = bits(model, words.encode(text.test))
    if words.words is None:
        naive = compression.baselines(text.train, text.test, text.test_files).items()
        return {"bits_per_byte": found, "bytes": count} | {f"baseline_{n}": b for n, b in naive}
    known, asked = words.encode(text.train).numpy(), words.encode(text.test).numpy()
    unigram = compression.order_0(known, asked, len(words))
    return {"perplexity": 2**found, "words": count, "baseline_unigram": 2**unigram}


@torch.no_grad()
def sample(
    model: LanguageModel,
    prompt: Tensor,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int = 0,
    seed: int = 0,
) -> list[int]:
    """Continue a text, one token after the other.

    Args:
        model: a trained model.
        prompt: (N,) tokens to begin with; N may be 0.
        length: how many to add.
        temperature: below 1 plays safe, above 1 is wild; 0 always takes the likeliest.
        top_k: draw from the k likeliest only; 0 draws from all.
        seed: the same seed gives the same text.

    Returns:
        The added tokens.

    Raises:
        ValueError: `length`, `temperature` or `top_k` is negative.
    """
    for name, value in (("length", length), ("temperature", temperature), ("top_k", top_k)):
        if not 0 <= value < math.inf:
            raise ValueError(f"sampling needs {name} of at least 0; got {value}; give another")
    model.eval()
    draw = torch.Generator().manual_seed(seed)
    prompt = prompt if len(prompt) else prompt.new_zeros(1)
    logits_TBV, state = model(prompt[:, None].long())
    logits_V, added = logits_TBV[-1, 0], []
    for _ in range(length):
        if temperature == 0:
            token = logits_V.argmax()
        else:
            if top_k:
                least = logits_V.topk(min(top_k, len(logits_V))).values[-1]
                logits_V = logits_V.where(logits_V >= least, -math.inf)
            token = torch.multinomial((logits_V / temperature).softmax(0), 1, generator=draw)[0]
        added.append(int(token))
        logits_BV, state = model.step(token[None], state)
        logits_V = logits_BV[0]
    return added


def predict(model: LanguageModel, item: str) -> str:
    """Continue a text."""
    words = model.vocabulary
    return words.decode(sample(model, words.encode(item.encode())))
