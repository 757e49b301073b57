"""Using what was trained: continuing a text with a language model, finding names in one."""

import json
import re
from dataclasses import asdict, fields
from typing import Any

import torch

from swiftrnn import console
from swiftrnn.data import columns, tokens
from swiftrnn.data.columns import Sentence
from swiftrnn.data.tags import Span
from swiftrnn.deploy.trained import Trained, config_of, load
from swiftrnn.recipes.language_model.use import sample

__all__ = [
    "RECIPE",
    "Trained",
    "check_used",
    "config_of",
    "continue_text",
    "found",
    "load",
    "main",
    "parameters_of",
    "width_of",
]
RECIPE = "language_model"
SURROGATE = re.compile("[\ud800-\udfff]")
LINE_ENDS = re.compile("[\x7f-\x9f\u2028\u2029]")  # that JSON leaves alone and others break at


@torch.no_grad()
def continue_text(
    trained: Trained,
    text: str,
    length: int = 200,
    temperature: float = 0.8,
    top_k: int = 0,
    seed: int = 0,
) -> str:
    """Continue a text with a language model.

    Args:
        trained: what `load` gave.
        text: what to begin with; it may be empty.
        length: how many bytes (or words) to add.
        temperature: below 1 plays safe, above 1 is wild; 0 always takes the likeliest.
        top_k: draw from the k likeliest only; 0 draws from all.
        seed: the same seed gives the same text.

    Returns:
        What was added; bytes that are no UTF-8 become replacement characters.

    Raises:
        ValueError: `length`, `temperature` or `top_k` is negative.
    """
    words = trained.model.vocabulary
    prompt = words.encode(text.encode("utf-8", "surrogateescape"))
    added = sample(trained.model, prompt, length, temperature, top_k, seed)
    return words.decode(added)


def check_used(trained: Trained, options: Any) -> None:
    """Refuse options of `swiftrnn predict` that mean nothing for what was trained.

    Raises:
        ValueError: names the first one.
    """
    continues = trained.name == RECIPE
    unused = ("format",) if continues else ("length", "temperature", "top_k", "seed")
    for each in fields(options):
        if each.name in unused and (got := getattr(options, each.name)) != each.default:
            what = "continues texts" if continues else "finds names"
            raise ValueError(
                f"swiftrnn predict needs options that mean something for {trained.name}, which "
                f"{what}; got --{each.name.replace('_', '-')} {got}; leave it out"
            )


def width_of(trained: Trained) -> int:
    """How wide the layer is: not the setting, which is the width of SRU at equal size."""
    return trained.model.embedding.embedding_dim


def parameters_of(trained: Trained) -> int:
    """How many trainable parameters the model has."""
    return sum(each.numel() for each in trained.model.parameters() if each.requires_grad)


def found(trained: Trained, text: str, form: str = "text") -> str:
    """What a tagger finds in a text, to be printed.

    The text and all places count Unicode characters, as Python's strings do: not bytes, and not
    the units of UTF-16 that JavaScript counts.

    Args:
        trained: what `load` gave, of a recipe that finds spans in texts.
        text: anything without surrogates.
        form: "text", a line for each: where, what, type and confidence; "jsonl", one object with
            the text and all of them; "conll", a word and its tag (IOB2) on a line.

    Returns:
        Lines; for "text" none where nothing was found.

    Raises:
        ValueError: the text has a surrogate, so it was not decoded as what it is.
    """
    if odd := SURROGATE.search(text):
        raise ValueError(
            f"predict needs a text in Unicode; got the surrogate {odd[0]!r} at character "
            f"{odd.start()}; decode the text as what it is"
        )
    entities = trained.recipe.predict(trained.model, text)
    if form == "jsonl":
        content = {"text": text, "entities": [asdict(each) for each in entities]}
        line = json.dumps(content, ensure_ascii=False, allow_nan=False)
        return LINE_ENDS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line) + "\n"
    if form == "text":
        rows = [(f"{e.start}-{e.end}", e.type, f"{e.confidence:.3f}", " ".join(e.text.split()))
                for e in entities]  # fmt: skip
        return "".join("{:<12}{:<16}{:<8}{}\n".format(*row) for row in rows)
    sentences = []
    for words in tokens.sentences(text, trained.model.vocabulary.how):
        first, end = ({getattr(w, a): i for i, w in enumerate(words)} for a in ("start", "end"))
        spans = [Span(e.type, first[e.start], end[e.end] + 1) for e in entities if e.start in first]
        sentences.append(Sentence(tuple(w.text for w in words), tuple(spans)))
    return columns.write(sentences)


def main(options: Any) -> None:
    """What `swiftrnn predict` does.

    Args:
        options: those of the command.

    Raises:
        ValueError: the run folder, a text or an option does not fit.
    """
    trained = load(options.run)
    continues = trained.name == RECIPE
    check_used(trained, options)
    texts = console.given(options.inputs, any_bytes=continues)
    if continues:
        how = (options.length, options.temperature, options.top_k, options.seed)
        for text in texts:
            console.show(text + continue_text(trained, text, *how) + "\n")
        return
    for text in texts:
        console.show(found(trained, text, options.format))
