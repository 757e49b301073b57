"""Our translator beside JoeyNMT: the same pairs, tokens, parameters and minutes.

    python benchmarks/translation.py              ten minutes each, on a quiet machine
    python benchmarks/translation.py --seconds 20 --quick      made-up pairs: tests the script

It needs JoeyNMT (`pip install --no-deps joeynmt==2.3.0 subword-nmt sentencepiece lazy_importer
importlib_metadata zipp editdistance`). JoeyNMT reads text that is cut into our subwords, joined by
blanks, and learns with its own loop, loss and search: a bidirectional encoder and a decoder with
attention and input feeding, as its documentation has them, GRU or LSTM, of our number of
parameters. Both write the test part greedily and with a beam of 5, in batches; then, in turns, one
sentence at a time on one thread. `benchmarks/results/translation-<machine>.json` is written.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import rows
import torch
from tables import number, table

from swiftrnn.data.translation.corpora import parts_for
from swiftrnn.data.translation.languages import Languages
from swiftrnn.data.translation.pairs import Pairs, Parts
from swiftrnn.data.translation.tokenizer import SPECIAL, Tokenizer
from swiftrnn.metrics.translation import bleu
from swiftrnn.recipes import sequence_to_sequence as ours
from swiftrnn.recipes.sequence_to_sequence.model import Translator
from swiftrnn.recipes.sequence_to_sequence.train import load, train
from swiftrnn.runs import folder
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.machine import machine
from swiftrnn.tasks.translating.search import Search, searched, translated
from swiftrnn.training.sizes import nearest_width

BEAM, PENALTY = 5, 0.6
TIMED, ROUNDS = 60, 5  # sentences one at a time, and how often; the median counts
LONGEST = 100


def joeynmt(part: str) -> Any:
    """A module of JoeyNMT, which is no dependency."""
    return importlib.import_module(f"joeynmt.{part}")


def pieces(texts: Sequence[str], tokens: Tokenizer) -> list[str]:
    """Texts cut into tokens that are joined by blanks."""
    return [" ".join(tokens.pieces(row)) for row in tokens.encode_all(texts)]


def written(parts: Parts, languages: Languages, out: Path) -> None:
    """The files that JoeyNMT reads."""
    out.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("train", "dev", "test"), parts, strict=True):
        sources = pieces(part.sources, languages.source)
        targets = pieces(part.targets, languages.target)
        for side, lines in (("src", sources), ("trg", targets)):
            folder.write_text(out / f"{name}.{side}", "\n".join(lines) + "\n")
    for side, tokens in (("src", languages.source), ("trg", languages.target)):
        known = [each for each in tokens.pieces(range(len(tokens))) if each not in SPECIAL]
        folder.write_text(out / f"{side}.vocab", "\n".join(known) + "\n")


def settings(config: Any, out: Path, cell: str, hidden: int) -> dict[str, Any]:
    """JoeyNMT's configuration: its recurrent recipe, with our sizes, batches and rate."""
    side = {"level": "word", "lowercase": False, "max_length": LONGEST, "tokenizer_type": "none"}
    encoder = {
        "type": "recurrent", "rnn_type": cell, "hidden_size": hidden, "num_layers": config.depth,
        "bidirectional": True, "dropout": config.dropout,
        "embeddings": {"embedding_dim": config.size, "dropout": config.dropout},
    }  # fmt: skip
    decoder = encoder | {
        "attention": "luong", "input_feeding": True, "init_hidden": "bridge",
        "hidden_dropout": config.dropout,
    }  # fmt: skip
    decoder.pop("bidirectional")
    return {
        "name": "joeynmt", "joeynmt_version": "2.3.0", "model_dir": str(out / "model"),
        "use_cuda": False, "random_seed": config.seed,
        "data": {
            "train": str(out / "train"), "dev": str(out / "dev"), "test": str(out / "test"),
            "dataset_type": "plain",
            "src": {"lang": "src", "voc_file": str(out / "src.vocab"), **side},
            "trg": {"lang": "trg", "voc_file": str(out / "trg.vocab"), **side},
        },
        "testing": {"beam_size": 1, "eval_metrics": ["bleu"]},
        "training": {
            "optimizer": "adam", "adam_betas": [0.9, 0.98], "normalization": "tokens",
            "learning_rate": config.learning_rate, "learning_rate_warmup": config.warmup,
            "scheduling": "warmupinversesquareroot", "clip_grad_norm": config.clip,
            "label_smoothing": config.smoothing, "batch_size": config.batch_tokens,
            "batch_type": "token", "epochs": 10_000, "validation_freq": 1_000_000_000,
            "logging_freq": 100, "keep_best_ckpts": 1, "early_stopping_metric": "ppl",
        },
        "model": {"initializer": "xavier_uniform", "encoder": encoder, "decoder": decoder,
                  "tied_softmax": False, "tied_embeddings": False},
    }  # fmt: skip


