"""What the papers claim, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, ratio, value

GU = "Gu et al. (2018)"
POINTS = "BLEU on test"
EACH = "milliseconds a sentence, one at a time, one thread"

CLAIMS = (
    Claim(
        "Fertilities and distillation translate far better than even copies of the corpus",
        f"{GU}, table 3", difference("bleu_fertility", "bleu_uniform_raw"), above(2.0), paper=8.7,
        why=f"{POINTS}, with both - with neither, which is told the true length",
    ),
    Claim(
        "Of ten translations the teacher takes a better one than the likeliest fertilities make",
        f"{GU}, table 1", difference("bleu_fertility_noisy", "bleu_fertility"), above(0.0),
        paper=1.3, why=f"{POINTS}, noisy parallel decoding - argmax",
    ),
    Claim(
        "All words at once is 15.6 times as fast as a beam, word after word", f"{GU}, table 1",
        ratio("milliseconds_teacher_uncached", "milliseconds_fertility"), above(10.0), paper=15.6,
        why=f"{EACH}, teacher without a cache, beam of 1 / student",
    ),
    Claim(
        "It is at least five times as fast as a teacher that keeps what it computed",
        "our addition", ratio("milliseconds_teacher", "milliseconds_fertility"), above(5.0),
        why=f"{EACH}, teacher with a cache / student",
    ),
    Claim(
        "It is faster than a recurrent translator with SRU, too", "our addition",
        ratio("milliseconds_rival", "milliseconds_fertility"), above(1.0),
        why=f"{EACH}, SRU / student",
    ),
    Claim(
        "It stays faster than the teacher when 32 sentences are translated together",
        "our addition", ratio("milliseconds_teacher_32", "milliseconds_fertility_32"), above(1.0),
        why="milliseconds a sentence, 32 together, one thread, teacher with a cache / student",
    ),
    Claim(
        "The student comes near its teacher", f"{GU}, table 1",
        difference("bleu_fertility_noisy", "bleu_teacher"), above(-3.0), paper=-1.5,
        why=f"{POINTS}, student with ten samples - teacher, both greedy",
    ),
    Claim(
        "The student repeats words more often than the teacher", f"{GU}, section 3.1",
        difference("repeated_fertility", "repeated_teacher"), above(0.0),
        why="percent of tokens that are the same as the one before, student - teacher",
    ),
    Claim(
        "The teacher translates as well as a recurrent network with SRU", "our target",
        difference("bleu_teacher", "bleu_rival"), above(-1.0),
        why=f"{POINTS}, greedy, Transformer - SRU after as many minutes",
    ),
    Claim(
        "CTC comes within 1.5 BLEU of the teacher", "Libovický and Helcl (2018)",
        difference("bleu_ctc", "bleu_teacher"), above(-1.5), why=f"{POINTS}, CTC - teacher",
    ),
    Claim(
        "CTC, which came later, translates better than fertilities", "our addition",
        difference("bleu_ctc", "bleu_fertility"), above(0.0), why=f"{POINTS}, CTC - fertilities",
    ),
    Claim(
        "A directed acyclic graph, which came later, translates better than fertilities",
        "Huang et al. (2022)", difference("bleu_graph", "bleu_fertility"), above(0.0),
        why=f"{POINTS}, graph - fertilities",
    ),
    Claim(
        "Fertilities gain over even copies, given the same distilled pairs", f"{GU}, table 3",
        difference("bleu_fertility", "bleu_uniform"), above(0.0), paper=4.48,
        why=f"{POINTS}, fertilities - even copies, which are told the true length",
        preset="ablation",
    ),
    Claim(
        "Distillation gains", f"{GU}, table 3", difference("bleu_fertility", "bleu_fertility_raw"),
        above(0.0), paper=5.15, why=f"{POINTS}, distilled - corpus", preset="ablation",
    ),
    Claim(
        "Fine-tuning under the teacher gains", f"{GU}, table 1",
        difference("bleu_fertility_tuned", "bleu_fertility"), above(0.0), paper=1.3,
        why=f"{POINTS}, fine-tuned - not", preset="ablation",
    ),
    Claim(
        "Without distillation the graph is the best of the students", "Huang et al. (2022)",
        difference("bleu_graph_raw", "bleu_fertility_raw"), above(0.0),
        why=f"{POINTS}, graph - fertilities, both trained on the corpus", preset="ablation",
    ),
    Claim(
        "Pairs that do not belong together teach nothing of the source", "our control",
        value("control"), below(5.0), why=f"{POINTS} after training on shuffled pairs",
        preset="ablation",
    ),
    Claim(
        "It translates WMT 2014 from English to German with a BLEU of 19.2", f"{GU}, table 1",
        None, paper=19.17, why="needs 4.5 million pairs and days of a GPU",
    ),
    Claim(
        "A hundred samples are better than ten", f"{GU}, table 1", None,
        why="up to 50 are measured, in the report",
    ),
)  # fmt: skip
