"""`swiftrnn compare`: the main job, every layer on the same text, side by side."""

from swiftrnn.commands.parsing import about, parse
from swiftrnn.compare import Compare

OPTIONS = Compare
EXAMPLES = (
    "swiftrnn compare",
    "swiftrnn compare --seconds 60 --layers sru lstm",
    "swiftrnn compare --text book.txt --out runs/book",
    "swiftrnn compare --resume",
)


def main(words: list[str]) -> None:
    """Run the command."""
    options = parse(Compare, "swiftrnn compare", about(Compare, EXAMPLES), words)
    from swiftrnn import compare

    compare.compare(options)
