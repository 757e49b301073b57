"""What the paper claims, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, between, ratio, value

CLAIMS = (
    Claim(
        "Gradients accumulated over micro-batches are those of the large batch",
        "the post",
        value("gradient_error_exact"),
        below(1e-12),
        why="relative error of the first gradient, float64",
        after=True,
    ),
    Claim(
        "With accumulated gradients, all of the training is that of the large batch",
        "the post",
        value("largest_gap_exact"),
        below(1e-6),
        why="largest relative difference of a loss, all updates",
        after=True,
    ),
    Claim(
        "Training with accumulated gradients ends as good as with the large batch",
        "the post",
        ratio("test_nats_exact", "test_nats_whole"),
        between(0.99, 1.01),
        why="test loss accumulated / test loss with the large batch",
        after=True,
    ),
    Claim(
        "Training with accumulated gradients ends clearly better than with the small batch",
        "the post",
        ratio("test_nats_exact", "test_nats_small"),
        below(0.95),
        why="test loss accumulated / test loss small; theirs: 98 % against 97 % right on MNIST",
        after=True,
    ),
    Claim(
        "Averaging the means of micro-batches gives another gradient where lengths differ",
        "transformers pull request 34191, our control",
        value("gradient_error_usual"),
        above(0.01),
        why="relative error of the first gradient",
        after=True,
    ),
    Claim(
        "Averaging the means of micro-batches makes training end worse",
        "transformers pull request 34191",
        ratio("test_nats_usual", "test_nats_whole"),
        above(1.0),
        why="test loss with averages of means / with the large batch",
        after=True,
    ),
    Claim(
        "The model predicts far better than counts of single bytes",
        "our baseline",
        ratio("test_nats_exact", "baseline_bytes_alone"),
        below(0.8),
        why="nats per byte of the model / of the counts",
        after=True,
    ),
    Claim(
        "Accumulation works with any optimizer",
        "the post",
        None,
        why="only AdamW is trained here",
    ),
    Claim(
        "Accumulation is not exact for models with batch normalisation",
        "the post",
        None,
        why="the model has none; Accumulator refuses such models",
    ),
    Claim(
        "Fine-tuning BERT with ten batches accumulated gives 0.7 points more accuracy",
        "the post",
        None,
        paper=0.67,
        why="left out: needs BERT and the data of the post",
    ),
)
