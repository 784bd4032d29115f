"""The live line: what it says, and what it leaves out where there is no room."""

from __future__ import annotations

import io
import re

import pytest
from sinks_samples import STREAM, a_second, an_alert, beat

from edge.service.progress import ProgressLine, live_line
from edge.service.summary import Tally
from edge.sinks.display import Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tally() -> Tally:
    found = Tally(STREAM)
    for event in (beat(360), beat(720), a_second(72.4), an_alert()):
        found.add(event)
    return found


def test_it_says_time_rate_beats_and_the_last_alert() -> None:
    line = live_line(STREAM, 3600, tally(), 120)
    for part in (STREAM.name, "0:00:10.0", "HR 72/min", "N 2", " at 0:00:"):
        assert part in line


def test_without_a_rate_it_shows_none() -> None:
    found = tally()
    found.add(a_second(None, "lead off"))
    assert "HR –" in live_line(STREAM, 3600, found, 120)


@pytest.mark.parametrize("columns", range(10, 130, 7))
def test_it_is_never_wider_than_the_terminal_and_keeps_the_rate(columns: int) -> None:
    line = live_line(STREAM, 3600, tally(), columns)
    assert len(line) <= columns
    if columns >= 25:
        assert "HR 72/min" in line


def test_it_is_drawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        display = Display(out)
        line = ProgressLine(display)
        line(STREAM, 3600, tally())
        line.clear()
        assert display.wait(10)
    assert re.search(r"HR 72/min.*\r\033\[K$", terminal.getvalue(), re.DOTALL)
    assert pipe.getvalue() == ""
    monkeypatch.setenv("TERM", "dumb")
    dumb = Terminal()
    display = Display(dumb)
    ProgressLine(display)(STREAM, 3600, tally())
    assert display.wait(10)
    assert dumb.getvalue() == ""
