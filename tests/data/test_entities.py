"""What has a name in texts of any length, by a model that is made by hand."""

import torch

from swiftrnn.data.segmentation.tokens import sentences
from swiftrnn.data.tagged.columns import Columns, Sentence
from swiftrnn.data.tagged.sentences import TagVocabulary
from swiftrnn.data.tagged.tags import Span, to_tags
from swiftrnn.tasks.tagging.find import OVERLAP, WINDOW, NBest, Tagged, find, n_best, tagged


class Capitals:
    """Calls runs of the word X a name; remembers how much it was given at once."""

    device = torch.device("cpu")

    def __init__(self):
        train = Sentence(("a", "X", "."), (Span("name", 1, 2),))
        self.vocabulary = TagVocabulary.of_columns(Columns((train,) * 9, "IOB2"))
        self.longest = 0

    def found(self, batch):
        name, rows = self.vocabulary.numbers[0]["X"], []
        for words, n in zip(batch["words"].T.tolist(), batch["lengths"].tolist(), strict=True):
            self.longest = max(self.longest, n)
            spans, at = {}, 0
            while at < n:
                end = at
                while end < n and words[end] == name:
                    end += 1
                if end > at:
                    spans[Span("name", at, end)] = 0.5
                at = end + 1
            rows.append(Tagged(to_tags(spans, n), spans))
        return rows

    def n_best(self, batch, n):
        return [[(0.5, [*row.spans])] for row in self.found(batch)]


def test_no_name_is_cut_however_long_the_sentence():
    for size in (1, WINDOW - 1, WINDOW, WINDOW + 1, WINDOW + OVERLAP, 3 * WINDOW):
        for first in {0, max(0, size - 4), *range(WINDOW - OVERLAP - 5, WINDOW + 5, 7)}:
            words = ["a"] * size
            words[first : first + 4] = ["X"] * len(words[first : first + 4])
            wanted = [Span("name", first, min(first + 4, size))] if first < size else []
            model = Capitals()
            (found,) = tagged(model, [Sentence(tuple(words))])
            assert [*found.spans] == wanted
            assert found.tags == to_tags(wanted, size)
            assert model.longest <= WINDOW


def test_many_names_in_a_long_text_are_each_found_once():
    text = "a X X a X " * 700
    ((found, nothing),) = find(Capitals(), [text], NBest())
    entities = list(found.found)
    assert nothing is None
    assert [e.text for e in entities] == ["X X", "X"] * 700
    assert all(text[e.start : e.end] == e.text for e in entities)
    model = Capitals()
    several = n_best(model, text, sentences(text, model.vocabulary.how), 3)
    assert [e for rows in several for e in rows[0].entities] == entities
    together = find(Capitals(), [text, "X", "", "a X"], NBest(n_best=2))
    assert [len(each.found) for each, _ in together] == [1400, 1, 0, 1]
    assert together[0][1] == several


def test_a_name_longer_than_windows_share_is_still_no_error():
    (found,) = tagged(Capitals(), [Sentence(("X",) * 1000)])
    assert found.tags[0] == "B-name"
    assert sum(s.end - s.first for s in found.spans) <= 1000
