"""Sentences to numbers and back: subwords, words or characters, learnt from the training text."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

try:
    import tokenizers as library
    from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "a tokenizer needs the extra translate; tokenizers is missing; "
        "run pip install 'swiftrnn[translate]'",
        name=missing.name,
    ) from None

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else a fork later gets a warning
PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))  # what subwords spell new characters with
BLANK = "▁"  # in front of the first piece of a word
KINDS = ("subwords", "words", "characters")


@dataclass(frozen=True)
class Tokenizer:
    """Cuts sentences into tokens and numbers them; `learn` makes one.

    The first numbers are those of padding, start, end and the unknown token. A sentence comes back
    as it was, but for its spaces and for tokens that are unknown; subwords spell what training did
    not have by its bytes, so nothing is unknown to them.

    Attributes:
        kind: "subwords" (byte-pair encoding), "words" or "characters".
        found: the tokenizer of the library `tokenizers`.

    Examples:
        >>> words = Tokenizer.learn(["Where is it?", "Where is she?"], "words")
        >>> words.encode("Where is she?"), words.decode(words.encode("Is it?"))
        ([5, 6, 8, 4], '<unk> it?')

    Source: Sennrich et al. (2016), "Neural Machine Translation of Rare Words with Subword Units".
    """

    kind: str
    found: Any

    @classmethod
    def learn(
        cls, sentences: Sequence[str], kind: str = "subwords", size: int = 8000, min_count: int = 1
    ) -> "Tokenizer":
        """The tokens of a text.

        Args:
            sentences: to learn from.
            kind: one of `KINDS`.
            size: so many tokens at most, the special ones among them; subwords need the 256 bytes.
            min_count: tokens, or pairs of them, that are rarer are left out.

        Raises:
            ValueError: there is no such kind, the size is too small, or there are no sentences.
        """
        if kind not in KINDS:
            raise ValueError(f"a tokenizer needs a kind of {', '.join(KINDS)}; got {kind!r}")
        special = [*SPECIAL, *(BYTES if kind == "subwords" else ())]
        if size <= len(special) or min_count < 1 or not sentences:
            raise ValueError(
                f"a tokenizer of {kind} needs sentences, a size above {len(special)} and a least "
                f"count above 0; got {len(sentences)}, {size} and {min_count}"
            )
        found = library.Tokenizer(_model(kind))
        found.normalizer = normalizers.NFC()  # pyright: ignore
        found.pre_tokenizer = _cuts(kind)  # pyright: ignore
        found.decoder = decoders.Sequence(  # pyright: ignore
            [decoders.ByteFallback(), decoders.Metaspace(BLANK, "always")]
        )
        given: dict[str, Any] = {"vocab_size": size, "min_frequency": min_count,
                                 "special_tokens": special, "show_progress": False}  # fmt: skip
        trainer: Any = (
            trainers.BpeTrainer(**given, limit_alphabet=size - len(special))
            if kind == "subwords"
            else trainers.WordLevelTrainer(**given)
        )
        found.train_from_iterator(sentences, trainer)
        return cls(kind, _plain(json.loads(found.to_str())))

    def __len__(self) -> int:
        return self.found.get_vocab_size()

    def encode(self, sentence: str) -> list[int]:
        """The numbers of a sentence's tokens, without start and end."""
        return self.found.encode(sentence).ids

    def encode_all(self, sentences: Sequence[str]) -> list[list[int]]:
        """Those of many sentences, in less time."""
        return [each.ids for each in self.found.encode_batch([*sentences])]

    def pieces(self, numbers: Sequence[int]) -> list[str]:
        """The tokens as they are written; `BLANK` stands for the space before a word."""
        return [self.found.id_to_token(number) for number in numbers]

    def decode(self, numbers: Sequence[int]) -> str:
        """The sentence of tokens; padding, start and end are left out."""
        written = self.pieces([n for n in numbers if n not in (PAD, START, END)])
        unknown = f"{BLANK}{SPECIAL[UNKNOWN]}" if self.kind == "words" else SPECIAL[UNKNOWN]
        return self.found.decoder.decode(
            [unknown if each == SPECIAL[UNKNOWN] else each for each in written]
        )

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "tokenizer": json.loads(self.found.to_str())}

    @classmethod
    def read(cls, saved: Any) -> "Tokenizer":
        """What `saved` gave.

        Raises:
            ValueError: it is something else.
        """
        try:
            made = cls(saved["kind"], _plain(saved["tokenizer"]))
            sound = saved["kind"] in KINDS and made.pieces(range(len(SPECIAL))) == [*SPECIAL]
        except (TypeError, LookupError, ValueError):
            sound, made = False, None
        if not sound or made is None:
            raise ValueError(
                "vocabulary.json needs a tokenizer as swiftrnn writes it; got something else; it "
                "was damaged or changed, so train again"
            )
        return made


def _model(kind: str) -> Any:
    if kind == "subwords":
        return models.BPE(unk_token=SPECIAL[UNKNOWN], byte_fallback=True)
    return models.WordLevel(unk_token=SPECIAL[UNKNOWN])


def _cuts(kind: str) -> Any:
    """Where no token goes across: between words, at marks; between all characters."""
    words = pre_tokenizers.Metaspace(BLANK, "always")
    if kind == "characters":
        return pre_tokenizers.Sequence(
            [words, pre_tokenizers.Split(library.Regex(r"[\s\S]"), "isolated")]
        )
    return pre_tokenizers.Sequence([words, pre_tokenizers.Punctuation("isolated")])


def _plain(content: dict[str, Any]) -> Any:
    """A tokenizer in which "</s>" in a sentence is text, and no end."""
    try:
        return library.Tokenizer.from_str(json.dumps(content | {"added_tokens": []}))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(str(error)) from None
