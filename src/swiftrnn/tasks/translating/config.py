"""The options of every translator: which pairs of sentences, and what their tokens are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from swiftrnn.runs import limits

Own = Annotated[Path | None, limits.With("train")]
Column = Annotated[str | None, limits.With("train")]


@dataclass(frozen=True)
class Corpus(limits.Checked):
    """Pairs of sentences to learn from, to choose by, and to measure on."""

    # your pairs of sentences: a .tsv, .csv, .jsonl or .parquet file with both, or the sources, one
    # a line, beside --train-targets
    train: limits.OwnFile = None
    valid: Own = None  # your validation pairs; default: a part of --train that shares no sentence
    test: Own = None  # your test pairs, measured once; default: as --valid
    train_targets: Own = None  # the translation of each line of --train
    valid_targets: Annotated[Path | None, limits.With("valid")] = None  # the same of --valid
    test_targets: Annotated[Path | None, limits.With("test")] = None  # the same of --test
    source_column: Column = None  # name or number of the source column; default: the first
    target_column: Column = None  # name or number of the target column; default: the second
    encoding: Annotated[str, limits.With("train")] = "utf-8"  # encoding of your files
    made_up: bool = False  # synthetic sentences in place of a data set; nothing is downloaded
    back: bool = False  # translate from the target language to the source language
    # kind of token: subwords (byte-pair encoding), words or characters
    tokens: Literal["subwords", "words", "characters"] = "subwords"
    # vocabulary size of each language
    vocabulary: Annotated[int, limits.Range(300, 1_000_000)] = 4000
