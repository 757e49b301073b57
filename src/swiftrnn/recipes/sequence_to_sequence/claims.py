"""What the papers claim, and when we say that we see it."""

from swiftrnn.runs.claims import Claim, above, below, difference, ratio, value

BAHDANAU, LUONG = "Bahdanau et al. (2015)", "Luong et al. (2015)"
POINTS = "BLEU on test, after the same training time"

CLAIMS = (
    Claim(
        "After 10 minutes of training on a CPU, SRU translates short sentences with a BLEU of 30",
        "our target", value("bleu"), above(30.0), why="BLEU on test, German to English, beam 5",
        preset="study",
    ),
    Claim(
        "After 40 minutes of training on a CPU, SRU translates short sentences with a BLEU of 35",
        "our target", value("bleu"), above(35.0), why="BLEU on test, German to English, beam 5",
        preset="long",
    ),
    Claim(
        "Attention translates better than one vector for the whole sentence",
        f"{BAHDANAU}, table 1", difference("bleu", "bleu_no_attention"), above(3.0),
        why=f"{POINTS}, with attention - without", preset="study",
    ),
    Claim(
        "Without attention, long sentences suffer most",
        f"{BAHDANAU}, figure 2", difference("lost_long", "lost_short"), above(0.0),
        why="BLEU that is lost without attention, beyond 10 words - up to 5", preset="study",
    ),
    Claim(
        "SRU translates as well as LSTM in the same training time", "our target",
        difference("bleu", "bleu_lstm"), above(-1.0), why=f"{POINTS}, SRU - LSTM", preset="study",
    ),
    Claim(
        "The step of SRU is at least twice as fast as LSTM's when translating", "our target",
        ratio("layer_step_seconds_lstm", "layer_step_seconds"), above(2.0),
        why="microseconds of the decoder's layer for one sentence, LSTM / SRU", preset="study",
    ),
    Claim(
        "Beam search translates better than always taking the likeliest word", "common practice",
        difference("bleu", "bleu_greedy"), above(0.0), why="BLEU on test, beam 5 - greedy",
        preset="study",
    ),
    Claim(
        "Without a length penalty a beam of 50 is worse than a beam of 5",
        "Koehn and Knowles (2017), section 3.6",
        difference("bleu_beam_50_plain", "bleu_beam_5_plain"), below(0.0),
        why="BLEU on 500 sentences, beam 50 - beam 5", preset="study",
    ),
    Claim(
        "Pairs that do not belong together teach nothing of the source", "our control",
        value("control"), below(5.0), why="BLEU on test after training on shuffled pairs",
        preset="study",
    ),
    Claim(
        "Feeding the last context into the decoder helps", f"{LUONG}, table 1", None,
        why="the decoder trains in one pass, which input feeding would not allow",
    ),
    Claim(
        "Local attention is better than global attention", f"{LUONG}, table 4", None,
        why="sentences here have ten words, and a window would hold them whole",
    ),
)  # fmt: skip