class Joey:
    """JoeyNMT, trained for some seconds.

    Args:
        config: our settings.
        out: the folder with its files.
        cell: gru or lstm.
        size: parameters that it should have.
        languages: the tokens of both.
    """

    def __init__(self, config: Any, out: Path, cell: str, size: int, languages: Languages) -> None:
        parse_global_args = joeynmt("config").parse_global_args
        prepare = joeynmt("prediction").prepare
        TrainManager = joeynmt("training").TrainManager

        self.languages = languages
        (out / "model").mkdir(exist_ok=True)
        parts: Any = {}

        def made(hidden: int) -> Any:
            args = parse_global_args(settings(config, out, cell, hidden), rank=0, mode="train")
            parts["args"] = args
            parts["data"] = prepare(args, rank=0, mode="train")
            return parts["data"][0]

        def parameters(hidden: int) -> int:
            return sum(p.numel() for p in self._sized(config, out, cell, hidden).parameters())

        hidden = nearest_width(lambda width: parameters(2 * width), size) * 2
        torch.manual_seed(config.seed)
        self.model = made(hidden)
        args, (_, train_data, dev_data, _) = parts["args"], parts["data"]

        class Timed(TrainManager):
            """Ends after so many seconds of updates."""

            began, steps = 0.0, 0

            def _train_step(self, batch: Any) -> Any:
                self.began = self.began or time.perf_counter()
                self.steps += 1
                found = super()._train_step(batch)
                if time.perf_counter() - self.began >= config.seconds:
                    self.stats.is_max_update = True
                return found

        set_validation_args = joeynmt("config").set_validation_args

        trainer = Timed(
            model=self.model, model_dir=args.model_dir, device=args.device, n_gpu=0, rank=0,
            num_workers=0, autocast=args.autocast, seed=args.seed, train_args=args.train,
            dev_args=set_validation_args(args.test),
        )  # fmt: skip
        trainer.train_and_validate(train_data=train_data, valid_data=dev_data)
        self.steps, self.hidden = trainer.steps, hidden
        self.parameters = sum(p.numel() for p in self.model.parameters())
        self.model.eval()

    @staticmethod
    def _sized(config: Any, out: Path, cell: str, hidden: int) -> Any:
        """An untrained model, for its size alone."""
        parse_global_args = joeynmt("config").parse_global_args
        build_model = joeynmt("model").build_model
        build_vocab = joeynmt("vocabulary").build_vocab

        args = parse_global_args(settings(config, out, cell, hidden), rank=0, mode="train")
        src, trg = build_vocab(args.data)
        with torch.device("meta"):
            return build_model(args.model, src_vocab=src, trg_vocab=trg)

    def encoded(self, sources: Sequence[str]) -> list[list[int]]:
        """The numbers of the tokens of sentences."""
        cut = [row.split(" ") for row in pieces(sources, self.languages.source)]
        return self.model.src_vocab.sentences_to_ids(cut, bos=False, eos=True)[0]

    def search(self, encoded: Sequence[Sequence[int]], beam: int) -> list[str]:
        """The translations of some sentences, together."""
        Batch = joeynmt("batch").Batch
        search = joeynmt("search").search

        vocab = self.model.trg_vocab
        longest = max(map(len, encoded))
        tokens = torch.full((len(encoded), longest), vocab.pad_index)
        for i, row in enumerate(encoded):
            tokens[i, : len(row)] = torch.tensor(row)
        lengths = torch.tensor([len(row) for row in encoded])
        batch = Batch(
            tokens, lengths, None, None, None, torch.arange(len(encoded)), torch.device("cpu"),
            vocab.pad_index, vocab.eos_index, is_train=False,
        )  # fmt: skip
        order = batch.sort_by_src_length()
        found, _, _ = search(
            model=self.model, batch=batch, max_output_length=2 * longest + 10, beam_size=beam,
            beam_alpha=PENALTY, generate_unk=False,
        )  # fmt: skip
        rows_ = [found[i] for i in order]
        texts = vocab.arrays_to_sentences(arrays=rows_, cut_at_eos=True)
        number_of = self.languages.target.found.token_to_id
        return [self.languages.target.decode([number_of(p) for p in row]) for row in texts]

    def translated(self, sources: Sequence[str], beam: int) -> list[str]:
        """The translation of each text, those of like length together."""
        rows_ = self.encoded(sources)
        order, found = sorted(range(len(rows_)), key=lambda i: len(rows_[i])), [""] * len(rows_)
        for first in range(0, len(order), 64):
            some = order[first : first + 64]
            for i, text in zip(some, self.search([rows_[i] for i in some], beam), strict=True):
                found[i] = text
        return found


