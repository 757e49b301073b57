"""Where sentences come from: a data set, files of yours, or made-up ones."""

import sys
from typing import Any

from swiftrnn.data import corpus, vectors
from swiftrnn.data.corpus import Corpus
from swiftrnn.data.vectors import Vectors


def corpus_for(config: Any) -> Corpus:
    """What a configuration asks for.

    Raises:
        ValueError: a file does not fit, or only some of the three were given.
        ConnectionError: a data set could not be downloaded.
    """
    if config.made_up:
        return corpus.made_up(config.seed)
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
