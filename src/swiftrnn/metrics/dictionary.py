"""What a list of the spans of train is worth: programs that learn nothing else, and recall."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from swiftrnn.data.tagged.columns import Columns
from swiftrnn.data.tagged.tags import Span, to_tags
from swiftrnn.metrics.spans import score


def unseen(gold: Columns, tags: Sequence[Sequence[str]], train: Columns) -> dict[str, float]:
    """Recall in percent of spans whose words stood as a span in train, and of the others."""
    known, hits, all_ = _dictionary(train), Counter(), Counter()
    for sentence, row in zip(gold.sentences, tags, strict=True):
        for span in sentence.spans:
            kind = "seen" if sentence.words[span.first : span.end] in known else "unseen"
            wanted = to_tags([span], span.end)[span.first :]
            whole = list(row[span.first : span.end]) == wanted
            all_[kind] += 1
            hits[kind] += whole
    return {f"recall_{k}": 100 * hits[k] / all_[k] for k in ("seen", "unseen") if all_[k]}


def _dictionary(train: Columns) -> dict[tuple[str, ...], str]:
    """The spans of train, each with the type it had most often."""
    counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for sentence in train.sentences:
        for span in sentence.spans:
            counts[sentence.words[span.first : span.end]][span.type] += 1
    return {words: kinds.most_common(1)[0][0] for words, kinds in counts.items()}


def baselines(train: Columns, test: Columns) -> dict[str, float]:
    """F1 in percent of two programs that learn nothing but a list.

    `dictionary` finds the longest runs of words that were a span in train; `capitals` calls each
    run of words that begin with a capital letter, but at the start of a sentence, what most spans
    of train are.
    """
    known, kinds = _dictionary(train), Counter(s.type for t in train.sentences for s in t.spans)
    longest = max(map(len, known), default=0)
    common = kinds.most_common(1)[0][0] if kinds else ""
    gold, listed, capitals = [], [], []
    for sentence in test.sentences:
        gold.append(sentence.tags())
        words, found, at = sentence.words, [], 0
        while at < len(words):
            ends = range(min(at + longest, len(words)), at, -1)
            end = next((e for e in ends if words[at:e] in known), None)
            found += [] if end is None else [Span(known[words[at:end]], at, end)]
            at = end or at + 1
        listed.append(to_tags(found, len(words)))
        marks = "".join("C" if w[:1].isupper() and i else "." for i, w in enumerate(words))
        runs = [Span(common, *m.span()) for m in re.finditer("C+", marks)] if common else []
        capitals.append(to_tags(runs, len(words)))
    return {
        "baseline_dictionary": 100 * score(gold, listed).all.f1,
        "baseline_capitals": 100 * score(gold, capitals).all.f1,
    }
