"""Opinions that are made up, and classes that are permuted."""

import random

from swiftrnn.data.labelled import Labelled


def made_up(seed: int) -> Labelled:
    """Opinions whose class depends on the order of words: "not good , bad" and "not bad , good"."""
    draw, found = random.Random(seed), []
    things = ["film", "plot", "cast", "music", "ending", "story"]
    words = {True: ["good", "bright", "moving"], False: ["bad", "dull", "hollow"]}
    for i in range(300):
        liked = bool(i % 2)
        first, second = draw.choice(words[not liked]), draw.choice(words[liked])
        middle = [f"the {draw.choice(things)} is not {first}", f"it is {second}"]
        found.append((f"{' , '.join(middle)} .", "positive" if liked else "negative"))
    draw.shuffle(found)
    return Labelled(*zip(*found, strict=True), tokenized=True)


def permuted(part: Labelled, seed: int) -> Labelled:
    """The control: the same classes at other texts, where nothing can be learnt."""
    labels = list(part.labels)
    random.Random(seed).shuffle(labels)
    return Labelled(part.texts, tuple(labels), part.tokenized)
