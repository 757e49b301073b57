"""One layer's training, in a process of its own: `python -m swiftrnn.compare.train RUN/LAYER`."""

import sys
from dataclasses import asdict
from pathlib import Path

from swiftrnn.training import folder


def train(out: Path) -> None:
    """Train what `config.json` in `out` says, from its last checkpoint if there is one.

    Writes `model.safetensors` and, last, `metrics.json`, which marks the layer as done.

    Raises:
        ValueError: a setting or the text does not fit, or no checkpoint is whole.
        OSError: the folder cannot be written.
        FloatingPointError: training diverged.
        KeyboardInterrupt: it was interrupted; a checkpoint was written.
    """
    from swiftrnn.deploy.predict import config_of
    from swiftrnn.recipes import language_model

    config = config_of(out)
    fitted = language_model.train(config, out, resume=True)
    folder.write_json(out / "metrics.json", asdict(fitted))


def main() -> int:
    """What the process does: 0, 2 after one line for what cannot be trained, 130 for Ctrl-C."""
    try:
        train(Path(sys.argv[1]))
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
