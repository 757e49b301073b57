"""How well the bytes of a file are predicted, after some of the past and after all of it."""

from pathlib import Path

from swiftrnn.recipes.markov_order.measure import PLACES, Places, ladder, measure, of_text
from swiftrnn.recipes.markov_order.model import ByteModel
from swiftrnn.tasks import NoOptions, Scored, Scoring

LONGEST = 256


def scored(model: ByteModel, path: Path, _: NoOptions) -> Scored:
    """Bits per byte of a file: at places all over it, or, of a short one, of all its bytes.

    Raises:
        ValueError: it cannot be read, or has fewer than two bytes.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"evaluate needs a file that can be read; got {path} ({error})") from None
    read = f"{len(content):,} bytes"
    try:
        places = Places(content, PLACES, LONGEST)
    except ValueError:
        found = of_text(model, content, ladder(LONGEST))
        if not found:
            raise ValueError(f"evaluate needs at least two bytes; got {read} in {path}") from None
        *orders, (_every, full) = found
        return Scored(read, {f"bits_{k}": bits for k, bits in orders} | {"bits_full": full})
    metrics = measure(model, places, LONGEST)
    return Scored(read, {k: v for k, v in metrics.items() if k.startswith("bits")})


SCORING = Scoring(scored)
