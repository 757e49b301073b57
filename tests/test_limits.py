"""Every numeric option of every recipe and command: what it takes, and one line for what not."""

import dataclasses
import math
import re
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from swiftrnn import cli, commands, recipes
from swiftrnn.commands import parsing
from swiftrnn.runs import limits
from swiftrnn.runs.limits import Checked, Different, Range

TRIED = ("-1", "0", "2", "nan", "inf", "1e9")  # of these, what each option takes, by its name
COUNT, SIZE, SHARE, RATE = {"2", "1e9"}, {"2"}, {"0"}, {"2", "1e9"}
LEAST_0, NONE = {"0", "2", "1e9"}, set()
TAKEN = {
    **dict.fromkeys(("epochs", "updates", "steps", "every", "since", "train_lines", "knee",
                     "closely", "draws", "circles", "block", "ngram_rows", "seeds", "min_count",
                     "cutoffs", "different", "context_steps", "drawn", "kept", "random",
                     "alone_steps", "final_steps"), COUNT),
    **dict.fromkeys(("hidden", "layers", "depth", "networks", "group", "widths", "width", "window",
                     "bins", "bins_unbounded", "records", "word_size", "char_hidden", "char_depth",
                     "char_ngrams", "input_size", "action_size", "beam", "ngrams", "time",
                     "devices", "nodes", "processes", "workers", "train_size", "valid_size",
                     "images", "pairs", "image_pairs", "crowd", "dimensions", "test_lines",
                     "permutations", "iterations", "n_best", "batch", "size",
                     "batch_tokens", "heads", "inner", "upsampling", "vertices", "channels",
                     "vector", "longest", "ways", "blocks", "glimpses", "groups",
                     "units", "place_cells", "far", "shuffles", "alone_rows", "together"), SIZE),
    **{key: {"0", "2"} for key in ("threads", "char_size", "port", "length", "shift", "unseen")},
    **dict.fromkeys(("rate", "rates", "sigma", "epsilon", "variances", "clip", "level",
                     "seconds", "teacher_seconds", "tuning_seconds", "tuning_rate",
                     "context_seconds", "place_width", "controller_rate"), RATE),
    **dict.fromkeys(("decays", "alphas", "softness", "beta", "decay", "temperature",
                     "weight_decay", "length_penalty", "cost", "entropy"), LEAST_0),
    **dict.fromkeys(("noises", "replaced", "dropout", "word_dropout", "weight_drop",
                     "least_coverage", "foreign", "smoothing", "forget", "tuning_weight",
                     "jitter", "mixed", "rests"), SHARE),
    **dict.fromkeys(("train_share", "relative", "bits", "top_p", "vocabulary", "places", "side",
                     "real"), NONE),  # real: with --make
    **dict.fromkeys(("seed", "warmup", "top_k", "max_words", "make"), LEAST_0),
    "batch_size": COUNT, "learning_rate": LEAST_0, "noise": SHARE,
    "folds": {"2"}, "rows": NONE, "samples": NONE, "leak": NONE, "walks": NONE,
}  # fmt: skip
TAKEN_BY = {  # where an option of one name takes something else
    ("adamw_heatmap", "hidden"): NONE,  # a sixteenth of it is a number of channels
    ("sgdr", "hidden"): NONE,
    ("information_plane", "epochs"): NONE,  # above --since
    ("information_plane", "since"): {"2"},  # before the last epoch
    ("information_plane", "batch_size"): {"0", "2", "1e9"},
    ("accumulation", "batch_size"): NONE,  # the window divides it
    ("accumulation", "window"): {"2"},
    ("accumulation", "train_lines"): {"1e9"},  # at least one batch
    ("batchnorm_study", "batch_size"): {"2"},
    ("batchnorm_study", "every"): {"2"},
    ("batchnorm_study", "width"): NONE,  # for group norm a multiple of 4
    ("batchnorm_study", "steps"): {"1e9"},  # at least --every
    ("hsic_bottleneck", "batch_size"): NONE,
    ("hsic_test", "level"): NONE,
    ("hsic_test", "noise"): LEAST_0,
    ("language_model", "batch_size"): SIZE,
    ("language_model", "width"): {"0", "2"},
    ("predict", "processes"): {"0", "2"},
    ("language_model", "learning_rate"): RATE,
    ("sequence_to_sequence", "learning_rate"): RATE,
    ("markov_order", "batch_size"): SIZE,
    ("markov_order", "learning_rate"): RATE,
    ("markov_order", "length"): NONE,
    ("vector_to_sequence", "batch_size"): SIZE,
    ("vector_to_sequence", "learning_rate"): RATE,
    ("nonautoregressive_translation", "learning_rate"): RATE,
    ("nonautoregressive_translation", "size"): NONE,  # the heads divide it
    ("nonautoregressive_translation", "samples"): SIZE,
    ("Shown", "samples"): SIZE,
    ("pix2code", "batch_size"): SIZE,
    ("pix2code", "learning_rate"): RATE,
    ("pix2code", "longest"): NONE,  # from 8 names to 1,000
    ("one_shot", "learning_rate"): RATE,
    ("grid_cells", "batch_size"): SIZE,
    ("grid_cells", "learning_rate"): RATE,
    ("grid_cells", "noise"): LEAST_0,
    ("grid_cells", "length"): {"2"},
    ("grid_cells", "bins"): NONE,
    ("enas", "nodes"): {"2"},
    ("enas", "rows"): SIZE,
    ("enas", "samples"): SIZE,
    ("enas", "learning_rate"): RATE,
    ("compare", "batch_size"): SIZE,
    ("compare", "depth"): {"0", "2"},
}
MESSAGE = re.compile(r"need.*; got |arguments?:? .*--\w|Error parsing --\w|for argument '--\w")
OF = ("predict", "bench", "serve", "compare", "run", "sweep")
COMMANDS = {name: commands.find(name).OPTIONS for name in OF}
FOUND = {name: recipes.find(name) for name in recipes.names()}
TASKS = {each.parts.TASK.options: 0 for each in FOUND.values() if each.parts.TASK}
COMMANDS |= {kind.__name__: kind for kind in TASKS}


