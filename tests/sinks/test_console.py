"""Alerts as lines to read."""

from __future__ import annotations

import io

import pytest
from sinks_samples import STREAM, an_alert

from edge.sinks.console import Console, clock
from edge.sinks.display import Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(out: io.StringIO) -> str:
    sink = Console(Display(out))
    sink.open(STREAM)
    sink.write(an_alert(onset=3600, decided=4500))
    sink.close("end of record")
    return out.getvalue()


def test_a_line_says_when_what_and_how_urgent() -> None:
    line = shown(io.StringIO())
    assert line == "208  0:00:12.5  high    onset   ventricular tachycardia since 0:00:10.0  5 beats\n"


def test_only_a_terminal_gets_colour() -> None:
    assert "\033[" in shown(Terminal())
    assert "\033[" not in shown(io.StringIO())


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00.0"), (59.96, "0:01:00.0"), (3725.25, "1:02:05.2")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
