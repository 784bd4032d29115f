"""Writes alerts as lines to read, as they arrive."""

from __future__ import annotations

import os
from collections.abc import Callable

from edge.errors import printable
from edge.evidence import evidence_words
from edge.kinds import title
from edge.messages import Alert, Message, Priority, Stream
from edge.sinks import Sink
from edge.sinks.display import Display, draws

_COLOURS: dict[Priority, str] = {"high": "\033[1;31m", "medium": "\033[33m", "low": "\033[36m"}
_END_COLOUR = "\033[0m"
_ANSWERS_WITHIN_S = 0.2


def clock(seconds: float) -> str:
    """Return a time since the start, such as ``0:03:25.7``."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


class Console(Sink):
    """Sink that writes a line for each phase of an alert.

    Parameters
    ----------
    display : Display
        Where to; coloured by priority if it is a terminal.
    before_line : callable, optional
        Called before each line, to clear the way.
    """

    def __init__(self, display: Display, before_line: Callable[[], None] | None = None) -> None:
        self._display = display
        self._before_line = before_line
        self._colour = draws(display.out) and not os.environ.get("NO_COLOR")

    def open(self, stream: Stream) -> None:
        """Note the rate."""
        self._fs_hz = stream.fs_hz
        self._name = printable(stream.name)

    def write(self, message: Message) -> None:
        """Show an alert."""
        if isinstance(message, Alert):
            if self._before_line is not None:
                self._before_line()
            self._display.show(self._line(message) + "\n")
        elif (failure := self._display.failure) is not None:
            raise failure

    def resume(self) -> bool:
        """Go on where lines are missing, once that can be said there."""
        self._display.show(f"{self._name}  alerts are missing here\n", again=True)
        self._see()
        return True

    def close(self, reason: str) -> None:  # noqa: ARG002  # every line was shown as it came
        """See whether all lines could be shown."""
        self._see()

    def _see(self) -> None:
        self._display.wait(_ANSWERS_WITHIN_S)
        if (failure := self._display.failure) is not None:
            raise failure

    def _line(self, alert: Alert) -> str:
        priority = f"{alert.priority:<6}"
        if self._colour:
            priority = f"{_COLOURS[alert.priority]}{priority}{_END_COLOUR}"
        told, onset = clock(alert.decided / self._fs_hz), clock(alert.onset / self._fs_hz)
        line = f"{self._name}  {told}  {priority}  {alert.phase:<6}  {title(alert.kind)} since {onset}"
        return f"{line}  {', '.join(evidence_words(alert.evidence))}".rstrip()
