"""What needs no network: the most frequent class, and a bag of words."""

import warnings
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from swiftrnn.data.segmentation.cutting import STYLES
from swiftrnn.recipes.sentence_classification.data import OUTSIDE, Parts

STRENGTHS = (1.0, 4.0, 16.0)  # of the weights, the inverse of their penalty; chosen on valid


def scores(parts: Parts, sentences: Callable[..., list[list[str]]]) -> dict[str, float]:
    """Accuracy on the test part, percent; what is out of scope is left out.

    Args:
        parts: what is learnt from, chosen by and measured on.
        sentences: a part and the way to cut raw text, to the words of each text.
    """
    keep = [i for i, label in enumerate(parts.test.labels) if label != OUTSIDE]
    right = [parts.test.labels[i] for i in keep]
    usual = Counter(parts.train.labels).most_common(1)[0][0]
    found = bag_of_words(parts, sentences)
    hits = sum(found[i] == label for i, label in zip(keep, right, strict=True))
    return {
        "baseline_most_frequent": 100 * right.count(usual) / len(right),
        "baseline_bag_of_words": 100 * hits / len(right),
    }


def bag_of_words(parts: Parts, sentences: Callable[..., list[list[str]]]) -> list[str]:
    """Classes of the test part by logistic regression on tf-idf of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    cut = STYLES["words"]
    train, valid, test = ([*map(lower, sentences(part, cut))] for part in parts)
    how: Any = pairs
    table = TfidfVectorizer(analyzer=how, sublinear_tf=True)
    known: Any = table.fit_transform(train)
    best, chosen = -1.0, None
    for strength in STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it stopped before the last digit
            model = LogisticRegression(C=strength, max_iter=200).fit(known, parts.train.labels)
        if (score := model.score(table.transform(valid), parts.valid.labels)) > best:
            best, chosen = score, model
    return [*map(str, chosen.predict(table.transform(test)))]  # pyright: ignore


def lower(words: list[str]) -> list[str]:
    """Words in lower case."""
    return [word.lower() for word in words]


def pairs(words: list[str]) -> list[str]:
    """Words, and words with the one before.

    Examples:
        >>> pairs(["not", "bad"])
        ['not', 'bad', 'not bad']
    """
    return [*words, *map(" ".join, pairwise(words))]