def kinds(hint):
    """int and float, where a field of this type takes them."""
    inside = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return {type(each) for each in inside} & {int, float}
    return {hint} & {int, float} | set().union(*map(kinds, inside)) if hint is not bool else set()


def numeric(kind):
    return [
        each.name for each in dataclasses.fields(kind) if kinds(limits.hint_of(kind, each.name))
    ]


RECIPES = [(n, field) for n, each in FOUND.items() for field in numeric(each.parts.Config)]
OF_COMMANDS = [(name, field) for name, kind in COMMANDS.items() for field in numeric(kind)]


def parsed(name, words):
    """What the command line makes of the words, or its one line."""
    if name in COMMANDS:
        first = ["RUN"] if name in ("predict", "serve") else []
        return parsing.parse(COMMANDS[name], name, "", [*first, *words])
    _, config = parsing.of_recipe(f"swiftrnn run {name}", COMMANDS["run"], FOUND[name], words)
    return config


def made(name, field, words):
    """The recipe's settings with the words in one field, as they come without a command line."""
    kind = FOUND[name].parts.Config
    hint = limits.hint_of(kind, field)
    values = [float(word) if "." in word or not word.lstrip("-").isdigit() else int(word)
              for word in words]  # fmt: skip
    several = tuple in {typing.get_origin(each) for each in (hint, *typing.get_args(hint))}
    more = {name: value for key, name, value in GIVEN if key == field}
    return kind(**{field: tuple(values) if several else values[0]}, **more)


GIVEN = [("least_coverage", "vectors", Path("x")), ("max_words", "level", "word")]


@pytest.mark.parametrize(("name", "field"), [*RECIPES, *OF_COMMANDS])
def test_numbers_out_of_range_get_one_line(name, field):
    taken, said, settings = set(), {}, COMMANDS.get(name)
    settings = settings or FOUND[name].parts.Config
    whole = int in kinds(limits.hint_of(settings, field))
    given = [word for key, *words in GIVEN if key == field for word in words]
    given = [f"--{given[0]}", str(given[1])] if given else []
    for word in TRIED:
        typed = str(int(1e9)) if word == "1e9" and whole else word
        try:
            if name in FOUND and said and taken:  # one of each kind was typed: the rest is faster
                made(name, field, [typed])
            else:
                parsed(name, [f"--{field.replace('_', '-')}", typed, *given])
            taken.add(word)
        except ValueError as error:
            said[word] = str(error)
    assert not [line for line in said.values() if "\n" in line or not MESSAGE.search(line)]
    assert taken == TAKEN_BY.get((name, field), TAKEN[field])


