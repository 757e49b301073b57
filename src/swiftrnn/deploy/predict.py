"""Using a language model that was trained."""

import torch

from swiftrnn.deploy.trained import Trained, config_of, load
from swiftrnn.recipes.language_model.use import sample

__all__ = ["RECIPE", "Trained", "config_of", "continue_text", "load", "parameters_of", "width_of"]
RECIPE = "language_model"


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


def width_of(trained: Trained) -> int:
    """How wide the layer is: not the setting, which is the width of SRU at equal size."""
    return trained.model.embedding.embedding_dim


def parameters_of(trained: Trained) -> int:
    """How many trainable parameters the model has."""
    return sum(each.numel() for each in trained.model.parameters() if each.requires_grad)
