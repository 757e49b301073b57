"""How well a trained model predicts a text, beside what needs no model."""

from swiftrnn.data.text import Text
from swiftrnn.metrics import compression
from swiftrnn.recipes.language_model.model import LanguageModel
from swiftrnn.tasks.writing.measure import bits, spread


def measure(model: LanguageModel, text: Text) -> dict[str, float]:
    """The test part of a text: how well it is predicted, and how well without a model."""
    words = model.vocabulary
    found, count = bits(model, words.encode(text.test))
    if words.words is None:
        naive = compression.baselines(text.train, text.test, text.test_files).items()
        return {"bits_per_byte": found, "bytes": count} | {f"baseline_{n}": b for n, b in naive}
    test = words.encode(text.test)
    known, asked = words.encode(text.train).numpy(), test.numpy()
    unigram = compression.order_0(known, asked, len(words)) + spread(words, test)
    others = 100 * (test == words.other).double().mean().item()
    return {
        "perplexity": 2**found, "words": count, "baseline_unigram": 2**unigram,
        "vocabulary": len(words), "words_left_out": words.left_out, "other_words_percent": others,
    }  # fmt: skip