def quality(found: Callable[[int], list[str]], test: Pairs) -> dict[str, float]:
    """BLEU, greedily and with a beam, and the seconds that it took."""
    metrics = {}
    for name, beam in (("greedy", 1), (f"beam_{BEAM}", BEAM)):
        start = time.perf_counter()
        texts = found(beam)
        metrics[f"seconds_{name}"] = time.perf_counter() - start
        metrics[f"bleu_{name}"] = bleu(texts, test.targets).value
    return metrics


def in_turns(
    systems: dict[str, Callable[[int, int], Any]], count: int
) -> dict[str, dict[str, float]]:
    """Sentences a second, one at a time, on one thread; medians of rounds where all take turns."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in systems}
    try:
        for turn in range(ROUNDS + 1):
            for beam in (1, BEAM):
                for name, run in systems.items():
                    start = time.perf_counter()
                    for i in range(count):
                        run(i, beam)
                    rate = count / (time.perf_counter() - start)
                    if turn:
                        found[name].setdefault(f"sentences_per_second_{beam}", []).append(rate)
    finally:
        torch.set_num_threads(threads)
    return {
        name: {key: statistics.median(each) for key, each in rates.items()}
        for name, rates in found.items()
    }


def main(config: Any, cells: Sequence[str], work: Path, out: Path) -> None:
    parts = parts_for(config)
    languages = Languages.of(parts.train, config.tokens, config.vocabulary)
    here = RunFolder(work / "ours", "sequence_to_sequence")
    here.path.mkdir(parents=True, exist_ok=True)
    fitted = train(config, here, parts.train, parts.valid, languages)
    model: Translator = load(config, here.path)
    size = sum(each.numel() for each in model.parameters())
    test, some = parts.test, parts.test.spread(TIMED)
    mine = languages.source.encode_all(some.sources)
    found: dict[str, Any] = {
        "SRU": {"updates": fitted.steps, "parameters": size}
        | quality(lambda beam: translated(model, test.sources, how(beam)), test)
    }
    systems: dict[str, Any] = {"SRU": lambda i, beam: searched(model, [mine[i]], how(beam))}
    written(parts, languages, work / "joeynmt")
    for cell in cells:
        joey, name = (
            Joey(config, work / "joeynmt", cell, size, languages),
            f"JoeyNMT {cell.upper()}",
        )
        theirs = joey.encoded(some.sources)
        about = {"updates": joey.steps, "parameters": joey.parameters}
        found[name] = about | quality(lambda beam, j=joey: j.translated(test.sources, beam), test)
        systems[name] = lambda i, beam, j=joey, t=theirs: j.search([t[i]], beam)
    for name, rates in in_turns(systems, len(mine)).items():
        found[name] |= rates
    about = {"seconds": config.seconds, "pairs": len(parts.train), "test": len(test)}
    folder.write_json(out, {"machine": machine(), "about": about, "systems": found})
    print(json.dumps(found, indent=2))
    print(f"written to {out}")


def how(beam: int) -> Search:
    """Our search."""
    return Search(beam, PENALTY)


def translation(results: Path) -> str:
    """Everything that was measured, as tables."""
    parts = []
    for file in sorted(results.glob("translation-*.json")):
        content = json.loads(file.read_text())
        lines = [
            [name, number(each["bleu_greedy"], ".1f"), number(each[f"bleu_beam_{BEAM}"], ".1f"),
             number(each["sentences_per_second_1"], ".0f"),
             number(each[f"sentences_per_second_{BEAM}"], ".0f"),
             number(each["updates"], ",.0f"), number(each["parameters"], ",.0f")]
            for name, each in content["systems"].items()
        ]  # fmt: skip
        header = (
            "system", "BLEU greedy ↑", f"BLEU beam {BEAM} ↑", "sentences/s greedy ↑",
            f"sentences/s beam {BEAM} ↑", "updates", "parameters",
        )  # fmt: skip
        facts, about = content["machine"], content["about"]
        where = (
            f"{facts['cpu']}, torch {facts['torch']}, commit {facts['commit']}; "
            f"{about['seconds'] / 60:.0f} minutes of training each, {about['pairs']:,} pairs of "
            f"Tatoeba, German to English, {about['test']:,} of test."
        )
        parts.append(f"{where}\n\n{table(header, lines)}")
    return "\n\n".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Our translator beside JoeyNMT.")
    parser.add_argument("--seconds", type=float, default=600.0, help="of training, each")
    parser.add_argument("--cells", nargs="+", choices=("gru", "lstm"), default=["gru", "lstm"])
    parser.add_argument("--quick", action="store_true", help="made-up pairs: tests the script")
    parser.add_argument("--work", type=Path, default=Path("runs/translation"), help="a folder")
    default = rows.RESULTS / f"translation-{rows.default_path().stem}.json"
    parser.add_argument("--out", type=Path, default=default, help="the JSON file")
    given = parser.parse_args()
    base = ours.SMOKE if given.quick else ours.Config()
    main(replace(base, seconds=given.seconds, steps=None), given.cells, given.work, given.out)
