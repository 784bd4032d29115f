"""What a command shows: results on standard output; lines and how far it is on standard error. It waits for neither."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from collections import deque
from collections.abc import Callable
from typing import TextIO

from edge.errors import EcgEdgeError, SinkError
from edge.service.progress import ProgressLine
from edge.sinks.console import Console
from edge.sinks.display import NOT_READ, Display, same_place

_log = logging.getLogger(__name__)
_KEPT = 1000
_LAST_LINES_S = 0.5


def width(out: TextIO | None) -> int | None:
    """Return how many columns a terminal has, at least 40; None if `out` is none."""
    return max(shutil.get_terminal_size().columns, 40) if out is not None and out.isatty() else None


class Lines(logging.Handler):
    """Shows a line for each record.

    Parameters
    ----------
    display : Display
        Where.
    before_line : callable
        Called before each line, to clear the way.
    wait_s : float
        How long each line is waited for, where other things are written to the same terminal.
    """

    def __init__(self, display: Display, before_line: Callable[[], None], wait_s: float = 0.0) -> None:
        super().__init__(logging.INFO)
        self._wait_s = wait_s
        self._display = display
        self._before_line = before_line
        self.told: deque[str] = deque(maxlen=_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Show it; what others say of boards and brokers holds nothing for the terminal then."""
        self._before_line()
        text = "".join(filter(str.isprintable, " ".join(record.getMessage().split())))
        self.told.append(text)
        missing = "ecg-edge: lines are missing here\n" if self._display.failure else ""
        with contextlib.suppress(SinkError):
            self._display.show(f"{missing}ecg-edge: {text}\n", again=True)
        if self._wait_s:
            self._display.wait(self._wait_s)


def shown(before_line: Callable[[], None]) -> Callable[[EcgEdgeError | str], None]:
    """Show from now on what this program logs, on standard error; return what logs a line that is to be seen."""
    return _show_log(Lines(Display(sys.stderr, "standard error"), before_line, _LAST_LINES_S))


def _show_log(lines: Lines) -> Callable[[EcgEdgeError | str], None]:
    logger = logging.getLogger("edge")
    logger.setLevel(logging.INFO)
    for handler in [handler for handler in logger.handlers if isinstance(handler, Lines)]:
        logger.removeHandler(handler)
    logger.addHandler(lines)
    return lambda line: _log.warning("%s", line)


class Terminal:
    """Standard output and standard error of a command that works for long. What this program logs is shown too.

    Attributes
    ----------
    progress : ProgressLine
        The line that says how far it is.
    report : callable
        Shows a line on standard error, in the midst of the work.
    """

    def __init__(self) -> None:
        self._out = Display(sys.stdout)
        beside = self._out if same_place(sys.stdout, sys.stderr) else None
        self._err = Display(sys.stderr, "standard error", beside)
        self.progress = ProgressLine(self._err)
        self._lines = Lines(self._err, self.progress.clear)
        self.report = _show_log(self._lines)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        """Have the last lines shown, whatever happened."""
        self.progress.clear()
        self._err.wait(_LAST_LINES_S)

    @property
    def columns(self) -> int | None:
        """How wide standard output is; None if it is no terminal."""
        return width(sys.stdout)

    @property
    def told(self) -> deque[str]:
        """The lines shown last."""
        return self._lines.told

    def console(self) -> Console:
        """Return the sink that shows alerts."""
        return Console(self._out, self.progress.clear)

    def print(self, text: str) -> None:
        """Show a result."""
        self.progress.clear()
        with contextlib.suppress(SinkError):  # `finish` tells
            self._out.show(f"{text}\n", again=True)

    def finish(self, patience_s: float | None) -> bool:
        """Wait until everything is shown, None for as long as it takes; return whether it was. What was not is told."""
        whole = self._out.wait(patience_s)
        failure = self._out.failure or SinkError(self._out.name, NOT_READ)
        if not whole and str(failure) not in self.told:
            self.report(failure)
        return whole