@pytest.mark.parametrize("name", FOUND)
def test_presets_are_within_the_limits_and_every_number_has_one(name):
    recipe = FOUND[name].parts
    assert issubclass(recipe.Config, Checked)
    assert set(FOUND[name].presets) >= {"default", "smoke"}
    for field in numeric(recipe.Config):
        shown = repr(limits.hint_of(recipe.Config, field))
        assert "Range(" in shown or "Literal" in shown, field


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hsic_test", "--level", "2"), "--level needs a number from 0.0001 to below 1; got 2"),
        (("hsic_test", "--rows", "-5"), "--rows needs a whole number from 4 to 10,000; got -5"),
        (("ner_crf", "--replaced", "2"), "--replaced needs a number from 0 to 1; got 2"),
        (("ner_crf", "--preset", "smoke", "--train", "x"),
         "--train needs no --made-up, with which it changes nothing; got --made-up; leave out one "
         "of them, or give --no-made-up"),
        (("ner_crf", "--preset", "smoke", "--data", "wnut17"),
         "--data needs no --made-up, with which it changes nothing; got --made-up with --preset "
         "smoke; leave out one of them, or give --no-made-up"),
        (("ner_crf", "--preset=smoke", "--data=bc5cdr"), "--data needs no --made-up"),
        (("ner_crf", "--made-up", "--test=x"), "--test needs no --made-up"),
        (("ner_crf", "--preset", "chinese", "--char-hidden", "9"), "--char-hidden needs a --char-"),
        (("ner_crf", "--least-coverage", "0.1"), "--least-coverage needs a --vectors, without"),
        (("ner_stack_lstm", "--train", "x", "--data", "wnut17"), "--data needs no --train"),
        (("language_model", "--preset", "smoke", "--text", "x"), "--text needs no --made-up"),
        (("language_model", "--width", "9", "--hidden", "9"), "--hidden needs no --width"),
        (("hsic_test", "--columns", "a", "b"), "--columns needs a --csv, without which it"),
        (("hsic_test", "--csv", "x", "--draws", "9"), "--draws needs no --csv, with which it"),
        (("sgdr", "--preset", "smoke", "--data", "mnist"), "--data needs no --made-up"),
        (("adamw_heatmap", "--cifar", "x", "--data", "mnist"), "--data needs no --cifar"),
        (("adamw_heatmap", "--preset", "smoke", "--cifar", "x"), "--cifar needs no --made-up"),
        (("random_angles", "--preset", "smoke", "--data", "mnist"), "--data needs no --made-up"),
        (("sgdr", "--rates", "0.1", "0.1"), "--rates needs at least one value, and each once"),
        (("sgdr", "--rates"), "--rates needs at least one value, and each once; got none"),
        (("accumulation", "--batch-size", "32", "--train-lines", "31"),
         "--batch-size needs a whole number of at most 31; got 32"),
        (("batchnorm_study", "--steps", "9", "--every", "10"),
         "--every needs a whole number of at most 9; got 10"),
    ],
)  # fmt: skip
def test_the_command_says_what_is_wrong_in_one_line(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", *words]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert said in printed.err
    assert not [*tmp_path.iterdir()]  # no run folder either


def test_presets_take_the_options_that_mean_something():
    words = ["--preset", "smoke", "--no-made-up", "--train", "a", "--valid", "b", "--test", "c"]
    assert str(parsed("ner_crf", words).train) == "a"
    assert parsed("hsic_test", ["--preset", "smoke", "--csv", "x"]).draws == 60
    assert parsed("language_model", ["--width", "9"]).width == 9


@pytest.mark.parametrize("grid", [("--grid", "level=0.01,2"), ("--grid=level=0.01,2",)])
def test_a_grid_is_checked_before_its_first_point(grid, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "hsic_test", "--preset", "smoke", "--metric", "pairs"]
    assert cli.main([*words, *grid]) == 2
    assert "--level needs a number from 0.0001 to below 1; got 2" in capsys.readouterr().err
    assert cli.main(["sweep", "sgdr", "--preset", "smoke", "--metric", "error_fixed",
                     "--grid", "data=mnist,fashion-mnist"]) == 2  # fmt: skip
    assert "--data needs no --made-up" in capsys.readouterr().err
    assert cli.main([*words, "--grid", "seed=0,1", "--study", "x"]) == 2
    assert "--study needs a --storage, without which" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@dataclass(frozen=True)
class Config(Checked):
    share: limits.Share = 0.5
    sizes: Annotated[tuple[limits.Size, ...], Different()] = (1,)
    steps: Annotated[int | None, Range(1)] = None
    way: Literal["up", "down"] = "up"
    flag: bool = False
    name: str = "x"
    file: Annotated[str | None, limits.Without("flag")] = None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": math.nan}, "--share needs a number from 0 to 1; got nan; the default is 0.5"),
        ({"share": "0.5"}, "--share needs a number from 0 to 1; got 0.5"),
        ({"share": True}, "--share needs a number from 0 to 1; got True"),
        ({"sizes": (1, 0)}, "--sizes needs a whole number from 1 to 65,536; got 1 0; the default"),
        ({"sizes": (1.0,)}, "--sizes needs a whole number from 1 to 65,536; got 1;"),
        ({"sizes": (1, 1)}, "--sizes needs at least one value, and each once; got 1 1"),
        ({"sizes": ()}, "--sizes needs at least one value, and each once; got none"),
        ({"sizes": 3}, "--sizes needs several values; got 3"),
        ({"steps": 0}, "--steps needs a whole number from 1 up; got 0; the default is None"),
        ({"way": "left"}, "--way needs one of up, down; got left; the default is up"),
        ({"flag": 1}, "--flag needs true or false; got 1"),
        ({"name": 3}, "--name needs a word; got 3"),
        ({"flag": True, "file": "x"}, "--file needs no --flag, with which it changes nothing"),
    ],
)
def test_values_from_python_are_checked_too(given, said):
    with pytest.raises(ValueError) as error:
        Config(**given)
    assert said in str(error.value)


def test_what_fits_is_taken():
    import numpy as np

    made = Config(share=1, sizes=(1, np.int64(2)), steps=3, file="x")
    assert dataclasses.replace(made, share=np.float32(0.25)).share == 0.25
    with pytest.raises(ValueError, match="--share needs"):
        dataclasses.replace(made, share=2)
