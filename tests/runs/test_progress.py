"""The progress line: what it says, where, and how often."""

import io

from swiftrnn.runs.progress import Progress, clock


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_terminal_shows_name_share_loss_and_time_left():
    stream = Terminal()
    bar = Progress("lstm", stream)
    assert bar.due(0.5)
    bar.draw(0.5, 75, "loss 1.234")
    assert not bar.due(0.6)  # too soon
    assert bar.due(1.0)
    bar.draw(1.0, 0, "loss 1")
    bar.close()
    first, second = stream.getvalue().split("\r")[1:]
    assert first.split() == ["lstm", "━" * 12 + "─" * 12, "50%", "loss", "1.234", "1:15", "left"]
    assert len(second.rstrip("\n")) >= len(first)  # nothing of a longer line is left
    assert second.endswith("\n")


def test_a_terminal_without_the_signs_gets_others():
    stream = Terminal()
    stream.encoding = "ascii"
    Progress("gru", stream).draw(0.25, None, "loss 2")
    assert stream.getvalue().isascii()
    assert "######------" in stream.getvalue()


def test_a_file_gets_a_line_for_each_tenth():
    stream = io.StringIO()
    bar = Progress("sru", stream)
    for i in range(101):
        if bar.due(i / 100):
            bar.draw(i / 100, 100 - i, "loss 1")
    assert len(stream.getvalue().splitlines()) == 10
    assert "\r" not in stream.getvalue()


def test_nothing_is_shown_where_nothing_is_wanted():
    stream = Terminal()
    bar = Progress("sru", stream, shown=False)
    assert not bar.due(1.0)
    bar.draw(1.0, 0, "loss 1")
    bar.close()
    assert stream.getvalue() == ""


def test_times_read_as_people_write_them():
    assert [clock(s) for s in (-1, 0, 59.6, 3599, 3600)] == [
        "0:00",
        "0:00",
        "1:00",
        "59:59",
        "1:00:00",
    ]
