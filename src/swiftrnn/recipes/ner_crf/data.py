"""Where sentences come from: a data set, files of yours, or made-up ones."""

import random
import sys
from typing import Any

from swiftrnn.data import corpus, vectors
from swiftrnn.data.columns import Columns, Sentence
from swiftrnn.data.corpus import Corpus
from swiftrnn.data.tags import Span
from swiftrnn.data.vectors import Vectors


def corpus_for(config: Any) -> Corpus:
    """What a configuration asks for.

    Raises:
        ValueError: a file does not fit, or only some of the three were given.
        ConnectionError: a data set could not be downloaded.
    """
    if config.made_up:
        return made_up(config.seed)
    own = corpus.own(config.train, config.valid, config.test)
    return own or corpus.known(config.data)


def vectors_for(config: Any, known: Corpus) -> Vectors | None:
    """The vectors of the corpus' words, if the configuration names a file; says how many have one.

    Raises:
        ValueError: the file does not fit, or too few words of train are in it.
    """
    if config.vectors is None:
        return None
    in_train = vectors.read(config.vectors, (w for s in known.train.sentences for w in s.words))
    print(f"{config.vectors} and train: {in_train}", file=sys.stderr)
    if in_train.coverage < config.least_coverage:
        raise ValueError(
            f"ner_crf needs vectors for {config.least_coverage:.0%} of the words in train; got "
            f"{in_train.coverage:.1%} in {config.vectors}; are they of this language? a smaller "
            "--least-coverage takes them all the same"
        )
    return vectors.read(config.vectors, (w for p in known for s in p.sentences for w in s.words))


def made_up(seed: int) -> Corpus:
    """Sentences about people in places; half of the names are not in train."""
    draw = random.Random(seed)
    names = ["".join(draw.choice("bdfklmnrst") + draw.choice("aeiou") for _ in range(3)).title()
             for _ in range(80)]  # fmt: skip
    frames = ["{} lives in {} .", "In {1} , {0} met a friend .", "we saw {} near {} today .",
              "the old town of {1} is quiet , said {0} ."]  # fmt: skip
    parts = []
    for size, known in ((400, 40), (60, 80), (60, 80)):
        found = []
        for _ in range(size):
            person, place = draw.choice(names[:known]), draw.choice(names[:known]) + "ville"
            words = tuple(draw.choice(frames).format(person, place).split())
            spans = [Span("person", words.index(person), words.index(person) + 1),
                     Span("place", words.index(place), words.index(place) + 1)]  # fmt: skip
            found.append(Sentence(words, tuple(sorted(spans, key=lambda s: s.first))))
        parts.append(Columns(tuple(found), "IOB2"))
    return Corpus(*parts)
